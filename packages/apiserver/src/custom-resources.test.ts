import { applyJsonPatch, type KubernetesObject } from '@binnacle/apimachinery'
import {
  type CustomResourceDefinition,
  customResourceDefinitions,
  type ResourceDefinition,
  resourceQuotas,
} from '@binnacle/resources'
import { cronTabDefinition, type CronTabOptions, established } from '@binnacle/resources/testing'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { refusal, startTestServer, type TestServer } from './test-server.ts'

let test: TestServer
let namespace = ''
let group = ''
let count = 0

beforeAll(async () => {
  test = await startTestServer()
})
afterAll(async () => await test.stop())
beforeEach(async () => {
  namespace = `ns-${++count}`
  group = `g${count}.example.com`
  await test.createNamespace(namespace)
  test.takeWarnings()
})

const crds = customResourceDefinitions as ResourceDefinition<any>

/** Defines CronTabs in a group of the test's own, and accepts their names as the controller does. */
async function define(options: CronTabOptions = {}): Promise<CustomResourceDefinition> {
  const created = await test.create(customResourceDefinitions, cronTabDefinition({ group, ...options }))
  return await accept(created)
}

async function accept(crd: CustomResourceDefinition): Promise<CustomResourceDefinition> {
  const key = { namespace: '', name: crd.metadata.name }
  const { status } = established(crd)
  const options = { subresource: 'status' }
  return (await test.server.update(test.request, crds, key, { ...crd, status }, options)).object.parse()
}

function kind(version = 'v1', server = test.server): ResourceDefinition<any> {
  const definition = server.registry.byResource(group, version, 'crontabs')
  if (definition === undefined) throw new Error(`crontabs of ${group}/${version} are not served`)
  return definition
}

const cronTab = (name: string, spec: object = {}, more: object = {}) => ({
  apiVersion: `${group}/v1`,
  kind: 'CronTab',
  metadata: { name, namespace },
  spec: { cronSpec: '* * * * */5', ...spec },
  ...more,
})
const post = async (body: unknown, options = {}): Promise<any> =>
  (await test.server.create(test.request, kind(), namespace, body, options)).object.parse()
const key = (name: string) => ({ namespace, name })
const read = async (name: string, version = 'v1'): Promise<any> => {
  const object = await test.server.get(test.request, kind(version), key(name))
  return JSON.parse(test.server.encode(kind(version), object).toString())
}

describe('a kind', () => {
  it('is served from the moment when its names are accepted, and at every server', async () => {
    const other = await test.another()
    const created = await test.create(customResourceDefinitions, cronTabDefinition({ group }))
    expect(created.status?.storedVersions).toEqual(['v1'])
    expect(test.server.registry.byResource(group, 'v1', 'crontabs')).toBeUndefined()
    await accept(created)
    await post(cronTab('a'))
    await other.store.linearize()
    const found = await other.server.get(test.request, kind('v1', other.server), key('a'))
    expect(found.parse().spec).toEqual({ cronSpec: '* * * * */5', replicas: 1 })
  })

  it('is known again after a restart', async () => {
    await define()
    await post(cronTab('a'))
    const restarted = await test.another()
    const list = await restarted.server.list(test.request, kind('v1', restarted.server), { namespace })
    expect(list.objects.map((object) => object.key.name)).toEqual(['a'])
  })

  it('takes no new objects while it is going away', async () => {
    const crd = await define()
    await post(cronTab('a'))
    const { object, gone } = await test.server.delete(test.request, crds, { namespace: '', name: crd.metadata.name })
    expect(gone).toBe(false)
    expect(object.parse().metadata.finalizers).toEqual(['customresourcecleanup.apiextensions.k8s.io'])
    expect(await refusal(post(cronTab('b')))).toMatchObject({
      code: 405,
      message: 'create not allowed while custom resource definition is terminating',
    })
    const changed = { ...(await read('a')), metadata: { name: 'a', namespace, labels: { a: 'b' } } }
    await test.server.update(test.request, kind(), key('a'), changed)
    await test.server.delete(test.request, kind(), key('a'))
  })

  it('is no longer served once its definition is gone', async () => {
    const crd = await define()
    await test.server.delete(test.request, crds, { namespace: '', name: crd.metadata.name })
    const body = [{ op: 'remove', path: '/metadata/finalizers' }]
    const patch = { type: 'json', operations: body } as const
    await test.server.patch(test.request, crds, { namespace: '', name: crd.metadata.name }, patch)
    expect(test.server.registry.byResource(group, 'v1', 'crontabs')).toBeUndefined()
  })
})

