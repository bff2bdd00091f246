import { type ResourceDefinition, services } from '@binnacle/resources'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { bootstrapCluster } from './bootstrap.ts'
import { startTestServer, type TestServer } from './test-server.ts'

let test: TestServer
const advertised = { address: '127.0.0.1', port: 6443, serviceCidr: '10.96.0.0/24' }

beforeAll(async () => {
  test = await startTestServer()
  const other = await test.another()
  await Promise.all([bootstrapCluster(test.server, advertised), bootstrapCluster(other.server, advertised)])
  await test.store.linearize()
})
afterAll(async () => await test.stop())

const names = (resource: string): string[] => test.store.list({ resource }).objects.map((object) => object.key.name)

describe('a new cluster', () => {
  it('has its namespaces, whichever of two processes came first', () => {
    expect(names('namespaces')).toEqual(['default', 'kube-node-lease', 'kube-public', 'kube-system'])
  })

  it('has the priority classes and the role of its administrators', () => {
    expect(names('priorityclasses.scheduling.k8s.io')).toEqual(['system-cluster-critical', 'system-node-critical'])
    expect(names('clusterroles.rbac.authorization.k8s.io')).toContain('cluster-admin')
    expect(names('clusterrolebindings.rbac.authorization.k8s.io')).toContain('cluster-admin')
  })

  it('has roles for people, made up of parts', () => {
    const roleNames = names('clusterroles.rbac.authorization.k8s.io')
    expect(roleNames).toEqual(expect.arrayContaining(['admin', 'edit', 'view', 'system:aggregate-to-view']))
    const key = { resource: 'clusterroles.rbac.authorization.k8s.io', namespace: '', name: 'edit' }
    expect(test.store.get(key)?.parse()).toMatchObject({
      metadata: { labels: { 'rbac.authorization.k8s.io/aggregate-to-admin': 'true' } },
      aggregationRule: {
        clusterRoleSelectors: [{ matchLabels: { 'rbac.authorization.k8s.io/aggregate-to-edit': 'true' } }],
      },
    })
  })

  it('has a default class of storage', () => {
    expect(names('storageclasses.storage.k8s.io')).toEqual(['standard'])
  })

  it('reaches its API by the first address of the Service range', async () => {
    const key = { namespace: 'default', name: 'kubernetes' }
    const service = await test.server.get(test.request, services as ResourceDefinition<any>, key)
    expect(service.parse().spec).toMatchObject({ clusterIP: '10.96.0.1', ports: [{ port: 443, targetPort: 6443 }] })
    expect(test.store.get({ resource: 'endpoints', ...key })?.parse().subsets).toMatchObject([
      { addresses: [{ ip: '127.0.0.1' }], ports: [{ port: 6443 }] },
    ])
    expect(test.store.get({ resource: 'endpointslices.discovery.k8s.io', ...key })?.parse().endpoints).toMatchObject([
      { addresses: ['127.0.0.1'] },
    ])
  })

  it('is changed by a later start only where its address has', async () => {
    const revision = await test.store.linearize()
    await bootstrapCluster(test.server, advertised)
    expect(await test.store.linearize()).toBe(revision)
    await bootstrapCluster(test.server, { ...advertised, port: 7443 })
    expect(
      test.store.get({ resource: 'endpoints', namespace: 'default', name: 'kubernetes' })?.parse().subsets[0].ports[0]
        .port,
    ).toBe(7443)
  })
})
