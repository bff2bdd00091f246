import { type ClusterRole, clusterRoles, type PolicyRule } from '@binnacle/resources'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { ControllerBench } from '../controller-bench.ts'
import { expectSameEndOnStaleViews, expectSameEndWhereverKilled, type Scenario } from '../crash-points.ts'
import { clusterRoleAggregationController } from './reconcile.ts'

let bench: ControllerBench
beforeEach(() => {
  vi.useFakeTimers({ now: Date.UTC(2026, 0, 1) })
  bench = new ControllerBench({ controllers: [clusterRoleAggregationController] })
})
afterEach(async () => {
  await bench.stop()
  vi.useRealTimers()
})

const rule = (resource: string): PolicyRule => ({ apiGroups: [''], resources: [resource], verbs: ['get'] })
function aRole(name: string, labels: Record<string, string>, rules: PolicyRule[], aggregates?: string): ClusterRole {
  return {
    apiVersion: 'rbac.authorization.k8s.io/v1',
    kind: 'ClusterRole',
    metadata: { name, labels },
    rules,
    ...(aggregates === undefined
      ? {}
      : { aggregationRule: { clusterRoleSelectors: [{ matchLabels: { to: aggregates } }] } }),
  }
}
const resourcesOf = (name: string) =>
  bench.cluster
    .all(clusterRoles)
    .find((role) => role.metadata.name === name)
    ?.rules?.flatMap(({ resources }) => resources)

describe('clusterRoleAggregationController', () => {
  beforeEach(async () => {
    bench.cluster.seed(clusterRoles, aRole('b', { to: 'view' }, [rule('pods'), rule('secrets')]))
    bench.cluster.seed(clusterRoles, aRole('a', { to: 'view' }, [rule('services'), rule('pods')]))
    bench.cluster.seed(clusterRoles, aRole('other', { to: 'else' }, [rule('nodes')]))
    bench.cluster.seed(clusterRoles, aRole('view', { to: 'edit' }, [rule('stray')], 'view'))
    bench.cluster.seed(clusterRoles, aRole('edit', {}, [], 'edit'))
    await bench.start()
  })

  it('makes a role up of those it selects, each rule once, over several steps', () => {
    expect(resourcesOf('view')).toEqual(['services', 'pods', 'secrets'])
    expect(resourcesOf('edit')).toEqual(['services', 'pods', 'secrets'])
  })

  it('follows roles that come and go', async () => {
    bench.cluster.seed(clusterRoles, aRole('crd', { to: 'view' }, [rule('widgets')]))
    await bench.settle()
    expect(resourcesOf('edit')).toEqual(['services', 'pods', 'secrets', 'widgets'])
    bench.cluster.remove(clusterRoles, { namespace: '', name: 'b' })
    await bench.settle()
    expect(resourcesOf('edit')).toEqual(['services', 'pods', 'widgets'])
  })

  it('writes nothing at rest', async () => {
    const writes = bench.writesFromHere()
    await bench.pass(3_600_000)
    expect(writes()).toEqual([])
  })
})

describe('roles that are made up of others', () => {
  const scenario: Scenario = {
    controllers: () => [clusterRoleAggregationController],
    compares: [clusterRoles],
    async run(story) {
      const seed = (...role: Parameters<typeof aRole>): unknown => story.cluster.seed(clusterRoles, aRole(...role))
      seed('a', { to: 'view' }, [rule('pods')])
      seed('view', { to: 'edit' }, [rule('stray')], 'view')
      seed('edit', { to: 'admin' }, [], 'edit')
      seed('admin', {}, [], 'admin')
      await story.start()
      seed('b', { to: 'view' }, [rule('services')])
      await story.settle()
      story.cluster.remove(clusterRoles, { namespace: '', name: 'a' })
      await story.settle()
    },
  }

  it('end the same wherever the controller is killed', () => expectSameEndWhereverKilled(scenario))
  it('end the same on stale views', () => expectSameEndOnStaleViews(scenario, [1, 2, 3, 4]))
})