describe('an object', () => {
  it('is created with defaults and without what its schema does not have', async () => {
    await define()
    const created = await post(cronTab('a', { colour: 'red' }))
    expect(created).toMatchObject({ metadata: { generation: 1 }, spec: { cronSpec: '* * * * */5', replicas: 1 } })
    expect(created.spec).not.toHaveProperty('colour')
    expect(created).not.toHaveProperty('status')
    expect(test.takeWarnings()).toEqual(['unknown field "spec.colour"'])
    const strict = post(cronTab('b', { colour: 'red' }), { fieldValidation: 'Strict' })
    expect(await refusal(strict)).toMatchObject({
      code: 400,
      message: 'strict decoding error: unknown field "spec.colour"',
    })
  })

  it('is refused with every problem that it has', async () => {
    await define()
    const status = await refusal(post(cronTab('a', { cronSpec: 'never', replicas: 20 })))
    expect(status).toMatchObject({ code: 422, reason: 'Invalid', details: { kind: 'CronTab', group } })
    expect(status.details?.causes).toEqual([
      {
        reason: 'FieldValueInvalid',
        field: 'spec.cronSpec',
        message: `Invalid value: "never": spec.cronSpec in body should match '^(\\d+|\\*)(/\\d+)?(\\s+(\\d+|\\*)(/\\d+)?){4}$'`,
      },
      {
        reason: 'FieldValueInvalid',
        field: 'spec.replicas',
        message: 'Invalid value: 20: spec.replicas in body should be less than or equal to 10',
      },
    ])
    const twice = [{ port: 80 }, { port: 80 }]
    expect(await refusal(post(cronTab('a', { ports: twice })))).toMatchObject({
      message: `CronTab.${group} "a" is invalid: spec.ports[1]: Duplicate value: {"port":80}`,
    })
  })

  it('has a status that only its subresource changes', async () => {
    await define()
    await post(cronTab('a', {}, { status: { replicas: 5 } }))
    const object = await read('a')
    const status = { ...object, spec: { cronSpec: 'x' }, status: { replicas: 2 } }
    await test.server.update(test.request, kind(), key('a'), status, { subresource: 'status' })
    expect(await read('a')).toMatchObject({ metadata: { generation: 1 }, spec: object.spec, status: { replicas: 2 } })
    const spec = { ...(await read('a')), spec: { cronSpec: '1 * * * *' }, status: {} }
    await test.server.update(test.request, kind(), key('a'), spec)
    expect(await read('a')).toMatchObject({ metadata: { generation: 2 }, status: { replicas: 2 } })
  })

  it('counts changes of its status as generations where that is a field like any other', async () => {
    await define({ version: { subresources: {} } })
    await post(cronTab('a', {}, { status: { replicas: 5 } }))
    await test.server.update(test.request, kind(), key('a'), { ...(await read('a')), status: { replicas: 6 } })
    expect(await read('a')).toMatchObject({ metadata: { generation: 2 }, status: { replicas: 6 } })
  })

  it('takes JSON and merge patches, and no strategic ones', async () => {
    await define()
    await post(cronTab('a'))
    const merge = { type: 'merge', body: { spec: { replicas: 3, colour: 'red' } } } as const
    await test.server.patch(test.request, kind(), key('a'), merge)
    const operations = [{ op: 'add', path: '/spec/image', value: 'x' }]
    await test.server.patch(test.request, kind(), key('a'), { type: 'json', operations })
    expect((await read('a')).spec).toEqual({ cronSpec: '* * * * */5', replicas: 3, image: 'x' })
    const strategic = { type: 'strategic', body: {} } as const
    expect(await refusal(test.server.patch(test.request, kind(), key('a'), strategic))).toMatchObject({
      code: 415,
      message:
        'the body of the request was in an unknown format - accepted media types include: application/json-patch+json, application/merge-patch+json, application/apply-patch+yaml',
    })
  })

  it('is applied by the parts that its schema tells apart', async () => {
    await define()
    const apply = async (fieldManager: string, spec: object, options = {}): Promise<any> => {
      const config = { apiVersion: `${group}/v1`, kind: 'CronTab', metadata: { name: 'a', namespace }, spec }
      const answer = await test.server.apply(test.request, kind(), key('a'), config, { fieldManager, ...options })
      return answer.object.parse()
    }
    await apply('one', { cronSpec: '* * * * *', ports: [{ port: 80, name: 'web' }], extra: { a: { x: 1 } } })
    const both = await apply('two', { ports: [{ port: 443, name: 'tls' }], extra: { a: { y: 2 }, b: 'c' } })
    expect(both.spec).toEqual({
      cronSpec: '* * * * *',
      replicas: 1,
      ports: [
        { port: 80, name: 'web' },
        { port: 443, name: 'tls' },
      ],
      extra: { a: { x: 1, y: 2 }, b: 'c' },
    })
    expect(await refusal(apply('two', { cronSpec: '1 * * * *' }))).toMatchObject({
      reason: 'Conflict',
      message: 'Apply failed with 1 conflict: conflict with "one": .spec.cronSpec',
    })
    const { metadata } = both as KubernetesObject
    const fields = metadata.managedFields?.find(({ manager }) => manager === 'two')?.fieldsV1
    expect(fields).toEqual({
      'f:spec': {
        'f:extra': { 'f:a': { 'f:y': {} }, 'f:b': {} },
        'f:ports': { 'k:{"port":443}': { '.': {}, 'f:name': {}, 'f:port': {} } },
      },
    })
    const less = await apply('two', { extra: { b: 'c' } })
    expect(less.spec).toMatchObject({ ports: [{ port: 80, name: 'web' }], extra: { a: { x: 1 }, b: 'c' } })
  })

  it('belongs to its creator, down to its containers', async () => {
    await define()
    const { metadata } = await post(cronTab('a', { extra: { a: { b: 1 } } }), { fieldManager: 'me' })
    expect(metadata.managedFields[0].fieldsV1).toEqual({
      'f:spec': {
        '.': {},
        'f:cronSpec': {},
        'f:extra': { '.': {}, 'f:a': { '.': {}, 'f:b': {} } },
        'f:replicas': {},
      },
    })
  })

  it('is scaled by the paths of its definition', async () => {
    await define()
    await post(cronTab('a', {}, {}))
    const status = { ...(await read('a')), status: { replicas: 1, labelSelector: 'app=a' } }
    await test.server.update(test.request, kind(), key('a'), status, { subresource: 'status' })
    expect(await test.server.getScale(test.request, kind(), key('a'))).toMatchObject({
      apiVersion: 'autoscaling/v1',
      kind: 'Scale',
      spec: { replicas: 1 },
      status: { replicas: 1, selector: 'app=a' },
    })
    const patch = { type: 'merge', body: { spec: { replicas: 4 } } } as const
    await test.server.patchScale(test.request, kind(), key('a'), patch)
    expect((await read('a')).spec.replicas).toBe(4)
    const tooMany = test.server.patchScale(test.request, kind(), key('a'), {
      type: 'merge',
      body: { spec: { replicas: 11 } },
    })
    expect(await refusal(tooMany)).toMatchObject({ code: 422 })
  })

  it('without replicas has no Scale', async () => {
    await define({ version: { schema: { openAPIV3Schema: anything } } })
    await post(cronTab('a'))
    expect(await refusal(test.server.getScale(test.request, kind(), key('a')))).toMatchObject({
      code: 500,
      message: 'Internal error occurred: the spec replicas field ".spec.replicas" does not exist',
    })
  })

  it('is selected by the fields that its definition names', async () => {
    await define({ version: { selectableFields: [{ jsonPath: '.spec.image' }] } })
    await post(cronTab('a', { image: 'x' }))
    await post(cronTab('b', { image: 'y' }))
    const list = await test.server.list(test.request, kind(), { namespace, fieldSelector: 'spec.image=y' })
    expect(list.objects.map((object) => object.key.name)).toEqual(['b'])
    const other = test.server.list(test.request, kind(), { namespace, fieldSelector: 'spec.cronSpec=x' })
    expect(await refusal(other)).toMatchObject({ code: 400, message: 'field label not supported: spec.cronSpec' })
  })

  it('is counted by quotas', async () => {
    await define()
    const name = `count/crontabs.${group}`
    const quota = await test.create(resourceQuotas, {
      metadata: { name: 'few', namespace },
      spec: { hard: { [name]: '1' } },
    })
    const status = { hard: { [name]: '1' }, used: { [name]: '0' } }
    const body = { ...quota, status }
    const definition = resourceQuotas as ResourceDefinition<any>
    await test.server.update(test.request, definition, key('few'), body, { subresource: 'status' })
    await post(cronTab('a'))
    expect(await refusal(post(cronTab('b')))).toMatchObject({
      code: 403,
      message: `crontabs.${group} "b" is forbidden: exceeded quota: few, requested: ${name}=1, used: ${name}=1, limited: ${name}=1`,
    })
  })
})

