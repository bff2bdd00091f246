import { controllerOf, isConflict, isNotFound, type ObjectKey } from '@binnacle/apimachinery'
import { type Job, jobs, type Pod, pods } from '@binnacle/resources'
import { type Controller, done, type ReconcileContext, type Result } from '../../controller.ts'
import { endOf } from './conditions.ts'
import { isTracked } from './job-pods.ts'
import { releaseWrite } from './pod-writes.ts'
import { isManagedElsewhere } from './reconcile.ts'

/**
 * Takes the tracking finalizer off pods that no job will count any more, so that they can go: their job is gone, has ended, or let go of them
 * (kube-controller-manager `syncOrphanPod`).
 */
export const jobOrphanPodController: Controller = {
  name: 'job-orphan-pod',
  reconciles: pods,
  concerns: (pod: Pod) => isTracked(pod),
  watches: [{ resource: jobs, keysOf: (job: Job, context) => podKeys(job, context) }],
  reconcile,
}

// Of a running job there are none, so only its end and its deletion matter.
function podKeys(job: Job, context: ReconcileContext): ObjectKey[] {
  const { namespace = '', name, uid = '' } = job.metadata
  const current = context.informer(jobs).get({ namespace, name })
  if (current?.metadata.uid === uid && endOf(current) === undefined) return []
  return context
    .informer(pods)
    .ownedBy(uid)
    .filter(isTracked)
    .map((pod) => ({ namespace, name: pod.metadata.name }))
}

async function reconcile(key: ObjectKey, context: ReconcileContext): Promise<Result> {
  const pod = context.informer(pods).get(key)
  if (pod === undefined || !isTracked(pod) || isCountedBySomebody(pod, context)) return done
  // Only as it was seen: a job may adopt the pod at this moment.
  const [result] = await context.client.writeAll([releaseWrite(pod, pod.metadata.resourceVersion)], { atomic: false })
  if (result !== undefined && 'error' in result && !isNotFound(result.error) && !isConflict(result.error))
    throw result.error
  return done
}

function isCountedBySomebody(pod: Pod, context: ReconcileContext): boolean {
  const owner = controllerOf(pod)
  if (owner === undefined) return false
  if (owner.kind !== 'Job' || owner.apiVersion !== 'batch/v1') return true
  const job = context.informer(jobs).get({ namespace: pod.metadata.namespace ?? '', name: owner.name })
  if (job === undefined || job.metadata.uid !== owner.uid) return false
  return isManagedElsewhere(job) || endOf(job) === undefined
}
