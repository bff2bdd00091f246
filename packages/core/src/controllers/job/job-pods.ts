import type { Job, Pod } from '@binnacle/resources'
import { matchPodFailurePolicy } from './pod-failure-policy.ts'

/** Questions about a job's pods (kube-controller-manager `job_controller.go`, `indexed_job_utils.go`). */

/** Held by a pod until its job has counted it. */
export const trackingFinalizer = 'batch.kubernetes.io/job-tracking'
/** Annotation and label: the index that a pod of an Indexed job works on. */
export const completionIndexKey = 'batch.kubernetes.io/job-completion-index'
/** Annotation: how often the index had failed when this pod was made, as far as failures count. */
export const indexFailuresKey = 'batch.kubernetes.io/job-index-failure-count'
/** Annotation: likewise, of the failures that the pod failure policy ignores. */
export const indexIgnoredFailuresKey = 'batch.kubernetes.io/job-index-ignored-failure-count'

const countMax = 2_147_483_647

/** The job has not yet counted the pod. */
export function isTracked(pod: Pod): boolean {
  return pod.metadata.finalizers?.includes(trackingFinalizer) === true
}

/** The index that the pod works on; undefined where it has none. */
export function completionIndexOf(pod: Pod): number | undefined {
  const text = pod.metadata.annotations?.[completionIndexKey]
  return text !== undefined && /^\+?\d+$/.test(text) ? Number(text) : undefined
}

/** Pods in the order of their indexes, those without one first. */
export function byIndex(pods: readonly Pod[]): readonly Pod[] {
  return pods
    .map((pod) => ({ pod, index: completionIndexOf(pod) ?? -1 }))
    .toSorted((a, b) => a.index - b.index)
    .map(({ pod }) => pod)
}

/** A pod is replaced only once it has ended, not as soon as it is being deleted. */
export function replacesOnlyEnded(job: Job): boolean {
  return job.spec?.podReplacementPolicy === 'Failed' || job.spec?.podFailurePolicy !== undefined
}

/** The pod has failed as far as its job is concerned: a pod that is being deleted has, unless the job waits for pods to end. */
export function isPodFailed(pod: Pod, job: Job): boolean {
  if (pod.status?.phase === 'Failed') return true
  if (replacesOnlyEnded(job)) return false
  return pod.metadata.deletionTimestamp !== undefined && pod.status?.phase !== 'Succeeded'
}

/** How often its index had failed when the pod was made. */
export function indexFailuresOf(pod: Pod): { counted: number; ignored: number } {
  return { counted: countIn(pod, indexFailuresKey), ignored: countIn(pod, indexIgnoredFailuresKey) }
}

/** How often the index has failed once the failure of this pod is added. */
export function indexFailuresAfter(pod: Pod | undefined, job: Job): { counted: number; ignored: number } {
  if (pod === undefined) return { counted: 0, ignored: 0 }
  const { counted, ignored } = indexFailuresOf(pod)
  return matchPodFailurePolicy(job.spec?.podFailurePolicy, pod).counts
    ? { counted: counted + 1, ignored }
    : { counted, ignored: ignored + 1 }
}

/** With this pod its index has failed for good: by the policy, or because it was the last try. */
export function endsIndex(pod: Pod, job: Job): boolean {
  if (!isPodFailed(pod, job)) return false
  const { action, counts } = matchPodFailurePolicy(job.spec?.podFailurePolicy, pod)
  if (action === 'FailIndex') return true
  return counts && indexFailuresOf(pod).counted >= (job.spec?.backoffLimitPerIndex ?? countMax)
}

// Users can write annotations: what is no count is none.
function countIn(pod: Pod, key: string): number {
  const text = pod.metadata.annotations?.[key]
  const count = text !== undefined && /^\+?\d+$/.test(text) ? Number(text) : 0
  return count > countMax ? 0 : count
}
