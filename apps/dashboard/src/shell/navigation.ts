import type { ApiResource } from '../live/queries.ts'
import { resourcePathName } from './paths.ts'

/** A heading of the left rail and what stands below it. */
export interface NavigationSection {
  readonly title: string
  readonly resources: readonly ApiResource[]
}

// What people look for, in the order of the work; every other served resource follows under its API group.
const sections: readonly (readonly [string, readonly string[]])[] = [
  [
    'Workloads',
    [
      'pods',
      'deployments.apps',
      'replicasets.apps',
      'statefulsets.apps',
      'daemonsets.apps',
      'jobs.batch',
      'cronjobs.batch',
      'replicationcontrollers',
    ],
  ],
  ['Cluster', ['nodes', 'namespaces', 'events', 'leases.coordination.k8s.io', 'priorityclasses.scheduling.k8s.io']],
  [
    'Network',
    [
      'services',
      'endpoints',
      'endpointslices.discovery.k8s.io',
      'ingresses.networking.k8s.io',
      'networkpolicies.networking.k8s.io',
    ],
  ],
  [
    'Configuration',
    [
      'configmaps',
      'secrets',
      'resourcequotas',
      'limitranges',
      'horizontalpodautoscalers.autoscaling',
      'poddisruptionbudgets.policy',
    ],
  ],
  ['Storage', ['persistentvolumeclaims', 'persistentvolumes', 'storageclasses.storage.k8s.io']],
  [
    'Access',
    [
      'serviceaccounts',
      'roles.rbac.authorization.k8s.io',
      'rolebindings.rbac.authorization.k8s.io',
      'clusterroles.rbac.authorization.k8s.io',
      'clusterrolebindings.rbac.authorization.k8s.io',
    ],
  ],
]

/** The left rail for what the API serves; each resource once, in its preferred version. */
export function navigationFor(resources: readonly ApiResource[]): readonly NavigationSection[] {
  const byName = new Map<string, ApiResource>()
  for (const resource of resources) {
    const name = resourcePathName(resource)
    if (resource.verbs.includes('list') && !byName.has(name)) byName.set(name, resource)
  }
  const take = (name: string): ApiResource[] => {
    const resource = byName.get(name)
    byName.delete(name)
    return resource === undefined ? [] : [resource]
  }
  const known = sections.map(([title, names]) => ({ title, resources: names.flatMap(take) }))
  const rest = Map.groupBy(byName.values(), (resource) => (resource.group === '' ? 'core' : resource.group))
  return [
    ...known,
    ...[...rest].sort(([a], [b]) => (a < b ? -1 : 1)).map(([title, list]) => ({ title, resources: list })),
  ].filter((section) => section.resources.length > 0)
}
