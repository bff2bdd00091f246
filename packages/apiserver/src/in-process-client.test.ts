import { isConflict, isNotFound, type KubernetesObject } from '@binnacle/apimachinery'
import type { BatchResult, Client, WatchEvent } from '@binnacle/client'
import { type ConfigMap, configMaps, type Deployment, deployments, type Pod, pods, services } from '@binnacle/resources'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { decodeBatch, encodeBatchResults } from './batch.ts'
import { inProcessClient } from './in-process-client.ts'
import { refusal, startTestServer, type TestServer } from './test-server.ts'

let test: TestServer
let client: Client
let namespace = ''
let count = 0

beforeAll(async () => {
  test = await startTestServer()
})
afterAll(async () => await test.stop())
beforeEach(async () => {
  namespace = `client-${++count}`
  await test.createNamespace(namespace)
  client = inProcessClient(test.server, { name: 'robot', groups: ['system:masters'] })
})
afterEach(async () => await client.close())

const map = (name: string, data: Record<string, string> = {}): ConfigMap => ({
  apiVersion: 'v1',
  kind: 'ConfigMap',
  metadata: { name, namespace },
  data,
})
const pod = (name: string): Pod =>
  ({
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name, namespace },
    spec: { containers: [{ name: 'c', image: 'i' }] },
  }) as Pod
const key = (name: string) => ({ namespace, name })
const objectOf = <T extends KubernetesObject>(result: BatchResult | undefined): T => {
  if (result === undefined || 'error' in result) throw result?.error ?? new Error('no result')
  return result.object as T
}
const until = async (condition: () => boolean): Promise<void> => {
  while (!condition()) await new Promise((resolve) => setTimeout(resolve, 2))
}

describe('the in-process client', () => {
  it('creates, reads, updates, patches and deletes', async () => {
    const created = await client.create(configMaps, map('a', { x: '1' }))
    expect(await client.get(configMaps, key('a'))).toEqual(created)
    const updated = await client.update(configMaps, { ...created, data: { x: '2' } })
    expect(updated.data).toEqual({ x: '2' })
    await expect(client.update(configMaps, { ...created, data: { x: '3' } })).rejects.toSatisfy(isConflict)
    const patched = await client.patch(configMaps, key('a'), { type: 'merge', body: { data: { y: '3' } } })
    expect(patched.data).toEqual({ x: '2', y: '3' })
    expect((await client.list(configMaps, { namespace })).items).toEqual([patched])
    await client.delete(configMaps, key('a'))
    await expect(client.get(configMaps, key('a'))).rejects.toSatisfy(isNotFound)
  })

  it('reads and sets scales', async () => {
    const labels = { app: 'web' }
    const template = { metadata: { labels }, spec: pod('p').spec }
    const spec = { replicas: 2, selector: { matchLabels: labels }, template } as unknown as Deployment['spec']
    const metadata = { name: 'web', namespace }
    await client.create(deployments, { apiVersion: 'apps/v1', kind: 'Deployment', metadata, spec } as Deployment)
    const scale = await client.getScale(deployments, key('web'))
    expect(scale).toMatchObject({ spec: { replicas: 2 }, status: { replicas: 0, selector: 'app=web' } })
    expect((await client.updateScale(deployments, { ...scale, spec: { replicas: 5 } })).spec?.replicas).toBe(5)
    expect((await client.get(deployments, key('web'))).spec?.replicas).toBe(5)
    const stale = client.updateScale(deployments, { ...scale, spec: { replicas: 1 } })
    await expect(stale).rejects.toSatisfy(isConflict)
    await expect(client.getScale(configMaps, key('web'))).rejects.toSatisfy(isNotFound)
  })

  it('changes nothing of what it is given', async () => {
    const given = pod('p')
    const before = structuredClone(given)
    await client.create(pods, given)
    expect(given).toEqual(before)
  })

  it('does not let a later change of what it was given reach the store', async () => {
    const given = map('a', { x: '1' })
    await client.create(configMaps, given)
    given.data = { x: 'changed' }
    expect((await client.get(configMaps, key('a'))).data).toEqual({ x: '1' })
  })

  it('writes the status alone', async () => {
    const created = await client.create(pods, pod('p'))
    const status = { phase: 'Running' }
    const updated = await client.updateStatus(pods, { ...created, status, metadata: { ...created.metadata } })
    expect(updated.status?.phase).toBe('Running')
  })

  it('watches from a revision on', async () => {
    const { resourceVersion } = await client.list(configMaps, { namespace })
    const events: WatchEvent<ConfigMap>[] = []
    const watch = client.watch(
      configMaps,
      { namespace, resourceVersion },
      {
        onEvents: (batch) => events.push(...batch),
        onEnd: () => undefined,
      },
    )
    await client.create(configMaps, map('a'))
    await client.patch(configMaps, key('a'), { type: 'merge', body: { data: { z: '1' } } })
    await client.delete(configMaps, key('a'))
    await until(() => events.length === 3)
    watch.stop()
    expect(events.map((event) => event.type)).toEqual(['ADDED', 'MODIFIED', 'DELETED'])
    expect(events.map((event) => 'object' in event && event.object.kind)).toEqual(Array(3).fill('ConfigMap'))
  })

  it('ends a watch below the horizon with Expired', async () => {
    const { resourceVersion } = await client.list(configMaps, { namespace })
    for (let i = 0; i < 10; i++) await client.create(configMaps, map(`m${i}`))
    await test.store.compact(test.store.cachedRevision)
    const error = await new Promise((resolve) => {
      client.watch(configMaps, { namespace, resourceVersion }, { onEvents: () => undefined, onEnd: resolve })
    })
    expect(error).toMatchObject({ status: { code: 410, reason: 'Expired' } })
  })
})

