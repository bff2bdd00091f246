import type { KubernetesObject } from '@binnacle/apimachinery'
import type { PolicyRule } from '@binnacle/resources'

/** The roles for people that every cluster has: admin, edit and view, made up of parts so that others can add theirs (`bootstrappolicy/policy.go`). */

const read = ['get', 'list', 'watch']
const write = ['create', 'delete', 'deletecollection', 'patch', 'update']

const rule = (verbs: readonly string[], apiGroup: string, resources: readonly string[]): PolicyRule => ({
  apiGroups: [apiGroup],
  resources: [...resources].sort(),
  verbs: [...verbs],
})
const withParts = (resource: string, ...parts: string[]): string[] => [
  resource,
  ...parts.map((part) => `${resource}/${part}`),
]

const workloads = ['deployments', 'replicasets', 'statefulsets'].flatMap((name) => withParts(name, 'scale'))

const viewRules: readonly PolicyRule[] = [
  rule(read, '', [
    'configmaps',
    'endpoints',
    ...withParts('persistentvolumeclaims', 'status'),
    'pods',
    ...withParts('replicationcontrollers', 'scale'),
    'serviceaccounts',
    ...withParts('services', 'status'),
  ]),
  rule(read, '', [
    'bindings',
    'events',
    'limitranges',
    'namespaces/status',
    'pods/log',
    'pods/status',
    'replicationcontrollers/status',
    ...withParts('resourcequotas', 'status'),
  ]),
  // Who may read the namespace object knows that they have access to it.
  rule(read, '', ['namespaces']),
  rule(read, 'discovery.k8s.io', ['endpointslices']),
  rule(read, 'apps', [
    'controllerrevisions',
    ...withParts('daemonsets', 'status'),
    ...workloads,
    'deployments/status',
    'replicasets/status',
    'statefulsets/status',
  ]),
  rule(read, 'autoscaling', withParts('horizontalpodautoscalers', 'status')),
  rule(read, 'batch', [...withParts('cronjobs', 'status'), ...withParts('jobs', 'status')]),
  rule(read, 'policy', withParts('poddisruptionbudgets', 'status')),
  rule(read, 'networking.k8s.io', [...withParts('ingresses', 'status'), 'networkpolicies']),
  rule(read, 'resource.k8s.io', [...withParts('resourceclaims', 'status'), 'resourceclaimtemplates']),
]

const podConnections = withParts('pods', 'attach', 'exec', 'portforward', 'proxy')

const editRules: readonly PolicyRule[] = [
  rule(read, '', [...podConnections.slice(1), 'secrets', 'services/proxy']),
  rule(['impersonate'], '', ['serviceaccounts']),
  rule(write, '', podConnections),
  rule(['create'], '', ['pods/eviction']),
  rule(write, '', [
    'configmaps',
    'events',
    'persistentvolumeclaims',
    ...withParts('replicationcontrollers', 'scale'),
    'secrets',
    'serviceaccounts',
    ...withParts('services', 'proxy'),
  ]),
  rule(['create'], '', ['serviceaccounts/token']),
  rule(write, 'apps', ['daemonsets', 'deployments/rollback', ...workloads]),
  rule(write, 'autoscaling', ['horizontalpodautoscalers']),
  rule(write, 'batch', ['cronjobs', 'jobs']),
  rule(write, 'policy', ['poddisruptionbudgets']),
  rule(write, 'networking.k8s.io', ['ingresses', 'networkpolicies']),
  rule([...write, ...read], 'coordination.k8s.io', ['leases']),
  rule(write, 'resource.k8s.io', ['resourceclaims', 'resourceclaimtemplates']),
]

const adminRules: readonly PolicyRule[] = [
  rule(['create'], 'authorization.k8s.io', ['localsubjectaccessreviews']),
  rule([...write, ...read], 'rbac.authorization.k8s.io', ['rolebindings', 'roles']),
]

const aggregatesTo = (role: string): Record<string, string> => ({
  [`rbac.authorization.k8s.io/aggregate-to-${role}`]: 'true',
})

function clusterRole(name: string, labels: Record<string, string>, rest: object): KubernetesObject {
  return {
    apiVersion: 'rbac.authorization.k8s.io/v1',
    kind: 'ClusterRole',
    metadata: { name, labels: { 'kubernetes.io/bootstrapping': 'rbac-defaults', ...labels } },
    ...rest,
  }
}

const madeUpOf = (role: string): object => ({
  aggregationRule: { clusterRoleSelectors: [{ matchLabels: aggregatesTo(role) }] },
  rules: [],
})

/** The roles, as a new cluster gets them; the aggregation controller fills those that are made up of others. */
export const userRoles: readonly KubernetesObject[] = [
  clusterRole('admin', {}, madeUpOf('admin')),
  clusterRole('edit', aggregatesTo('admin'), madeUpOf('edit')),
  clusterRole('view', aggregatesTo('edit'), madeUpOf('view')),
  clusterRole('system:aggregate-to-admin', aggregatesTo('admin'), { rules: adminRules }),
  clusterRole('system:aggregate-to-edit', aggregatesTo('edit'), { rules: editRules }),
  clusterRole('system:aggregate-to-view', aggregatesTo('view'), { rules: viewRules }),
]
