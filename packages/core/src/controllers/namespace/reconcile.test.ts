import { StatusError } from '@binnacle/apimachinery'
import { builtInRegistry, configMaps, namespaces, pods, services } from '@binnacle/resources'
import { aNamespace, aPod, aService } from '@binnacle/testing'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { ControllerBench } from '../controller-bench.ts'
import { expectSameEndOnStaleViews, expectSameEndWhereverKilled, type Scenario } from '../crash-points.ts'
import { namespaceController } from './reconcile.ts'

const registry = builtInRegistry()
const key = { namespace: '', name: 'shop' }
const inShop = { namespace: 'shop' }

function seed({ cluster }: ControllerBench): void {
  cluster.seed(namespaces, aNamespace('shop'))
  cluster.seed(namespaces, aNamespace('other'))
  for (const name of ['a', 'b']) {
    cluster.seed(pods, aPod({ ...inShop, name, nodeName: 'node-1', ready: true }))
    cluster.seed(configMaps, { apiVersion: 'v1', kind: 'ConfigMap', metadata: { ...inShop, name } })
  }
  cluster.seed(services, aService(inShop))
  cluster.seed(configMaps, { apiVersion: 'v1', kind: 'ConfigMap', metadata: { namespace: 'other', name: 'kept' } })
}

/** Ends the pods that are being deleted, as nodes do. */
function endPods({ cluster }: ControllerBench): void {
  for (const { metadata } of cluster.all(pods))
    if (metadata.deletionTimestamp !== undefined) cluster.remove(pods, { ...inShop, name: metadata.name })
}

describe('the namespace controller', () => {
  let bench: ControllerBench
  beforeEach(() => {
    vi.useFakeTimers({ now: Date.UTC(2026, 0, 1) })
    bench = new ControllerBench({ controllers: () => [namespaceController(registry)] })
  })
  afterEach(async () => {
    await bench.stop()
    vi.useRealTimers()
  })

  const counts = (): number[] => [pods, configMaps, services].map((resource) => bench.cluster.all<any>(resource).length)
  const names = (): string[] => bench.cluster.all(namespaces).map(({ metadata }) => metadata.name)
  const condition = (type: string): string | undefined =>
    bench.cluster
      .all(namespaces)
      .find(({ metadata }) => metadata.name === 'shop')
      ?.status?.conditions?.find((candidate) => candidate.type === type)?.message

  it('waits five seconds, then deletes the pods and lets everything else wait for them', async () => {
    seed(bench)
    await bench.start()
    await bench.cluster.delete(namespaces, key)
    await bench.pass(4000)
    expect(bench.cluster.all(pods).some(({ metadata }) => metadata.deletionTimestamp !== undefined)).toBe(false)
    await bench.pass(1500)
    expect(bench.cluster.all(pods).every(({ metadata }) => metadata.deletionTimestamp !== undefined)).toBe(true)
    expect(counts()).toEqual([2, 3, 1])
    expect(condition('NamespaceContentRemaining')).toBe('Some resources are remaining: pods. has 2 resource instances')
  })

  it('deletes the rest and the namespace when the pods have ended, and nothing of another namespace', async () => {
    seed(bench)
    await bench.start()
    await bench.cluster.delete(namespaces, key)
    await bench.pass(6000)
    endPods(bench)
    await bench.pass(5000)
    expect(counts()).toEqual([0, 1, 0])
    expect(names()).toEqual(['other'])
  })

  it('says which finalizer holds the namespace, and goes on when it is gone', async () => {
    bench.cluster.seed(namespaces, aNamespace('shop'))
    const metadata = { ...inShop, name: 'held', finalizers: ['example.com/keep'] }
    bench.cluster.seed(configMaps, { apiVersion: 'v1', kind: 'ConfigMap', metadata })
    await bench.start()
    await bench.cluster.delete(namespaces, key)
    await bench.pass(6000)
    expect(condition('NamespaceFinalizersRemaining')).toBe(
      'Some content in the namespace has finalizers remaining: example.com/keep in 1 resource instances',
    )
    bench.cluster.remove(configMaps, { ...inShop, name: 'held' })
    await bench.pass(10_000)
    expect(names()).toEqual([])
  })

  it('says why content cannot be deleted, and keeps the namespace', async () => {
    seed(bench)
    bench.cluster.refuse((write) =>
      write.verb === 'delete' && write.resource === 'pods' ? new StatusError('Forbidden', 'not that one') : undefined,
    )
    await bench.start()
    await bench.cluster.delete(namespaces, key)
    await bench.pass(6000)
    expect(condition('NamespaceDeletionContentFailure')).toBe(
      'Failed to delete all resource types, 2 remaining: not that one',
    )
    expect(names()).toEqual(['shop', 'other'])
  })

  it('leaves alone what is in a namespace of the same name that came later', async () => {
    const terminating = { ...aNamespace('shop'), status: { phase: 'Terminating' } }
    terminating.metadata.deletionTimestamp = '2025-01-01T00:00:00Z'
    bench.cluster.seed(namespaces, terminating)
    bench.cluster.seed(configMaps, { apiVersion: 'v1', kind: 'ConfigMap', metadata: { ...inShop, name: 'new' } })
    vi.spyOn(bench.cluster, 'get').mockResolvedValue(aNamespace('shop') as never)
    await bench.start()
    expect(counts()).toEqual([0, 1, 0])
  })

  it('makes no write while something holds the namespace', async () => {
    seed(bench)
    await bench.start()
    await bench.cluster.delete(namespaces, key)
    await bench.pass(10_000)
    const writes = bench.writesFromHere()
    await bench.pass(60_000)
    expect(writes()).toEqual([])
  })
})

describe('the deletion of a namespace', () => {
  const scenario: Scenario = {
    controllers: () => [namespaceController(registry)],
    compares: [namespaces, pods, configMaps, services],
    async run(bench) {
      seed(bench)
      await bench.start()
      await bench.cluster.delete(namespaces, key)
      for (let round = 0; round < 6; round++) {
        await bench.pass(12_000)
        endPods(bench)
      }
    },
  }

  it('ends the same wherever the controller is killed', () => expectSameEndWhereverKilled(scenario))
  it('ends the same on stale views', () => expectSameEndOnStaleViews(scenario, [1, 2]))
})
