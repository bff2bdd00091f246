import { describe, expect, it } from 'vitest'
import type { ObservedContainer, ObservedPod } from './observed-pod.ts'
import { type ContainerFacts, planPod, type PodPlan } from './plan.ts'
import type { Pod } from './pod.ts'

const nowMs = 1_000_000

function podOf(spec: Partial<Pod['spec']>): Pod {
  const metadata = { name: 'web', namespace: 'default', uid: 'u' }
  return { apiVersion: 'v1', kind: 'Pod', metadata, spec: { containers: [{ name: 'main' }], ...spec } } as Pod
}

function seen(name: string, more: Partial<ObservedContainer> = {}): ObservedContainer {
  const times = { createdAtMs: 0, startedAtMs: 0, finishedAtMs: 0 }
  const texts = { reason: '', message: '', image: '', imageRef: '', logPath: '', hash: 'same' }
  return { id: name, sandboxId: 's0', name, attempt: 0, state: 'running', exitCode: 0, ...times, ...texts, ...more }
}

const ended = (name: string, exitCode: number, attempt = 0) => seen(name, { state: 'exited', exitCode, attempt })

function observed(containers: readonly ObservedContainer[], isReady: boolean | 'none' = true): ObservedPod {
  const sandboxes = isReady === 'none' ? [] : [{ id: 's0', attempt: 0, isReady, createdAtMs: 0, ips: [] }]
  return { uid: 'u', namespace: 'default', name: 'web', sandboxes, containers }
}

const facts: ContainerFacts = {
  failedProbe: () => undefined,
  isStarted: () => true,
  hashOf: () => 'same',
  restartAtMs: () => 0,
  nowMs,
}

function told(plan: PodPlan): string {
  if (plan.isKilled && plan.sandboxAttempt === undefined) return 'end'
  return [
    ...(plan.sandboxAttempt === undefined ? [] : [`sandbox ${plan.sandboxAttempt}`]),
    ...plan.kills.map(({ container }) => `kill ${container.name}`),
    ...plan.starts.map(({ container, attempt }) => `start ${container.name} ${attempt}`),
    ...[...plan.backOffs.keys()].map((name) => `wait ${name}`),
  ].join(', ')
}

const withInits = podOf({
  initContainers: [{ name: 'one' }, { name: 'side', restartPolicy: 'Always' }, { name: 'two' }],
})
const never = podOf({ restartPolicy: 'Never' })
const later = { ...facts, restartAtMs: () => nowMs + 1 }

describe('planPod', () => {
  it.each<[string, Pod, ObservedPod, string, ContainerFacts?]>([
    [
      'makes the sandbox of a new pod and starts its container',
      podOf({}),
      observed([], 'none'),
      'sandbox 0, start main 0',
    ],
    ['begins with the first init container', withInits, observed([], 'none'), 'sandbox 0, start one 0'],
    ['does nothing while all runs', podOf({}), observed([seen('main')]), ''],
    ['restarts what has ended', podOf({}), observed([ended('main', 0)]), 'start main 1'],
    ['counts on from the last try', podOf({}), observed([ended('main', 1, 4)]), 'start main 5'],
    ['waits out the back-off', podOf({}), observed([ended('main', 1)]), 'wait main', later],
    ['ends a pod that is not to run again', never, observed([ended('main', 1)]), 'end'],
    ['ends a pod that succeeded', podOf({ restartPolicy: 'OnFailure' }), observed([ended('main', 0)]), 'end'],
    ['restarts a failure', podOf({ restartPolicy: 'OnFailure' }), observed([ended('main', 2)]), 'start main 1'],
    [
      'makes a new sandbox when the old one is gone',
      podOf({}),
      observed([ended('main', 137)], false),
      'sandbox 1, start main 1',
    ],
    ['gives a pod that runs once no second sandbox', never, observed([ended('main', 137)], false), 'end'],
    [
      'tries again the sandbox of a pod that runs once while nothing ran in it',
      never,
      observed([], false),
      'sandbox 1, start main 0',
    ],
    [
      'kills what fails its liveness probe',
      podOf({}),
      observed([seen('main')]),
      'kill main',
      { ...facts, failedProbe: () => 'liveness' },
    ],
    [
      'kills what has another image now',
      podOf({}),
      observed([seen('main')]),
      'kill main',
      { ...facts, hashOf: () => 'other' },
    ],
    ['waits for an init container', withInits, observed([seen('one')]), ''],
    ['goes on to the sidecar', withInits, observed([ended('one', 0)]), 'start side 0'],
    [
      'waits until the sidecar has started',
      withInits,
      observed([ended('one', 0), seen('side')]),
      '',
      { ...facts, isStarted: () => false },
    ],
    ['goes on beside the sidecar', withInits, observed([ended('one', 0), seen('side')]), 'start two 0'],
    [
      'starts app containers last',
      withInits,
      observed([ended('one', 0), seen('side'), ended('two', 0)]),
      'start main 0',
    ],
    [
      'keeps sidecars running',
      withInits,
      observed([ended('one', 0), ended('side', 1), ended('two', 0), seen('main')]),
      'start side 1',
    ],
    ['runs a failed init container again', withInits, observed([ended('one', 1)]), 'start one 1'],
    [
      'ends a pod whose init container failed for good',
      podOf({ restartPolicy: 'Never', initContainers: [{ name: 'one' }] }),
      observed([ended('one', 1)]),
      'end',
    ],
    [
      'starts an ephemeral container once',
      podOf({ ephemeralContainers: [{ name: 'debug' }] }),
      observed([seen('main'), ended('debug', 1)]),
      '',
    ],
    [
      "obeys a container's own rules",
      podOf({
        restartPolicy: 'Never',
        containers: [
          {
            name: 'main',
            restartPolicy: 'Never',
            restartPolicyRules: [{ action: 'Restart', exitCodes: { operator: 'In', values: [42] } }],
          },
        ],
      }),
      observed([ended('main', 42)]),
      'start main 1',
    ],
  ])('%s', (_name, pod, seenPod, expected, known = facts) => {
    expect(told(planPod(pod, seenPod, known))).toBe(expected)
  })
})
