import { parseTime, scaledValue } from '@binnacle/apimachinery'
import type { Deployment, ReplicaSet } from '@binnacle/resources'

/** Decisions of the Deployment controller, free of effects (kube-controller-manager `deployment/util`, `rolling.go`, `sync.go`). */

/** On a Deployment and its ReplicaSets: which rollout it is, counted from 1. */
export const revisionAnnotation = 'deployment.kubernetes.io/revision'
/** On a ReplicaSet: the replicas its Deployment asked for when it was last scaled, for scaling in proportion. */
export const desiredAnnotation = 'deployment.kubernetes.io/desired-replicas'
/** On a ReplicaSet: the replicas its Deployment allowed then, surge included. */
export const maxAnnotation = 'deployment.kubernetes.io/max-replicas'
/** On a ReplicaSet, its selector and its pods: which template they are of. */
export const hashLabel = 'pod-template-hash'

/** A ReplicaSet and the size it should get. */
export interface Scaling {
  readonly replicaSet: ReplicaSet
  readonly replicas: number
}

/** `spec.replicas`; 0 where it is not set, which defaulting does not leave to happen. */
export const replicasOf = (object: { spec?: { replicas?: number } }): number => object.spec?.replicas ?? 0
const sumOf = (sets: readonly ReplicaSet[], value: (set: ReplicaSet) => number): number =>
  sets.reduce((sum, set) => sum + value(set), 0)
/** Pods that the ReplicaSets ask for, together. */
export const totalReplicas = (sets: readonly ReplicaSet[]): number => sumOf(sets, replicasOf)
/** Pods that are available, together. */
export const totalAvailable = (sets: readonly ReplicaSet[]): number =>
  sumOf(sets, (set) => set.status?.availableReplicas ?? 0)

/** True for the strategy that replaces pods step by step. */
export function isRolling(deployment: Deployment): boolean {
  return deployment.spec?.strategy?.type !== 'Recreate'
}

/** How many pods may be too many and too few; never both zero (`ResolveFenceposts`). */
export function rollingBounds(deployment: Deployment): { surge: number; unavailable: number } {
  if (!isRolling(deployment) || replicasOf(deployment) === 0) return { surge: 0, unavailable: 0 }
  const { maxSurge = '25%', maxUnavailable = '25%' } = deployment.spec?.strategy?.rollingUpdate ?? {}
  const surge = scaledValue(maxSurge, replicasOf(deployment), true)
  const unavailable = Math.min(scaledValue(maxUnavailable, replicasOf(deployment), false), replicasOf(deployment))
  return surge === 0 && unavailable === 0 ? { surge, unavailable: 1 } : { surge, unavailable }
}

/** The revision of a ReplicaSet. */
export function revisionOf(replicaSet: ReplicaSet): number {
  return Number(replicaSet.metadata.annotations?.[revisionAnnotation] ?? 0) || 0
}

/** ReplicaSets by the time they were made, oldest first. */
export function byAge(sets: readonly ReplicaSet[]): ReplicaSet[] {
  return sets.toSorted(
    (a, b) =>
      parseTime(a.metadata.creationTimestamp) - parseTime(b.metadata.creationTimestamp) ||
      (a.metadata.name < b.metadata.name ? -1 : 1),
  )
}

/** The size that the newest ReplicaSet may have now (`NewRSNewReplicas`). */
export function newReplicaSetSize(deployment: Deployment, all: readonly ReplicaSet[], current: number): number {
  if (!isRolling(deployment)) return replicasOf(deployment)
  const total = totalReplicas(all)
  const allowed = replicasOf(deployment) + rollingBounds(deployment).surge
  if (total >= allowed) return current
  return current + Math.min(allowed - total, replicasOf(deployment) - current)
}

/** The next step of a rolling update for the old ReplicaSets: unhealthy pods first, then as many as availability allows. */
export function planOldReplicaSets(
  deployment: Deployment,
  newSet: ReplicaSet,
  oldSets: readonly ReplicaSet[],
): readonly Scaling[] {
  const all = [...oldSets, newSet]
  const minAvailable = replicasOf(deployment) - rollingBounds(deployment).unavailable
  const newUnavailable = replicasOf(newSet) - (newSet.status?.availableReplicas ?? 0)
  const mostDown = totalReplicas(all) - minAvailable - newUnavailable
  if (totalReplicas(oldSets) === 0 || mostDown <= 0) return []
  const sizes = new Map(byAge(oldSets).map((set) => [set, replicasOf(set)]))
  let cleaned = 0
  for (const [set, size] of sizes) {
    const unhealthy = size - (set.status?.availableReplicas ?? 0)
    const down = Math.min(mostDown - cleaned, unhealthy)
    if (down <= 0 || size === 0) continue
    sizes.set(set, size - down)
    cleaned += down
  }
  let spare = totalAvailable(all) - minAvailable
  for (const [set, size] of sizes) {
    if (spare <= 0) break
    const down = Math.min(size, spare)
    sizes.set(set, size - down)
    spare -= down
  }
  return [...sizes]
    .filter(([set, size]) => size !== replicasOf(set))
    .map(([replicaSet, replicas]) => ({ replicaSet, replicas }))
}

