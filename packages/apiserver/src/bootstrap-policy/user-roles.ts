import type { KubernetesObject } from '@binnacle/apimachinery'
import type { PolicyRule } from '@binnacle/resources'
import { aggregatedRole, clusterRole, grant, read, write } from './grant.ts'

/** The roles for people that every cluster has: admin, edit and view, made up of parts so that others can add theirs (`bootstrappolicy/policy.go`). */

const viewRules: readonly PolicyRule[] = [
  grant(
    read,
    '',
    'configmaps endpoints persistentvolumeclaims persistentvolumeclaims/status pods replicationcontrollers replicationcontrollers/scale serviceaccounts services services/status',
  ),
  grant(
    read,
    '',
    'bindings events limitranges namespaces/status pods/log pods/status replicationcontrollers/status resourcequotas resourcequotas/status',
  ),
  // Who may read the namespace object knows that they have access to it.
  grant(read, '', 'namespaces'),
  grant(read, 'discovery.k8s.io', 'endpointslices'),
  grant(
    read,
    'apps',
    'controllerrevisions daemonsets daemonsets/status deployments deployments/scale deployments/status replicasets replicasets/scale replicasets/status statefulsets statefulsets/scale statefulsets/status',
  ),
  grant(read, 'autoscaling', 'horizontalpodautoscalers horizontalpodautoscalers/status'),
  grant(read, 'batch', 'cronjobs cronjobs/status jobs jobs/status'),
  grant(
    read,
    'extensions',
    'daemonsets daemonsets/status deployments deployments/scale deployments/status ingresses ingresses/status networkpolicies replicasets replicasets/scale replicasets/status replicationcontrollers/scale',
  ),
  grant(read, 'policy', 'poddisruptionbudgets poddisruptionbudgets/status'),
  grant(read, 'networking.k8s.io', 'ingresses ingresses/status networkpolicies'),
  grant(read, 'resource.k8s.io', 'resourceclaims resourceclaims/status resourceclaimtemplates'),
]

const podConnections = 'pods/attach pods/exec pods/portforward pods/proxy'

const editRules: readonly PolicyRule[] = [
  grant(read, '', `${podConnections} secrets services/proxy`),
  grant('impersonate', '', 'serviceaccounts'),
  grant(write, '', `pods ${podConnections}`),
  grant('create', '', 'pods/eviction'),
  grant(
    write,
    '',
    'configmaps events persistentvolumeclaims replicationcontrollers replicationcontrollers/scale secrets serviceaccounts services services/proxy',
  ),
  grant('create', '', 'serviceaccounts/token'),
  grant(
    write,
    'apps',
    'daemonsets deployments deployments/rollback deployments/scale replicasets replicasets/scale statefulsets statefulsets/scale',
  ),
  grant(write, 'autoscaling', 'horizontalpodautoscalers'),
  grant(write, 'batch', 'cronjobs jobs'),
  grant(
    write,
    'extensions',
    'daemonsets deployments deployments/rollback deployments/scale ingresses networkpolicies replicasets replicasets/scale replicationcontrollers/scale',
  ),
  grant(write, 'policy', 'poddisruptionbudgets'),
  grant(write, 'networking.k8s.io', 'ingresses networkpolicies'),
  grant(`${read} ${write}`, 'coordination.k8s.io', 'leases'),
  grant(write, 'resource.k8s.io', 'resourceclaims resourceclaimtemplates'),
]

const adminRules: readonly PolicyRule[] = [
  grant('create', 'authorization.k8s.io', 'localsubjectaccessreviews'),
  grant(`${read} ${write}`, 'rbac.authorization.k8s.io', 'rolebindings roles'),
]

const aggregatesTo = (role: string): Record<string, string> => ({
  [`rbac.authorization.k8s.io/aggregate-to-${role}`]: 'true',
})

/** The roles, as a new cluster gets them; the aggregation controller fills those that are made up of others. */
export const userRoles: readonly KubernetesObject[] = [
  aggregatedRole('admin', aggregatesTo('admin')),
  aggregatedRole('edit', aggregatesTo('edit'), aggregatesTo('admin')),
  aggregatedRole('view', aggregatesTo('view'), aggregatesTo('edit')),
  clusterRole('system:aggregate-to-admin', adminRules, aggregatesTo('admin')),
  clusterRole('system:aggregate-to-edit', editRules, aggregatesTo('edit')),
  clusterRole('system:aggregate-to-view', viewRules, aggregatesTo('view')),
]
