import type { KubernetesObject } from '@binnacle/apimachinery'
import {
  type ConfigMap,
  configMaps,
  type Deployment,
  deployments,
  type Pod,
  pods,
  replicaSets,
  type ResourceDefinition,
  serviceAccounts,
  services,
} from '@binnacle/resources'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { refusal, startTestServer, type TestServer } from './test-server.ts'

let test: TestServer
let namespace = ''
let count = 0

beforeAll(async () => {
  test = await startTestServer()
})
afterAll(async () => await test.stop())
beforeEach(async () => {
  namespace = `ns-${++count}`
  await test.createNamespace(namespace)
  test.takeWarnings()
})

const definition = configMaps as ResourceDefinition<any>
const map = (name: string, extra: object = {}) => ({
  apiVersion: 'v1',
  kind: 'ConfigMap',
  metadata: { name, namespace },
  data: { a: '1' },
  ...extra,
})
const post = async (body: unknown, options = {}) =>
  await test.server.create(test.request, definition, namespace, body, options)
const put = async (body: any, options = {}) =>
  await test.server.update(test.request, definition, { namespace, name: body.metadata.name }, body, options)
const key = (name: string) => ({ namespace, name })
const parse = <T extends KubernetesObject>(answer: { object: { parse(): any } }): T => answer.object.parse() as T

describe('create', () => {
  it('gives the object a uid, a time, and the revision of its write', async () => {
    const answer = await post(map('a'))
    const { metadata } = parse<ConfigMap>(answer)
    expect(answer.created).toBe(true)
    expect(metadata.uid).toMatch(/^[0-9a-f-]{36}$/)
    expect(metadata.creationTimestamp).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/)
    expect(metadata.resourceVersion).toBe(String(test.store.get({ resource: 'configmaps', ...key('a') })?.revision))
  })

  it('refuses a name that is taken', async () => {
    await post(map('a'))
    expect(await refusal(post(map('a')))).toMatchObject({
      code: 409,
      reason: 'AlreadyExists',
      message: 'configmaps "a" already exists',
      details: { name: 'a', kind: 'configmaps' },
    })
  })

  it('makes a name of generateName', async () => {
    const { object } = await post(map('', { metadata: { generateName: 'some-' } }))
    expect(object.key.name).toMatch(/^some-[bcdfghjklmnpqrstvwxz2456789]{5}$/)
  })

  it('asks for a name', async () => {
    expect(await refusal(post(map('', { metadata: {} })))).toMatchObject({
      code: 422,
      reason: 'Invalid',
      message: 'ConfigMap "" is invalid: metadata.name: Required value: name or generateName is required',
    })
  })

  it('refuses a name that is no subdomain', async () => {
    expect((await refusal(post(map('A_b')))).message).toBe(
      `ConfigMap "A_b" is invalid: metadata.name: Invalid value: "A_b": a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')`,
    )
  })

  it('refuses another namespace than that of the request', async () => {
    expect(await refusal(post(map('a', { metadata: { name: 'a', namespace: 'other' } })))).toMatchObject({
      code: 400,
      message: 'the namespace of the provided object does not match the namespace sent on the request',
    })
  })

  it('refuses a resourceVersion', async () => {
    expect(await refusal(post(map('a', { metadata: { name: 'a', resourceVersion: '5' } })))).toMatchObject({
      code: 400,
      message: 'resourceVersion should not be set on objects to be created',
    })
  })

  it('refuses a kind that is not the one of the path', async () => {
    expect((await refusal(post(map('a', { kind: 'Secret' })))).code).toBe(400)
    expect((await refusal(post(map('a', { apiVersion: 'v2' })))).message).toBe(
      'the API version in the data (v2) does not match the expected API version (v1)',
    )
  })

  it('refuses a body that is no object', async () => {
    expect((await refusal(post([]))).code).toBe(400)
    expect((await refusal(post(null))).code).toBe(400)
    expect((await refusal(post('text'))).code).toBe(400)
  })

  it('refuses a field of the wrong type as Go does', async () => {
    expect((await refusal(post(map('a', { data: { a: 1 } })))).message).toBe(
      'ConfigMap in version "v1" cannot be handled as a ConfigMap: json: cannot unmarshal number into Go struct field ConfigMap.data of type string',
    )
  })

  it('refuses unknown and duplicate fields when strict, warns of them by default, and drops them', async () => {
    const body = () => map('a', { foo: 1, metadata: { name: 'a', bar: 2 } })
    const strict = { fieldValidation: 'Strict', duplicateFields: ['data'] }
    expect(await refusal(post(body(), strict))).toMatchObject({
      code: 400,
      message: 'strict decoding error: duplicate field "data", unknown field "metadata.bar", unknown field "foo"',
    })
    const { object } = await post(body())
    expect(test.takeWarnings()).toEqual(['unknown field "metadata.bar"', 'unknown field "foo"'])
    expect(object.parse()).not.toHaveProperty('foo')
    await post(map('b', { foo: 1 }), { fieldValidation: 'Ignore' })
    expect(test.takeWarnings()).toEqual([])
  })

  it('refuses an object over 1.5 MB', async () => {
    const account = { metadata: { name: 'big' }, imagePullSecrets: [{ name: 'x'.repeat(1.6 * 1024 * 1024) }] }
    const call = test.server.create(test.request, serviceAccounts as ResourceDefinition<any>, namespace, account)
    expect(await refusal(call)).toMatchObject({ code: 413, reason: 'RequestEntityTooLarge' })
  })

  it('writes nothing in a dry run, and says what it would have written', async () => {
    const { object } = await post(map('a'), { dryRun: true })
    expect(object.parse()).toMatchObject({ metadata: { name: 'a' }, data: { a: '1' } })
    expect(test.store.get({ resource: 'configmaps', ...key('a') })).toBeUndefined()
    await post(map('a'))
    expect((await refusal(post(map('a'), { dryRun: true }))).reason).toBe('AlreadyExists')
  })

  it('drops the status of kinds that have it as a subresource', async () => {
    const body = deployment('a')
    Object.assign(body, { status: { replicas: 7 } })
    expect((await test.create(deployments, body)).status).toEqual({})
  })

  it('gives new objects the status that they have before any controller has spoken', async () => {
    const { spec } = deployment('b')
    const set = { metadata: { name: 'b', namespace }, spec: { selector: spec?.selector, template: spec?.template } }
    expect((await test.create(replicaSets, set)).status).toEqual({ replicas: 0 })
    const service = { metadata: { name: 'b', namespace }, spec: { ports: [{ port: 80 }] } }
    expect((await test.create(services, service)).status).toEqual({ loadBalancer: {} })
    const configMap = await test.create(configMaps, { metadata: { name: 'b', namespace } })
    expect(configMap).not.toHaveProperty('status')
  })
})

