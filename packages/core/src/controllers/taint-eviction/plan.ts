import { findCondition, parseTime } from '@binnacle/apimachinery'
import type { Node, Pod, Taint } from '@binnacle/resources'
import { tolerates } from '../../scheduler/placement-rules.ts'

/** The taints of a node that drive pods away. */
export function noExecuteTaints(node: Node): readonly Taint[] {
  return (node.spec?.taints ?? []).filter(({ effect }) => effect === 'NoExecute')
}

/** How long a pod may stay on a node with these taints, in milliseconds; 0: it must go now; Infinity: it may stay (`GetMatchingTolerations`). */
export function toleratedMs(pod: Pod, taints: readonly Taint[]): number {
  const tolerations = pod.spec?.tolerations ?? []
  let shortest = Number.POSITIVE_INFINITY
  for (const taint of taints) {
    const using = tolerations.filter((toleration) => tolerates(toleration, taint))
    if (using.length === 0) return 0
    for (const { tolerationSeconds } of using)
      if (tolerationSeconds !== undefined) shortest = Math.min(shortest, Math.max(0, tolerationSeconds) * 1000)
  }
  return shortest
}

/**
 * Since when a pod bears the taints: since the first of them is there, or the pod, whichever came later. Read from the objects, so that a controller
 * that starts anew does not begin to count anew.
 */
export function sufferingSinceMs(pod: Pod, taints: readonly Taint[], nowMs: number): number {
  const added = taints.map(({ timeAdded }) => parseTime(timeAdded)).filter((atMs) => !Number.isNaN(atMs))
  const scheduled = findCondition(pod.status?.conditions, 'PodScheduled')
  const boundMs = parseTime(
    scheduled?.status === 'True' ? scheduled.lastTransitionTime : pod.metadata.creationTimestamp,
  )
  const taintedMs = added.length === 0 ? nowMs : Math.min(...added)
  return Math.min(nowMs, Number.isNaN(boundMs) ? taintedMs : Math.max(taintedMs, boundMs))
}
