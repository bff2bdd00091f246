import { isNotFound, type ObjectKey } from '@binnacle/apimachinery'
import { type Job, jobs } from '@binnacle/resources'
import { type Controller, done, type ReconcileContext, type Result } from '../../controller.ts'
import { expiryOf } from './plan.ts'

/** Deletes jobs that have been finished for as long as their `ttlSecondsAfterFinished` says, with their pods. */
export const ttlAfterFinishedController: Controller = {
  name: 'ttl-after-finished',
  reconciles: jobs,
  concerns: (job: Job) => expiryOf(job) !== undefined,
  reconcile,
}

async function reconcile(key: ObjectKey, context: ReconcileContext): Promise<Result> {
  const cached = context.informer(jobs).get(key)
  const leftMs = cached === undefined ? undefined : msLeft(cached, context)
  if (leftMs === undefined) return done
  if (leftMs > 0) return { requeueAfterMs: leftMs }
  try {
    // The time may have been extended, or another job have taken the name, and the cache not know of it.
    const fresh = await context.client.get(jobs, key)
    const freshLeftMs = msLeft(fresh, context)
    if (freshLeftMs === undefined) return done
    if (freshLeftMs > 0) return { requeueAfterMs: freshLeftMs }
    const { uid = '', resourceVersion = '' } = fresh.metadata
    await context.client.delete(jobs, key, {
      propagationPolicy: 'Foreground',
      preconditions: { uid, resourceVersion },
    })
  } catch (error) {
    if (!isNotFound(error)) throw error
  }
  return done
}

function msLeft(job: Job, context: ReconcileContext): number | undefined {
  const expiryMs = expiryOf(job)
  return expiryMs === undefined ? undefined : expiryMs - context.nowMs()
}
