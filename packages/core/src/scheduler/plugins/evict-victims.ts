import { formatKey, formatTime, isConflict, isNotFound, keyOf } from '@binnacle/apimachinery'
import type { BatchResult, BatchWrite } from '@binnacle/client'
import { pods } from '@binnacle/resources'
import type { SchedulerHandle } from '../framework.ts'
import type { SchedulablePod } from '../scheduled-objects.ts'
import { disruptionCondition, displaced, type PreemptionActions } from './default-preemption.ts'

/**
 * Makes victims go: those that wait to be bound are turned down; the others are marked as disrupted, then deleted with their grace period, in the
 * background. The pod that they make room for is not tried again before they are being deleted, lest others be evicted for it; when one cannot
 * be, it is.
 */
export function evictVictims(handle: SchedulerHandle): PreemptionActions['evict'] {
  return (preemptor, { slot, victims }) => {
    const { cluster, waitingPods } = handle
    const nodeName = cluster.table.names[slot] as string
    for (const pod of displaced(cluster, preemptor, slot)) {
      handle.withdrawNomination(pod)
      handle.activate(pod)
    }
    for (const { pod, uid } of victims) {
      if (waitingPods.has(uid)) {
        waitingPods.reject(uid, { kind: 'unschedulable', message: 'preempted' })
        continue
      }
      // Somebody else has seen to it.
      if (pod.metadata.deletionTimestamp !== undefined || cluster.placedPod(uid) === undefined) continue
      markAndDelete(handle, pod, preemptor, nodeName)
    }
  }
}

function markAndDelete(
  handle: SchedulerHandle,
  pod: SchedulablePod,
  preemptor: SchedulablePod,
  nodeName: string,
): void {
  const { uid } = pod.metadata
  const key = keyOf(pod)
  const condition = disruptionCondition(preemptor, formatTime(handle.nowMs()))
  const mark: BatchWrite = {
    verb: 'patch',
    resource: pods,
    key,
    patch: { type: 'strategic', body: { metadata: { uid }, status: { conditions: [condition] } } },
    subresource: 'status',
  }
  const letGo = handle.hold(preemptor)
  const fail = (error: Error): void => {
    // Another pod of the same name, or none: the victim is gone.
    if (isNotFound(error) || isConflict(error)) return
    handle.log('error', 'cannot preempt a pod', { pod: formatKey(key), error: error.message })
    handle.activate(preemptor)
  }
  const preconditions = uid === undefined ? {} : { preconditions: { uid } }
  // One after the other: whoever counts failures looks for the mark on what is deleted.
  handle.write(mark, (marked: BatchResult) => {
    if ('error' in marked) {
      letGo()
      return fail(marked.error)
    }
    handle.write({ verb: 'delete', resource: pods, key, options: preconditions }, (deleted) => {
      letGo()
      if ('error' in deleted) return fail(deleted.error)
      const message = `Preempted by pod ${preemptor.metadata.uid} on node ${nodeName}`
      const { schedulerName } = preemptor.spec
      const about = schedulerName === undefined ? {} : { component: schedulerName }
      handle.recordEvent(pod, 'Normal', 'Preempted', message, about)
    })
  })
}
