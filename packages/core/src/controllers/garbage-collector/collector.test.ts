import { controllerReference, type KubernetesObject, type OwnerReference } from '@binnacle/apimachinery'
import { builtInRegistry, configMaps, deployments, events, pods, replicaSets } from '@binnacle/resources'
import { aDeployment, aPod, aReplicaSet } from '@binnacle/testing'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { ControllerBench } from '../controller-bench.ts'
import { GarbageCollector } from './collector.ts'

const key = { namespace: 'default', name: 'web' }
let bench: ControllerBench

beforeEach(() => {
  vi.useFakeTimers({ now: Date.UTC(2026, 0, 1) })
  bench = new ControllerBench({ controllers: [], runnables: [new GarbageCollector(builtInRegistry())] })
})
afterEach(async () => {
  await bench.stop()
  vi.useRealTimers()
})

/** Seeds an object that the others own. */
function owned<T extends KubernetesObject>(object: T, ...references: OwnerReference[]): T {
  return { ...object, metadata: { ...object.metadata, ownerReferences: references } }
}

/** web (Deployment) → web-1 (ReplicaSet) → web-1-a, web-1-b (Pods). */
async function seedChain(): Promise<void> {
  const deployment = bench.cluster.seed(deployments, aDeployment({ name: 'web' }))
  const set = bench.cluster.seed(replicaSets, owned(aReplicaSet({ name: 'web-1' }), controllerReference(deployment)))
  for (const name of ['web-1-a', 'web-1-b'])
    bench.cluster.seed(pods, owned(aPod({ name, nodeName: 'node-1', ready: true }), controllerReference(set)))
  await bench.start()
}

const counts = (): number[] =>
  [deployments, replicaSets, pods].map((resource) => bench.cluster.all<any>(resource).length)

/** Ends the pods that are being deleted, as their nodes do. */
async function endPods(): Promise<void> {
  for (const pod of bench.cluster.all(pods))
    if (pod.metadata.deletionTimestamp !== undefined)
      bench.cluster.remove(pods, { namespace: 'default', name: pod.metadata.name })
  await bench.settle()
}