/** True when somebody changed the Deployment's size since the ReplicaSets were last sized. */
export function isScaling(deployment: Deployment, all: readonly ReplicaSet[]): boolean {
  return all.some((set) => {
    const desired = set.metadata.annotations?.[desiredAnnotation]
    return replicasOf(set) > 0 && desired !== undefined && Number(desired) !== replicasOf(deployment)
  })
}

function isSaturated(deployment: Deployment, set: ReplicaSet | undefined): boolean {
  if (set === undefined) return false
  const wanted = replicasOf(deployment)
  return (
    replicasOf(set) === wanted &&
    Number(set.metadata.annotations?.[desiredAnnotation]) === wanted &&
    (set.status?.availableReplicas ?? 0) === wanted
  )
}

/** New sizes after the Deployment was resized, also in the middle of a rollout: then in proportion (`scale`). */
export function planScaling(
  deployment: Deployment,
  newSet: ReplicaSet | undefined,
  oldSets: readonly ReplicaSet[],
): readonly Scaling[] {
  const all = newSet === undefined ? oldSets : [...oldSets, newSet]
  const active = all.filter((set) => replicasOf(set) > 0)
  if (active.length <= 1) {
    const only = active[0] ?? newSet ?? byAge(oldSets).at(-1)
    return only === undefined ? [] : [{ replicaSet: only, replicas: replicasOf(deployment) }]
  }
  if (isSaturated(deployment, newSet))
    return oldSets.filter((set) => replicasOf(set) > 0).map((replicaSet) => ({ replicaSet, replicas: 0 }))
  return isRolling(deployment) ? scaleInProportion(deployment, active) : []
}

function scaleInProportion(deployment: Deployment, active: readonly ReplicaSet[]): readonly Scaling[] {
  const wanted = replicasOf(deployment)
  const allowed = wanted > 0 ? wanted + rollingBounds(deployment).surge : 0
  const toAdd = allowed - totalReplicas(active)
  // Larger ones first; among equals the newer when growing, the older when shrinking.
  const sorted = byAge(active).sort((a, b) => replicasOf(b) - replicasOf(a))
  if (toAdd > 0)
    sorted.sort(
      (a, b) =>
        replicasOf(b) - replicasOf(a) ||
        parseTime(b.metadata.creationTimestamp) - parseTime(a.metadata.creationTimestamp),
    )
  let added = 0
  const scalings = sorted.map((replicaSet) => {
    const change = toAdd === 0 ? 0 : proportion(replicaSet, allowed, toAdd, added)
    added += change
    return { replicaSet, replicas: replicasOf(replicaSet) + change }
  })
  const [first] = scalings
  if (first !== undefined) scalings[0] = { ...first, replicas: Math.max(0, first.replicas + (toAdd - added)) }
  return scalings
}

function proportion(set: ReplicaSet, allowed: number, toAdd: number, added: number): number {
  const size = replicasOf(set)
  const before = Number(set.metadata.annotations?.[maxAnnotation]) || size
  const share = Math.round((size * allowed) / before) - size
  const left = toAdd - added
  return toAdd > 0 ? Math.min(share, left) : Math.max(share, left)
}

/** Old ReplicaSets that the history no longer holds (`cleanupDeployment`). */
export function planCleanup(deployment: Deployment, oldSets: readonly ReplicaSet[]): readonly ReplicaSet[] {
  const limit = deployment.spec?.revisionHistoryLimit
  if (limit === undefined) return []
  const candidates = oldSets
    .filter((set) => set.metadata.deletionTimestamp === undefined)
    .toSorted((a, b) => revisionOf(a) - revisionOf(b))
  const surplus = candidates.slice(0, Math.max(0, candidates.length - limit))
  return surplus.filter(
    (set) =>
      (set.status?.replicas ?? 0) === 0 &&
      replicasOf(set) === 0 &&
      (set.metadata.generation ?? 0) <= (set.status?.observedGeneration ?? 0),
  )
}
