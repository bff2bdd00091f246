import type { Pod, StatefulSet, StatefulSetStatus } from '@binnacle/resources'
import { msUntilAvailable } from '../../pod-state.ts'
import { ordinalIn } from './identity.ts'
import { isRunningAndReady, type ObservedSet, revisionNameOf } from './plan.ts'

/** Counts of a StatefulSet's pods, before anything was done about them (`computeReplicaStatus`). */
export function statefulSetStatus(
  { set, pods, current, update, nowMs }: ObservedSet,
  collisionCount: number,
): { status: StatefulSetStatus; againAfterMs: number | undefined } {
  const counts = { replicas: 0, readyReplicas: 0, availableReplicas: 0, currentReplicas: 0, updatedReplicas: 0 }
  let againAfterMs: number | undefined
  for (const pod of pods) {
    if (ordinalIn(set, pod) === undefined) continue
    counts.replicas++
    if (isRunningAndReady(pod)) {
      counts.readyReplicas++
      const wait = msUntilAvailable(pod, set.spec?.minReadySeconds ?? 0, nowMs)
      if (wait === 0) counts.availableReplicas++
      else if (wait !== undefined) againAfterMs = Math.min(againAfterMs ?? wait, wait)
    }
    if (pod.metadata.deletionTimestamp !== undefined) continue
    if (revisionNameOf(pod) === current.metadata.name) counts.currentReplicas++
    if (revisionNameOf(pod) === update.metadata.name) counts.updatedReplicas++
  }
  const status = {
    ...counts,
    ...(set.status?.conditions === undefined ? {} : { conditions: set.status.conditions }),
    observedGeneration: set.metadata.generation ?? 0,
    currentRevision: current.metadata.name,
    updateRevision: update.metadata.name,
    collisionCount,
  }
  return { status, againAfterMs }
}

/** The status as it is stored: an update that has reached every pod makes its revision the current one (`completeRollingUpdate`); counts of 0 are left out. */
export function finishedStatus(set: StatefulSet, status: StatefulSetStatus): StatefulSetStatus {
  const wanted = set.spec?.replicas ?? 0
  const isComplete =
    set.spec?.updateStrategy?.type === 'RollingUpdate' &&
    status.updatedReplicas === wanted &&
    status.readyReplicas === wanted &&
    status.replicas === wanted
  const { updatedReplicas = 0, updateRevision = '' } = status
  const finished = isComplete
    ? { ...status, currentReplicas: updatedReplicas, currentRevision: updateRevision }
    : { ...status }
  for (const field of ['readyReplicas', 'currentReplicas', 'updatedReplicas'] as const)
    if (finished[field] === 0) delete finished[field]
  return finished
}

/** The pods' revisions that are still in use. */
export function revisionsInUse(pods: readonly Pod[]): ReadonlySet<string> {
  return new Set(pods.flatMap((pod) => revisionNameOf(pod) ?? []))
}