describe('separate writes', () => {
  it('have an outcome each, in the order given', async () => {
    await client.create(configMaps, map('taken'))
    const results = await client.writeAll(
      [
        { verb: 'create', resource: configMaps, object: map('a') },
        { verb: 'create', resource: configMaps, object: map('taken') },
        { verb: 'delete', resource: configMaps, key: key('none') },
        {
          verb: 'patch',
          resource: configMaps,
          key: key('taken'),
          patch: { type: 'merge', body: { data: { a: 'b' } } },
        },
      ],
      { atomic: false },
    )
    expect(objectOf(results[0]).metadata.name).toBe('a')
    expect(results[1]).toMatchObject({ error: { message: 'configmaps "taken" already exists' } })
    expect(results[2]).toMatchObject({ error: { message: 'configmaps "none" not found' } })
    expect(objectOf<ConfigMap>(results[3]).data).toEqual({ a: 'b' })
  })

  it('share few commits', async () => {
    const names = Array.from({ length: 200 }, (_, i) => `p${i}`)
    const results = await client.writeAll(
      names.map((name) => ({ verb: 'create', resource: pods, object: pod(name) })),
      { atomic: false },
    )
    expect(results.every((result) => 'object' in result)).toBe(true)
    const bound = await client.writeAll(
      names.map((name) => ({ verb: 'bind', pod: key(name), nodeName: 'n1' })),
      { atomic: false },
    )
    expect(bound.map((result) => objectOf<Pod>(result).spec?.nodeName)).toEqual(names.map(() => 'n1'))
  })
})