const anything = { type: 'object', 'x-kubernetes-preserve-unknown-fields': true }
const second = { name: 'v2', served: true, storage: false, schema: { openAPIV3Schema: anything } }

describe('several versions', () => {
  it('differ in their apiVersion, and each has its own schema', async () => {
    await define({ versions: [second] })
    const body = { ...cronTab('a', { cronSpec: 'whenever' }), apiVersion: `${group}/v2` }
    await test.server.create(test.request, kind('v2'), namespace, body)
    expect(await read('a', 'v2')).toMatchObject({ apiVersion: `${group}/v2`, spec: { cronSpec: 'whenever' } })
    expect(await read('a', 'v1')).toMatchObject({ apiVersion: `${group}/v1`, spec: { replicas: 1 } })
    const stored = test.store.get({ resource: `crontabs.${group}`, ...key('a') })
    expect(stored?.parse().apiVersion).toBe(`${group}/v1`)
  })

  it('are listed and watched as asked for, though another becomes the stored one', async () => {
    const crd = await define({ versions: [second] })
    await post(cronTab('a'))
    const versions = crd.spec.versions.map((version) => ({ ...version, storage: version.name === 'v2' }))
    const latest = await test.server.get(test.request, crds, { namespace: '', name: crd.metadata.name })
    const changed = { ...latest.parse(), spec: { ...crd.spec, versions } }
    const answer = await test.server.update(test.request, crds, { namespace: '', name: crd.metadata.name }, changed)
    expect(answer.object.parse().status.storedVersions).toEqual(['v1', 'v2'])
    await post(cronTab('b'))
    const stored = (name: string) => test.store.get({ resource: `crontabs.${group}`, ...key(name) })?.parse().apiVersion
    expect([stored('a'), stored('b')]).toEqual([`${group}/v1`, `${group}/v2`])
    const { objects } = await test.server.list(test.request, kind('v2'), { namespace, wantSegments: true })
    const listed = objects.map((object) => JSON.parse(test.server.encode(kind('v2'), object).toString()).apiVersion)
    expect(listed).toEqual([`${group}/v2`, `${group}/v2`])
  })

  it('take the changes of their schema at once, in the very definition that others hold', async () => {
    const crd = await define()
    await post(cronTab('a'))
    const held = kind()
    const latest = await test.server.get(test.request, crds, { namespace: '', name: crd.metadata.name })
    const path = '/spec/versions/0/schema/openAPIV3Schema/properties/spec/properties/colour'
    const value = { type: 'string', default: 'blue' }
    const changed = applyJsonPatch(latest.parse(), [{ op: 'add', path, value }])
    await test.server.update(test.request, crds, { namespace: '', name: crd.metadata.name }, changed)
    expect(kind()).toBe(held)
    expect((await read('a')).spec.colour).toBe('blue')
  })
})