describe('GarbageCollector', () => {
  it('deletes the dependents of an owner that is gone, and theirs', async () => {
    await seedChain()
    await bench.cluster.delete(deployments, key)
    await bench.settle()
    await endPods()
    expect(counts()).toEqual([0, 0, 0])
  })

  it('keeps the owner of a foreground deletion until its dependents are gone', async () => {
    await seedChain()
    await bench.cluster.delete(deployments, key, { propagationPolicy: 'Foreground' })
    await bench.settle()
    expect(counts()).toEqual([1, 1, 2])
    await endPods()
    expect(counts()).toEqual([0, 0, 0])
  })

  it('takes the reference from the dependents of an orphaning deletion, and lets them live', async () => {
    await seedChain()
    await bench.cluster.delete(deployments, key, { propagationPolicy: 'Orphan' })
    await bench.settle()
    expect(counts()).toEqual([0, 1, 2])
    expect(bench.only(replicaSets).metadata.ownerReferences ?? []).toEqual([])
  })

  it('deletes a dependent that is made after its owner has gone', async () => {
    const deployment = bench.cluster.seed(deployments, aDeployment({ name: 'web' }))
    await bench.start()
    await bench.cluster.delete(deployments, key)
    await bench.settle()
    await bench.cluster.create(replicaSets, owned(aReplicaSet({ name: 'late' }), controllerReference(deployment)))
    await bench.settle()
    expect(bench.cluster.all(replicaSets)).toEqual([])
  })

  it('keeps a dependent of which another owner lives, without the reference to the one that is gone', async () => {
    const [first, second] = ['web', 'other'].map((name) => bench.cluster.seed(deployments, aDeployment({ name })))
    const references = [first, second].map((owner) => ({
      ...controllerReference(owner as KubernetesObject),
      controller: owner === first,
    }))
    bench.cluster.seed(replicaSets, owned(aReplicaSet({ name: 'shared' }), ...references))
    await bench.start()
    await bench.cluster.delete(deployments, key)
    await bench.settle()
    expect(bench.only(replicaSets).metadata.ownerReferences).toEqual([references[1]])
  })

  it('deletes what names an owner of another uid', async () => {
    const deployment = bench.cluster.seed(deployments, aDeployment({ name: 'web' }))
    const reference = { ...controllerReference(deployment), uid: '00000000-0000-0000-0000-000000000000' }
    bench.cluster.seed(replicaSets, owned(aReplicaSet({ name: 'stray' }), reference))
    await bench.start()
    expect(counts()).toEqual([1, 0, 0])
  })

  it('leaves alone what an owner of an unknown kind owns', async () => {
    const reference = { apiVersion: 'example.com/v1', kind: 'Widget', name: 'w', uid: 'u-1' }
    bench.cluster.seed(configMaps, {
      apiVersion: 'v1',
      kind: 'ConfigMap',
      metadata: { name: 'kept', namespace: 'default', ownerReferences: [reference] },
    })
    await bench.start()
    expect(bench.cluster.all(configMaps)).toHaveLength(1)
  })

  it('makes no write when nothing is amiss', async () => {
    await seedChain()
    const writes = bench.writesFromHere()
    await bench.pass(600_000)
    expect(writes()).toEqual([])
  })

  const owner = (over: Partial<OwnerReference> = {}): OwnerReference => ({
    apiVersion: 'apps/v1',
    kind: 'Deployment',
    name: 'web',
    uid: 'u-1',
    ...over,
  })
  const seedMap = (name: string, ownerReferences: OwnerReference[], namespace = 'default', over: object = {}) =>
    bench.cluster.seed(configMaps, {
      apiVersion: 'v1',
      kind: 'ConfigMap',
      metadata: { name, namespace, ownerReferences, ...over },
    })
  const maps = (): string[] => bench.cluster.all(configMaps).map(({ metadata }) => metadata.name)

  it('takes an owner in another namespace for none, and says so', async () => {
    const deployment = bench.cluster.seed(deployments, aDeployment({ name: 'web' }))
    seedMap('stray', [owner({ uid: deployment.metadata.uid ?? '' })], 'elsewhere')
    await bench.start()
    expect(maps()).toEqual([])
    const event = bench.only(events)
    expect([event.type, event.reason]).toEqual(['Warning', 'OwnerRefInvalidNamespace'])
    expect(event.message).toBe(
      `ownerRef [apps/v1/Deployment, namespace: elsewhere, name: web, uid: ${deployment.metadata.uid}] does not exist in namespace "elsewhere"`,
    )
  })

  it('takes an owner that is named by another name for none', async () => {
    const deployment = bench.cluster.seed(deployments, aDeployment({ name: 'web' }))
    seedMap('stray', [owner({ name: 'other', uid: deployment.metadata.uid ?? '' })])
    await bench.start()
    expect(maps()).toEqual([])
  })

  it('asks once for an absent owner that many name', async () => {
    for (let index = 0; index < 100; index++) seedMap(`map-${index}`, [owner()])
    const get = vi.spyOn(bench.cluster, 'get')
    await bench.start()
    expect(maps()).toEqual([])
    // Those that are looked at together ask together.
    expect(get.mock.calls.filter(([resource]) => resource === deployments).length).toBeLessThanOrEqual(16)
  })

  it('keeps a dependent that another owner has taken over while the graph was behind', async () => {
    const deployment = bench.cluster.seed(deployments, aDeployment({ name: 'web' }))
    seedMap('kept', [owner()])
    const get = bench.cluster.get.bind(bench.cluster)
    vi.spyOn(bench.cluster, 'get').mockImplementation(async (resource, at) => {
      const found = await get(resource, at)
      if (resource !== configMaps) return found
      return { ...found, metadata: { ...found.metadata, ownerReferences: [controllerReference(deployment)] } }
    })
    await bench.start()
    expect(maps()).toEqual(['kept'])
  })

  it('lets a dependent that asks for orphaning orphan its own', async () => {
    const map = seedMap('middle', [owner()], 'default', { finalizers: ['orphan'] })
    const below = { apiVersion: 'v1', kind: 'ConfigMap', name: 'middle', uid: map.metadata.uid ?? '' }
    seedMap('below', [below])
    await bench.start()
    expect(maps()).toEqual(['below'])
    expect(bench.only(configMaps).metadata.ownerReferences ?? []).toEqual([])
  })

  it('deletes owners that stand in a circle', async () => {
    const first = seedMap('first', [])
    const of = (map: KubernetesObject): OwnerReference => ({
      apiVersion: 'v1',
      kind: 'ConfigMap',
      name: map.metadata.name,
      uid: map.metadata.uid ?? '',
      blockOwnerDeletion: true,
    })
    const second = seedMap('second', [of(first)])
    bench.cluster.change(configMaps, { namespace: 'default', name: 'first' }, (map) => {
      map.metadata.ownerReferences = [of(second)]
    })
    await bench.start()
    await bench.cluster.delete(configMaps, { namespace: 'default', name: 'first' }, { propagationPolicy: 'Foreground' })
    await bench.settle()
    expect(maps()).toEqual([])
  })

  it('does not wait for a dependent that blocks nothing', async () => {
    const deployment = bench.cluster.seed(deployments, aDeployment({ name: 'web' }))
    const reference = owner({ uid: deployment.metadata.uid ?? '' })
    seedMap('held', [reference], 'default', { finalizers: ['example.com/keep'] })
    await bench.start()
    await bench.cluster.delete(deployments, key, { propagationPolicy: 'Foreground' })
    await bench.settle()
    expect([counts()[0], maps()]).toEqual([0, ['held']])
  })
})
