import { pods, type ReplicationController, replicationControllers } from '@binnacle/resources'
import { aPod } from '@binnacle/testing'
import { describe, it } from 'vitest'
import type { ControllerBench } from '../controller-bench.ts'
import { expectSameEndOnStaleViews, expectSameEndWhereverKilled, type Scenario } from '../crash-points.ts'
import { replicationControllerController } from './reconcile.ts'

const key = { namespace: 'default', name: 'web' }
const aController: ReplicationController = {
  apiVersion: 'v1',
  kind: 'ReplicationController',
  metadata: { ...key },
  spec: {
    replicas: 3,
    template: {
      metadata: { labels: { app: 'web' } } as never,
      spec: { containers: [{ name: 'app', image: 'app:1' }] },
    },
  },
}

async function scaled(bench: ControllerBench, replicas: number): Promise<void> {
  bench.cluster.change(replicationControllers, key, (controller) => {
    controller.spec = { ...controller.spec, replicas }
    controller.metadata.generation = (controller.metadata.generation ?? 0) + 1
  })
  await rounds(bench)
}

async function rounds(bench: ControllerBench): Promise<void> {
  for (let round = 0; round < 4; round++) {
    await bench.settle()
    bench.runPods()
  }
  await bench.settle()
}

const scenario: Scenario = {
  controllers: () => [replicationControllerController()],
  compares: [replicationControllers, pods],
  async run(bench) {
    bench.cluster.seed(pods, aPod({ name: 'orphan', labels: { app: 'web' } }))
    bench.cluster.seed(replicationControllers, aController)
    await bench.start()
    await rounds(bench)
    await scaled(bench, 5)
    await scaled(bench, 1)
  },
}

describe('replicationControllerController', () => {
  it('reaches the same end wherever it is killed', () => expectSameEndWhereverKilled(scenario))
  it('reaches the same end on stale views', () => expectSameEndOnStaleViews(scenario, [1, 2, 3, 4, 5]))
})