describe('atomic writes', () => {
  it('happen together, under adjacent revisions', async () => {
    await client.create(configMaps, map('old'))
    const results = await client.writeAll(
      [
        { verb: 'create', resource: configMaps, object: map('a') },
        { verb: 'update', resource: configMaps, object: map('old', { x: '1' }) },
        { verb: 'create', resource: pods, object: pod('p') },
      ],
      { atomic: true },
    )
    const revisions = results.map((result) => Number(objectOf(result).metadata.resourceVersion))
    expect(revisions).toEqual([revisions[0], (revisions[0] ?? 0) + 1, (revisions[0] ?? 0) + 2])
  })

  it('do not happen at all when one is refused', async () => {
    await client.create(configMaps, map('taken'))
    const status = await refusal(
      client.writeAll(
        [
          { verb: 'create', resource: configMaps, object: map('a') },
          { verb: 'create', resource: configMaps, object: map('taken') },
        ],
        { atomic: true },
      ),
    )
    expect(status).toMatchObject({ code: 409, message: 'configmaps "taken" already exists' })
    await expect(client.get(configMaps, key('a'))).rejects.toSatisfy(isNotFound)
  })

  it('are decided again when somebody else was faster', async () => {
    const other = await test.another()
    await client.create(configMaps, map('a'))
    for (let i = 0; i < 10; i++) {
      const patch = (member: string) => ({ type: 'merge' as const, body: { data: { [member]: `${i}` } } })
      await other.server.patch(test.request, configMaps as never, key('a'), patch('theirs'))
      await client.writeAll(
        [
          { verb: 'patch', resource: configMaps, key: key('a'), patch: patch('ours') },
          { verb: 'create', resource: configMaps, object: map(`with-${i}`) },
        ],
        { atomic: true },
      )
      expect((await client.get(configMaps, key('a'))).data).toEqual({ ours: `${i}`, theirs: `${i}` })
    }
  })

  it('are refused for a stale resourceVersion', async () => {
    const created = await client.create(configMaps, map('a'))
    await client.patch(configMaps, key('a'), { type: 'merge', body: { data: { b: '1' } } })
    const call = client.writeAll([{ verb: 'update', resource: configMaps, object: created }], { atomic: true })
    expect((await refusal(call)).reason).toBe('Conflict')
  })

  it('bind several pods at once or none of them', async () => {
    for (const name of ['p1', 'p2']) await client.create(pods, pod(name))
    const bind = async (nodeName: string, ...names: string[]) =>
      await client.writeAll(
        names.map((name) => ({ verb: 'bind', pod: key(name), nodeName })),
        { atomic: true },
      )
    await bind('n1', 'p1')
    expect((await refusal(bind('n2', 'p2', 'p1'))).message).toContain('pod p1 is already assigned to node "n1"')
    expect((await client.get(pods, key('p2'))).spec?.nodeName).toBeUndefined()
  })

  it('answer each with its own object, whatever else had to be written', async () => {
    const service = (name: string) => ({
      apiVersion: 'v1',
      kind: 'Service',
      metadata: { name, namespace },
      spec: { ports: [{ port: 80 }] },
    })
    await client.create(configMaps, map('same', { a: '1' }))
    const results = await client.writeAll(
      [
        { verb: 'create', resource: services, object: service('s1') },
        { verb: 'update', resource: configMaps, object: map('same', { a: '1' }) },
        { verb: 'create', resource: services, object: service('s2') },
      ],
      { atomic: true },
    )
    expect(results.map((result) => objectOf(result).metadata.name)).toEqual(['s1', 'same', 's2'])
  })
})

describe('batches over REST', () => {
  it('are decoded, carried out and encoded', async () => {
    await client.create(pods, pod('p'))
    const body = {
      atomic: false,
      writes: [
        { verb: 'create', version: 'v1', resource: 'configmaps', namespace, object: map('a') },
        { verb: 'bind', namespace, name: 'p', nodeName: 'n1' },
        { verb: 'delete', version: 'v1', resource: 'configmaps', namespace, name: 'none' },
      ],
    }
    const { writes, atomic } = decodeBatch(test.server.registry, body)
    const encoded = encodeBatchResults(await test.server.writeAll(test.request, writes, { atomic }))
    expect(JSON.parse(JSON.stringify(encoded))).toMatchObject({
      results: [
        { object: { kind: 'ConfigMap', metadata: { name: 'a' } } },
        { object: { spec: { nodeName: 'n1' } } },
        { status: { kind: 'Status', code: 404, reason: 'NotFound' } },
      ],
    })
  })

  it('take the namespace of a create from the write where the object has none', () => {
    const object = { metadata: { name: 'a' } }
    const given = { verb: 'create', version: 'v1', resource: 'configmaps', namespace, object }
    const { writes } = decodeBatch(test.server.registry, { writes: [given] })
    expect(writes[0]).toMatchObject({ object: { metadata: { name: 'a', namespace } } })
  })

  it('are refused when malformed', () => {
    const message = (body: unknown): string => {
      try {
        decodeBatch(test.server.registry, body)
      } catch (error) {
        return (error as Error).message
      }
      return ''
    }
    expect(message({})).toBe('writes: Required value: must be a list')
    expect(message({ writes: [null] })).toBe('writes[0]: Invalid value: null: must be an object')
    expect(message({ writes: [{ verb: 'create', resource: 'nonsense' }] })).toBe(
      'writes[0].resource: Not found: "nonsense" in v1',
    )
    expect(message({ writes: [{ verb: 'shout', resource: 'pods' }] })).toContain(
      'writes[0].verb: Unsupported value: "shout"',
    )
    expect(message({ writes: [{ verb: 'create', resource: 'pods' }] })).toBe('writes[0].object: Required value')
    expect(message({ writes: [{ verb: 'patch', resource: 'pods', name: 'p' }] })).toBe(
      'writes[0].patch: Required value',
    )
    expect(message({ writes: [{ verb: 'bind', name: 'p' }] })).toBe('writes[0].nodeName: Required value')
  })
})
