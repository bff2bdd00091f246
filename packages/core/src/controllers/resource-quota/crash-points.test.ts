import { builtInRegistry, pods, type ResourceQuota, resourceQuotas } from '@binnacle/resources'
import { aPod } from '@binnacle/testing'
import { describe, it } from 'vitest'
import { expectSameEndOnStaleViews, expectSameEndWhereverKilled, type Scenario } from '../crash-points.ts'
import { resourceQuotaController } from './reconcile.ts'

const key = (name: string) => ({ namespace: 'default', name })

const scenario: Scenario = {
  controllers: () => [resourceQuotaController(builtInRegistry())],
  compares: [resourceQuotas],
  async run(bench) {
    const quota: ResourceQuota = {
      apiVersion: 'v1',
      kind: 'ResourceQuota',
      metadata: { name: 'q', namespace: 'default' },
      spec: { hard: { pods: '10' } },
    }
    for (const name of ['a', 'b', 'c']) bench.cluster.seed(pods, aPod({ name }))
    bench.cluster.seed(resourceQuotas, quota)
    await bench.start()
    bench.cluster.remove(pods, key('a'))
    await bench.settle()
    bench.cluster.change(
      resourceQuotas,
      key('q'),
      ({ spec }) => void Object.assign(spec ?? {}, { hard: { pods: '5' } }),
    )
    bench.cluster.remove(pods, key('b'))
    await bench.pass(301_000)
  },
}

describe('resourceQuotaController', () => {
  it('reaches the same end wherever it is killed', () => expectSameEndWhereverKilled(scenario))
  it('reaches the same end on stale views', () => expectSameEndOnStaleViews(scenario, [1, 2, 3, 4, 5]))
})
