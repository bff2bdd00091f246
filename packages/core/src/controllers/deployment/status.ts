import { findCondition, formatTime, parseTime } from '@binnacle/apimachinery'
import type { Deployment, DeploymentCondition, DeploymentStatus, ReplicaSet } from '@binnacle/resources'
import { replicasOf, rollingBounds, totalAvailable, totalReplicas } from './plan.ts'

/** Conditions and counts of a Deployment, with upstream's reasons and messages (`progress.go`, `sync.go`). */

const noDeadline = 2_147_483_647

const hasDeadline = (deployment: Deployment): boolean =>
  (deployment.spec?.progressDeadlineSeconds ?? noDeadline) !== noDeadline
const sumOf = (
  sets: readonly ReplicaSet[],
  value: (status: NonNullable<ReplicaSet['status']>) => number | undefined,
): number => sets.reduce((sum, set) => sum + ((set.status === undefined ? 0 : value(set.status)) ?? 0), 0)

/** The status before progress is judged. */
export function deploymentCounts(
  deployment: Deployment,
  all: readonly ReplicaSet[],
  newSet: ReplicaSet | undefined,
  nowMs: number,
): DeploymentStatus {
  const total = sumOf(all, (status) => status.replicas)
  const available = totalAvailable(all)
  const updated = newSet?.status?.replicas ?? 0
  const ready = sumOf(all, (status) => status.readyReplicas)
  const unavailable = Math.max(0, totalReplicas(all) - available)
  const terminating = terminatingReplicas(all)
  const enough = available >= replicasOf(deployment) - rollingBounds(deployment).unavailable
  const availability = enough
    ? condition('Available', 'True', 'MinimumReplicasAvailable', 'Deployment has minimum availability.', nowMs)
    : condition(
        'Available',
        'False',
        'MinimumReplicasUnavailable',
        'Deployment does not have minimum availability.',
        nowMs,
      )
  return {
    observedGeneration: deployment.metadata.generation ?? 0,
    ...(total === 0 ? {} : { replicas: total }),
    ...(updated === 0 ? {} : { updatedReplicas: updated }),
    ...(ready === 0 ? {} : { readyReplicas: ready }),
    ...(available === 0 ? {} : { availableReplicas: available }),
    ...(unavailable === 0 ? {} : { unavailableReplicas: unavailable }),
    ...(terminating === undefined ? {} : { terminatingReplicas: terminating }),
    ...(deployment.status?.collisionCount === undefined ? {} : { collisionCount: deployment.status.collisionCount }),
    conditions: withDeploymentCondition(deployment.status?.conditions ?? [], availability),
  }
}

// Unknown while one of the ReplicaSets has not said it yet.
function terminatingReplicas(all: readonly ReplicaSet[]): number | undefined {
  let sum = 0
  for (const { status } of all) {
    if (status?.terminatingReplicas === undefined) return undefined
    sum += status.terminatingReplicas
  }
  return sum
}

/** A condition as of now. */
export function condition(
  type: string,
  status: string,
  reason: string,
  message: string,
  nowMs: number,
): DeploymentCondition {
  const now = formatTime(nowMs)
  return { type, status, lastUpdateTime: now, lastTransitionTime: now, reason, message }
}

/** The list with the condition set; unchanged when status and reason are the same (`SetDeploymentCondition`). */
export function withDeploymentCondition(
  conditions: readonly DeploymentCondition[],
  next: DeploymentCondition,
): DeploymentCondition[] {
  const current = findCondition(conditions, next.type)
  if (current !== undefined && current.status === next.status && current.reason === next.reason) return [...conditions]
  const kept =
    current !== undefined && current.status === next.status
      ? { ...next, lastTransitionTime: current.lastTransitionTime as string }
      : next
  return [...conditions.filter((existing) => existing.type !== next.type), kept]
}

/** All pods are new, available, and no old one is left (`DeploymentComplete`). */
export function isComplete(deployment: Deployment, status: DeploymentStatus): boolean {
  const wanted = replicasOf(deployment)
  return (
    (status.updatedReplicas ?? 0) === wanted &&
    (status.replicas ?? 0) === wanted &&
    (status.availableReplicas ?? 0) === wanted &&
    (status.observedGeneration ?? 0) >= (deployment.metadata.generation ?? 0)
  )
}

