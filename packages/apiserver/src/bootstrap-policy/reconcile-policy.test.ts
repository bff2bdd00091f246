import {
  type ClusterRole,
  clusterRoleBindings,
  clusterRoles,
  type ResourceDefinition,
  roles,
} from '@binnacle/resources'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { bootstrapCluster } from '../bootstrap.ts'
import { startTestServer, type TestServer } from '../test-server.ts'
import { reconcilePolicy } from './reconcile-policy.ts'

let test: TestServer
beforeAll(async () => {
  test = await startTestServer()
  await bootstrapCluster(test.server, { address: '127.0.0.1', port: 6443, serviceCidr: '10.96.0.0/24' })
})
afterAll(async () => await test.stop())

const find = (kind: ResourceDefinition<any>, name: string, namespace = '') =>
  test.store.get({ resource: kind.storageName, namespace, name })?.parse()
const change = async (kind: ResourceDefinition<any>, name: string, body: object) =>
  await test.server.patch(test.request, kind, { namespace: '', name }, { type: 'merge', body: body as never })
const remove = async (kind: ResourceDefinition<any>, name: string) =>
  await test.server.delete(test.request, kind, { namespace: '', name })

describe('the roles of a new cluster', () => {
  it('are those of its components, its controllers and its people', () => {
    const names = test.store.list({ resource: clusterRoles.storageName }).objects.map(({ key }) => key.name)
    expect(names).toEqual(
      expect.arrayContaining(['cluster-admin', 'edit', 'system:node', 'system:controller:job-controller']),
    )
    expect(find(clusterRoles, 'system:public-info-viewer')).toMatchObject({
      metadata: {
        labels: { 'kubernetes.io/bootstrapping': 'rbac-defaults' },
        annotations: { 'rbac.authorization.kubernetes.io/autoupdate': 'true' },
      },
      rules: [{ nonResourceURLs: ['/healthz', '/livez', '/readyz', '/version', '/version/'], verbs: ['get'] }],
    })
    expect(find(roles, 'extension-apiserver-authentication-reader', 'kube-system')?.rules).toEqual([
      {
        apiGroups: [''],
        resources: ['configmaps'],
        resourceNames: ['extension-apiserver-authentication'],
        verbs: ['get', 'list', 'watch'],
      },
    ])
  })

  it('are had by whom they are for', () => {
    const { roleRef, subjects } = find(clusterRoleBindings, 'system:controller:job-controller')
    expect(roleRef).toEqual({
      apiGroup: 'rbac.authorization.k8s.io',
      kind: 'ClusterRole',
      name: 'system:controller:job-controller',
    })
    expect(subjects).toEqual([{ kind: 'ServiceAccount', name: 'job-controller', namespace: 'kube-system' }])
    expect(find(clusterRoleBindings, 'system:node')?.subjects).toBeUndefined()
  })

  it('all are bound to roles that there are', () => {
    const bindings = test.store.list({ resource: clusterRoleBindings.storageName }).objects.map((one) => one.parse())
    expect(bindings.filter(({ roleRef }) => find(clusterRoles, roleRef.name) === undefined)).toEqual([])
  })
})

describe('a start', () => {
  it('writes nothing where nothing is missing', async () => {
    const revision = await test.store.linearize()
    await reconcilePolicy(test.server)
    expect(await test.store.linearize()).toBe(revision)
  })

  it('gives back rules, labels and annotations, and keeps what was added', async () => {
    const own = { apiGroups: ['example.com'], resources: ['things'], verbs: ['get'] }
    const dns = { apiGroups: [''], resources: ['services'], verbs: ['list', 'watch'] }
    const metadata = { labels: { mine: 'yes', 'kubernetes.io/bootstrapping': 'changed' }, annotations: null }
    await change(clusterRoles, 'system:kube-dns', { metadata, rules: [own, dns] })
    await reconcilePolicy(test.server)
    const changed = find(clusterRoles, 'system:kube-dns') as ClusterRole
    expect(changed.metadata.labels).toEqual(metadata.labels)
    expect(changed.metadata.annotations).toEqual({ 'rbac.authorization.kubernetes.io/autoupdate': 'true' })
    expect(changed.rules).toEqual([
      own,
      dns,
      { apiGroups: [''], resources: ['endpoints'], verbs: ['list'] },
      { apiGroups: [''], resources: ['endpoints'], verbs: ['watch'] },
    ])
  })

  it('gives back subjects, and keeps those that were added', async () => {
    const own = { apiGroup: 'rbac.authorization.k8s.io', kind: 'User', name: 'ann' }
    await change(clusterRoleBindings, 'system:basic-user', { subjects: [own] })
    await reconcilePolicy(test.server)
    expect(find(clusterRoleBindings, 'system:basic-user')?.subjects).toEqual([
      own,
      { apiGroup: 'rbac.authorization.k8s.io', kind: 'Group', name: 'system:authenticated' },
    ])
  })

  it('binds anew what was bound to another role', async () => {
    const { metadata, ...rest } = find(clusterRoleBindings, 'system:kube-dns')
    await remove(clusterRoleBindings, 'system:kube-dns')
    const { name, labels } = metadata
    await test.create(clusterRoleBindings, {
      ...rest,
      metadata: { name, labels },
      roleRef: { ...rest.roleRef, name: 'edit' },
    })
    await reconcilePolicy(test.server)
    expect(find(clusterRoleBindings, 'system:kube-dns')?.roleRef.name).toBe('system:kube-dns')
  })

  it('leaves alone what says so', async () => {
    const annotations = { 'rbac.authorization.kubernetes.io/autoupdate': 'false' }
    await change(clusterRoles, 'system:heapster', { metadata: { annotations }, rules: [] })
    await reconcilePolicy(test.server)
    expect(find(clusterRoles, 'system:heapster')?.rules).toEqual([])
  })

  it('makes again what was deleted', async () => {
    await remove(clusterRoles, 'system:monitoring')
    await reconcilePolicy(test.server)
    expect(find(clusterRoles, 'system:monitoring')?.rules).toHaveLength(1)
  })

  it('gives back what a role is made up of, and not its rules, which are those of others', async () => {
    const rules = [{ apiGroups: [''], resources: ['pods'], verbs: ['get'] }]
    await change(clusterRoles, 'view', { aggregationRule: null, rules })
    await reconcilePolicy(test.server)
    const matchLabels = { 'rbac.authorization.k8s.io/aggregate-to-view': 'true' }
    expect(find(clusterRoles, 'view')).toMatchObject({
      aggregationRule: { clusterRoleSelectors: [{ matchLabels }] },
      rules,
    })
  })
})
