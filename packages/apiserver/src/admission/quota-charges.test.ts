import type { KubernetesObject } from '@binnacle/apimachinery'
import {
  configMaps,
  deployments,
  persistentVolumeClaims,
  pods,
  type ResourceDefinition,
  type ResourceQuota,
  resourceQuotas,
  services,
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
  namespace = `quota-${++count}`
  await test.createNamespace(namespace)
})

const definitionOf = <T extends KubernetesObject>(definition: ResourceDefinition<T>) =>
  definition as unknown as ResourceDefinition

/** A quota as its controller has counted it. */
async function aQuota(hard: Record<string, string>, used: Record<string, string>, spec: object = {}, name = 'q') {
  const quota = await test.create(resourceQuotas, { metadata: { name, namespace }, spec: { hard, ...spec } })
  const body = { ...quota, status: { hard, used } }
  const key = { namespace, name }
  await test.server.update(test.request, definitionOf(resourceQuotas), key, body, { subresource: 'status' })
}

const used = (name = 'q') =>
  (test.store.get({ resource: 'resourcequotas', namespace, name })?.parse() as ResourceQuota | undefined)?.status?.used

const pod = (name: string, resources: object = {}, spec: object = {}) => ({
  metadata: { name, namespace },
  spec: { containers: [{ name: 'c1', image: 'i', resources }], ...spec },
})
const service = (name: string, spec: object) => ({
  metadata: { name, namespace },
  spec: { ports: [{ port: 80 }], ...spec },
})

