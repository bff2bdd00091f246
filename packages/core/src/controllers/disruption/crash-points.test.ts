import { builtInRegistry, type PodDisruptionBudget, podDisruptionBudgets, pods } from '@binnacle/resources'
import { aPod } from '@binnacle/testing'
import { describe, it } from 'vitest'
import { expectSameEndOnStaleViews, expectSameEndWhereverKilled, type Scenario } from '../crash-points.ts'
import { disruptionController } from './reconcile.ts'

const key = (name: string) => ({ namespace: 'default', name })

const scenario: Scenario = {
  controllers: () => [disruptionController(builtInRegistry())],
  compares: [podDisruptionBudgets],
  async run(bench) {
    const budget: PodDisruptionBudget = {
      apiVersion: 'policy/v1',
      kind: 'PodDisruptionBudget',
      metadata: { name: 'budget', namespace: 'default' },
      spec: { minAvailable: 1, selector: { matchLabels: { app: 'web' } } },
    }
    for (const name of ['a', 'b', 'c']) bench.cluster.seed(pods, aPod({ name, labels: { app: 'web' }, ready: true }))
    bench.cluster.seed(podDisruptionBudgets, budget)
    await bench.start()
    bench.cluster.remove(pods, key('a'))
    await bench.settle()
    bench.cluster.change(pods, key('b'), (pod) => void (pod.status = { phase: 'Running' }))
    await bench.pass(60_000)
  },
}

describe('disruptionController', () => {
  it('reaches the same end wherever it is killed', () => expectSameEndWhereverKilled(scenario))
  it('reaches the same end on stale views', () => expectSameEndOnStaleViews(scenario, [1, 2, 3, 4, 5]))
})
