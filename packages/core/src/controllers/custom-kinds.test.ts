import { controllerReference, type KubernetesObject, type OwnerReference } from '@binnacle/apimachinery'
import {
  builtInRegistry,
  configMaps,
  customResourceDefinitions,
  type ExtensibleRegistry,
  namespaces,
  type ResourceDefinition,
  resourceQuotas,
} from '@binnacle/resources'
import { cronTabDefinition, established } from '@binnacle/resources/testing'
import { aNamespace } from '@binnacle/testing'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { ControllerBench } from './controller-bench.ts'
import { GarbageCollector } from './garbage-collector/collector.ts'
import { namespaceController } from './namespace/reconcile.ts'
import { resourceQuotaController } from './resource-quota/reconcile.ts'

/** What loops over all kinds do with kinds that come while they run. */

let registry: ExtensibleRegistry
let bench: ControllerBench

beforeEach(async () => {
  vi.useFakeTimers({ now: Date.UTC(2026, 0, 1) })
  registry = builtInRegistry()
  bench = new ControllerBench({
    controllers: [namespaceController(registry), resourceQuotaController(registry)],
    runnables: [new GarbageCollector(registry)],
    registry,
  })
  bench.cluster.seed(namespaces, aNamespace('default'))
  await bench.start()
  bench.cluster.seed(customResourceDefinitions, established(cronTabDefinition()))
  await bench.settle()
})
afterEach(async () => {
  await bench.stop()
  vi.useRealTimers()
})

const cronTabs = (): ResourceDefinition => {
  const definition = registry.byResource('stable.example.com', 'v1', 'crontabs')
  if (definition === undefined) throw new Error('crontabs are not known')
  return definition
}
const cronTab = (name: string, metadata: object = {}): KubernetesObject =>
  bench.cluster.seed(cronTabs(), {
    apiVersion: 'stable.example.com/v1',
    kind: 'CronTab',
    metadata: { name, namespace: 'default', ...metadata },
    spec: { cronSpec: '* * * * *' },
  } as KubernetesObject)
const configMap = (name: string, ownerReferences: OwnerReference[] = []): KubernetesObject =>
  bench.cluster.seed(configMaps, {
    apiVersion: 'v1',
    kind: 'ConfigMap',
    metadata: { name, namespace: 'default', ownerReferences },
  })
const names = (resource: ResourceDefinition<any>): string[] =>
  bench.cluster.all(resource).map(({ metadata }) => metadata.name)
const key = (name: string) => ({ namespace: 'default', name })

describe('the garbage collector', () => {
  it('deletes what a custom object owned, and custom objects whose owner is gone', async () => {
    configMap('owned', [controllerReference(cronTab('owner'))])
    cronTab('dependent', { ownerReferences: [controllerReference(configMap('root'))] })
    await bench.settle()
    await bench.cluster.delete(cronTabs(), key('owner'))
    await bench.cluster.delete(configMaps, key('root'))
    await bench.pass(2000)
    expect([names(configMaps), names(cronTabs())]).toEqual([[], []])
  })

  it('deletes custom dependents first where that is asked for', async () => {
    const owner = cronTab('owner')
    const reference = { ...controllerReference(owner), blockOwnerDeletion: true }
    cronTab('dependent', { ownerReferences: [reference], finalizers: ['example.com/wait'] })
    await bench.settle()
    await bench.cluster.delete(cronTabs(), key('owner'), { propagationPolicy: 'Foreground' })
    await bench.pass(2000)
    expect(names(cronTabs())).toEqual(['owner', 'dependent'])
    bench.cluster.remove(cronTabs(), key('dependent'))
    await bench.pass(2000)
    expect(names(cronTabs())).toEqual([])
  })

  it('takes the reference from custom orphans, and no other', async () => {
    const [owner, other] = [cronTab('owner'), configMap('other')]
    cronTab('orphan', { ownerReferences: [controllerReference(owner), ownerOf(other)] })
    cronTab('alone', { ownerReferences: [controllerReference(owner)] })
    await bench.settle()
    await bench.cluster.delete(cronTabs(), key('owner'), { propagationPolicy: 'Orphan' })
    await bench.pass(2000)
    const owners = bench.cluster.all(cronTabs()).map(({ metadata }) => [metadata.name, metadata.ownerReferences])
    expect(owners).toEqual([
      ['orphan', [ownerOf(other)]],
      ['alone', undefined],
    ])
  })

  it('leaves the dependents of kinds that are no longer defined', async () => {
    configMap('owned', [controllerReference(cronTab('owner'))])
    await bench.settle()
    bench.cluster.remove(customResourceDefinitions, { namespace: '', name: 'crontabs.stable.example.com' })
    await bench.pass(2000)
    expect(registry.byResource('stable.example.com', 'v1', 'crontabs')).toBeUndefined()
    expect(names(configMaps)).toEqual(['owned'])
  })

  it('knows a kind that was defined anew', async () => {
    const before = cronTabs()
    bench.cluster.remove(customResourceDefinitions, { namespace: '', name: 'crontabs.stable.example.com' })
    await bench.settle()
    const again = established(cronTabDefinition())
    bench.cluster.seed(customResourceDefinitions, { ...again, metadata: { ...again.metadata, uid: 'another' } })
    await bench.settle()
    expect(cronTabs()).not.toBe(before)
    cronTab('dependent', { ownerReferences: [controllerReference(configMap('root'))] })
    await bench.settle()
    await bench.cluster.delete(configMaps, key('root'))
    await bench.pass(2000)
    expect(names(cronTabs())).toEqual([])
  })
})

