import type { KubernetesObject } from '@binnacle/apimachinery'
import type { PolicyRule } from '@binnacle/resources'

/** How the roles and bindings that every cluster begins with are written down (kube-apiserver `bootstrappolicy`). */

const rbacGroup = 'rbac.authorization.k8s.io'
const rbacVersion = `${rbacGroup}/v1`
/** The annotation by which a role or binding is kept up to date, unless it says `false`. */
export const autoUpdateKey = 'rbac.authorization.kubernetes.io/autoupdate'

const words = (text: string): string[] => text.split(' ').sort()

/** Verbs on resources of some groups (by their first words; '' is the core group), all of them or those of the names given. */
export function grant(
  verbs: string,
  groups: string | readonly string[],
  resources: string,
  names?: string,
): PolicyRule {
  return {
    apiGroups: typeof groups === 'string' ? [groups] : [...groups].sort(),
    resources: words(resources),
    verbs: words(verbs),
    ...(names === undefined ? {} : { resourceNames: words(names) }),
  }
}

/** `get` on paths that are no resources. */
export function grantPaths(paths: string): PolicyRule {
  return { nonResourceURLs: words(paths), verbs: ['get'] }
}

/** The verbs that read. */
export const read = 'get list watch'
/** The verbs that write. */
export const write = 'create delete deletecollection patch update'

/** Who works on something tells of it. */
export const eventsGrant: PolicyRule = grant('create patch update', ['', 'events.k8s.io'], 'events')

function metadataOf(name: string, namespace: string, labels: object): KubernetesObject['metadata'] {
  return {
    name,
    ...(namespace === '' ? {} : { namespace }),
    labels: { 'kubernetes.io/bootstrapping': 'rbac-defaults', ...labels },
    annotations: { [autoUpdateKey]: 'true' },
  }
}

/** A ClusterRole. */
export function clusterRole(name: string, rules: readonly PolicyRule[], labels: object = {}): KubernetesObject {
  return { apiVersion: rbacVersion, kind: 'ClusterRole', metadata: metadataOf(name, '', labels), ...{ rules } }
}

/** A ClusterRole that has the rules of all those with the label. */
export function aggregatedRole(
  name: string,
  matchLabels: Readonly<Record<string, string>>,
  labels: object = {},
): KubernetesObject {
  return {
    apiVersion: rbacVersion,
    kind: 'ClusterRole',
    metadata: metadataOf(name, '', labels),
    ...{ aggregationRule: { clusterRoleSelectors: [{ matchLabels }] }, rules: [] },
  }
}

/** A Role. */
export function role(namespace: string, name: string, rules: readonly PolicyRule[]): KubernetesObject {
  return { apiVersion: rbacVersion, kind: 'Role', metadata: metadataOf(name, namespace, {}), ...{ rules } }
}

/** Somebody who has a role: `user:NAME`, `group:NAME`, `account:NAME` (a ServiceAccount of kube-system). */
export type Subject = `${'user' | 'group' | 'account'}:${string}`

function subjectOf(text: Subject): object {
  const at = text.indexOf(':')
  const [kind, name] = [text.slice(0, at), text.slice(at + 1)]
  if (kind === 'account') return { kind: 'ServiceAccount', name, namespace: 'kube-system' }
  return { apiGroup: rbacGroup, kind: kind === 'user' ? 'User' : 'Group', name }
}

/** A ClusterRoleBinding of the ClusterRole of its name. */
export function clusterRoleBinding(name: string, ...subjects: Subject[]): KubernetesObject {
  return {
    apiVersion: rbacVersion,
    kind: 'ClusterRoleBinding',
    metadata: metadataOf(name, '', {}),
    ...{
      roleRef: { apiGroup: rbacGroup, kind: 'ClusterRole', name },
      ...(subjects.length === 0 ? {} : { subjects: subjects.map(subjectOf) }),
    },
  }
}

/** A RoleBinding of a Role in its namespace. */
export function roleBinding(
  namespace: string,
  name: string,
  roleName: string,
  ...subjects: Subject[]
): KubernetesObject {
  return {
    apiVersion: rbacVersion,
    kind: 'RoleBinding',
    metadata: metadataOf(name, namespace, {}),
    ...{ roleRef: { apiGroup: rbacGroup, kind: 'Role', name: roleName }, subjects: subjects.map(subjectOf) },
  }
}