const deployment = (name: string): Deployment =>
  ({
    apiVersion: 'apps/v1',
    kind: 'Deployment',
    metadata: { name, namespace },
    spec: {
      replicas: 1,
      selector: { matchLabels: { app: name } },
      template: { metadata: { labels: { app: name } }, spec: { containers: [{ name: 'c', image: 'nginx' }] } },
    },
  }) as unknown as Deployment

describe('update', () => {
  it('replaces the object when the resourceVersion is the present one', async () => {
    const old = parse<ConfigMap>(await post(map('a')))
    const now = parse<ConfigMap>(await put({ ...structuredClone(old), data: { b: '2' } }))
    expect(now.data).toEqual({ b: '2' })
    expect(Number(now.metadata.resourceVersion)).toBeGreaterThan(Number(old.metadata.resourceVersion))
    expect(now.metadata.uid).toBe(old.metadata.uid)
  })

  it('refuses a stale resourceVersion', async () => {
    const old = parse<ConfigMap>(await post(map('a')))
    await put({ ...structuredClone(old), data: { b: '2' } })
    expect(await refusal(put({ ...structuredClone(old), data: { c: '3' } }))).toMatchObject({
      code: 409,
      reason: 'Conflict',
      message:
        'Operation cannot be fulfilled on configmaps "a": the object has been modified; please apply your changes to the latest version and try again',
      details: { name: 'a', kind: 'configmaps' },
    })
  })

  it('takes an update without a resourceVersion for unconditional, whoever else writes', async () => {
    await post(map('a'))
    const answers = await Promise.all(['1', '2', '3', '4'].map((x) => put(map('a', { data: { x } }))))
    expect(new Set(answers.map((answer) => answer.object.revision)).size).toBe(4)
  })

  it('writes nothing when nothing changes', async () => {
    const old = parse<ConfigMap>(await post(map('a')))
    const revision = test.store.cachedRevision
    expect(parse<ConfigMap>(await put(structuredClone(old)))).toEqual(old)
    expect(await test.store.linearize()).toBe(revision)
  })

  it('gives NotFound for what is not there', async () => {
    expect(await refusal(put(map('none')))).toMatchObject({
      code: 404,
      message: 'configmaps "none" not found',
      details: { name: 'none', kind: 'configmaps' },
    })
  })

  it('refuses another name than that of the path', async () => {
    await post(map('a'))
    const call = test.server.update(test.request, definition, key('a'), map('b'))
    expect((await refusal(call)).message).toBe('the name of the object (b) does not match the name on the URL (a)')
  })

  it('refuses another uid', async () => {
    const { uid } = parse<ConfigMap>(await post(map('a'))).metadata
    const other = map('a', { metadata: { name: 'a', uid: 'other' } })
    expect((await refusal(put(other))).message).toBe(
      `Operation cannot be fulfilled on configmaps "a": Precondition failed: UID in precondition: other, UID in object meta: ${uid}`,
    )
  })

  it('counts a generation for each change of what is wanted, and none for status or metadata', async () => {
    const made = await test.create(deployments, deployment('a'))
    expect(made.metadata.generation).toBe(1)
    const change = async (body: Deployment, subresource?: string) =>
      (
        await test.server.update(
          test.request,
          deployments as ResourceDefinition<any>,
          key('a'),
          structuredClone(body),
          {
            subresource,
          },
        )
      ).object.parse() as Deployment
    const labelled = { ...made, metadata: { ...made.metadata, labels: { a: 'b' }, resourceVersion: '' } }
    expect((await change(labelled)).metadata.generation).toBe(1)
    const scaled = { ...labelled, spec: { ...made.spec, replicas: 3 } } as Deployment
    expect((await change(scaled)).metadata.generation).toBe(2)
    const withStatus = { ...scaled, spec: { ...scaled.spec, replicas: 9 }, status: { replicas: 3 } } as Deployment
    const after = await change(withStatus, 'status')
    expect(after).toMatchObject({ metadata: { generation: 2 }, spec: { replicas: 3 }, status: { replicas: 3 } })
    // The main resource leaves the status alone.
    expect((await change({ ...scaled, status: {} } as Deployment)).status).toEqual({ replicas: 3 })
  })

  it('keeps what only the server sets', async () => {
    const old = parse<ConfigMap>(await post(map('a')))
    const body = map('a', { metadata: { name: 'a', creationTimestamp: '2000-01-01T00:00:00Z', managedFields: [] } })
    expect(parse<ConfigMap>(await put({ ...body, data: { z: 'z' } })).metadata).toMatchObject({
      creationTimestamp: old.metadata.creationTimestamp,
    })
  })

  it('sees what another API process wrote just now', async () => {
    const other = await test.another()
    const made = (await other.server.create(test.request, definition, namespace, map('a'))).object.parse()
    for (let i = 0; i < 20; i++) {
      const current = (await other.server.patch(test.request, definition, key('a'), merge({ data: { i: `${i}` } })))
        .object
      const next = { ...made, metadata: { ...made.metadata, resourceVersion: String(current.revision) } }
      await put({ ...next, data: { own: `${i}` } })
    }
  })
})

