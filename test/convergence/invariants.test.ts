import { describe, expect, it } from 'vitest'
import { changesBetween, type CollectionName, collections, problemsOf, type Snapshot } from './invariants.ts'

const inShop = (name: string, rest: object = {}): any => ({ name, namespace: 'shop', uid: `uid-${name}`, ...rest })
const controlled = (kind: string, name: string) => ({
  ownerReferences: [{ kind, name, uid: `uid-${name}`, controller: true }],
})
const ready = (podIP: string) => ({ phase: 'Running', podIP, conditions: [{ type: 'Ready', status: 'True' }] })
const aPod = (name: string, podIP: string, kind: string, owner: string, rest: object = {}) => ({
  metadata: inShop(name, { labels: { app: 'web' }, ...controlled(kind, owner), ...rest }),
  spec: { nodeName: 'n' },
  status: ready(podIP),
})
const anIndex = (index: number) => ({ annotations: { 'batch.kubernetes.io/job-completion-index': String(index) } })
const whole = { replicas: 1, updatedReplicas: 1, readyReplicas: 1, availableReplicas: 1, observedGeneration: 1 }

/** A cluster with something of most kinds, all of it right; made anew each time. */
function sound(): Record<CollectionName, any[]> {
  const empty = Object.fromEntries(Object.keys(collections).map((name) => [name, [] as any[]]))
  return {
    ...(empty as Record<CollectionName, any[]>),
    namespaces: [{ metadata: { name: 'shop', uid: 'uid-shop' } }],
    nodes: [{ metadata: { name: 'n', uid: 'uid-n' } }],
    deployments: [{ metadata: inShop('site', { generation: 1 }), spec: { replicas: 1 }, status: { ...whole } }],
    replicaSets: [
      { metadata: inShop('web-1', controlled('Deployment', 'site')), spec: { replicas: 1 }, status: { replicas: 1 } },
    ],
    statefulSets: [{ metadata: inShop('db', { generation: 1 }), spec: { replicas: 1 }, status: { ...whole } }],
    daemonSets: [{ metadata: inShop('agent'), status: { numberReady: 1, updatedNumberScheduled: 1 } }],
    jobs: [
      {
        metadata: inShop('work'),
        spec: { completions: 2, completionMode: 'Indexed' },
        status: { succeeded: 2, conditions: [{ type: 'Complete', status: 'True' }], completionTime: 'now' },
      },
    ],
    pods: [
      aPod('web-1-a', '10.0.0.1', 'ReplicaSet', 'web-1'),
      aPod('db-0', '10.0.0.2', 'StatefulSet', 'db', { labels: {} }),
      aPod('agent-a', '10.0.0.3', 'DaemonSet', 'agent', { labels: {} }),
      { ...aPod('work-0', '', 'Job', 'work', { labels: {}, ...anIndex(0) }), status: { phase: 'Succeeded' } },
      { ...aPod('work-1', '', 'Job', 'work', { labels: {}, ...anIndex(1) }), status: { phase: 'Succeeded' } },
    ],
    services: [{ metadata: inShop('web'), spec: { selector: { app: 'web' }, clusterIP: '10.96.0.1' } }],
    endpoints: [{ metadata: inShop('web'), subsets: [{ addresses: [{ ip: '10.0.0.1' }] }] }],
    endpointSlices: [
      {
        metadata: inShop('web-x', { labels: { 'kubernetes.io/service-name': 'web' } }),
        endpoints: [{ addresses: ['10.0.0.1'], conditions: { ready: true } }],
      },
    ],
  }
}

const quota = (used: string, hard = '9') => ({
  metadata: inShop('q'),
  spec: { hard: { pods: hard } },
  status: { used: { pods: used } },
})

/** The sound cluster with one thing in it changed. */
function changed(change: (snapshot: Record<CollectionName, any[]>) => void): Snapshot {
  const snapshot = sound()
  change(snapshot)
  return snapshot
}

describe('the invariants of a cluster at rest', () => {
  it('hold of a sound one', () => {
    expect(problemsOf(sound())).toEqual([])
  })

  it.each<[string, (snapshot: Record<CollectionName, any[]>) => void, string]>([
    ['what never goes', ({ pods }) => (pods[0].metadata.deletionTimestamp = 'then'), 'pods shop/web-1-a never goes'],
    ['what its namespace has left behind', ({ namespaces }) => namespaces.pop(), 'is in no namespace'],
    ['an orphan', ({ deployments }) => deployments.pop(), 'is owned by Deployment site, which is not there'],
    ['a pod on a node that is gone', ({ pods }) => (pods[0].spec.nodeName = 'm'), 'is on m, which is gone'],
    ['a pod that does not run', ({ pods }) => (pods[0].status = { phase: 'Pending', podIP: '10.0.0.1' }), 'is Pending'],
    ['too many pods', ({ pods }) => pods.push(aPod('b', '10.0.0.9', 'ReplicaSet', 'web-1')), 'pods is 2 instead of 1'],
    ['a status that lags', ({ deployments }) => (deployments[0].metadata.generation = 2), 'is 1 instead of 2'],
    [
      'a rollout that has stopped',
      ({ deployments }) => (deployments[0].status.updatedReplicas = 0),
      'updatedReplicas is 0',
    ],
    ['a missing ordinal', ({ statefulSets }) => (statefulSets[0].spec.replicas = 2), 'instead of db-0 db-1'],
    [
      'a node without its daemon',
      ({ nodes }) => nodes.push({ metadata: { name: 'm', uid: 'm' } }),
      'nodes is n instead',
    ],
    [
      'a doubled index',
      ({ pods }) => (pods[4].metadata.annotations = anIndex(0).annotations),
      'has an index twice: 0 0',
    ],
    ['a job that never ends', ({ jobs }) => (jobs[0].status.conditions = []), 'jobs shop/work never ends'],
    ['a wrong quota', ({ resourceQuotas }) => resourceQuotas.push(quota('2')), 'status.used pods is 2 instead of 3'],
    ['an exceeded quota', ({ resourceQuotas }) => resourceQuotas.push(quota('3', '2')), '3 pods are more than 2'],
    [
      'a slice without a pod',
      ({ endpointSlices }) => (endpointSlices[0].endpoints = []),
      'addresses in EndpointSlices',
    ],
    ['Endpoints of nobody', ({ endpoints }) => (endpoints[0].subsets[0].addresses[0].ip = '10.0.0.8'), 'in Endpoints'],
    ['an address of two pods', ({ pods }) => (pods[1].status.podIP = '10.0.0.1'), 'have 10.0.0.1'],
    ['an address of two Services', ({ services }) => services.push(services[0]), 'have 10.96.0.1'],
  ])('find %s', (_, change, problem) => {
    expect(problemsOf(changed(change)).join('\n')).toContain(problem)
  })

  it('tell what was written and what is gone, but not of nodes', () => {
    const after = changed(({ pods, nodes }) => {
      pods[0].metadata.resourceVersion = '7'
      pods.pop()
      nodes[0].metadata.resourceVersion = '7'
    })
    expect(changesBetween(sound(), after)).toEqual(['pods shop/web-1-a was written', 'pods shop/work-1 is gone'])
  })
})
