import type { DaemonSet, Node, Pod, PodSpec, Toleration } from '@binnacle/resources'
import { aDaemonSet, aNode, aPod } from '@binnacle/testing'
import { describe, expect, it } from 'vitest'
import { FailureBackOff } from './back-off.ts'
import { podOn, targetNodeOf } from './daemon-pod.ts'
import { nodeFitOf, withDaemonTolerations } from './node-fit.ts'
import { type DaemonPlan, type ObservedDaemons, planNodes, planUpdate } from './plan.ts'

type Spec = NonNullable<DaemonSet['spec']>
const nowMs = Date.UTC(2026, 0, 2)

/**
 * `a: old` is node a with a pod of the old template that is ready; `!` stands for not ready, `~` for being deleted, `x` for failed, `s` for succeeded,
 * `u` for not bound yet. `a-` is a node that should have no pod but lets one stay, `a0` one that lets none stay, `a?` one that does not exist.
 */
function observedOf(text: string, spec: Partial<Spec>, backOffMs = 0): ObservedDaemons {
  const nodes: { node: Node; fit: { shouldRun: boolean; mayStay: boolean } }[] = []
  const podsByNode = new Map<string, Pod[]>()
  for (const part of text.split(', ')) {
    const [head = '', tail = ''] = part.split(':')
    const [, name = '', kind = ''] = /^(\w)(.?)$/.exec(head) ?? []
    if (kind !== '?')
      nodes.push({ node: aNode({ name }), fit: { shouldRun: kind === '', mayStay: kind === '' || kind === '-' } })
    const pods = tail
      .split(' ')
      .filter(Boolean)
      .map((each, index) => podFrom(each, name, index))
    if (pods.length > 0) podsByNode.set(name, pods)
  }
  return { set: aDaemonSet({ spec }), nodes, podsByNode, hash: 'new', nowMs, backOffMs: () => backOffMs }
}

function podFrom(text: string, nodeName: string, index: number): Pod {
  const [, template = '', mark = ''] = /^(old|new)(.?)$/.exec(text) ?? []
  const labels = { 'controller-revision-hash': template }
  const pod = aPod({ name: `${nodeName}${index}`, labels, ready: mark !== '!', ...(mark === 'u' ? {} : { nodeName }) })
  pod.metadata.creationTimestamp = `2026-01-01T00:00:0${index}Z`
  if (mark === '~') pod.metadata.deletionTimestamp = '2026-01-01T00:00:00Z'
  if (mark === 'x') pod.status = { phase: 'Failed' }
  if (mark === 's') pod.status = { phase: 'Succeeded' }
  return pod
}

function textOf({ nodesToRunOn, podsToDelete }: DaemonPlan): string {
  return [...nodesToRunOn.map((name) => `+${name}`), ...podsToDelete.map(({ metadata }) => `-${metadata.name}`)].join(
    ' ',
  )
}

const bounds = (maxUnavailable: number | string, maxSurge: number | string = 0): Partial<Spec> => ({
  updateStrategy: { type: 'RollingUpdate', rollingUpdate: { maxUnavailable, maxSurge } },
})

describe('planNodes', () => {
  it.each<[string, string, Partial<Spec>, string]>([
    ['runs a pod where there is none', 'a:, b:new', bounds(1), '+a'],
    ['runs none where none should be', 'a-:, b0:', bounds(1), ''],
    ['leaves a pod where it may stay', 'a-:new', bounds(1), ''],
    ['takes a pod away where it may not', 'a0:new old~', bounds(1), '-a0'],
    ['keeps the oldest of several', 'a:old new new', bounds(1), '-a1 -a2'],
    ['keeps the one that is bound', 'a:newu new', bounds(1), '-a0'],
    ['waits for a pod that is being deleted', 'a:old~', bounds(1), ''],
    ['runs the next beside it when it surges', 'a:old~', bounds(0, 1), '+a'],
    ['runs none beside it where none should be', 'a-:old~', bounds(0, 1), ''],
    ['keeps an old pod until the new one is available', 'a:old new!', bounds(0, 1), ''],
    ['takes the old pod away when the new one is available', 'a:old new', bounds(0, 1), '-a0'],
    ['takes the old pod away when it does not serve', 'a:old! new!', bounds(0, 1), '-a0'],
    ['keeps one pod of each template', 'a:old old new! new!', bounds(0, 1), '-a1 -a3'],
    ['replaces what has failed', 'a:newx', bounds(1), '-a0'],
    ['replaces what has succeeded', 'a:news', bounds(1), '-a0'],
    ['takes away what no scheduler will bind', 'a?:newu old', bounds(1), '-a0'],
  ])('%s', (_name, text, spec, expected) => {
    expect(textOf(planNodes(observedOf(text, spec)))).toBe(expected)
  })

  it('waits before it replaces a pod that has failed again, not one that has succeeded', () => {
    const plan = planNodes(observedOf('a:newx, b:news', bounds(1), 4000))
    expect([textOf(plan), plan.againAfterMs]).toEqual(['-b0', 4000])
  })
})

