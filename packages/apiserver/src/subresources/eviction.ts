import { type KubernetesObject, selectorFromLabelSelector, StatusError } from '@binnacle/apimachinery'
import type { Pod, PodDisruptionBudget } from '@binnacle/resources'
import type { Store, StoredObject } from '@binnacle/store'

/** Whether a pod may be evicted, and the budget that has to be charged for it. */
export interface EvictionDecision {
  readonly budget?: StoredObject
  /** The budget with the eviction counted. */
  readonly charged?: KubernetesObject
}

/**
 * Decides on an eviction (kube-apiserver `EvictionREST`).
 * @throws StatusError TooManyRequests when a budget does not allow it, InternalError when several budgets match.
 */
export function decideEviction(store: Pick<Store, 'list'>, pod: Pod, nowMs: number): EvictionDecision {
  const phase = pod.status?.phase
  if (
    phase === 'Succeeded' ||
    phase === 'Failed' ||
    phase === 'Pending' ||
    pod.metadata.deletionTimestamp !== undefined
  )
    return {}
  const namespace = pod.metadata.namespace ?? ''
  const budgets = store.list({ resource: 'poddisruptionbudgets.policy', namespace }).objects.filter((stored) => {
    const { spec } = stored.parse() as PodDisruptionBudget
    return selectorFromLabelSelector(spec?.selector).matches(pod.metadata.labels)
  })
  const [first] = budgets
  if (first === undefined) return {}
  if (budgets.length > 1)
    throw new StatusError(
      'InternalError',
      'This pod has more than one PodDisruptionBudget, which the eviction subresource does not support.',
    )
  const budget = first.parse() as PodDisruptionBudget
  const observed = (budget.status?.observedGeneration ?? 0) >= (budget.metadata.generation ?? 0)
  const allowed = budget.status?.disruptionsAllowed ?? 0
  if (!observed || allowed <= 0) throw tooMany(budget, observed)
  const disruptedPods = {
    ...budget.status?.disruptedPods,
    [pod.metadata.name]: new Date(nowMs).toISOString().replace(/\.\d+Z$/, 'Z'),
  }
  return {
    budget: first,
    charged: {
      ...budget,
      status: { ...budget.status, disruptionsAllowed: allowed - 1, disruptedPods },
    } as KubernetesObject,
  }
}

function tooMany(budget: PodDisruptionBudget, observed: boolean): StatusError {
  const { name } = budget.metadata
  const why = observed
    ? `The disruption budget ${name} needs ${budget.status?.desiredHealthy ?? 0} healthy pods and has ${budget.status?.currentHealthy ?? 0} currently`
    : `The disruption budget ${name} is still being processed by the server.`
  return new StatusError('TooManyRequests', "Cannot evict pod as it would violate the pod's disruption budget.", {
    causes: [{ reason: 'DisruptionBudget', message: why }],
    ...(observed ? {} : { retryAfterSeconds: 10 }),
  })
}
