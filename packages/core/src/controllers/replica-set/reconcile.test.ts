import { controllerOf, StatusError } from '@binnacle/apimachinery'
import { events, pods, replicaSets } from '@binnacle/resources'
import { aPod, aReplicaSet } from '@binnacle/testing'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { ControllerBench } from '../controller-bench.ts'
import { replicaSetController } from './reconcile.ts'

const key = { namespace: 'default', name: 'web' }
let bench: ControllerBench

beforeEach(() => {
  vi.useFakeTimers({ now: Date.UTC(2026, 0, 1) })
  bench = new ControllerBench({ controllers: [replicaSetController()] })
})
afterEach(async () => {
  await bench.stop()
  vi.useRealTimers()
})

const scale = (replicas: number) =>
  bench.cluster.change(replicaSets, key, (set) => {
    set.spec = { ...set.spec, replicas } as NonNullable<typeof set.spec>
    set.metadata.generation = (set.metadata.generation ?? 0) + 1
  })
const messages = (reason: string) =>
  bench.cluster
    .all(events)
    .filter((event) => event.reason === reason)
    .map((event) => event.message)

describe('replicaSetController', () => {
  it('creates the missing pods and owns them', async () => {
    bench.cluster.seed(replicaSets, aReplicaSet({ replicas: 3 }))
    await bench.start()
    const created = bench.cluster.all(pods)
    const set = bench.only(replicaSets)
    expect(created).toHaveLength(3)
    expect(created.map((pod) => controllerOf(pod)?.uid)).toEqual(Array(3).fill(set.metadata.uid))
    expect(created.every((pod) => /^web-[a-z0-9]{5}$/.test(pod.metadata.name))).toBe(true)
    expect(set.status).toEqual({ replicas: 3, fullyLabeledReplicas: 3, terminatingReplicas: 0, observedGeneration: 1 })
    expect(messages('SuccessfulCreate').toSorted()).toEqual(
      created.map((pod) => `Created pod: ${pod.metadata.name}`).toSorted(),
    )
  })

  it('counts pods until they are gone', async () => {
    bench.cluster.seed(replicaSets, aReplicaSet({ replicas: 3 }))
    await bench.start()
    bench.runPods()
    scale(1)
    await bench.settle()
    expect(bench.only(replicaSets).status).toMatchObject({ replicas: 1, terminatingReplicas: 2 })
    bench.runPods()
    await bench.settle()
    expect(bench.only(replicaSets).status).toMatchObject({ replicas: 1, terminatingReplicas: 0 })
  })

  it('does nothing on the second pass', async () => {
    bench.cluster.seed(replicaSets, aReplicaSet())
    await bench.start()
    bench.runPods()
    await bench.settle()
    const writes = bench.writesFromHere()
    await bench.stop()
    await bench.start()
    await bench.pass(600_000)
    expect(writes()).toEqual([])
  })

  it('creates 1,234 pods in bursts', async () => {
    bench.cluster.seed(replicaSets, aReplicaSet({ replicas: 1234 }))
    await bench.start()
    expect(bench.cluster.all(pods)).toHaveLength(1234)
    expect(bench.only(replicaSets).status?.replicas).toBe(1234)
  })

  it('counts ready pods, and available ones when they have been ready for long enough', async () => {
    bench.cluster.seed(replicaSets, aReplicaSet({ replicas: 2, spec: { minReadySeconds: 30 } }))
    await bench.start()
    bench.runPods()
    await bench.settle()
    expect(bench.only(replicaSets).status).toMatchObject({ replicas: 2, readyReplicas: 2 })
    expect(bench.only(replicaSets).status?.availableReplicas).toBeUndefined()
    await bench.pass(31_000)
    expect(bench.only(replicaSets).status?.availableReplicas).toBe(2)
  })

  it('deletes what is too many, those that are not ready first', async () => {
    bench.cluster.seed(replicaSets, aReplicaSet({ replicas: 4 }))
    await bench.start()
    const lagging = bench.cluster.all(pods)[2]?.metadata.name
    bench.runPods((pod) => pod.metadata.name !== lagging)
    await bench.settle()
    scale(3)
    await bench.settle()
    bench.runPods()
    await bench.settle()
    expect(bench.cluster.all(pods).map((pod) => pod.metadata.name)).not.toContain(lagging)
    expect(bench.cluster.all(pods)).toHaveLength(3)
    expect(messages('SuccessfulDelete')).toEqual([`Deleted pod: ${lagging}`])
  })

  it('replaces a pod that has failed', async () => {
    bench.cluster.seed(replicaSets, aReplicaSet({ replicas: 1 }))
    await bench.start()
    const { namespace = '', name } = bench.only(pods).metadata
    bench.cluster.change(pods, { namespace, name }, (pod) => void (pod.status = { phase: 'Failed' }))
    await bench.settle()
    expect(bench.cluster.all(pods)).toHaveLength(2)
    expect(bench.only(replicaSets).status?.replicas).toBe(1)
  })

  it('adopts an orphan that it selects', async () => {
    bench.cluster.seed(pods, aPod({ name: 'orphan', labels: { app: 'web' } }))
    bench.cluster.seed(replicaSets, aReplicaSet({ replicas: 1 }))
    await bench.start()
    const set = bench.only(replicaSets)
    expect(bench.only(pods).metadata.ownerReferences).toEqual([
      {
        apiVersion: 'apps/v1',
        kind: 'ReplicaSet',
        name: 'web',
        uid: set.metadata.uid,
        controller: true,
        blockOwnerDeletion: true,
      },
    ])
  })

  it('releases a pod whose labels no longer match, and makes another', async () => {
    bench.cluster.seed(replicaSets, aReplicaSet({ replicas: 1 }))
    await bench.start()
    const { namespace = '', name } = bench.only(pods).metadata
    bench.cluster.change(pods, { namespace, name }, (pod) => void (pod.metadata.labels = { app: 'debug' }))
    await bench.settle()
    const released = bench.cluster.all(pods).find((pod) => pod.metadata.name === name)
    expect(bench.cluster.all(pods)).toHaveLength(2)
    expect(released?.metadata.ownerReferences ?? []).toEqual([])
  })

  it('adopts nothing for an owner that is being deleted though the cache does not know it', async () => {
    bench.cluster.seed(replicaSets, {
      ...aReplicaSet({ replicas: 0 }),
      metadata: { name: 'web', namespace: 'default', finalizers: ['example.com/keep'] },
    })
    await bench.start()
    await bench.cluster.delete(replicaSets, key)
    bench.cluster.seed(pods, aPod({ name: 'orphan', labels: { app: 'web' } }))
    await bench.settle()
    expect(bench.only(pods).metadata.ownerReferences).toBeUndefined()
  })

  it('tries again with back-off while pods cannot be created, though each failure names another pod', async () => {
    let tries = 0
    bench.cluster.refuse((write) => {
      if (write.verb !== 'create' || write.resource !== 'pods') return undefined
      return new StatusError('Forbidden', `pods "web-${++tries}" is forbidden: exceeded quota`)
    })
    bench.cluster.seed(replicaSets, aReplicaSet({ replicas: 1 }))
    await bench.start().catch(() => undefined)
    await bench.pass(60_000)
    // The delays double from 5 ms on: some fourteen tries fit into a minute.
    expect(tries).toBeGreaterThan(5)
    expect(tries).toBeLessThan(40)
  })

  it('reports why pods cannot be created, and recovers', async () => {
    bench.cluster.refuse((write) =>
      write.verb === 'create' && write.resource === 'pods'
        ? new StatusError('Forbidden', 'exceeded quota: pods')
        : undefined,
    )
    bench.cluster.seed(replicaSets, aReplicaSet({ replicas: 10 }))
    await bench.start().catch(() => undefined)
    expect(bench.only(replicaSets).status?.conditions).toEqual([
      {
        type: 'ReplicaFailure',
        status: 'True',
        reason: 'FailedCreate',
        message: 'exceeded quota: pods',
        lastTransitionTime: '2026-01-01T00:00:00Z',
      },
    ])
    expect(messages('FailedCreate')[0]).toBe('Error creating: exceeded quota: pods')
    bench.cluster.acceptAll()
    await bench.pass(1_000_000)
    expect(bench.cluster.all(pods)).toHaveLength(10)
    expect(bench.only(replicaSets).status?.conditions).toBeUndefined()
  })

  it('creates no pod twice while its view is old', async () => {
    await bench.stop()
    bench = new ControllerBench({ controllers: [replicaSetController()], holdWatches: true })
    bench.cluster.seed(replicaSets, aReplicaSet({ replicas: 5 }))
    await bench.start()
    bench.cluster.change(replicaSets, key, (set) => void (set.metadata.annotations = { touched: 'yes' }))
    bench.cluster.deliver((waiting) => Math.min(waiting, 1))
    await bench.settle()
    expect(bench.cluster.all(pods)).toHaveLength(5)
  })
})
