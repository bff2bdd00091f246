import type { Job, JobSpec, JobStatus, Pod } from '@binnacle/resources'
import { isPodActive, isPodReady, isPodTerminating } from '../../pod-state.ts'
import { endedAtMs } from './back-off.ts'
import { CompletionIndexes } from './completion-indexes.ts'
import { completionIndexOf, endsIndex, indexFailuresOf, isPodFailed, isTracked } from './job-pods.ts'
import { matchPodFailurePolicy } from './pod-failure-policy.ts'

/** A job and its pods as one look at the cache shows them, and what follows for its counts. Nothing here is decided yet. */
export interface JobView {
  readonly job: Job
  readonly spec: JobSpec
  readonly status: JobStatus
  readonly pods: readonly Pod[]
  readonly active: readonly Pod[]
  readonly ready: number
  readonly terminating: number
  /** Pods whose end the status has noted, but not counted. */
  readonly uncounted: { readonly succeeded: ReadonlySet<string>; readonly failed: ReadonlySet<string> }
  /** Ended pods that neither the counters nor `uncounted` have. */
  readonly newSucceeded: readonly Pod[]
  readonly newFailed: readonly Pod[]
  /** Pods that have succeeded; of an Indexed job the indexes. */
  readonly succeeded: number
  readonly failed: number
  readonly indexes: IndexView | undefined
  /** The finalizer is on the pod, and not known to be gone already though the cache still shows it. */
  isTracked(pod: Pod): boolean
}

/** What an Indexed job adds. */
export interface IndexView {
  readonly completions: number
  /** As the status has it. */
  readonly counted: CompletionIndexes
  readonly succeeded: CompletionIndexes
  /** Only of jobs with a limit per index. */
  readonly failed: CompletionIndexes | undefined
  /** Of such jobs: the last failed pod of each index that waits for another. It keeps its finalizer until then, because it carries the count of failures. */
  readonly lastFailed: ReadonlyMap<number, Pod>
}

/** Looks at a job; `released` are the uids of pods whose finalizer was taken away, which the cache may not show yet. */
export function viewOf(job: Job, pods: readonly Pod[], released: ReadonlySet<string>): JobView {
  const spec = job.spec as JobSpec
  const status = job.status ?? {}
  const active = pods.filter(isPodActive)
  const uncounted = {
    succeeded: new Set(status.uncountedTerminatedPods?.succeeded),
    failed: new Set(status.uncountedTerminatedPods?.failed),
  }
  const isPodTracked = (pod: Pod): boolean => isTracked(pod) && !released.has(pod.metadata.uid ?? '')
  const isValid = (pod: Pod): boolean =>
    isPodTracked(pod) && (!isIndexed(spec) || validIndexOf(pod, spec.completions ?? 0) !== undefined)
  const isNew = (pod: Pod, noted: ReadonlySet<string>): boolean => isValid(pod) && !noted.has(pod.metadata.uid ?? '')
  const newSucceeded = pods.filter((pod) => pod.status?.phase === 'Succeeded' && isNew(pod, uncounted.succeeded))
  const newFailed = pods.filter((pod) => isPodFailed(pod, job) && isNew(pod, uncounted.failed))
  const newCounted = newFailed.filter((pod) => matchPodFailurePolicy(spec.podFailurePolicy, pod).counts)
  const indexes = isIndexed(spec) ? indexViewOf(job, spec, { pods, active, isValid }) : undefined
  return {
    job,
    spec,
    status,
    pods,
    active,
    ready: active.filter(isPodReady).length,
    terminating: pods.filter(isPodTerminating).length,
    uncounted,
    newSucceeded,
    newFailed,
    succeeded: indexes?.succeeded.size ?? (status.succeeded ?? 0) + newSucceeded.length + uncounted.succeeded.size,
    failed: (status.failed ?? 0) + newCounted.length + uncounted.failed.size,
    indexes,
    isTracked: isPodTracked,
  }
}

/** The pods of the job have indexes. */
function isIndexed(spec: JobSpec): boolean {
  return spec.completionMode === 'Indexed'
}

/** The pod's index, where it is one of the job's. */
export function validIndexOf(pod: Pod, completions: number): number | undefined {
  const index = completionIndexOf(pod)
  return index !== undefined && index < completions ? index : undefined
}

/** The valid indexes of pods. */
export function indexesOf(pods: readonly Pod[], completions: number): CompletionIndexes {
  return CompletionIndexes.of(pods.map((pod) => validIndexOf(pod, completions)).filter((index) => index !== undefined))
}

interface IndexedPods {
  readonly pods: readonly Pod[]
  readonly active: readonly Pod[]
  isValid(pod: Pod): boolean
}

function indexViewOf(job: Job, spec: JobSpec, pods: IndexedPods): IndexView {
  const completions = spec.completions ?? 0
  const counted = CompletionIndexes.parse(job.status?.completedIndexes, completions)
  const tracked = pods.pods.filter(isTracked)
  const succeededNow = tracked.filter((pod) => pod.status?.phase === 'Succeeded')
  const succeeded = counted.with(indexesOf(succeededNow, completions))
  if (spec.backoffLimitPerIndex === undefined)
    return { completions, counted, succeeded, failed: undefined, lastFailed: new Map() }
  const failedNow = tracked.filter((pod) => endsIndex(pod, job))
  const failed = CompletionIndexes.parse(job.status?.failedIndexes, completions).with(indexesOf(failedNow, completions))
  // An index that has a pod carries its count of failures there.
  const settled = succeeded.with(failed).with(indexesOf(pods.active, completions))
  return { completions, counted, succeeded, failed, lastFailed: lastFailedOf(job, completions, pods, settled) }
}

function lastFailedOf(
  job: Job,
  completions: number,
  { pods, isValid }: IndexedPods,
  settled: CompletionIndexes,
): ReadonlyMap<number, Pod> {
  const last = new Map<number, Pod>()
  const failuresOf = (pod: Pod): number => indexFailuresOf(pod).counted + indexFailuresOf(pod).ignored
  for (const pod of pods) {
    const index = validIndexOf(pod, completions)
    if (index === undefined || settled.has(index) || !isValid(pod) || !isPodFailed(pod, job)) continue
    const known = last.get(index)
    if (known === undefined || (failuresOf(known) <= failuresOf(pod) && endedAtMs(known) <= endedAtMs(pod)))
      last.set(index, pod)
  }
  return last
}