const merge = (body: Record<string, unknown>) => ({ type: 'merge' as const, body })
const patch = async (name: string, given: Parameters<TestServer['server']['patch']>[3], options = {}) =>
  await test.server.patch(test.request, definition, key(name), given, options)

describe('patch', () => {
  it('merges', async () => {
    await post(map('a', { data: { a: '1', b: '2' } }))
    const { data } = parse<ConfigMap>(await patch('a', merge({ data: { a: null, c: '3' } })))
    expect(data).toEqual({ b: '2', c: '3' })
  })

  it('applies JSON patches', async () => {
    await post(map('a'))
    const operations = [
      { op: 'test', path: '/data/a', value: '1' },
      { op: 'add', path: '/data/b', value: '2' },
      { op: 'remove', path: '/data/a' },
    ]
    expect(parse<ConfigMap>(await patch('a', { type: 'json', operations })).data).toEqual({ b: '2' })
    expect((await refusal(patch('a', { type: 'json', operations }))).code).toBe(422)
  })

  it('merges strategically, by the keys of lists', async () => {
    const made = await test.create(deployments, deployment('a'))
    const body = {
      spec: {
        template: {
          spec: {
            containers: [
              { name: 'c', image: 'new' },
              { name: 'd', image: 'x' },
            ],
          },
        },
      },
    }
    const answer = await test.server.patch(test.request, deployments as ResourceDefinition<any>, key('a'), {
      type: 'strategic',
      body,
    })
    const containers = (answer.object.parse() as Deployment).spec?.template.spec?.containers ?? []
    expect(containers.map(({ name, image }) => [name, image]).sort()).toEqual([
      ['c', 'new'],
      ['d', 'x'],
    ])
    expect((answer.object.parse() as Deployment).metadata.generation).toBe((made.metadata.generation ?? 0) + 1)
  })

  it('lets many patches of one object all through', async () => {
    await post(map('a'))
    await Promise.all(Array.from({ length: 20 }, (_, i) => patch('a', merge({ data: { [`k${i}`]: 'v' } }))))
    const { object } = await patch('a', merge({}))
    expect(Object.keys((object.parse() as ConfigMap).data ?? {})).toHaveLength(21)
  })

  it('refuses a patch that names a stale resourceVersion', async () => {
    const { metadata } = parse<ConfigMap>(await post(map('a')))
    await patch('a', merge({ data: { b: '2' } }))
    const stale = merge({ metadata: { resourceVersion: metadata.resourceVersion }, data: { c: '3' } })
    expect((await refusal(patch('a', stale))).reason).toBe('Conflict')
  })

  it('does not write in a dry run', async () => {
    await post(map('a'))
    const { object } = await patch('a', merge({ data: { b: '2' } }), { dryRun: true })
    expect((object.parse() as ConfigMap).data).toEqual({ a: '1', b: '2' })
    expect(test.store.get({ resource: 'configmaps', ...key('a') })?.parse().data).toEqual({ a: '1' })
  })

  it('writes nothing when nothing changes', async () => {
    const { revision } = (await post(map('a'))).object
    expect((await patch('a', merge({ data: { a: '1' } }))).object.revision).toBe(revision)
  })
})

