import { describe, expect, it } from 'vitest'
import { ClusterState } from './cluster-state.ts'
import { DefaultSelectors } from './default-selector.ts'
import { defaultProfile } from './profile.ts'
import { testHandle } from './reference/test-handle.ts'
import { feasibleNodesToFind, NodePicker, type Decision } from './schedule-one.ts'
import type { SchedulableNode, SchedulablePod } from './scheduled-objects.ts'

function node(
  name: string,
  change: { cpu?: string; taint?: string; unschedulable?: boolean; zone?: string } = {},
): SchedulableNode {
  const [key = '', value = ''] = (change.taint ?? '').split('=')
  return {
    apiVersion: 'v1',
    kind: 'Node',
    metadata: {
      name,
      labels: {
        'kubernetes.io/hostname': name,
        ...(change.zone === undefined ? {} : { 'topology.kubernetes.io/zone': change.zone }),
      },
    },
    spec: {
      ...(change.unschedulable === undefined ? {} : { unschedulable: change.unschedulable }),
      taints: key === '' ? [] : [{ key, value, effect: 'NoSchedule' }],
    },
    status: { allocatable: { cpu: change.cpu ?? '4', memory: '8Gi', pods: '110' } },
  }
}

function pod(spec: Partial<SchedulablePod['spec']>, name = 'p'): SchedulablePod {
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name, namespace: 'default', uid: name, labels: { app: 'x' } },
    spec: { containers: [{ name: 'c' }], ...spec },
  }
}

const withCpu = (cpu: string): Partial<SchedulablePod['spec']> => ({
  containers: [{ name: 'c', resources: { requests: { cpu } } }],
})

function pick(nodes: readonly SchedulableNode[], p: SchedulablePod): Decision {
  const cluster = new ClusterState()
  for (const n of nodes) cluster.table.setNode(n)
  return new NodePicker(cluster).pick(
    p,
    cluster.shapes.shapeOf(p),
    defaultProfile(testHandle(cluster, new DefaultSelectors())),
  )
}

const messageOf = (decision: Decision): string => (decision.kind === 'fits' ? decision.nodeName : decision.message)

describe('why a pod fits nowhere', () => {
  it('counts each reason over the nodes, in order of the text', () => {
    const nodes = [1, 2, 3]
      .map((i) => node(`small-${i}`, { cpu: '500m' }))
      .concat([1, 2].map((i) => node(`tainted-${i}`, { taint: 'dedicated=gpu' })))
    expect(messageOf(pick(nodes, pod(withCpu('1'))))).toBe(
      '0/5 nodes are available: 2 node(s) had untolerated taint {dedicated: gpu}, 3 Insufficient cpu.',
    )
  })

  it('says so when there is no node', () => {
    expect(messageOf(pick([], pod({})))).toBe('no nodes available to schedule pods')
  })

  it('names cordoned nodes and selectors that match nothing', () => {
    const nodes = [node('a', { unschedulable: true }), node('b')]
    expect(messageOf(pick(nodes, pod({ nodeSelector: { disk: 'ssd' } })))).toBe(
      "0/2 nodes are available: 1 node(s) didn't match Pod's node affinity/selector, 1 node(s) were unschedulable.",
    )
  })

  it('tells of all resources that a node lacks', () => {
    const p = pod({
      containers: [{ name: 'c', resources: { requests: { cpu: '9', memory: '9Gi', 'example.com/gpu': '1' } } }],
    })
    expect(messageOf(pick([node('a')], p))).toBe(
      '0/1 nodes are available: 1 Insufficient cpu, 1 Insufficient example.com/gpu, 1 Insufficient memory.',
    )
  })

  it('counts nodes that affinity by name leaves out', () => {
    const nodes = [node('a', { cpu: '100m' }), node('b'), node('c')]
    const matchFields = [{ key: 'metadata.name', operator: 'In', values: ['a'] }]
    const affinity = {
      nodeAffinity: { requiredDuringSchedulingIgnoredDuringExecution: { nodeSelectorTerms: [{ matchFields }] } },
    }
    expect(messageOf(pick(nodes, pod({ ...withCpu('1'), affinity })))).toBe(
      "0/3 nodes are available: 1 Insufficient cpu, 2 node(s) didn't satisfy plugin(s) [NodeAffinity].",
    )
  })

  it('says that affinity terms contradict each other', () => {
    const matchFields = ['a', 'b'].map((name) => ({ key: 'metadata.name', operator: 'In', values: [name] }))
    const affinity = {
      nodeAffinity: { requiredDuringSchedulingIgnoredDuringExecution: { nodeSelectorTerms: [{ matchFields }] } },
    }
    expect(messageOf(pick([node('a'), node('b')], pod({ affinity })))).toBe(
      '0/2 nodes are available: pod affinity terms conflict.',
    )
  })
})

describe('where a pod goes', () => {
  it('takes the node with the most left', () => {
    expect(messageOf(pick([node('a', { cpu: '2' }), node('b', { cpu: '8' })], pod(withCpu('1'))))).toBe('b')
  })

  it('spreads pods of one controller over zones and hosts by default', () => {
    const cluster = new ClusterState()
    const defaults = new DefaultSelectors()
    const selector = { matchLabels: { app: 'x' } }
    defaults.set('ReplicaSet', {
      apiVersion: 'apps/v1',
      kind: 'ReplicaSet',
      metadata: { name: 'rs', namespace: 'default' },
      spec: { selector },
    })
    for (let i = 0; i < 6; i++) cluster.table.setNode(node(`n${i}`, { zone: `z${i % 3}` }))
    const picker = new NodePicker(cluster)
    const taken = Array.from({ length: 6 }, (_, i) => {
      const p = pod(withCpu('100m'), `p${i}`)
      p.metadata.ownerReferences = [
        { apiVersion: 'apps/v1', kind: 'ReplicaSet', name: 'rs', uid: 'rs', controller: true },
      ]
      const nodeName = messageOf(
        picker.pick(p, cluster.shapes.shapeOf(p), defaultProfile(testHandle(cluster, defaults))),
      )
      cluster.place(p, nodeName, { assumed: true })
      return nodeName
    })
    expect(new Set(taken).size).toBe(6)
  })

  it('looks at no more nodes than kube-scheduler would', () => {
    expect([50, 100, 500, 5000, 10_000].map((n) => feasibleNodesToFind(n, 0))).toEqual([50, 100, 230, 500, 500])
  })

  it.each([10, 100])('looks at %i per cent of the nodes where the profile says so', (percentageOfNodesToScore) => {
    const cluster = new ClusterState()
    for (let i = 0; i < 1000; i++) cluster.table.setNode(node(`n${i}`))
    const profile = { ...defaultProfile(testHandle(cluster, new DefaultSelectors())), percentageOfNodesToScore }
    const picker = new NodePicker(cluster)
    const p = pod({})
    const seen = [1, 2].map(() => picker.pick(p, cluster.shapes.shapeOf(p), profile))
    expect(seen).toMatchObject([1, 2].map(() => ({ kind: 'fits', feasible: (1000 * percentageOfNodesToScore) / 100 })))
  })

  it('starts each search where the last one stopped', () => {
    const cluster = new ClusterState()
    for (let i = 0; i < 300; i++) cluster.table.setNode(node(`n${i}`))
    const picker = new NodePicker(cluster, { random: () => 0 })
    const p = pod({})
    const first = [1, 2, 3].map(() =>
      messageOf(picker.pick(p, cluster.shapes.shapeOf(p), defaultProfile(testHandle(cluster, new DefaultSelectors())))),
    )
    expect(first).toEqual(['n0', 'n144', 'n288'])
  })
})
