import { controllerReference, type KubernetesObject, type OwnerReference } from '@binnacle/apimachinery'
import { builtInRegistry, configMaps, deployments, pods, replicaSets } from '@binnacle/resources'
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
})