const remove = async (name: string, options = {}) =>
  await test.server.delete(test.request, definition, key(name), options)

describe('delete', () => {
  it('removes the object and gives its last state', async () => {
    const made = parse<ConfigMap>(await post(map('a')))
    const { object, gone } = await remove('a')
    expect(gone).toBe(true)
    expect(object.uid).toBe(made.metadata.uid)
    expect((await refusal(remove('a'))).message).toBe('configmaps "a" not found')
  })

  it('keeps preconditions', async () => {
    const { uid, resourceVersion } = parse<ConfigMap>(await post(map('a'))).metadata
    expect((await refusal(remove('a', { preconditions: { uid: 'other' } }))).message).toBe(
      `Operation cannot be fulfilled on configmaps "a": Precondition failed: UID in precondition: other, UID in object meta: ${uid}`,
    )
    expect((await refusal(remove('a', { preconditions: { resourceVersion: '1' } }))).message).toBe(
      `Operation cannot be fulfilled on configmaps "a": Precondition failed: ResourceVersion in precondition: 1, ResourceVersion in object meta: ${resourceVersion}`,
    )
    expect((await remove('a', { preconditions: { uid, resourceVersion } })).gone).toBe(true)
  })

  it('waits for finalizers: removing the last one ends the object', async () => {
    await post(map('a', { metadata: { name: 'a', finalizers: ['example.com/wait'] } }))
    const { gone, object } = await remove('a')
    expect(gone).toBe(false)
    expect((object.parse() as ConfigMap).metadata).toMatchObject({
      deletionGracePeriodSeconds: 0,
      deletionTimestamp: expect.any(String),
    })
    const added = merge({ metadata: { finalizers: ['example.com/wait', 'example.com/more'] } })
    expect((await refusal(patch('a', added))).message).toContain(
      'metadata.finalizers: Forbidden: no new finalizers can be added if the object is being deleted, found new finalizers []string{"example.com/more"}',
    )
    const watched: string[] = []
    const watch = await test.server.watch(
      test.request,
      definition,
      { namespace, resourceVersion: String(object.revision) },
      { onEvents: (events) => watched.push(...events.map((event) => event.type)) },
    )
    const last = await patch('a', merge({ metadata: { finalizers: null } }))
    expect(test.store.get({ resource: 'configmaps', ...key('a') })).toBeUndefined()
    expect((last.object.parse() as ConfigMap).metadata.finalizers).toBeUndefined()
    await test.store.linearize()
    watch.close()
    expect(watched).toEqual(['DELETED'])
  })

  it('marks what is to be orphaned or deleted in the foreground', async () => {
    for (const [policy, finalizer] of [
      ['Orphan', 'orphan'],
      ['Foreground', 'foregroundDeletion'],
    ] as const) {
      await post(map(finalizer.toLowerCase()))
      const { object, gone } = await remove(finalizer.toLowerCase(), { propagationPolicy: policy })
      expect(gone).toBe(false)
      expect((object.parse() as ConfigMap).metadata.finalizers).toEqual([finalizer])
    }
  })

  it('does not delete in a dry run', async () => {
    await post(map('a'))
    expect((await remove('a', { dryRun: true })).gone).toBe(true)
    expect(test.store.get({ resource: 'configmaps', ...key('a') })).toBeDefined()
  })

  it('deletes what a selector chooses', async () => {
    await post(map('a', { metadata: { name: 'a', labels: { x: 'y' } } }))
    await post(map('b'))
    const { objects } = await test.server.deleteCollection(test.request, definition, {
      namespace,
      labelSelector: 'x=y',
    })
    expect(objects.map((object) => object.key.name)).toEqual(['a'])
    expect(test.store.get({ resource: 'configmaps', ...key('b') })).toBeDefined()
  })
})

