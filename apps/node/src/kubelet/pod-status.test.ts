import { describe, expect, it } from 'vitest'
import type { ObservedContainer } from './observed-pod.ts'
import type { Pod } from './pod.ts'
import { podStatus, type StatusFacts } from './pod-status.ts'

function podOf(spec: Partial<Pod['spec']>): Pod {
  const metadata = { name: 'web', namespace: 'default', uid: 'u' }
  return { apiVersion: 'v1', kind: 'Pod', metadata, spec: { containers: [{ name: 'main' }], ...spec } } as Pod
}

function seen(name: string, more: Partial<ObservedContainer> = {}): ObservedContainer {
  const times = { createdAtMs: 0, startedAtMs: 2000, finishedAtMs: 1000 }
  const texts = { reason: '', message: '', image: 'i', imageRef: 'r', logPath: '', hash: '' }
  return { id: name, sandboxId: 's0', name, attempt: 0, state: 'running', exitCode: 0, ...times, ...texts, ...more }
}

const facts: StatusFacts = {
  hostIP: '10.0.0.1',
  qosClass: 'BestEffort',
  startTime: '1970-01-01T00:00:00Z',
  nowMs: 5000,
  waiting: () => undefined,
  isStarted: () => true,
  isReady: () => true,
  failure: undefined,
  isEnded: false,
}

function statusOf(pod: Pod, containers: readonly ObservedContainer[], more: Partial<StatusFacts> = {}) {
  const sandboxes = [{ id: 's0', attempt: 0, isReady: true, createdAtMs: 0, ips: ['10.1.0.2'] }]
  return podStatus(pod, { uid: 'u', namespace: 'default', name: 'web', sandboxes, containers }, { ...facts, ...more })
}

const never = podOf({ restartPolicy: 'Never' })
const sidecar = podOf({ restartPolicy: 'Never', initContainers: [{ name: 'side', restartPolicy: 'Always' }] })
const withInit = podOf({ restartPolicy: 'Never', initContainers: [{ name: 'init' }] })
const exited = (name: string, exitCode: number) => seen(name, { state: 'exited', exitCode })

describe('podStatus', () => {
  it.each<[string, Pod, readonly ObservedContainer[], string, Partial<StatusFacts>?]>([
    ['is pending before its container runs', podOf({}), [], 'Pending'],
    ['is running', podOf({}), [seen('main')], 'Running'],
    ['goes on running between restarts', podOf({}), [exited('main', 1)], 'Running'],
    ['has succeeded', never, [exited('main', 0)], 'Succeeded'],
    ['has failed', never, [exited('main', 1)], 'Failed'],
    ['is not over while a sidecar runs', sidecar, [exited('main', 0), seen('side')], 'Running'],
    ['is pending while an init container runs', withInit, [seen('init')], 'Pending'],
    ['has failed with its init container', withInit, [exited('init', 1)], 'Failed'],
    ['has failed when the node ended it', podOf({}), [], 'Failed', { failure: { reason: 'Evicted', message: '' } }],
    ['has failed when it was ended before it ran', podOf({}), [], 'Failed', { isEnded: true }],
  ])('%s', (_name, pod, containers, phase, more = {}) => {
    expect(statusOf(pod, containers, more).phase).toBe(phase)
  })

  it('shows a container that waits for its restart with how it ended', () => {
    const waiting = () => ({ reason: 'CrashLoopBackOff', message: 'back-off' })
    const [status] = statusOf(podOf({}), [seen('main', { state: 'exited', exitCode: 7, attempt: 2 })], {
      waiting,
    }).containerStatuses!
    expect(status).toMatchObject({
      restartCount: 2,
      ready: false,
      state: { waiting: { reason: 'CrashLoopBackOff' } },
      lastState: { terminated: { exitCode: 7, reason: 'Error' } },
    })
  })

  it('never shows a start after the end', () => {
    const [status] = statusOf(never, [exited('main', 0)]).containerStatuses!
    expect(status!.state?.terminated).toMatchObject({
      startedAt: '1970-01-01T00:00:01Z',
      finishedAt: '1970-01-01T00:00:01Z',
    })
  })

  it('says which containers are not ready', () => {
    const ready = statusOf(podOf({}), [seen('main')], { isReady: () => false }).conditions?.find(
      (c) => c.type === 'Ready',
    )
    expect(ready).toMatchObject({
      status: 'False',
      reason: 'ContainersNotReady',
      message: 'containers with unready status: [main]',
    })
  })
})
