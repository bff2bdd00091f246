import {
  isConflict,
  jsonEqual,
  type KubernetesObject,
  type ObjectKey,
  selectorFromLabelSelector,
} from '@binnacle/apimachinery'
import {
  deployments,
  type Pod,
  type PodDisruptionBudget,
  podDisruptionBudgets,
  pods,
  replicaSets,
  replicationControllers,
  type ResourceDefinition,
  type ResourceRegistry,
  statefulSets,
} from '@binnacle/resources'
import { type Controller, done, type ReconcileContext, type Result, type WatchSpec } from '../../controller.ts'
import { expectedPods } from './expected-pods.ts'
import { expectationOf, planCounts, planDisrupted } from './plan.ts'
import { budgetStatus, failedStatus } from './status.ts'

/**
 * Counts for each PodDisruptionBudget how many of its pods may be evicted now (kube-controller-manager `disruption/disruption.go`). The API server
 * charges the budget at each eviction; here the charges are confirmed once the pods are gone, or taken back.
 */
export function disruptionController(registry: ResourceRegistry): Controller {
  return {
    name: 'disruption',
    reconciles: podDisruptionBudgets,
    watches: [
      { resource: pods, keysOf: budgetsOfPod },
      ...[replicationControllers, replicaSets, deployments, statefulSets].map(watchScale),
    ],
    reconcile: (key, context) => reconcile(key, context, registry),
  }
}

const keyIn = ({ metadata }: KubernetesObject): ObjectKey => ({
  namespace: metadata.namespace ?? '',
  name: metadata.name,
})

function budgetsOfPod(pod: Pod, context: ReconcileContext, old?: Pod): ObjectKey[] {
  const budgets = context.informer(podDisruptionBudgets).inNamespace(pod.metadata.namespace ?? '')
  const selected = budgets.filter(({ spec }) => {
    const selector = selectorFromLabelSelector(spec?.selector)
    return selector.matches(pod.metadata.labels) || (old !== undefined && selector.matches(old.metadata.labels))
  })
  return selected.map(keyIn)
}

// A new scale changes what is expected of every budget that covers its pods.
function watchScale(resource: ResourceDefinition<any>): WatchSpec {
  return {
    resource,
    keysOf(object, context, old) {
      const replicasOf = (set: KubernetesObject | undefined): unknown =>
        (set as { spec?: { replicas?: number } } | undefined)?.spec?.replicas
      if (old !== undefined && replicasOf(object) === replicasOf(old)) return []
      const sets =
        resource === deployments ? context.informer(replicaSets).ownedBy(object.metadata.uid ?? '') : [object]
      const covered = sets.flatMap((set) => context.informer(pods).ownedBy(set.metadata.uid ?? ''))
      return covered.flatMap((pod) => budgetsOfPod(pod, context))
    },
  }
}

async function reconcile(key: ObjectKey, context: ReconcileContext, registry: ResourceRegistry): Promise<Result> {
  const budget = context.informer(podDisruptionBudgets).get(key)
  if (budget === undefined) return done
  try {
    return await count(budget, context, registry)
  } catch (error) {
    if (isConflict(error)) throw error
    // What cannot be counted must not be evicted; the next change of a pod or a scale tries again.
    await report(budget, failedStatus(budget, (error as Error).message, context.nowMs()), context)
    return done
  }
}

async function count(
  budget: PodDisruptionBudget,
  context: ReconcileContext,
  registry: ResourceRegistry,
): Promise<Result> {
  const { events } = context
  const nowMs = context.nowMs()
  // Observe.
  const selector = selectorFromLabelSelector(budget.spec?.selector)
  const covered = context
    .informer(pods)
    .inNamespace(budget.metadata.namespace ?? '')
    .filter((pod) => selector.matches(pod.metadata.labels))
  if (covered.length === 0) events.record(budget, 'Normal', 'NoPods', 'No matching pods found')
  const expected = await expectation(budget, covered, context, registry)

  // Decide.
  const disrupted = planDisrupted(budget, covered, nowMs)
  const counts = planCounts(budget, covered, disrupted, expected)

  // Report.
  for (const pod of disrupted.overdue) {
    const { namespace, name } = budget.metadata
    const message = `Pod was expected by PDB ${namespace}/${name} to be deleted but it wasn't`
    events.record(pod, 'Warning', 'NotDeleted', message)
  }
  await report(budget, budgetStatus(budget, counts, disrupted.pods, nowMs), context)
  // Overdue is what is past its time, not what has just reached it.
  return disrupted.againAfterMs === undefined ? done : { requeueAfterMs: disrupted.againAfterMs + 1 }
}

async function expectation(
  budget: PodDisruptionBudget,
  covered: readonly Pod[],
  context: ReconcileContext,
  registry: ResourceRegistry,
): Promise<number> {
  const kind = expectationOf(budget)
  if (kind !== 'scales') return kind === 'pods' ? covered.length : 0
  const { events } = context
  const expected = await expectedPods(covered, context, registry).catch((error: Error) => {
    const message = `Failed to calculate the number of expected pods: ${error.message}`
    events.record(budget, 'Warning', 'CalculateExpectedPodCountFailed', message)
    throw error
  })
  if (expected.unmanaged.length > 0) {
    const selector = selectorFromLabelSelector(budget.spec?.selector).toString()
    const message = `Pods selected by this PodDisruptionBudget (selector: ${selector}) were found to be unmanaged. As a result, the status of the PDB cannot be calculated correctly, which may result in undefined behavior. To account for these pods please set ".spec.minAvailable" field of the PDB to an integer value.`
    events.record(budget, 'Warning', 'UnmanagedPods', message)
  }
  return expected.pods
}

async function report(
  budget: PodDisruptionBudget,
  status: NonNullable<PodDisruptionBudget['status']>,
  { client }: ReconcileContext,
): Promise<void> {
  if (!jsonEqual(status, budget.status)) await client.updateStatus(podDisruptionBudgets, { ...budget, status })
}
