import { cronTabDefinition, type CronTabOptions, established } from '@binnacle/resources/testing'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { mergePatch, startTestApi, type TestApi } from '../graphql/graphql-testing.ts'

/** Custom kinds as clients see them, over two processes on one database. The test does what the workers would: it accepts names and lets kinds go. */

let api: TestApi
let other: Awaited<ReturnType<TestApi['another']>>

beforeAll(async () => {
  api = await startTestApi()
  other = await api.another()
  await api.createNamespace('shop')
})
afterAll(async () => await api?.stop())

const crds = '/apis/apiextensions.k8s.io/v1/customresourcedefinitions'

async function define(group: string, options: CronTabOptions = {}): Promise<void> {
  const created = await api.rest('POST', crds, cronTabDefinition({ group, ...options }))
  expect(created.status).toBe(201)
  const { status } = established(created.body)
  await api.rest('PUT', `${crds}/${created.body.metadata.name}/status`, { ...created.body, status })
}

async function letGo(group: string): Promise<void> {
  const path = `${crds}/crontabs.${group}`
  await api.rest('DELETE', path)
  await api.rest('PATCH', path, { metadata: { finalizers: null } }, mergePatch)
}

const cronTab = (group: string, name: string, spec: object = {}) => ({
  apiVersion: `${group}/v1`,
  kind: 'CronTab',
  metadata: { name },
  spec: { cronSpec: '* * * * *', ...spec },
})
const pathIn = (group: string, rest = '', version = 'v1') => `/apis/${group}/${version}/namespaces/shop/crontabs${rest}`

describe('a custom kind', () => {
  it('is served by another process at once, and in discovery and OpenAPI', async () => {
    const group = 'live.example.com'
    expect((await other.rest('GET', pathIn(group))).status).toBe(404)
    await define(group)
    const created = await other.rest('POST', pathIn(group), cronTab(group, 'a'))
    expect([created.status, created.body.spec]).toEqual([201, { cronSpec: '* * * * *', replicas: 1 }])
    for (const each of [api, other]) {
      const { body } = await each.rest('GET', `/apis/${group}/v1`)
      expect(body.resources.map(({ name, verbs }: any) => [name, verbs.length])).toEqual([
        ['crontabs', 8],
        ['crontabs/scale', 3],
        ['crontabs/status', 3],
      ])
      expect((await each.rest('GET', '/apis')).body.groups.map(({ name }: any) => name)).toContain(group)
      expect((await each.rest('GET', `/openapi/v3/apis/${group}/v1`)).text).toContain('as cron writes it')
    }
    const accept = { accept: 'application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList' }
    const { items } = (await other.rest('GET', '/apis', undefined, accept)).body
    const found = items.find(({ metadata }: any) => metadata.name === group)
    expect(found.versions[0].resources[0]).toMatchObject({ resource: 'crontabs', shortNames: ['ct'] })
  })

  it('is listed as objects, as a table and as metadata', async () => {
    const group = 'lists.example.com'
    await define(group)
    await api.rest('POST', pathIn(group), cronTab(group, 'a'))
    const list = (await api.rest('GET', pathIn(group))).body
    expect([list.kind, list.items[0].kind, list.items[0].spec.replicas]).toEqual(['CronTabList', 'CronTab', 1])
    const table = { accept: 'application/json;as=Table;g=meta.k8s.io;v=v1' }
    const { columnDefinitions, rows } = (await api.rest('GET', pathIn(group), undefined, table)).body
    expect(columnDefinitions.map(({ name, type }: any) => [name, type])).toEqual([
      ['Name', 'string'],
      ['Spec', 'string'],
      ['Replicas', 'integer'],
      ['Age', 'date'],
    ])
    expect(rows[0].cells.slice(0, 3)).toEqual(['a', '* * * * *', 1])
    const deleted = await api.rest('DELETE', pathIn(group))
    expect([deleted.status, (await api.rest('GET', pathIn(group))).body.items]).toEqual([200, []])
  })

  it('refuses strategic patches with the types that it takes', async () => {
    const group = 'patches.example.com'
    await define(group)
    await api.rest('POST', pathIn(group), cronTab(group, 'a'))
    const strategic = { 'content-type': 'application/strategic-merge-patch+json' }
    for (const rest of ['/a', '/a/status', '/a/scale']) {
      const { status, body } = await api.rest('PATCH', pathIn(group, rest), {}, strategic)
      expect([rest, status, body.reason]).toEqual([rest, 415, 'UnsupportedMediaType'])
    }
    const scale = await api.rest('PATCH', pathIn(group, '/a/scale'), { spec: { replicas: 4 } }, mergePatch)
    expect(scale.body).toMatchObject({ kind: 'Scale', spec: { replicas: 4 } })
  })

  it('warns of a version that is deprecated', async () => {
    const group = 'old.example.com'
    const schema = { openAPIV3Schema: { type: 'object', 'x-kubernetes-preserve-unknown-fields': true } }
    await define(group, { versions: [{ name: 'v1beta1', served: true, storage: false, deprecated: true, schema }] })
    const { headers } = await api.rest('GET', pathIn(group, '', 'v1beta1'))
    expect(headers['warning']).toBe(`299 - "${group}/v1beta1 CronTab is deprecated; use ${group}/v1 CronTab"`)
  })

  it('ends its watches, and is no longer found, when its definition goes', async () => {
    const group = 'gone.example.com'
    await define(group)
    await api.rest('POST', pathIn(group), cronTab(group, 'a'))
    const watch = other.send('GET', `${pathIn(group)}?watch=true&timeoutSeconds=600`)
    await api.rest('DELETE', pathIn(group, '/a'))
    await api.rest('DELETE', `${crds}/crontabs.${group}`)
    const { resources } = (await api.rest('GET', `/apis/${group}/v1`)).body
    expect(resources[0].verbs).toEqual(['delete', 'deletecollection', 'get', 'list', 'watch'])
    await letGo(group)
    const events = (await watch).text.trimEnd().split('\n')
    expect(events.map((line) => JSON.parse(line).type)).toEqual(expect.arrayContaining(['DELETED']))
    expect((await api.rest('GET', pathIn(group))).status).toBe(404)
    expect((await api.rest('GET', `/apis/${group}`)).status).toBe(404)
  })
})

