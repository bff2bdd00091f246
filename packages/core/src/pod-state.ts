import { findCondition, isConditionTrue, parseTime } from '@binnacle/apimachinery'
import type { Pod } from '@binnacle/resources'

/** Questions about pods that several controllers ask, with upstream's answers (`pkg/api/v1/pod`, `controller_utils.go`). */

/** The pod's Ready condition is true. */
export function isPodReady(pod: Pod): boolean {
  return isConditionTrue(pod.status?.conditions, 'Ready')
}

/** The pod has neither ended nor is being deleted. */
export function isPodActive(pod: Pod): boolean {
  return !isPodTerminal(pod) && pod.metadata.deletionTimestamp === undefined
}

/** The pod has ended, for good or bad. */
export function isPodTerminal(pod: Pod): boolean {
  return pod.status?.phase === 'Succeeded' || pod.status?.phase === 'Failed'
}

/** The pod is being deleted and has not ended. */
export function isPodTerminating(pod: Pod): boolean {
  return pod.metadata.deletionTimestamp !== undefined && !isPodTerminal(pod)
}

/** How long until a ready pod counts as available; 0: it does; undefined: it is not ready. */
export function msUntilAvailable(pod: Pod, minReadySeconds: number, nowMs: number): number | undefined {
  const ready = findCondition(pod.status?.conditions, 'Ready')
  if (ready?.status !== 'True') return undefined
  if (minReadySeconds === 0) return 0
  const since = parseTime(ready.lastTransitionTime)
  return Number.isNaN(since) ? undefined : Math.max(0, since + minReadySeconds * 1000 - nowMs)
}