function isProgressing(deployment: Deployment, status: DeploymentStatus): boolean {
  const old = deployment.status ?? {}
  const oldPods = (s: DeploymentStatus): number => (s.replicas ?? 0) - (s.updatedReplicas ?? 0)
  return (
    (status.updatedReplicas ?? 0) > (old.updatedReplicas ?? 0) ||
    oldPods(status) < oldPods(old) ||
    (status.readyReplicas ?? 0) > (old.readyReplicas ?? 0) ||
    (status.availableReplicas ?? 0) > (old.availableReplicas ?? 0)
  )
}

/** When the deadline passes, in milliseconds from now; undefined when there is none to wait for. */
export function msUntilDeadline(deployment: Deployment, status: DeploymentStatus, nowMs: number): number | undefined {
  const progressing = findCondition(status.conditions, 'Progressing')
  if (!hasDeadline(deployment) || progressing === undefined) return undefined
  if (
    isComplete(deployment, status) ||
    progressing.reason === 'ProgressDeadlineExceeded' ||
    progressing.reason === 'NewReplicaSetAvailable'
  )
    return undefined
  const since = parseTime((progressing as DeploymentCondition).lastUpdateTime)
  return Math.max(1000, since + (deployment.spec?.progressDeadlineSeconds ?? 0) * 1000 - nowMs + 1000)
}

/** The status with the conditions Progressing and ReplicaFailure as the rollout stands (`syncRolloutStatus`). */
export function withProgress(
  deployment: Deployment,
  status: DeploymentStatus,
  all: readonly ReplicaSet[],
  newSet: ReplicaSet | undefined,
  nowMs: number,
): DeploymentStatus {
  let conditions = status.conditions ?? []
  const current = findCondition(deployment.status?.conditions, 'Progressing')
  if (!hasDeadline(deployment)) conditions = conditions.filter((existing) => existing.type !== 'Progressing')
  const settled =
    (status.replicas ?? 0) === (status.updatedReplicas ?? 0) && current?.reason === 'NewReplicaSetAvailable'
  if (hasDeadline(deployment) && !settled)
    conditions = progressConditions(deployment, { ...status, conditions }, newSet, nowMs)
  const failure = [newSet, ...all]
    .map((set) => findCondition(set?.status?.conditions, 'ReplicaFailure'))
    .find((found) => found?.status === 'True')
  if (failure === undefined) conditions = conditions.filter((existing) => existing.type !== 'ReplicaFailure')
  else
    conditions = withDeploymentCondition(
      conditions,
      condition('ReplicaFailure', 'True', failure.reason ?? '', failure.message ?? '', nowMs),
    )
  return { ...status, conditions: [...conditions] }
}

function progressConditions(
  deployment: Deployment,
  status: DeploymentStatus,
  newSet: ReplicaSet | undefined,
  nowMs: number,
): DeploymentCondition[] {
  const conditions = status.conditions ?? []
  const what =
    newSet === undefined ? `Deployment "${deployment.metadata.name}"` : `ReplicaSet "${newSet.metadata.name}"`
  if (isComplete(deployment, status))
    return withDeploymentCondition(
      conditions,
      condition('Progressing', 'True', 'NewReplicaSetAvailable', `${what} has successfully progressed.`, nowMs),
    )
  const current = findCondition(conditions, 'Progressing')
  if (isProgressing(deployment, status)) {
    // Each step of progress moves the time from which the deadline counts.
    const next = condition('Progressing', 'True', 'ReplicaSetUpdated', `${what} is progressing.`, nowMs)
    const kept =
      current?.status === 'True' ? { ...next, lastTransitionTime: current.lastTransitionTime as string } : next
    return [...conditions.filter((existing) => existing.type !== 'Progressing'), kept]
  }
  if (!hasTimedOut(deployment, current, nowMs)) return [...conditions]
  return withDeploymentCondition(
    conditions,
    condition('Progressing', 'False', 'ProgressDeadlineExceeded', `${what} has timed out progressing.`, nowMs),
  )
}

function hasTimedOut(deployment: Deployment, current: DeploymentCondition | undefined, nowMs: number): boolean {
  if (current === undefined || current.reason === 'NewReplicaSetAvailable') return false
  if (current.reason === 'ProgressDeadlineExceeded') return true
  return nowMs > parseTime(current.lastUpdateTime) + (deployment.spec?.progressDeadlineSeconds ?? 0) * 1000
}
