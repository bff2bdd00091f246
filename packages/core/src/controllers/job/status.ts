import { formatTime } from '@binnacle/apimachinery'
import type { JobCondition, JobStatus, Pod } from '@binnacle/resources'
import { CompletionIndexes } from './completion-indexes.ts'
import { withJobCondition } from './conditions.ts'
import { byIndex, isPodFailed } from './job-pods.ts'
import { type JobView, validIndexOf } from './job-view.ts'
import { announcementOf, type Ending } from './plan.ts'
import { matchPodFailurePolicy } from './pod-failure-policy.ts'

/** Pods that a status notes as ended but not counted, at the most: their uids stay within 20 kB. */
const uncountedPodsMax = 500

/** The first of the two steps in which ended pods are counted. */
export interface Tally {
  /** With the ended pods noted: to be written before any finalizer goes. */
  readonly status: JobStatus
  /** Pods whose finalizer may go once that is written. */
  readonly podsToRelease: readonly Pod[]
  /** False when there are more than one step takes. */
  readonly isWhole: boolean
}

/**
 * Notes the pods that have ended (kube-controller-manager `trackJobStatusAndRemoveFinalizers`). A pod is never counted twice, whatever write is the
 * last one before a crash: its uid is noted while it still has its finalizer; the finalizer goes; the uid moves into the counter. Noted uids whose
 * finalizer is gone are counted by whoever comes next. Of succeeded pods of an Indexed job the index is enough.
 */
export function tally(view: JobView, base: JobStatus, ending: Ending | undefined, nowMs: number): Tally {
  const before = settled(base, new Set(view.pods.filter(view.isTracked).map(uidOf)))
  const podsToRelease: Pod[] = []
  const succeeded = [...(before.uncountedTerminatedPods?.succeeded ?? [])]
  const failed = [...(before.uncountedTerminatedPods?.failed ?? [])]
  const indexes: number[] = []
  let isWhole = true
  for (const pod of view.indexes === undefined ? view.pods : byIndex(view.pods)) {
    if (!view.isTracked(pod) || !mayRelease(view, pod, ending)) continue
    podsToRelease.push(pod)
    const index = validIndexOf(pod, view.indexes?.completions ?? 0)
    const isCountable = view.indexes === undefined || index !== undefined
    if (pod.status?.phase === 'Succeeded' && !view.uncounted.failed.has(uidOf(pod))) {
      if (view.indexes === undefined) {
        if (!view.uncounted.succeeded.has(uidOf(pod))) succeeded.push(uidOf(pod))
      } else if (index !== undefined && !view.indexes.counted.has(index)) indexes.push(index)
    } else if (isFailedNow(view, pod, ending) && isCountable && !view.uncounted.failed.has(uidOf(pod))) {
      if (matchPodFailurePolicy(view.spec.podFailurePolicy, pod).counts) failed.push(uidOf(pod))
    }
    if (indexes.length + succeeded.length + failed.length >= uncountedPodsMax) {
      isWhole = false
      break
    }
  }
  const status = {
    ...before,
    ...indexFields(view, indexes),
    uncountedTerminatedPods: uncountedOf(succeeded, failed),
    ...announced(before, ending, nowMs),
  }
  return { status, podsToRelease, isWhole }
}

/** The status once the finalizers of some noted pods are gone: these are counted. `tracked` are the uids that still have it. */
export function settled(status: JobStatus, tracked: ReadonlySet<string>): JobStatus {
  const { succeeded = [], failed = [] } = status.uncountedTerminatedPods ?? {}
  const [succeededLeft, failedLeft] = [succeeded, failed].map((uids) => uids.filter((uid) => tracked.has(uid)))
  return {
    ...status,
    ...counter('succeeded', (status.succeeded ?? 0) + succeeded.length - (succeededLeft?.length ?? 0)),
    ...counter('failed', (status.failed ?? 0) + failed.length - (failedLeft?.length ?? 0)),
    uncountedTerminatedPods: uncountedOf(succeededLeft ?? [], failedLeft ?? []),
  }
}

/** The status with the job's end, if nothing is in the way of it any more: pods to count, or pods that are still going. */
export function ended(status: JobStatus, ending: Ending, nowMs: number): JobStatus | undefined {
  const { succeeded = [], failed = [] } = status.uncountedTerminatedPods ?? {}
  if (succeeded.length + failed.length > 0 || (status.terminating ?? 0) > 0) return undefined
  const { type, reason, message } = ending
  const conditions = withJobCondition(status.conditions ?? [], { type, status: 'True', reason, message }, nowMs)
  const time = conditions.find((condition) => condition.type === type)?.lastTransitionTime
  return {
    ...status,
    // A job that ends while it is suspended has none yet; one that has ended must.
    startTime: status.startTime ?? formatTime(nowMs),
    conditions: [...conditions],
    ...(type === 'Complete' && time !== undefined ? { completionTime: time } : {}),
  }
}

/** A counter as a status holds it: absent at zero. */
export function counter<F extends 'active' | 'succeeded' | 'failed'>(field: F, count: number): JobStatus {
  return { [field]: count === 0 ? undefined : count } as JobStatus
}

function uidOf(pod: Pod): string {
  return pod.metadata.uid ?? ''
}

function uncountedOf(
  succeeded: readonly string[],
  failed: readonly string[],
): { succeeded?: string[]; failed?: string[] } {
  return {
    ...(succeeded.length === 0 ? {} : { succeeded: [...succeeded] }),
    ...(failed.length === 0 ? {} : { failed: [...failed] }),
  }
}

// Everything goes when the job ends or is deleted. Until then a failed pod stays whose replacement is to inherit its count of failures.
function mayRelease({ job, indexes }: JobView, pod: Pod, ending: Ending | undefined): boolean {
  if (job.metadata.deletionTimestamp !== undefined || ending !== undefined || pod.status?.phase === 'Succeeded')
    return true
  if (!isPodFailed(pod, job)) return false
  const index = validIndexOf(pod, indexes?.completions ?? 0)
  return index === undefined || indexes?.lastFailed.get(index)?.metadata.uid !== pod.metadata.uid
}

// When a job fails, every pod that has not ended fails with it.
function isFailedNow({ job }: JobView, pod: Pod, ending: Ending | undefined): boolean {
  return isPodFailed(pod, job) || ending?.type === 'Failed'
}

function indexFields({ indexes }: JobView, counted: readonly number[]): JobStatus {
  if (indexes === undefined) return {}
  const succeeded = indexes.succeeded.with(CompletionIndexes.of(counted))
  const text = succeeded.toString()
  return {
    ...counter('succeeded', succeeded.size),
    ...({ completedIndexes: text === '' ? undefined : text } as JobStatus),
    ...({ failedIndexes: indexes.failed?.toString() } as JobStatus),
  }
}

function announced(status: JobStatus, ending: Ending | undefined, nowMs: number): { conditions?: JobCondition[] } {
  if (ending === undefined) return {}
  const { reason, message } = ending
  const condition = { type: announcementOf(ending), status: 'True', reason, message }
  return { conditions: [...withJobCondition(status.conditions ?? [], condition, nowMs)] }
}
