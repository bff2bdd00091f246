import {
  namespaces,
  persistentVolumeClaims,
  type Pod,
  pods,
  priorityClasses,
  type ResourceDefinition,
  serviceAccounts,
  storageClasses,
} from '@binnacle/resources'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { refusal, startTestServer, type TestServer } from '../test-server.ts'

let test: TestServer
let namespace = ''
let count = 0

beforeAll(async () => {
  test = await startTestServer()
})
afterAll(async () => await test.stop())
beforeEach(async () => {
  namespace = `admit-${++count}`
  await test.createNamespace(namespace)
})

const pod = (name: string, spec: object = {}) => ({
  metadata: { name, namespace },
  spec: { containers: [{ name: 'c', image: 'nginx' }], ...spec },
})
const accounts = serviceAccounts as ResourceDefinition<any>
const patchAccount = async (body: Record<string, unknown>) =>
  await test.server.patch(test.request, accounts, { namespace, name: 'default' }, { type: 'merge', body })

describe('namespaces', () => {
  it('must exist', async () => {
    const body = { metadata: { name: 'p', namespace: 'none' }, spec: pod('p').spec }
    expect(await refusal(test.create(pods, body))).toMatchObject({
      code: 404,
      reason: 'NotFound',
      message: 'namespaces "none" not found',
    })
  })

  it('take nothing new while they are being terminated', async () => {
    await test.server.delete(test.request, namespaces as ResourceDefinition<any>, { namespace: '', name: namespace })
    expect(await refusal(test.create(pods, pod('p')))).toMatchObject({
      code: 403,
      reason: 'Forbidden',
      message: `pods "p" is forbidden: unable to create new content in namespace ${namespace} because it is being terminated`,
      details: {
        causes: [
          {
            reason: 'NamespaceTerminating',
            message: `namespace ${namespace} is being terminated`,
            field: 'metadata.namespace',
          },
        ],
      },
    })
  })

  it('wait for their finalizer, which only the finalize subresource takes away', async () => {
    const definition = namespaces as ResourceDefinition<any>
    const key = { namespace: '', name: namespace }
    const deleted = await test.server.delete(test.request, definition, key)
    expect(deleted.gone).toBe(false)
    const object = deleted.object.parse()
    expect(object).toMatchObject({ spec: { finalizers: ['kubernetes'] }, status: { phase: 'Terminating' } })
    const done = { ...object, spec: {} }
    const kept = await test.server.update(test.request, definition, key, done)
    expect(kept.object.parse().spec).toEqual({ finalizers: ['kubernetes'] })
    await test.server.update(test.request, definition, key, done, { subresource: 'finalize' })
    expect(test.store.get({ resource: 'namespaces', ...key })).toBeUndefined()
  })

  it('that the cluster needs cannot be deleted', async () => {
    await test.createNamespace('kube-system')
    const key = { namespace: '', name: 'kube-system' }
    const call = test.server.delete(test.request, namespaces as ResourceDefinition<any>, key)
    expect(await refusal(call)).toMatchObject({
      code: 403,
      message: 'namespaces "kube-system" is forbidden: this namespace may not be deleted',
    })
  })
})

