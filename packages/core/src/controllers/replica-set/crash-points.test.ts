import { controllerOf } from '@binnacle/apimachinery'
import { pods, replicaSets } from '@binnacle/resources'
import { aPod, aReplicaSet } from '@binnacle/testing'
import { describe, it } from 'vitest'
import { isPodActive } from '../../pod-state.ts'
import { type ControllerBench } from '../controller-bench.ts'
import { expectSameEndOnStaleViews, expectSameEndWhereverKilled, type Scenario } from '../crash-points.ts'
import { replicaSetController } from './reconcile.ts'

const key = { namespace: 'default', name: 'web' }

async function scaled(bench: ControllerBench, replicas: number): Promise<void> {
  bench.cluster.change(replicaSets, key, (set) => {
    set.spec = { ...set.spec, replicas } as NonNullable<typeof set.spec>
    set.metadata.generation = (set.metadata.generation ?? 0) + 1
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
  controllers: () => [replicaSetController()],
  compares: [replicaSets, pods],
  onStep: (cluster) => {
    const active = cluster.all(pods).filter((pod) => controllerOf(pod) !== undefined && isPodActive(pod))
    if (active.length > 7) throw new Error(`${active.length} pods: more than were ever wanted`)
  },
  async run(bench) {
    bench.cluster.seed(pods, aPod({ name: 'orphan', labels: { app: 'web' } }))
    bench.cluster.seed(replicaSets, aReplicaSet({ replicas: 4 }))
    await bench.start()
    await rounds(bench)
    bench.cluster.change(pods, { namespace: 'default', name: 'orphan' }, (pod) => {
      pod.metadata.labels = { app: 'other' }
    })
    await scaled(bench, 7)
    await scaled(bench, 2)
    await scaled(bench, 3)
  },
}

describe('replicaSetController', () => {
  it('reaches the same end wherever it is killed', () => expectSameEndWhereverKilled(scenario))
  it('reaches the same end on stale views', () => expectSameEndOnStaleViews(scenario, [1, 2, 3, 4, 5]))
})
