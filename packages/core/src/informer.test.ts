import { Informer } from '@binnacle/client'
import { configMaps } from '@binnacle/resources'
import { FakeClock, FakeCluster } from '@binnacle/testing'
import { expect, it } from 'vitest'

it('an informer keeps objects without their managed fields, listed or watched', async () => {
  const cluster = new FakeCluster({ clock: new FakeClock() })
  const seed = (name: string): unknown =>
    cluster.seed(configMaps, {
      apiVersion: 'v1',
      kind: 'ConfigMap',
      metadata: { namespace: 'default', name, labels: { app: name }, managedFields: [{ manager: 'kubectl' }] },
      data: { a: 'b' },
    })
  seed('listed')
  const informer = new Informer(cluster, configMaps)
  informer.start()
  await informer.synced
  seed('watched')
  await Promise.resolve()
  const kept = [...informer.all()].map(({ metadata, data }) => [metadata.labels, metadata.managedFields, data])
  expect(kept).toEqual([
    [{ app: 'listed' }, undefined, { a: 'b' }],
    [{ app: 'watched' }, undefined, { a: 'b' }],
  ])
  informer.stop()
})
