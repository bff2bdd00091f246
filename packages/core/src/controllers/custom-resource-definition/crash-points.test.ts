import { customResourceDefinitions } from '@binnacle/resources'
import { cronTabDefinition } from '@binnacle/resources/testing'
import { describe, expect, it } from 'vitest'
import { expectSameEndOnStaleViews, expectSameEndWhereverKilled, type Scenario } from '../crash-points.ts'
import { customResourceDefinitionController } from './reconcile.ts'

const names = { plural: 'crons', singular: 'cron', kind: 'Cron', shortNames: ['ct'] }

/** Two definitions want one short name; the one that has it goes, and the other gets it. A third waits for nobody. */
const scenario: Scenario = {
  controllers: () => [customResourceDefinitionController],
  compares: [customResourceDefinitions],
  async run(bench) {
    const { cluster } = bench
    cluster.seed(customResourceDefinitions, cronTabDefinition())
    await bench.start()
    cluster.seed(customResourceDefinitions, cronTabDefinition({ names }))
    cluster.seed(customResourceDefinitions, cronTabDefinition({ group: 'other.example.com' }))
    await bench.pass(5000)
    const { status } = cluster.all(customResourceDefinitions).find(({ spec }) => spec.names.kind === 'Cron') ?? {}
    expect(status?.conditions?.[0]?.reason).toBe('ShortNamesConflict')
    cluster.remove(customResourceDefinitions, { namespace: '', name: 'crontabs.stable.example.com' })
    await bench.pass(5000)
  },
}

describe('names of definitions', () => {
  it('are the same wherever the controller is killed', () => expectSameEndWhereverKilled(scenario))
  it('are the same on stale views', () => expectSameEndOnStaleViews(scenario, [1, 2, 3, 4, 5]))
})
