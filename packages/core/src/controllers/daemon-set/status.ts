import type { DaemonSetStatus } from '@binnacle/resources'
import { isPodReady, msUntilAvailable } from '../../pod-state.ts'
import { isUpdated } from './daemon-pod.ts'
import { byStanding, type ObservedDaemons } from './plan.ts'

/**
 * The status that the pods lead to, and when it will change by itself (`updateDaemonSetStatus`). `isCurrent`: this generation of the set was acted on,
 * so it may be reported as observed.
 */
export function daemonSetStatus(
  { set, nodes, podsByNode, hash, nowMs }: ObservedDaemons,
  isCurrent: boolean,
): { status: DaemonSetStatus; againAfterMs: number | undefined } {
  let [desired, current, misscheduled, ready, updated, available] = [0, 0, 0, 0, 0, 0]
  let againAfterMs: number | undefined
  for (const { node, fit } of nodes) {
    const [pod] = byStanding(podsByNode.get(node.metadata.name) ?? [])
    if (fit.shouldRun) desired++
    if (pod === undefined) continue
    if (!fit.shouldRun) {
      misscheduled++
      continue
    }
    current++
    if (isUpdated(set, pod, hash)) updated++
    if (!isPodReady(pod)) continue
    ready++
    const wait = msUntilAvailable(pod, set.spec?.minReadySeconds ?? 0, nowMs)
    if (wait === 0) available++
    else if (wait !== undefined) againAfterMs = Math.min(againAfterMs ?? wait, wait)
  }
  const unavailable = desired - available
  const { collisionCount, conditions, observedGeneration } = set.status ?? {}
  const observed = isCurrent ? (set.metadata.generation ?? 0) : observedGeneration
  const status: DaemonSetStatus = {
    currentNumberScheduled: current,
    numberMisscheduled: misscheduled,
    desiredNumberScheduled: desired,
    numberReady: ready,
    ...(observed === undefined ? {} : { observedGeneration: observed }),
    ...(updated === 0 ? {} : { updatedNumberScheduled: updated }),
    ...(available === 0 ? {} : { numberAvailable: available }),
    ...(unavailable === 0 ? {} : { numberUnavailable: unavailable }),
    ...(collisionCount === undefined ? {} : { collisionCount }),
    ...(conditions === undefined ? {} : { conditions }),
  }
  return { status, againAfterMs }
}