describe('a quota', () => {
  it('is charged for what is created, in the same commit', async () => {
    await aQuota({ pods: '5', 'requests.cpu': '2' }, { pods: '0', 'requests.cpu': '0' })
    const created = await test.create(pods, pod('a', { requests: { cpu: '300m' } }))
    expect(used()).toEqual({ pods: '1', 'requests.cpu': '300m' })
    const quota = test.store.get({ resource: 'resourcequotas', namespace, name: 'q' })
    expect(quota?.revision).toBe(Number(created.metadata.resourceVersion) + 1)
  })

  it('refuses what would exceed it, and names what, by how much and of how much', async () => {
    await aQuota({ pods: '3', 'requests.cpu': '1', cpu: '9' }, { pods: '2', 'requests.cpu': '900m', cpu: '900m' })
    expect(await refusal(test.create(pods, pod('a', { requests: { cpu: '200m' } })))).toMatchObject({
      code: 403,
      reason: 'Forbidden',
      message:
        'pods "a" is forbidden: exceeded quota: q, requested: requests.cpu=200m, used: requests.cpu=900m, limited: requests.cpu=1',
    })
    expect(used()).toEqual({ pods: '2', 'requests.cpu': '900m', cpu: '900m' })
  })

  it('on compute resources needs every container to name them', async () => {
    const none = { pods: '0', 'limits.cpu': '0', 'requests.memory': '0' }
    await aQuota({ pods: '5', 'limits.cpu': '5', 'requests.memory': '5Gi' }, none)
    const containers = [
      { name: 'c1', image: 'i', resources: { requests: { memory: '1Mi' } } },
      { name: 'c2', image: 'i' },
    ]
    expect((await refusal(test.create(pods, pod('a', {}, { containers })))).message).toBe(
      'pods "a" is forbidden: failed quota: q: must specify limits.cpu for: c1,c2; requests.memory for: c2',
    )
  })

  it('whose usage is not known yet lets nothing in', async () => {
    await aQuota({ pods: '5', 'count/pods': '5' }, { pods: '0' })
    expect((await refusal(test.create(pods, pod('a')))).message).toBe(
      'pods "a" is forbidden: status unknown for quota: q, resources: count/pods,pods',
    )
  })

  it('that has never been counted is not in force', async () => {
    await test.create(resourceQuotas, { metadata: { name: 'q', namespace }, spec: { hard: { pods: '0' } } })
    await test.create(pods, pod('a'))
    expect(used()).toBeUndefined()
  })

  it('counts only what is within its scopes', async () => {
    await aQuota({ pods: '0' }, { pods: '0' }, { scopes: ['Terminating'] })
    await test.create(pods, pod('a'))
    const call = test.create(pods, pod('b', {}, { activeDeadlineSeconds: 5 }))
    expect((await refusal(call)).message).toContain(
      'exceeded quota: q, requested: pods=1, used: pods=0, limited: pods=0',
    )
  })

  it('is one of several: all are charged, or none', async () => {
    await aQuota({ pods: '5' }, { pods: '0' }, {}, 'a')
    await aQuota({ 'count/pods': '1' }, { 'count/pods': '1' }, {}, 'b')
    expect((await refusal(test.create(pods, pod('x')))).message).toContain('exceeded quota: b')
    expect([used('a'), used('b')]).toEqual([{ pods: '0' }, { 'count/pods': '1' }])
  })

  it('counts objects of any kind', async () => {
    await aQuota({ configmaps: '1', 'count/deployments.apps': '0' }, { configmaps: '0', 'count/deployments.apps': '0' })
    await test.create(configMaps, { metadata: { name: 'a', namespace } })
    expect((await refusal(test.create(configMaps, { metadata: { name: 'b', namespace } }))).message).toBe(
      'configmaps "b" is forbidden: exceeded quota: q, requested: configmaps=1, used: configmaps=1, limited: configmaps=1',
    )
    const labels = { app: 'd' }
    const template = { metadata: { labels }, spec: pod('p').spec }
    const deployment = { metadata: { name: 'd', namespace }, spec: { selector: { matchLabels: labels }, template } }
    expect((await refusal(test.create(deployments, deployment))).message).toContain(
      'deployments.apps "d" is forbidden: exceeded quota: q, requested: count/deployments.apps=1',
    )
  })

  it('is charged for updates that use more, and paid back by those that use less', async () => {
    const hard = { 'services.nodeports': '2', services: '9' }
    await aQuota(hard, { 'services.nodeports': '1', services: '1' })
    await test.create(services, service('s', {}))
    const key = { namespace, name: 's' }
    const patch = async (body: Record<string, unknown>) =>
      await test.server.patch(test.request, definitionOf(services), key, { type: 'merge', body })
    await patch({ spec: { type: 'NodePort' } })
    expect(used()).toEqual({ 'services.nodeports': '2', services: '2' })
    const ports = [
      { name: 'a', port: 80 },
      { name: 'b', port: 81 },
    ]
    expect((await refusal(patch({ spec: { ports } }))).message).toBe(
      'services "s" is forbidden: exceeded quota: q, requested: services.nodeports=1, used: services.nodeports=2, limited: services.nodeports=2',
    )
    await patch({ spec: { type: 'ClusterIP' } })
    expect(used()).toEqual({ 'services.nodeports': '1', services: '2' })
  })

  it('that was lowered below its use still takes what uses less', async () => {
    await aQuota({ 'services.nodeports': '0' }, { 'services.nodeports': '0' })
    const key = { namespace, name: 'q' }
    const status = { hard: { 'services.nodeports': '9' } }
    const set = async (body: Record<string, unknown>) =>
      await test.server.patch(
        test.request,
        definitionOf(resourceQuotas),
        key,
        { type: 'merge', body },
        { subresource: 'status' },
      )
    await set({ status })
    const ports = [
      { name: 'a', port: 80 },
      { name: 'b', port: 81 },
    ]
    await test.create(services, service('s', { type: 'NodePort', ports }))
    await set({ status: { hard: { 'services.nodeports': '0' } } })
    const patch = { type: 'merge', body: { spec: { ports: ports.slice(0, 1) } } } as const
    await test.server.patch(test.request, definitionOf(services), { namespace, name: 's' }, patch)
    expect(used()).toEqual({ 'services.nodeports': '1' })
  })

  it('asks nothing of dry runs but whether they would fit', async () => {
    await aQuota({ pods: '1' }, { pods: '0' })
    const dry = async (name: string) =>
      await test.server.create(test.request, definitionOf(pods), namespace, pod(name), { dryRun: true })
    await dry('a')
    expect(used()).toEqual({ pods: '0' })
    await test.create(pods, pod('b'))
    expect((await refusal(dry('c'))).message).toContain('exceeded quota: q')
  })

  it('lets a group of writes in as a whole or not at all', async () => {
    await aQuota({ pods: '3' }, { pods: '0' })
    const create = (name: string) =>
      ({ verb: 'create', resource: pods, object: pod(name) as unknown as KubernetesObject }) as const
    const group = async (names: string[]) =>
      await test.server.writeAll(test.request, names.map(create), { atomic: true })
    expect((await refusal(group(['a', 'b', 'c', 'd']))).message).toBe(
      'pods "d" is forbidden: exceeded quota: q, requested: pods=1, used: pods=3, limited: pods=3',
    )
    expect(test.store.count({ resource: 'pods', namespace })).toBe(0)
    await group(['a', 'b', 'c'])
    expect(used()).toEqual({ pods: '3' })
  })

  it('charges a claim to its class', async () => {
    const name = 'gold.storageclass.storage.k8s.io/requests.storage'
    await aQuota({ [name]: '1Gi' }, { [name]: '0' })
    const claim = (storage: string) => ({
      metadata: { name: 'c', namespace },
      spec: { accessModes: ['ReadWriteOnce'], storageClassName: 'gold', resources: { requests: { storage } } },
    })
    expect((await refusal(test.create(persistentVolumeClaims, claim('2Gi')))).message).toContain(
      `requested: ${name}=2Gi, used: ${name}=0, limited: ${name}=1Gi`,
    )
    await test.create(persistentVolumeClaims, claim('1Gi'))
    expect(used()).toEqual({ [name]: '1Gi' })
  })
})

it('never lets two API servers exceed a quota: of 32 clients at once, as many as fit succeed', async () => {
  await aQuota({ pods: '10' }, { pods: '0' })
  const other = await test.another()
  const attempts = Array.from({ length: 32 }, async (_, index) => {
    const server = index % 2 === 0 ? test.server : other.server
    return await server.create(test.request, definitionOf(pods), namespace, pod(`p${index}`))
  })
  const outcomes = await Promise.allSettled(attempts)
  const refused = outcomes.flatMap((outcome) => (outcome.status === 'rejected' ? [String(outcome.reason)] : []))
  expect(refused).toHaveLength(22)
  expect(
    refused.every((text) => text.includes('exceeded quota: q, requested: pods=1, used: pods=10, limited: pods=10')),
  ).toBe(true)
  await test.store.linearize()
  expect(test.store.count({ resource: 'pods', namespace })).toBe(10)
  expect(used()).toEqual({ pods: '10' })
})