function ownerOf({ apiVersion, kind, metadata }: KubernetesObject): OwnerReference {
  return { apiVersion, kind, name: metadata.name, uid: metadata.uid ?? '' }
}

it('a namespace goes with its custom objects, and says which are left', async () => {
  bench.cluster.seed(namespaces, aNamespace('gone'))
  cronTab('a', { namespace: 'gone' })
  cronTab('held', { namespace: 'gone', finalizers: ['example.com/wait'] })
  await bench.cluster.delete(namespaces, { namespace: '', name: 'gone' })
  await bench.pass(6000)
  const conditions = bench.cluster.all(namespaces).find(({ metadata }) => metadata.name === 'gone')?.status?.conditions
  expect(conditions?.find(({ type }) => type === 'NamespaceContentRemaining')?.message).toBe(
    'Some resources are remaining: crontabs.stable.example.com has 1 resource instances',
  )
  bench.cluster.remove(cronTabs(), { namespace: 'gone', name: 'held' })
  await bench.pass(12_000)
  expect(names(namespaces)).toEqual(['default'])
})

it('a quota counts custom objects', async () => {
  const name = 'count/crontabs.stable.example.com'
  cronTab('a')
  cronTab('b')
  const metadata = { name: 'few', namespace: 'default' }
  bench.cluster.seed(resourceQuotas, {
    apiVersion: 'v1',
    kind: 'ResourceQuota',
    metadata,
    spec: { hard: { [name]: '5' } },
  })
  await bench.pass(1000)
  const used = (): string | undefined => bench.only(resourceQuotas).status?.used?.[name]
  expect(used()).toBe('2')
  await bench.cluster.delete(cronTabs(), key('a'))
  await bench.pass(10_000)
  expect(used()).toBe('1')
})

it('a quota counts custom objects once, also of a kind that has got another version since', async () => {
  const name = 'count/crontabs.stable.example.com'
  cronTab('a')
  const v2 = { name: 'v2', served: true, storage: false, schema: { openAPIV3Schema: { type: 'object' } } }
  bench.cluster.change(customResourceDefinitions, { namespace: '', name: 'crontabs.stable.example.com' }, (crd) => {
    crd.spec.versions.push(v2 as never)
    crd.metadata.generation = 2
  })
  await bench.settle()
  bench.cluster.seed(resourceQuotas, {
    apiVersion: 'v1',
    kind: 'ResourceQuota',
    metadata: { name: 'few', namespace: 'default' },
    spec: { hard: { [name]: '5' } },
  })
  await bench.pass(1000)
  expect(bench.only(resourceQuotas).status?.used?.[name]).toBe('1')
  await bench.cluster.delete(cronTabs(), key('a'))
  await bench.pass(1000)
  expect(bench.only(resourceQuotas).status?.used?.[name]).toBe('0')
})
