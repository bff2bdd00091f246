import { type Condition, withCondition } from '@binnacle/apimachinery'
import type { PodDisruptionBudget } from '@binnacle/resources'
import type { Counts } from './plan.ts'

type Status = NonNullable<PodDisruptionBudget['status']>

/** The status that the counts lead to. */
export function budgetStatus(
  { metadata, status }: PodDisruptionBudget,
  counts: Counts,
  disruptedPods: Readonly<Record<string, string>>,
  nowMs: number,
): Status {
  const allowed = counts.disruptionsAllowed > 0
  const observedGeneration = metadata.generation ?? 0
  const condition: Condition = {
    type: 'DisruptionAllowed',
    status: allowed ? 'True' : 'False',
    reason: allowed ? 'SufficientPods' : 'InsufficientPods',
    message: '',
    observedGeneration,
  }
  return {
    conditions: withConditionOf(status, condition, nowMs),
    ...counts,
    ...(Object.keys(disruptedPods).length === 0 ? {} : { disruptedPods: { ...disruptedPods } }),
    observedGeneration,
  }
}

/** The status when the pods could not be counted: nothing may be evicted, and the condition says why. */
export function failedStatus({ status }: PodDisruptionBudget, message: string, nowMs: number): Status {
  const condition: Condition = {
    type: 'DisruptionAllowed',
    status: 'False',
    reason: 'SyncFailed',
    message,
    ...(status?.observedGeneration === undefined ? {} : { observedGeneration: status.observedGeneration }),
  }
  return { ...status, disruptionsAllowed: 0, conditions: withConditionOf(status, condition, nowMs) } as Status
}

function withConditionOf(
  status: PodDisruptionBudget['status'],
  condition: Condition,
  nowMs: number,
): NonNullable<Status['conditions']> {
  const conditions = withCondition(status?.conditions as readonly Condition[] | undefined, condition, nowMs)
  return [...conditions] as NonNullable<Status['conditions']>
}