describe('graceful deletion of pods', () => {
  const pod = (name: string, extra: object = {}) => ({
    metadata: { name, namespace },
    spec: { containers: [{ name: 'c', image: 'nginx' }], nodeName: 'n1', ...extra },
  })
  const end = async (name: string, options = {}) =>
    await test.server.delete(test.request, pods as ResourceDefinition<any>, key(name), options)

  it('marks a placed pod with its grace period, and a later delete shortens it', async () => {
    await test.create(pods, pod('p'))
    const first = await end('p')
    expect(first.gone).toBe(false)
    const { metadata } = first.object.parse() as Pod
    expect(metadata.deletionGracePeriodSeconds).toBe(30)
    expect((await end('p', { gracePeriodSeconds: 60 })).object.revision).toBe(first.object.revision)
    const shorter = (await end('p', { gracePeriodSeconds: 5 })).object.parse() as Pod
    expect(shorter.metadata.deletionGracePeriodSeconds).toBe(5)
    expect(Date.parse(metadata.deletionTimestamp ?? '') - Date.parse(shorter.metadata.deletionTimestamp ?? '')).toBe(
      25_000,
    )
    expect((await end('p', { gracePeriodSeconds: 0 })).gone).toBe(true)
  })

  it('removes at once a pod that was never placed', async () => {
    await test.create(pods, pod('p', { nodeName: undefined }))
    expect((await end('p')).gone).toBe(true)
  })
})

describe('users', () => {
  it('refuses everything to the anonymous user', async () => {
    const request = { ...test.request, user: { name: 'system:anonymous', groups: ['system:unauthenticated'] } }
    expect(await refusal(test.server.create(request, definition, namespace, map('a')))).toMatchObject({
      code: 403,
      reason: 'Forbidden',
      message: `configmaps is forbidden: User "system:anonymous" cannot create resource "configmaps" in API group "" in the namespace "${namespace}"`,
    })
  })
})
