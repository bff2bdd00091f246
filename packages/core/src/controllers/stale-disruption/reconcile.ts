import { findCondition, isConflict, isNotFound, type ObjectKey, parseTime, withCondition } from '@binnacle/apimachinery'
import { type Pod, type PodCondition, pods } from '@binnacle/resources'
import { type Controller, done, type ReconcileContext, type Result } from '../../controller.ts'
import { isPodTerminal } from '../../pod-state.ts'

/** How long a pod may say that it is being disrupted without being deleted (disruption.go `stalePodDisruptionTimeout`). */
const staleAfterMs = 120_000

/**
 * Takes the condition DisruptionTarget back from pods that were marked for eviction or preemption but not deleted: what marked them has failed
 * (disruption.go `syncStalePodDisruption`).
 */
export const staleDisruptionController: Controller = {
  name: 'stale-disruption',
  reconciles: pods,
  reconcile,
}

async function reconcile(key: ObjectKey, context: ReconcileContext): Promise<Result> {
  const pod = context.informer(pods).get(key)
  const left = pod === undefined ? undefined : msUntilStale(pod, context.nowMs())
  if (pod === undefined || left === undefined) return done
  if (left > 0) return { requeueAfterMs: left }
  const conditions = withCondition<PodCondition>(
    pod.status?.conditions,
    { type: 'DisruptionTarget', status: 'False' },
    context.nowMs(),
  )
  await context.client
    .updateStatus(pods, { ...pod, status: { ...pod.status, conditions: [...conditions] } })
    .catch((error: unknown) => {
      // The pod has changed or gone meanwhile: its next event calls again.
      if (!isConflict(error) && !isNotFound(error)) throw error
    })
  return done
}

/** How long until the condition is to be taken back, in milliseconds; undefined: there is nothing to take back. */
export function msUntilStale(pod: Pod, nowMs: number): number | undefined {
  const condition = findCondition(pod.status?.conditions, 'DisruptionTarget')
  if (condition?.status !== 'True' || pod.metadata.deletionTimestamp !== undefined || isPodTerminal(pod))
    return undefined
  // The kubelet may take as long as it needs.
  if (condition.reason === 'TerminationByKubelet') return undefined
  return Math.max(0, parseTime(condition.lastTransitionTime) + staleAfterMs - nowMs)
}
