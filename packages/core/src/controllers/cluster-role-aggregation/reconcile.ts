import { jsonEqual, type ObjectKey, selectorFromLabelSelector } from '@binnacle/apimachinery'
import { type ClusterRole, clusterRoles, type PolicyRule } from '@binnacle/resources'
import { type Controller, done, type ReconcileContext, type Result } from '../../controller.ts'

/** Fills the rules of ClusterRoles that are made up of others (kube-controller-manager `clusterroleaggregation_controller.go`). */
export const clusterRoleAggregationController: Controller = {
  name: 'clusterrole-aggregation',
  reconciles: clusterRoles,
  // There are few roles, and which concern which is told by labels: a change of one calls all that are made up of others.
  watches: [{ resource: clusterRoles, keysOf: (_role: ClusterRole, context) => aggregatedKeys(context) }],
  reconcile,
}

function aggregatedKeys(context: ReconcileContext): ObjectKey[] {
  return [...context.informer(clusterRoles).all()]
    .filter((role) => role.aggregationRule !== undefined)
    .map((role) => ({ namespace: '', name: role.metadata.name }))
}

async function reconcile(key: ObjectKey, context: ReconcileContext): Promise<Result> {
  const informer = context.informer(clusterRoles)
  const role = informer.get(key)
  if (role?.aggregationRule === undefined) return done
  const rules = aggregatedRules(role, [...informer.all()])
  if (!jsonEqual(rules, role.rules ?? [])) await context.client.update(clusterRoles, { ...role, rules: [...rules] })
  return done
}

/** The rules of the roles that a role selects, each once: selectors in their order, roles by name. */
export function aggregatedRules(role: ClusterRole, roles: readonly ClusterRole[]): readonly PolicyRule[] {
  const rules: PolicyRule[] = []
  const byName = roles.toSorted((a, b) => (a.metadata.name < b.metadata.name ? -1 : 1))
  for (const labelSelector of role.aggregationRule?.clusterRoleSelectors ?? []) {
    const selector = selectorFromLabelSelector(labelSelector)
    for (const other of byName) {
      if (other.metadata.name === role.metadata.name || !selector.matches(other.metadata.labels)) continue
      for (const rule of other.rules ?? []) if (!rules.some((known) => jsonEqual(known, rule))) rules.push(rule)
    }
  }
  return rules
}
