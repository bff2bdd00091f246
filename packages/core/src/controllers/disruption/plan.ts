import { parseTime, scaledValue } from '@binnacle/apimachinery'
import type { Pod, PodDisruptionBudget } from '@binnacle/resources'
import { isPodReady } from '../../pod-state.ts'

/** An eviction that has not led to a deletion by then is taken as failed (disruption.go `DeletionTimeout`). */
const deletionTimeoutMs = 120_000

/** What a budget counts. */
export interface Counts {
  readonly currentHealthy: number
  readonly desiredHealthy: number
  readonly expectedPods: number
  readonly disruptionsAllowed: number
}

/** Pods on their way out, and what became of those that should have gone. */
export interface Disrupted {
  /** Pod name → when its eviction was granted. */
  readonly pods: Readonly<Record<string, string>>
  /** Pods that were to be deleted and were not. */
  readonly overdue: readonly Pod[]
  /** How long until the next of them is overdue, in milliseconds. */
  readonly againAfterMs: number | undefined
}

/** What the number of pods to expect is: the sum of their controllers' scales, the number of pods there are, or none where nothing is asked for. */
export function expectationOf({ spec }: PodDisruptionBudget): 'scales' | 'pods' | 'none' {
  if (spec?.maxUnavailable !== undefined || typeof spec?.minAvailable === 'string') return 'scales'
  return spec?.minAvailable === undefined ? 'none' : 'pods'
}

/** Which evictions are still to be waited for (disruption.go `buildDisruptedPodMap`). */
export function planDisrupted(budget: PodDisruptionBudget, pods: readonly Pod[], nowMs: number): Disrupted {
  const granted = budget.status?.disruptedPods ?? {}
  const kept: Record<string, string> = {}
  const overdue: Pod[] = []
  let againAfterMs: number | undefined
  for (const pod of pods) {
    const sinceText = granted[pod.metadata.name]
    if (sinceText === undefined || pod.metadata.deletionTimestamp !== undefined) continue
    const left = parseTime(sinceText) + deletionTimeoutMs - nowMs
    if (left < 0) overdue.push(pod)
    else {
      kept[pod.metadata.name] = sinceText
      againAfterMs = Math.min(againAfterMs ?? left, left)
    }
  }
  return { pods: kept, overdue, againAfterMs }
}

/**
 * Counts pods against a budget. `expected` is how many there should be. @throws RangeError when an amount is neither number nor percentage
 */
export function planCounts(
  { spec }: PodDisruptionBudget,
  pods: readonly Pod[],
  disrupted: Disrupted,
  expected: number,
): Counts {
  const healthy = pods.filter(
    (pod) =>
      pod.metadata.deletionTimestamp === undefined &&
      disrupted.pods[pod.metadata.name] === undefined &&
      isPodReady(pod),
  )
  let desiredHealthy = 0
  if (spec?.maxUnavailable !== undefined)
    desiredHealthy = Math.max(0, expected - scaledValue(spec.maxUnavailable, expected, true))
  else if (spec?.minAvailable !== undefined) desiredHealthy = scaledValue(spec.minAvailable, expected, true)
  // A budget without pods allows nothing, so that the first ones that appear are safe before they are counted.
  const disruptionsAllowed = expected > 0 ? Math.max(0, healthy.length - desiredHealthy) : 0
  return { currentHealthy: healthy.length, desiredHealthy, expectedPods: expected, disruptionsAllowed }
}