describe('GraphQL', () => {
  it('reads and writes custom objects by their resource', async () => {
    const group = 'graphql.example.com'
    await define(group)
    const resource = { group, version: 'v1', plural: 'crontabs' }
    const payload = '{ object { __typename kind _json } error { reason message causes { field } } }'
    const create = `mutation($resource: ResourceRef!, $input: JSON!) {
      createObject(resource: $resource, namespace: "shop", input: $input) ${payload}
    }`
    const made = await api.data(create, {
      resource,
      input: { metadata: { name: 'a' }, spec: { cronSpec: '1 * * * *' } },
    })
    expect(made.createObject).toMatchObject({
      error: null,
      object: { __typename: 'CustomObject', kind: 'CronTab', _json: { spec: { cronSpec: '1 * * * *', replicas: 1 } } },
    })
    const wrong = await api.data(create, { resource, input: { metadata: { name: 'b' }, spec: { cronSpec: 'x' } } })
    expect(wrong.createObject.error).toMatchObject({ reason: 'Invalid', causes: [{ field: 'spec.cronSpec' }] })
    const patch = `mutation($resource: ResourceRef!, $patch: Patch!) {
      patchObject(resource: $resource, namespace: "shop", name: "a", patch: $patch) ${payload}
    }`
    const patched = await api.data(patch, { resource, patch: { merge: { spec: { replicas: 3 } } } })
    expect(patched.patchObject.object._json.spec.replicas).toBe(3)
    const owner = patched.patchObject.object._json.metadata
    const ownerReferences = [
      { apiVersion: `${group}/v1`, kind: 'CronTab', name: 'a', uid: owner.uid, controller: true },
    ]
    await api.rest('POST', '/api/v1/namespaces/shop/configmaps', { metadata: { name: 'owned', ownerReferences } })
    const query = `query($resource: ResourceRef!) {
      objects(resource: $resource, namespace: "shop") {
        nodes { id metadata { name } children { kind metadata { name } } }
      }
      configMap(namespace: "shop", name: "owned") { owner { __typename metadata { name } } }
      resources { group plural }
    }`
    const { objects, configMap, resources } = await api.data(query, { resource })
    expect(objects.nodes[0]).toMatchObject({ children: [{ kind: 'ConfigMap', metadata: { name: 'owned' } }] })
    expect(configMap.owner).toEqual({ __typename: 'CustomObject', metadata: { name: 'a' } })
    expect(resources).toContainEqual({ group, plural: 'crontabs' })
    const byId = 'query($id: ID!) { objectById(id: $id) { metadata { name } } }'
    expect(await api.data(byId, { id: objects.nodes[0].id })).toEqual({ objectById: { metadata: { name: 'a' } } })
    const replace = `mutation($resource: ResourceRef!, $input: JSON!) {
      updateObject(resource: $resource, input: $input) ${payload}
    }`
    const input = { metadata: { name: 'a', namespace: 'shop' }, spec: { cronSpec: '2 * * * *' } }
    const replaced = await api.data(replace, { resource, input })
    expect(replaced.updateObject.object._json.spec).toEqual({ cronSpec: '2 * * * *', replicas: 1 })
    const remove = `mutation($resource: ResourceRef!) {
      deleteObject(resource: $resource, namespace: "shop", name: "a") ${payload}
    }`
    expect((await api.data(remove, { resource })).deleteObject.error).toBeNull()
    expect((await api.data(remove, { resource })).deleteObject.error.reason).toBe('NotFound')
  })
})
