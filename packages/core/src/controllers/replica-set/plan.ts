import { findCondition, parseTime } from '@binnacle/apimachinery'
import type { Pod } from '@binnacle/resources'
import { isPodReady } from '../../pod-state.ts'

/** Creates or deletes at one reconcile at the most. */
export const burstPodsMax = 500
const costAnnotation = 'controller.kubernetes.io/pod-deletion-cost'

/** What to do about the number of pods. */
export interface ReplicaPlan {
  readonly createCount: number
  readonly podsToDelete: readonly Pod[]
}

/** Compares what is wanted with the active pods. `podsOnNode` counts related pods per node, for spreading what stays. */
export function planReplicas(
  wanted: number,
  active: readonly Pod[],
  podsOnNode: ReadonlyMap<string, number>,
  nowMs: number,
): ReplicaPlan {
  const difference = wanted - active.length
  if (difference >= 0) return { createCount: Math.min(difference, burstPodsMax), podsToDelete: [] }
  const count = Math.min(-difference, burstPodsMax)
  if (count >= active.length) return { createCount: 0, podsToDelete: active }
  return { createCount: 0, podsToDelete: rankForDeletion(active, podsOnNode, nowMs).slice(0, count) }
}

/**
 * Pods in the order in which they should go (`ActivePodsWithRanks`): unassigned before assigned, pending before unknown before running, not ready before
 * ready, lower deletion cost, more crowded nodes, ready for less time, more restarts, younger.
 */
export function rankForDeletion(
  pods: readonly Pod[],
  podsOnNode: ReadonlyMap<string, number>,
  nowMs: number,
): readonly Pod[] {
  const rankOf = (pod: Pod): number => podsOnNode.get(pod.spec?.nodeName ?? '') ?? 0
  return pods.toSorted((a, b) => {
    const [aNode, bNode] = [a.spec?.nodeName ?? '', b.spec?.nodeName ?? '']
    if (aNode !== bNode && (aNode === '' || bNode === '')) return aNode === '' ? -1 : 1
    const phase = phaseRank(a) - phaseRank(b)
    if (phase !== 0) return phase
    const ready = Number(isPodReady(a)) - Number(isPodReady(b))
    if (ready !== 0) return ready
    const cost = deletionCost(a) - deletionCost(b)
    if (cost !== 0) return cost
    const crowd = rankOf(b) - rankOf(a)
    if (crowd !== 0) return crowd
    if (isPodReady(a)) {
      const age = ageBucket(readySinceMs(a), nowMs) - ageBucket(readySinceMs(b), nowMs)
      if (age !== 0) return age
    }
    const restarts = mostRestarts(b) - mostRestarts(a)
    if (restarts !== 0) return restarts
    return (
      ageBucket(parseTime(a.metadata.creationTimestamp), nowMs) -
      ageBucket(parseTime(b.metadata.creationTimestamp), nowMs)
    )
  })
}

function phaseRank(pod: Pod): number {
  return pod.status?.phase === 'Running' ? 2 : pod.status?.phase === 'Unknown' ? 1 : 0
}

function deletionCost(pod: Pod): number {
  const text = pod.metadata.annotations?.[costAnnotation]
  return text !== undefined && /^(0|-?[1-9]\d*)$/.test(text) ? Number(text) : 0
}

function readySinceMs(pod: Pod): number {
  return parseTime(findCondition(pod.status?.conditions, 'Ready')?.lastTransitionTime)
}

// Ages are compared on a logarithmic scale, so that among pods of about the same age chance decides (LogarithmicScaleDown).
function ageBucket(sinceMs: number, nowMs: number): number {
  if (Number.isNaN(sinceMs)) return -1
  return Math.floor(Math.log2(Math.max(1, nowMs - sinceMs)))
}

function mostRestarts(pod: Pod): number {
  return Math.max(0, ...(pod.status?.containerStatuses ?? []).map((status) => status.restartCount))
}
