import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import type { KubernetesObject, ManagedFieldsEntry } from '@binnacle/apimachinery'
import { configMaps, deployments, type ResourceDefinition } from '@binnacle/resources'
import type { ApplyRequest } from './api-server.ts'
import { refusal, startTestServer, type TestServer } from './test-server.ts'

/** Field ownership and server-side apply, as kube-apiserver has them. */

let test: TestServer
let count = 0
let name: string
const namespace = 'apply'

beforeAll(async () => {
  test = await startTestServer()
  await test.createNamespace(namespace)
})
afterAll(async () => await test.stop())
beforeEach(() => {
  name = `object-${count++}`
})

const key = () => ({ namespace, name })

const configMap = (data: Record<string, string>, metadata: object = {}): object => ({
  apiVersion: 'v1',
  kind: 'ConfigMap',
  metadata: { name, ...metadata },
  data,
})

async function apply(
  config: object,
  fieldManager = 'one',
  options: Partial<ApplyRequest> = {},
  definition: ResourceDefinition<any> = configMaps,
): Promise<any> {
  const { object } = await test.server.apply(test.request, definition, key(), config, { fieldManager, ...options })
  return object.parse()
}

const update = async (
  object: object,
  fieldManager: string,
  definition: ResourceDefinition<any> = configMaps,
): Promise<any> => (await test.server.update(test.request, definition, key(), object, { fieldManager })).object.parse()

const merge = async (
  body: Record<string, unknown>,
  fieldManager: string,
  subresource?: 'status',
  definition: ResourceDefinition<any> = configMaps,
) =>
  (
    await test.server.patch(test.request, definition, key(), { type: 'merge', body }, { fieldManager, subresource })
  ).object.parse()

/** Who owns what, without times. */
const owners = (object: KubernetesObject): Record<string, unknown> =>
  Object.fromEntries(
    (object.metadata.managedFields ?? []).map(({ manager, operation, subresource, fieldsV1 }: ManagedFieldsEntry) => [
      `${manager} ${operation}${subresource === undefined ? '' : ` ${subresource}`}`,
      fieldsV1,
    ]),
  )

const data = (...names: string[]): object => Object.fromEntries(names.map((field) => [`f:${field}`, {}]))

const container = (extra: object = {}): object => ({ name: 'web', image: 'nginx:1.27', ...extra })
const deployment = (spec: object = {}, containers: object[] = [container()]): object => ({
  apiVersion: 'apps/v1',
  kind: 'Deployment',
  metadata: { name, labels: { app: 'web' } },
  spec: {
    selector: { matchLabels: { app: 'web' } },
    template: { metadata: { labels: { app: 'web' } }, spec: { containers } },
    ...spec,
  },
})

describe('ordinary writes', () => {
  it('give a new object, with its defaults, to whoever creates it', async () => {
    const { object } = await test.server.create(test.request, deployments, namespace, deployment({ replicas: 2 }), {
      fieldManager: 'kubectl-create',
    })
    const created = object.parse()
    expect(created.metadata.managedFields).toEqual([
      {
        manager: 'kubectl-create',
        operation: 'Update',
        apiVersion: 'apps/v1',
        time: expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/),
        fieldsType: 'FieldsV1',
        fieldsV1: {
          'f:metadata': { 'f:labels': { '.': {}, 'f:app': {} } },
          'f:spec': {
            'f:progressDeadlineSeconds': {},
            'f:replicas': {},
            'f:revisionHistoryLimit': {},
            'f:selector': {},
            'f:strategy': { 'f:rollingUpdate': { '.': {}, 'f:maxSurge': {}, 'f:maxUnavailable': {} }, 'f:type': {} },
            'f:template': {
              'f:metadata': { 'f:labels': { '.': {}, 'f:app': {} } },
              'f:spec': {
                'f:containers': {
                  'k:{"name":"web"}': {
                    '.': {},
                    'f:image': {},
                    'f:imagePullPolicy': {},
                    'f:name': {},
                    'f:resources': {},
                    'f:terminationMessagePath': {},
                    'f:terminationMessagePolicy': {},
                  },
                },
                'f:dnsPolicy': {},
                'f:restartPolicy': {},
                'f:schedulerName': {},
                'f:securityContext': {},
                'f:terminationGracePeriodSeconds': {},
              },
            },
          },
        },
      },
    ])
  })

  it('take the fields that they change, and leave the rest to its owners', async () => {
    const created = await test.create(configMaps, { metadata: { name, namespace }, data: { a: '1', b: '1' } })
    const updated = await update({ ...created, data: { a: '1', b: '2', c: '1' } }, 'two')
    expect(owners(updated)).toEqual({
      'vitest Update': { 'f:data': { '.': {}, 'f:a': {} } },
      'two Update': { 'f:data': { 'f:b': {}, 'f:c': {} } },
    })
  })

  it('free what they remove', async () => {
    await test.create(configMaps, { metadata: { name, namespace }, data: { a: '1', b: '1' } })
    expect(owners(await merge({ data: { b: null } }, 'two'))).toEqual({
      'vitest Update': { 'f:data': { '.': {}, 'f:a': {} } },
    })
  })

  it('change no owner when they change nothing', async () => {
    const created = await test.create(configMaps, { metadata: { name, namespace }, data: { a: '1' } })
    expect(await merge({ data: { a: '1' } }, 'two')).toEqual(created)
  })

  it('through status are kept apart', async () => {
    await apply(deployment(), 'one', {}, deployments)
    const patched = await merge({ status: { replicas: 3 } }, 'kube-controller-manager', 'status', deployments)
    expect(owners(patched)['kube-controller-manager Update status']).toEqual({ 'f:status': { 'f:replicas': {} } })
  })

  it('through scale are those of the object', async () => {
    await apply(deployment({ replicas: 1 }), 'one', {}, deployments)
    await test.server.patchScale(
      test.request,
      deployments,
      key(),
      { type: 'merge', body: { spec: { replicas: 5 } } },
      { fieldManager: 'hpa' },
    )
    const scaled = (await test.server.get(test.request, deployments, key())).parse()
    expect(owners(scaled)['hpa Update scale']).toEqual({ 'f:spec': { 'f:replicas': {} } })
    expect((owners(scaled)['one Apply'] as any)['f:spec']['f:replicas']).toBeUndefined()
  })

  it('may set the managed fields themselves, or remove them all', async () => {
    const created: any = await test.create(configMaps, { metadata: { name, namespace }, data: { a: '1' } })
    const renamed = created.metadata.managedFields.map((entry: object) => ({ ...entry, manager: 'renamed' }))
    const updated = await update({ ...created, metadata: { ...created.metadata, managedFields: renamed } }, 'two')
    expect(Object.keys(owners(updated))).toEqual(['renamed Update'])
    const cleared = await merge({ metadata: { managedFields: [{}] } }, 'two')
    expect(cleared.metadata.managedFields).toBeUndefined()
  })

  it('join the oldest of more than ten updaters', async () => {
    await test.create(configMaps, { metadata: { name, namespace }, data: { a: '1' } })
    let last: any
    for (let i = 0; i < 11; i++) last = await merge({ data: { [`k${i}`]: '1' } }, `manager-${i}`)
    expect(last.metadata.managedFields).toHaveLength(10)
    expect(Object.keys(owners(last))).toContain('ancient-changes Update')
  })
})

