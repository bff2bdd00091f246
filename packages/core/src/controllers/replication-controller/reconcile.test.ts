import { controllerOf } from '@binnacle/apimachinery'
import { events, pods, replicaSets, type ReplicationController, replicationControllers } from '@binnacle/resources'
import { aPod, aReplicaSet } from '@binnacle/testing'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { ControllerBench } from '../controller-bench.ts'
import { replicaSetController } from '../replica-set/reconcile.ts'
import { replicationControllerController } from './reconcile.ts'

const key = { namespace: 'default', name: 'web' }
let bench: ControllerBench

beforeEach(() => {
  vi.useFakeTimers({ now: Date.UTC(2026, 0, 1) })
  bench = new ControllerBench({ controllers: [replicationControllerController(), replicaSetController()] })
})
afterEach(async () => {
  await bench.stop()
  vi.useRealTimers()
})

function aController(replicas: number): ReplicationController {
  return {
    apiVersion: 'v1',
    kind: 'ReplicationController',
    metadata: { name: 'web', namespace: 'default' },
    spec: {
      replicas,
      template: {
        metadata: { labels: { app: 'web' } } as never,
        spec: { containers: [{ name: 'app', image: 'app:1' }] },
      },
    },
  }
}

describe('replicationControllerController', () => {
  it('creates the missing pods, owns them, and reports them', async () => {
    bench.cluster.seed(replicationControllers, aController(3))
    await bench.start()
    const { metadata, status } = bench.only(replicationControllers)
    const owner = {
      apiVersion: 'v1',
      kind: 'ReplicationController',
      name: 'web',
      uid: metadata.uid,
      controller: true,
      blockOwnerDeletion: true,
    }
    expect(bench.cluster.all(pods).map(controllerOf)).toEqual([owner, owner, owner])
    expect(status).toEqual({ replicas: 3, fullyLabeledReplicas: 3, observedGeneration: 1 })
    const recorded = bench.cluster.all(events).map(({ reason, source }) => `${reason} by ${source?.component}`)
    expect(recorded).toHaveLength(3)
    expect(new Set(recorded)).toEqual(new Set(['SuccessfulCreate by replication-controller']))
  })

  it('deletes what is too many, and writes nothing once it is right', async () => {
    bench.cluster.seed(replicationControllers, aController(3))
    await bench.start()
    bench.runPods()
    bench.cluster.change(replicationControllers, key, (controller) => {
      controller.spec = { ...controller.spec, replicas: 1 }
      controller.metadata.generation = 2
    })
    await bench.settle()
    bench.runPods()
    await bench.settle()
    expect(bench.cluster.all(pods)).toHaveLength(1)
    const writes = bench.writesFromHere()
    await bench.pass(600_000)
    expect(writes()).toEqual([])
  })

  it('adopts orphans that its map of labels selects, and no others', async () => {
    bench.cluster.seed(pods, aPod({ name: 'ours', labels: { app: 'web', tier: 'front' } }))
    bench.cluster.seed(pods, aPod({ name: 'theirs', labels: { app: 'other' } }))
    bench.cluster.seed(replicationControllers, aController(1))
    await bench.start()
    const owners = bench.cluster.all(pods).map((pod) => [pod.metadata.name, controllerOf(pod)?.kind])
    expect(owners).toEqual([
      ['ours', 'ReplicationController'],
      ['theirs', undefined],
    ])
  })

  it('leaves the pods of a ReplicaSet of the same name and labels alone', async () => {
    bench.cluster.seed(replicaSets, aReplicaSet({ replicas: 2 }))
    bench.cluster.seed(replicationControllers, aController(3))
    await bench.start()
    const kinds = bench.cluster.all(pods).map((pod) => controllerOf(pod)?.kind)
    const count = (kind: string) => kinds.filter((owner) => owner === kind).length
    expect([count('ReplicaSet'), count('ReplicationController')]).toEqual([2, 3])
  })
})
