import type { Client } from '@binnacle/client'
import { configMaps, type ConfigMap } from '@binnacle/resources'
import { FakeClock, FakeCluster } from '@binnacle/testing'
import { expect, it } from 'vitest'
import { ReferencedObjects } from './referenced-objects.ts'

const map = { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'c', namespace: 'default' } } as ConfigMap

it('gives what is there now, tells of changes to those who refer to it, and forgets it with the last of them', async () => {
  const cluster = new FakeCluster({ clock: new FakeClock() })
  await cluster.create(configMaps, { ...map, data: { a: '1' } })
  const changed: string[] = []
  const references = new ReferencedObjects(cluster, (uid) => changed.push(uid))
  expect((await references.get(configMaps, 'default', 'c', 'pod-1'))?.data).toEqual({ a: '1' })
  expect(await references.get(configMaps, 'default', 'none', 'pod-1')).toBeUndefined()
  cluster.change(configMaps, { namespace: 'default', name: 'c' }, (c) => void (c.data = { a: '2' }))
  while (changed.length === 0) await new Promise((resolve) => setTimeout(resolve, 1))
  expect((await references.get(configMaps, 'default', 'c', 'pod-1'))?.data).toEqual({ a: '2' })
  references.stop()
})

it('waits for a server that does not answer only until it is stopped', async () => {
  const silent = {
    list: () => new Promise(() => undefined),
    watch: () => new Promise(() => undefined),
  } as unknown as Client
  const references = new ReferencedObjects(silent, () => undefined)
  const asked = references.get(configMaps, 'default', 'c', 'pod-1')
  const answered = asked.then(
    () => 'an object',
    (error: Error) => error.message,
  )
  references.stop()
  const late = new Promise<string>((resolve) => setTimeout(() => resolve('still waiting'), 3000).unref())
  expect(await Promise.race([answered, late])).toBe('cannot read configmaps default/c yet')
})