describe('planUpdate', () => {
  it.each<[string, string, Partial<Spec>, string]>([
    ['replaces one pod', 'a:old, b:old, c:old', bounds(1), '-a0'],
    ['replaces as many as may be unavailable', 'a:old, b:old, c:old', bounds(2), '-a0 -b0'],
    ['rounds a share up', 'a:old, b:old, c:old', bounds('34%'), '-a0 -b0'],
    ['counts new pods that are not available', 'a:old, b:old, c:new!', bounds(2), '-a0'],
    ['counts nodes without a pod', 'a:old, b:old, c:', bounds(1), ''],
    ['counts pods that are being deleted', 'a:old, b:old~', bounds(1), ''],
    ['replaces pods that are unavailable anyway', 'a:old!, b:old!, c:old', bounds(1), '-a0 -b0 -c0'],
    ['keeps one unavailable when both bounds are none', 'a:old, b:old', bounds(0, 0), '-a0'],
    ['is done when all are new', 'a:new, b:new', bounds(1), ''],
    ['runs a new pod beside an old one', 'a:old, b:old', bounds(0, 1), '+a'],
    ['counts surging nodes', 'a:old new!, b:old, c:old', bounds(0, 2), '+b'],
    ['replaces unavailable old pods beyond the surge', 'a:old!, b:old!, c:old', bounds(0, 1), '+a +b +c'],
    ['takes an old pod away when the new one is available', 'a:old new, b:old', bounds(0, 1), '+b -a0'],
    ['takes an old pod away that does not serve', 'a:old! new!', bounds(0, 1), '-a0'],
    ['keeps a misplaced pod while others are missing', 'a-:old, b:new!', bounds(0, 1), ''],
    ['takes a misplaced pod away when there are enough', 'a-:old, b:new', bounds(0, 1), '-a0'],
  ])('%s', (_name, text, spec, expected) => {
    expect(textOf(planUpdate(observedOf(text, spec)))).toBe(expected)
  })
})

