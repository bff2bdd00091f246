import { selectorFromMap, withCondition, type Condition } from '@binnacle/apimachinery'
import type { Pod, ReplicaSet, ReplicaSetStatus, ReplicationController } from '@binnacle/resources'
import { isPodReady, msUntilAvailable } from '../../pod-state.ts'

/** An object that asks for a number of equal pods; the two kinds have the same status. */
export type ReplicatedSet = ReplicaSet | ReplicationController

/** The pods of a set, as its status counts them. */
export interface CountedPods {
  readonly active: readonly Pod[]
  /** How many are going, but not gone; undefined for kinds whose status does not say it. */
  readonly terminating: number | undefined
}

/** The status that the pods lead to, and when it will change by itself: when a ready pod becomes available. */
export function replicaSetStatus(
  set: ReplicatedSet,
  { active, terminating }: CountedPods,
  failure: string | undefined,
  reason: string,
  nowMs: number,
): { status: ReplicaSetStatus; againAfterMs: number | undefined } {
  const minReadySeconds = set.spec?.minReadySeconds ?? 0
  const labels = selectorFromMap(set.spec?.template?.metadata?.labels)
  let [fullyLabeled, ready, available] = [0, 0, 0]
  let againAfterMs: number | undefined
  for (const pod of active) {
    if (labels.matches(pod.metadata.labels)) fullyLabeled++
    if (!isPodReady(pod)) continue
    ready++
    const wait = msUntilAvailable(pod, minReadySeconds, nowMs)
    if (wait === 0) available++
    else if (wait !== undefined) againAfterMs = Math.min(againAfterMs ?? wait, wait)
  }
  const conditions = conditionsOf(set, failure, reason, nowMs)
  const status: ReplicaSetStatus = {
    replicas: active.length,
    ...(fullyLabeled === 0 ? {} : { fullyLabeledReplicas: fullyLabeled }),
    ...(ready === 0 ? {} : { readyReplicas: ready }),
    ...(available === 0 ? {} : { availableReplicas: available }),
    ...(terminating === undefined ? {} : { terminatingReplicas: terminating }),
    observedGeneration: set.metadata.generation ?? 0,
    ...(conditions.length === 0 ? {} : { conditions: conditions as NonNullable<ReplicaSetStatus['conditions']> }),
  }
  return { status, againAfterMs }
}

function conditionsOf(
  set: ReplicatedSet,
  failure: string | undefined,
  reason: string,
  nowMs: number,
): readonly Condition[] {
  const conditions: readonly Condition[] = set.status?.conditions ?? []
  if (failure === undefined) return conditions.filter((condition) => condition.type !== 'ReplicaFailure')
  // The next failure names another pod: writing that down would wake this controller at once, without a back-off.
  if (conditions.some((condition) => condition.type === 'ReplicaFailure')) return conditions
  return withCondition(conditions, { type: 'ReplicaFailure', status: 'True', reason, message: failure }, nowMs)
}