describe('pods', () => {
  it('run as the default ServiceAccount, with its token mounted', async () => {
    const { spec } = (await test.create(pods, pod('p') as never)) as Pod
    expect(spec?.serviceAccountName).toBe('default')
    const volume = spec?.volumes?.[0]
    expect(volume?.name).toMatch(/^kube-api-access-[a-z0-9]{5}$/)
    expect(volume?.projected?.sources?.[0]).toEqual({ serviceAccountToken: { expirationSeconds: 3607, path: 'token' } })
    expect(spec?.containers[0]?.volumeMounts).toEqual([
      { name: volume?.name, readOnly: true, mountPath: '/var/run/secrets/kubernetes.io/serviceaccount' },
    ])
  })

  it('get no token when account or pod says so', async () => {
    const without = await test.create(pods, pod('p', { automountServiceAccountToken: false }))
    expect((without as Pod).spec?.volumes).toBeUndefined()
    await patchAccount({ automountServiceAccountToken: false })
    expect(((await test.create(pods, pod('q'))) as Pod).spec?.volumes).toBeUndefined()
  })

  it('keep a mount of their own at the place of the token', async () => {
    const volumeMounts = [{ name: 'own', mountPath: '/var/run/secrets/kubernetes.io/serviceaccount' }]
    const spec = { containers: [{ name: 'c', image: 'i', volumeMounts }], volumes: [{ name: 'own', emptyDir: {} }] }
    const made = (await test.create(pods, pod('p', spec))) as Pod
    expect(made.spec?.volumes?.map((volume) => volume.name)).toEqual(['own'])
  })

  it('take the image pull secrets of their account', async () => {
    await patchAccount({ imagePullSecrets: [{ name: 'registry' }] })
    expect(((await test.create(pods, pod('p'))) as Pod).spec?.imagePullSecrets).toEqual([{ name: 'registry' }])
  })

  it('need an account that exists', async () => {
    expect(await refusal(test.create(pods, pod('p', { serviceAccountName: 'none' })))).toMatchObject({
      code: 403,
      message: `pods "p" is forbidden: error looking up service account ${namespace}/none: serviceaccount "none" not found`,
    })
  })

  it('tolerate an absent node for five minutes', async () => {
    const { spec } = (await test.create(pods, pod('p'))) as Pod
    expect(spec?.tolerations).toEqual([
      { key: 'node.kubernetes.io/not-ready', operator: 'Exists', effect: 'NoExecute', tolerationSeconds: 300 },
      { key: 'node.kubernetes.io/unreachable', operator: 'Exists', effect: 'NoExecute', tolerationSeconds: 300 },
    ])
    const own = [{ key: 'node.kubernetes.io/not-ready', operator: 'Exists', effect: 'NoExecute' }]
    const second = (await test.create(pods, pod('q', { tolerations: own }))) as Pod
    expect(second.spec?.tolerations?.map((toleration) => toleration.key)).toEqual([
      'node.kubernetes.io/not-ready',
      'node.kubernetes.io/unreachable',
    ])
  })

  it('have the priority of their class', async () => {
    await test.create(priorityClasses, { metadata: { name: 'high' }, value: 1000, preemptionPolicy: 'Never' })
    const { spec } = (await test.create(pods, pod('p', { priorityClassName: 'high' }))) as Pod
    expect(spec).toMatchObject({ priority: 1000, preemptionPolicy: 'Never' })
    expect(((await test.create(pods, pod('q'))) as Pod).spec).toMatchObject({
      priority: 0,
      preemptionPolicy: 'PreemptLowerPriority',
    })
  })

  it('need a priority class that exists, and cannot set another priority', async () => {
    expect((await refusal(test.create(pods, pod('p', { priorityClassName: 'none' })))).message).toBe(
      'pods "p" is forbidden: no PriorityClass with name none was found',
    )
    expect((await refusal(test.create(pods, pod('p', { priority: 7 })))).message).toBe(
      'pods "p" is forbidden: the integer value of priority (7) must not be provided in pod spec; priority admission controller computed 0 from the given PriorityClass name',
    )
  })

  it('take the default class where there is one', async () => {
    await test.create(priorityClasses, { metadata: { name: 'normal' }, value: 5, globalDefault: true })
    const { spec } = (await test.create(pods, pod('p'))) as Pod
    expect(spec).toMatchObject({ priority: 5, priorityClassName: 'normal' })
  })
})

describe('volume claims', () => {
  const claim = (name: string, spec: object = {}) => ({
    metadata: { name, namespace },
    spec: { accessModes: ['ReadWriteOnce'], resources: { requests: { storage: '1Gi' } }, ...spec },
  })

  it('take the default storage class unless they name one', async () => {
    expect((await test.create(persistentVolumeClaims, claim('a'))).spec?.storageClassName).toBeUndefined()
    const annotations = { 'storageclass.kubernetes.io/is-default-class': 'true' }
    await test.create(storageClasses, { metadata: { name: 'fast', annotations }, provisioner: 'x' })
    expect((await test.create(persistentVolumeClaims, claim('b'))).spec?.storageClassName).toBe('fast')
    const none = await test.create(persistentVolumeClaims, claim('c', { storageClassName: '' }))
    expect(none.spec?.storageClassName).toBe('')
  })
})
