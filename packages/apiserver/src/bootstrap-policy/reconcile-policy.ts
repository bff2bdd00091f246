import { isAlreadyExists, isConflict, isNotFound, type KubernetesObject, jsonEqual } from '@binnacle/apimachinery'
import {
  clusterRoleBindings,
  clusterRoles,
  type ClusterRole,
  type ClusterRoleBinding,
  type ResourceDefinition,
  roleBindings,
  roles,
} from '@binnacle/resources'
import type { ApiServer } from '../api-server.ts'
import { ownRequest } from '../own-request.ts'
import { componentBindings, componentRoles } from './component-roles.ts'
import { controllerBindings, controllerRoles } from './controller-roles.ts'
import { autoUpdateKey } from './grant.ts'
import { namespaceBindings, namespaceRoles } from './namespace-roles.ts'
import { uncoveredRules } from './rule-cover.ts'
import { userRoles } from './user-roles.ts'

/** How often one object is tried while others change it at the same time. */
const triesMax = 5

/**
 * Gives the cluster its roles and bindings, and gives back what is missing of them: rules, subjects, labels, annotations. What others have added
 * stays. An object whose annotation `rbac.authorization.kubernetes.io/autoupdate` is `false` is left alone (rbac `rest/storage_rbac.go`
 * PostStartHook, `reconciliation`).
 */
export async function reconcilePolicy(server: ApiServer): Promise<void> {
  await Promise.all([
    ...[...componentRoles, ...userRoles, ...controllerRoles].map((role) => reconcile(server, clusterRoles, role)),
    ...[...componentBindings, ...controllerBindings].map((binding) => reconcile(server, clusterRoleBindings, binding)),
    ...namespaceRoles.map((role) => reconcile(server, roles, role)),
    ...namespaceBindings.map((binding) => reconcile(server, roleBindings, binding)),
  ])
}

async function reconcile(server: ApiServer, kind: ResourceDefinition<any>, wanted: KubernetesObject): Promise<void> {
  const { name, namespace = '' } = wanted.metadata
  const key = { namespace, name }
  const create = async () => await server.create(ownRequest, kind, namespace, structuredClone(wanted))
  for (let tries = 1; ; tries++) {
    const found = server.store.get({ resource: kind.storageName, ...key })?.parse() as KubernetesObject | undefined
    try {
      if (found === undefined) await create()
      else if (isLeftAlone(found)) return
      else if (refersElsewhere(found, wanted)) {
        // What a binding refers to cannot change.
        await server.delete(ownRequest, kind, key)
        await create()
      } else {
        const next = completed(found, wanted)
        if (!jsonEqual(next, found)) await server.update(ownRequest, kind, key, next)
      }
      return
    } catch (error) {
      const isOvertaken = isAlreadyExists(error) || isConflict(error) || isNotFound(error)
      if (!isOvertaken || tries >= triesMax) throw error
      await server.store.linearize()
    }
  }
}

function isLeftAlone({ metadata }: KubernetesObject): boolean {
  return metadata.annotations?.[autoUpdateKey] === 'false'
}

function refersElsewhere(found: KubernetesObject, wanted: KubernetesObject): boolean {
  return !jsonEqual((found as ClusterRoleBinding).roleRef, (wanted as ClusterRoleBinding).roleRef)
}

/** The object with what is missing of the one that is wanted. */
function completed(found: KubernetesObject, wanted: KubernetesObject): KubernetesObject {
  const metadata = {
    ...found.metadata,
    labels: { ...wanted.metadata.labels, ...found.metadata.labels },
    annotations: { ...wanted.metadata.annotations, ...found.metadata.annotations },
  }
  const parts = 'roleRef' in wanted ? completedBinding(found, wanted) : completedRole(found, wanted)
  return { ...found, metadata, ...parts }
}

function completedRole(found: ClusterRole, wanted: ClusterRole): Partial<ClusterRole> {
  const { aggregationRule } = wanted
  // The rules of a role that is made up of others are theirs.
  if (aggregationRule === undefined) {
    const missing = uncoveredRules(found.rules ?? [], wanted.rules ?? [])
    return missing.length === 0 ? {} : { rules: [...(found.rules ?? []), ...missing] }
  }
  const selectors = found.aggregationRule?.clusterRoleSelectors ?? []
  const missing = (aggregationRule.clusterRoleSelectors ?? []).filter(
    (selector) => !selectors.some((other) => jsonEqual(other, selector)),
  )
  return missing.length === 0 ? {} : { aggregationRule: { clusterRoleSelectors: [...selectors, ...missing] } }
}

function completedBinding(found: KubernetesObject, wanted: KubernetesObject): Partial<ClusterRoleBinding> {
  const [present, subjects] = [found, wanted].map((binding) => (binding as ClusterRoleBinding).subjects ?? [])
  const missing = (subjects ?? []).filter((subject) => !present?.some((other) => jsonEqual(other, subject)))
  return missing.length === 0 ? {} : { subjects: [...(present ?? []), ...missing] }
}