describe('nodeFitOf', () => {
  const runs = { shouldRun: true, mayStay: true }
  const stays = { shouldRun: false, mayStay: true }
  const never = { shouldRun: false, mayStay: false }
  const taint = (key: string, effect: string) => ({ taints: [{ key, effect }] })
  const required = (key: string, values: string[]) => ({
    nodeAffinity: {
      requiredDuringSchedulingIgnoredDuringExecution: {
        nodeSelectorTerms: [{ matchExpressions: [{ key, operator: 'In', values }] }],
      },
    },
  })

  it.each<[string, Partial<PodSpec>, Node['spec'], ReturnType<ReturnType<typeof nodeFitOf>>]>([
    ['any node', {}, {}, runs],
    ['the named node', { nodeName: 'a' }, {}, runs],
    ['another than the named node', { nodeName: 'b' }, {}, never],
    ['a selected node', { nodeSelector: { disk: 'ssd' } }, {}, runs],
    ['a node that is not selected', { nodeSelector: { disk: 'hdd' } }, {}, never],
    ['a node that affinity requires', { affinity: required('disk', ['ssd']) }, {}, runs],
    ['a node that affinity rules out', { affinity: required('disk', ['hdd']) }, {}, never],
    ['a cordoned node', {}, { unschedulable: true, ...taint('node.kubernetes.io/unschedulable', 'NoSchedule') }, runs],
    ['a node that is not ready', {}, taint('node.kubernetes.io/not-ready', 'NoExecute'), runs],
    ['a node that is out of reach', {}, taint('node.kubernetes.io/unreachable', 'NoExecute'), runs],
    ['a node short of memory', {}, taint('node.kubernetes.io/memory-pressure', 'NoSchedule'), runs],
    ['a node without network', {}, taint('node.kubernetes.io/network-unavailable', 'NoSchedule'), stays],
    [
      'a node without network, for a pod in the host’s',
      { hostNetwork: true },
      taint('node.kubernetes.io/network-unavailable', 'NoSchedule'),
      runs,
    ],
    ['a tainted node', {}, taint('team', 'NoSchedule'), stays],
    [
      'a tainted node that is tolerated',
      { tolerations: [{ key: 'team', operator: 'Exists' }] },
      taint('team', 'NoSchedule'),
      runs,
    ],
    ['a node that evicts', {}, taint('team', 'NoExecute'), never],
    ['a node better left alone', {}, taint('team', 'PreferNoSchedule'), runs],
  ])('%s', (_name, podSpec, nodeSpec, expected) => {
    const template = { spec: { containers: [], ...podSpec } }
    const node = { ...aNode({ name: 'a', labels: { disk: 'ssd' } }), spec: nodeSpec ?? {} }
    expect(nodeFitOf(aDaemonSet({ spec: { template } }))(node)).toEqual(expected)
  })
})

describe('podOn', () => {
  it('replaces what the template requires of nodes, and keeps what it prefers', () => {
    const preferred = [{ weight: 1, preference: { matchExpressions: [{ key: 'x', operator: 'Exists' }] } }]
    const nodeAffinity = {
      preferredDuringSchedulingIgnoredDuringExecution: preferred,
      requiredDuringSchedulingIgnoredDuringExecution: { nodeSelectorTerms: [{ matchExpressions: [] }] },
    }
    const template = { spec: { containers: [], affinity: { nodeAffinity } } }
    const pod = podOn(aDaemonSet({ spec: { template } }), 'a', 'hash')
    expect(targetNodeOf(pod)).toBe('a')
    expect(pod.spec?.affinity?.nodeAffinity?.preferredDuringSchedulingIgnoredDuringExecution).toEqual(preferred)
  })
})

describe('withDaemonTolerations', () => {
  it('adds none twice', () => {
    const own: Toleration = { key: 'node.kubernetes.io/not-ready', operator: 'Exists', effect: 'NoExecute' }
    const keys = withDaemonTolerations({ containers: [], tolerations: [own, { operator: 'Exists' }] }).map(
      ({ key }) => key,
    )
    expect(keys.slice(0, 3)).toEqual(['node.kubernetes.io/not-ready', undefined, 'node.kubernetes.io/unreachable'])
  })

  it('never ends a toleration of the template that has the same taint in mind', () => {
    const own = { key: 'node.kubernetes.io/not-ready', operator: 'Exists', effect: 'NoExecute', tolerationSeconds: 9 }
    expect(withDaemonTolerations({ containers: [], tolerations: [own] })[0]).not.toHaveProperty('tolerationSeconds')
  })
})

describe('FailureBackOff', () => {
  it('doubles up to 15 minutes, and begins anew after half an hour of quiet', () => {
    const backOff = new FailureBackOff()
    const waits: number[] = []
    let atMs = 0
    for (let failure = 0; failure < 12; failure++) {
      backOff.next('a', atMs)
      waits.push(backOff.remainingMs('a', atMs) / 1000)
      atMs += backOff.remainingMs('a', atMs)
    }
    expect(waits).toEqual([1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 900, 900])
    backOff.next('a', atMs + 2 * 900_000)
    expect(backOff.remainingMs('a', atMs + 2 * 900_000)).toBe(1000)
    expect(backOff.remainingMs('b', atMs)).toBe(0)
  })
})
