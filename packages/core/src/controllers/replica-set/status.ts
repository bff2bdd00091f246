import { selectorFromMap, withCondition, type Condition } from '@binnacle/apimachinery'
import type { Pod, ReplicaSet, ReplicaSetStatus } from '@binnacle/resources'
import { isPodReady, msUntilAvailable } from '../../pod-state.ts'

/** The status that the pods lead to, and when it will change by itself: when a ready pod becomes available. */
export function replicaSetStatus(
  replicaSet: ReplicaSet,
  active: readonly Pod[],
  failure: string | undefined,
  reason: string,
  nowMs: number,
): { status: ReplicaSetStatus; againAfterMs: number | undefined } {
  const minReadySeconds = replicaSet.spec?.minReadySeconds ?? 0
  const labels = selectorFromMap(replicaSet.spec?.template?.metadata?.labels)
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
  const conditions = conditionsOf(replicaSet, failure, reason, nowMs)
  const status: ReplicaSetStatus = {
    replicas: active.length,
    ...(fullyLabeled === 0 ? {} : { fullyLabeledReplicas: fullyLabeled }),
    ...(ready === 0 ? {} : { readyReplicas: ready }),
    ...(available === 0 ? {} : { availableReplicas: available }),
    observedGeneration: replicaSet.metadata.generation ?? 0,
    ...(conditions.length === 0 ? {} : { conditions: conditions as NonNullable<ReplicaSetStatus['conditions']> }),
  }
  return { status, againAfterMs }
}

function conditionsOf(
  replicaSet: ReplicaSet,
  failure: string | undefined,
  reason: string,
  nowMs: number,
): readonly Condition[] {
  const conditions: readonly Condition[] = replicaSet.status?.conditions ?? []
  if (failure === undefined) return conditions.filter((condition) => condition.type !== 'ReplicaFailure')
  return withCondition(conditions, { type: 'ReplicaFailure', status: 'True', reason, message: failure }, nowMs)
}
