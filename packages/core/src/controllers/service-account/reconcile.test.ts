import { configMaps, namespaces, serviceAccounts } from '@binnacle/resources'
import { aNamespace } from '@binnacle/testing'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { ControllerBench } from '../controller-bench.ts'
import { expectSameEndOnStaleViews, expectSameEndWhereverKilled, type Scenario } from '../crash-points.ts'
import { rootCaController, serviceAccountController } from './reconcile.ts'

const controllers = () => [serviceAccountController, rootCaController('authority')]
const caKey = { namespace: 'shop', name: 'kube-root-ca.crt' }
let bench: ControllerBench

beforeEach(() => {
  vi.useFakeTimers({ now: Date.UTC(2026, 0, 1) })
  bench = new ControllerBench({ controllers })
})
afterEach(async () => {
  await bench.stop()
  vi.useRealTimers()
})

const namesOf = (resource: typeof serviceAccounts | typeof configMaps): string[] =>
  bench.cluster.all<any>(resource).map(({ metadata }) => `${metadata.namespace}/${metadata.name}`)

describe('a new namespace', () => {
  it('gets a default account and the authority of the cluster', async () => {
    bench.cluster.seed(namespaces, aNamespace('shop'))
    await bench.start()
    expect(namesOf(serviceAccounts)).toEqual(['shop/default'])
    expect(bench.only(configMaps).data).toEqual({ 'ca.crt': 'authority' })
  })

  it('gets them again when they are deleted', async () => {
    bench.cluster.seed(namespaces, aNamespace('shop'))
    await bench.start()
    await bench.cluster.delete(serviceAccounts, { namespace: 'shop', name: 'default' })
    await bench.cluster.delete(configMaps, caKey)
    await bench.settle()
    expect([namesOf(serviceAccounts), namesOf(configMaps)]).toEqual([['shop/default'], ['shop/kube-root-ca.crt']])
  })

  it('gets the authority back that somebody has changed', async () => {
    bench.cluster.seed(namespaces, aNamespace('shop'))
    await bench.start()
    bench.cluster.change(configMaps, caKey, (map) => void (map.data = { 'ca.crt': 'false', more: 'x' }))
    await bench.settle()
    expect(bench.only(configMaps).data).toEqual({ 'ca.crt': 'authority' })
  })

  it('gets nothing while it is being deleted', async () => {
    bench.cluster.seed(namespaces, { ...aNamespace('shop'), status: { phase: 'Terminating' } })
    await bench.start()
    expect([namesOf(serviceAccounts), namesOf(configMaps)]).toEqual([[], []])
  })

  it('is written to once', async () => {
    bench.cluster.seed(namespaces, aNamespace('shop'))
    await bench.start()
    const writes = bench.writesFromHere()
    await bench.pass(600_000)
    expect(writes()).toEqual([])
  })

  const scenario: Scenario = {
    controllers,
    compares: [serviceAccounts, configMaps],
    async run(story) {
      for (const name of ['a', 'b']) story.cluster.seed(namespaces, aNamespace(name))
      await story.start()
      await story.settle()
    },
  }
  it('has the same in it wherever the controllers are killed', () => expectSameEndWhereverKilled(scenario))
  it('has the same in it on stale views', () => expectSameEndOnStaleViews(scenario, [1, 2, 3]))
})