describe('server-side apply', () => {
  it('creates what is not there, owning what the configuration says and no defaults', async () => {
    const created = await apply(deployment(), 'one', {}, deployments)
    expect(created.spec.replicas).toBe(1)
    expect(owners(created)).toEqual({
      'one Apply': {
        'f:metadata': { 'f:labels': { 'f:app': {} } },
        'f:spec': {
          'f:selector': {},
          'f:template': {
            'f:metadata': { 'f:labels': { 'f:app': {} } },
            'f:spec': { 'f:containers': { 'k:{"name":"web"}': { '.': {}, 'f:image': {}, 'f:name': {} } } },
          },
        },
      },
    })
  })

  it('writes nothing when it is repeated', async () => {
    const first = await apply(configMap({ a: '1' }))
    expect(await apply(configMap({ a: '1' }))).toEqual(first)
  })

  it('lets several own a field while they agree', async () => {
    await apply(configMap({ a: '1' }), 'one')
    const object = await apply(configMap({ a: '1', b: '2' }), 'two')
    expect(owners(object)).toEqual({
      'one Apply': { 'f:data': data('a') },
      'two Apply': { 'f:data': data('a', 'b') },
    })
  })

  it('removes what the applier leaves out, unless others own it', async () => {
    await apply(configMap({ a: '1', b: '1', c: '1' }), 'one')
    await apply(configMap({ b: '1' }), 'two')
    const object = await apply(configMap({ c: '1' }), 'one')
    expect(object.data).toEqual({ b: '1', c: '1' })
  })

  it('refuses to change what others own, and names it', async () => {
    await apply(configMap({ a: '1', b: '1' }), 'one')
    const one = await refusal(apply(configMap({ a: '2' }), 'two'))
    expect(one).toMatchObject({
      reason: 'Conflict',
      code: 409,
      message: 'Apply failed with 1 conflict: conflict with "one": .data.a',
      details: { causes: [{ reason: 'FieldManagerConflict', message: 'conflict with "one"', field: '.data.a' }] },
    })
    const two = await refusal(apply(configMap({ a: '2', b: '2' }), 'two'))
    expect(two.message).toBe('Apply failed with 2 conflicts: conflicts with "one":\n- .data.a\n- .data.b')
  })

  it('names the version that an updater used, and list items by their keys', async () => {
    await apply(deployment(), 'one', {}, deployments)
    const body = { spec: { template: { spec: { containers: [container({ image: 'nginx:1.28' })] } } } }
    await test.server.patch(
      test.request,
      deployments,
      key(),
      { type: 'strategic', body },
      { fieldManager: 'kubectl-set' },
    )
    const { message } = await refusal(apply(deployment(), 'one', {}, deployments))
    expect(message).toBe(
      'Apply failed with 1 conflict: conflict with "kubectl-set" using apps/v1: .spec.template.spec.containers[name="web"].image',
    )
  })

  it('takes what others own when forced', async () => {
    await apply(configMap({ a: '1' }), 'one')
    const object = await apply(configMap({ a: '2' }), 'two', { force: true })
    expect([object.data, owners(object)]).toEqual([{ a: '2' }, { 'two Apply': { 'f:data': data('a') } }])
  })

  it('merges lists by their keys and keeps their order', async () => {
    const env = (...names: string[]) => ({ env: names.map((variable) => ({ name: variable, value: '1' })) })
    await apply(deployment({}, [container(env('B', 'D'))]), 'one', {}, deployments)
    const object = await apply(
      deployment({}, [
        { name: 'web', ...env('A', 'B', 'C') },
        { name: 'sidecar', image: 'x' },
      ]),
      'two',
      {},
      deployments,
    )
    const [web, sidecar] = object.spec.template.spec.containers
    expect(web.env.map((variable: { name: string }) => variable.name)).toEqual(['A', 'B', 'D', 'C'])
    expect([web.image, sidecar.name]).toEqual(['nginx:1.27', 'sidecar'])
    const without = await apply(deployment({}, [{ name: 'web' }]), 'two', {}, deployments)
    expect(without.spec.template.spec.containers.map((item: { name: string }) => item.name)).toEqual(['web'])
    expect(without.spec.template.spec.containers[0].env).toHaveLength(2)
  })

  it('replaces atomic values as a whole', async () => {
    await apply(
      deployment({ template: template({ nodeSelector: { disk: 'ssd', zone: 'a' } }) }),
      'one',
      {},
      deployments,
    )
    const object = await apply(
      deployment({ template: template({ nodeSelector: { disk: 'hdd' } }) }),
      'one',
      {},
      deployments,
    )
    expect(object.spec.template.spec.nodeSelector).toEqual({ disk: 'hdd' })
  })

  const template = (spec: object): object => ({
    metadata: { labels: { app: 'web' } },
    spec: { containers: [container()], ...spec },
  })

  it('leaves an object that nobody managed to one who came before', async () => {
    const created: any = await test.create(configMaps, { metadata: { name, namespace }, data: { a: '1' } })
    await update({ ...created, metadata: { ...created.metadata, managedFields: [{}] } }, 'two')
    const { message } = await refusal(apply(configMap({ a: '2' })))
    expect(message).toBe('Apply failed with 1 conflict: conflict with "before-first-apply" using v1: .data.a')
  })

  it('lets kubectl take over what it once applied on its own side, and keeps the annotation current', async () => {
    const annotation = 'kubectl.kubernetes.io/last-applied-configuration'
    const last = JSON.stringify(configMap({ a: '1' }))
    const applied: any = { metadata: { name, namespace, annotations: { [annotation]: last } }, data: { a: '1' } }
    await test.server.create(test.request, configMaps, namespace, applied, {
      fieldManager: 'kubectl-client-side-apply',
    })
    expect((await refusal(apply(configMap({ a: '2' }), 'other'))).reason).toBe('Conflict')
    const object = await apply(configMap({ a: '2' }), 'kubectl')
    expect(object.data).toEqual({ a: '2' })
    expect(JSON.parse(object.metadata.annotations[annotation]).data).toEqual({ a: '2' })
  })

  it('changes nothing in a dry run', async () => {
    await apply(configMap({ a: '1' }))
    const before = test.store.cachedRevision
    expect((await apply(configMap({ a: '2' }), 'one', { dryRun: true })).data).toEqual({ a: '2' })
    expect(test.store.cachedRevision).toBe(before)
  })

  it('takes turns with itself: many appliers of one new object all get through', async () => {
    const managers = Array.from({ length: 10 }, (_, i) => `manager-${i}`)
    await Promise.all(managers.map((manager, i) => apply(configMap({ [`k${i}`]: '1' }), manager)))
    const object = (await test.server.get(test.request, configMaps, key())).parse()
    expect(Object.keys(object.data)).toHaveLength(10)
  })

  it('refuses configurations that it cannot read', async () => {
    const nameless = await refusal(test.server.apply(test.request, configMaps, key(), configMap({}), {}))
    expect(nameless.message).toBe(
      'PatchOptions.meta.k8s.io "" is invalid: fieldManager: Required value: is required for apply patch',
    )
    const unknown = await refusal(apply({ ...configMap({}), colour: 'blue' }))
    expect(unknown.message).toBe(
      `failed to create typed patch object (apply/${name}; v1, Kind=ConfigMap): .colour: field not declared in schema`,
    )
    const managed = await refusal(apply(configMap({}, { managedFields: [{}] })))
    expect(managed.message).toBe('metadata.managedFields must be nil')
    expect((await refusal(apply({ metadata: { name } }))).message).toContain("Object 'Kind' is missing")
    const gone = await refusal(apply(configMap({}, { uid: 'some-uid' })))
    expect(gone.message).toContain(
      'uid mismatch: the provided object specified uid some-uid, and no existing object was found',
    )
  })
})
