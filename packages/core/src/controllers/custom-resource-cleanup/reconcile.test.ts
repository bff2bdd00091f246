import type { KubernetesObject } from '@binnacle/apimachinery'
import {
  builtInRegistry,
  type CustomResourceDefinition,
  customResourceDefinitions,
  storedDefinition,
} from '@binnacle/resources'
import { cronTabDefinition, established } from '@binnacle/resources/testing'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { ControllerBench } from '../controller-bench.ts'
import { expectSameEndOnStaleViews, expectSameEndWhereverKilled, type Scenario } from '../crash-points.ts'
import { customResourceCleanupController } from './reconcile.ts'

const crd = established(cronTabDefinition())
const cronTabs = storedDefinition(crd)
const key = { namespace: '', name: crd.metadata.name }
const cronTab = (name: string, finalizers: string[] = []): KubernetesObject =>
  ({
    apiVersion: 'stable.example.com/v1',
    kind: 'CronTab',
    metadata: { name, namespace: 'default', finalizers },
    spec: { cronSpec: '* * * * *' },
  }) as KubernetesObject

/** A definition goes with its objects, of which one is held back for a while; another one stays. */
const scenario: Scenario = {
  controllers: () => [customResourceCleanupController],
  compares: [customResourceDefinitions, cronTabs],
  async run(bench) {
    const { cluster } = bench
    cluster.seed(customResourceDefinitions, crd)
    cluster.seed(customResourceDefinitions, established(cronTabDefinition({ group: 'other.example.com' })))
    for (const name of ['a', 'b']) cluster.seed(cronTabs, cronTab(name))
    cluster.seed(cronTabs, cronTab('held', ['example.com/wait']))
    await bench.start()
    await cluster.delete(customResourceDefinitions, key)
    await bench.pass(5000)
    cluster.remove(cronTabs, { namespace: 'default', name: 'held' })
    await bench.pass(10_000)
  },
}

describe('a definition with objects', () => {
  it('goes in the same way wherever the controller is killed', () => expectSameEndWhereverKilled(scenario))
  it('goes in the same way on stale views', () => expectSameEndOnStaleViews(scenario, [1, 2, 3]))
})

describe('the cleanup of custom resources', () => {
  let bench: ControllerBench
  beforeEach(() => {
    vi.useFakeTimers({ now: Date.UTC(2026, 0, 1) })
    bench = new ControllerBench({ controllers: [customResourceCleanupController], registry: builtInRegistry() })
  })
  afterEach(async () => {
    await bench.stop()
    vi.useRealTimers()
  })
  const condition = (): string | undefined =>
    bench.only<CustomResourceDefinition>(customResourceDefinitions).status?.conditions?.at(-1)?.reason

  it('deletes every object before the definition goes', async () => {
    bench.cluster.seed(customResourceDefinitions, crd)
    bench.cluster.seed(cronTabs, cronTab('held', ['example.com/wait']))
    bench.cluster.seed(cronTabs, cronTab('a'))
    await bench.start()
    await bench.cluster.delete(customResourceDefinitions, key)
    await bench.pass(1000)
    expect(bench.cluster.all(cronTabs).map(({ metadata }) => metadata.name)).toEqual(['held'])
    expect(condition()).toBe('InstanceDeletionInProgress')
    await bench.pass(60_000)
    expect(condition()).toBe('InstanceDeletionCheck')
    bench.cluster.remove(cronTabs, { namespace: 'default', name: 'held' })
    await bench.pass(10_000)
    expect(bench.cluster.all(customResourceDefinitions)).toEqual([])
  })

  it('lets a definition go at once that was never established', async () => {
    bench.cluster.seed(customResourceDefinitions, cronTabDefinition())
    await bench.start()
    await bench.cluster.delete(customResourceDefinitions, key)
    await bench.settle()
    expect(bench.cluster.all(customResourceDefinitions)).toEqual([])
  })

  it('does nothing to one that stays', async () => {
    bench.cluster.seed(customResourceDefinitions, crd)
    bench.cluster.seed(cronTabs, cronTab('a'))
    const writes = bench.writesFromHere()
    await bench.start()
    expect(writes()).toEqual([])
  })
})
