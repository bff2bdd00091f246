import {
  controllerOf,
  formatKey,
  formatTime,
  isNotFound,
  jsonEqual,
  type ObjectKey,
  selectorFromLabelSelector,
} from '@binnacle/apimachinery'
import { type Job, jobs, type JobStatus, type Pod, pods } from '@binnacle/resources'
import { type Controller, done, type ReconcileContext, type Result } from '../../controller.ts'
import { isPodReady } from '../../pod-state.ts'
import { claim } from '../claim.ts'
import { orphansIn } from '../orphans.ts'
import { withEndedPods } from './back-off.ts'
import { endOf, isSuspended, withJobCondition } from './conditions.ts'
import { JobMemory } from './job-memory.ts'
import { isTracked, trackingFinalizer } from './job-pods.ts'
import { type JobView, viewOf } from './job-view.ts'
import { completionsReached, deadlineLeftMs, type Ending, isComplete, planEnding, planPods } from './plan.ts'
import { createPods, deletePods, discardPods, type PodWriter, releasePods } from './pod-writes.ts'
import { counter, ended, settled, tally } from './status.ts'

const controllerName = 'kubernetes.io/job-controller'

/** Runs pods to completion: creates those that are missing, counts those that end, and ends each job as its policies say. */
export function jobController(): Controller {
  const memory = new JobMemory()
  return {
    name: 'job',
    reconciles: jobs,
    owns: [pods],
    watches: [{ resource: pods, keysOf: (pod: Pod, context) => orphanKeys(pod, context) }],
    prepare: (context) => observe(memory, context),
    reconcile: (key, context) => reconcile(key, context, memory),
  }
}

/** Another controller than this one manages the job. */
export function isManagedElsewhere(job: Job): boolean {
  return (job.spec?.managedBy ?? controllerName) !== controllerName
}

// An orphan concerns every job that would adopt it.
function orphanKeys(pod: Pod, context: ReconcileContext): ObjectKey[] {
  if (controllerOf(pod) !== undefined || pod.metadata.labels === undefined) return []
  const namespace = pod.metadata.namespace ?? ''
  return context
    .informer(jobs)
    .inNamespace(namespace)
    .filter((job) => selectorFromLabelSelector(job.spec?.selector).matches(pod.metadata.labels))
    .map((job) => ({ namespace, name: job.metadata.name }))
}

function observe(memory: JobMemory, context: ReconcileContext): void {
  const informer = context.informer(pods)
  const jobKeyOf = (pod: Pod): string | undefined => {
    const owner = controllerOf(pod)
    return owner?.kind === 'Job' ? formatKey({ namespace: pod.metadata.namespace ?? '', name: owner.name }) : undefined
  }
  const seen = (pod: Pod, isGone: boolean, key = jobKeyOf(pod)): void => {
    const { uid, deletionTimestamp } = pod.metadata
    if (key === undefined || uid === undefined) return
    if (isGone || deletionTimestamp !== undefined) memory.expectations.deleteSeen(key, uid)
    if (isGone || !isTracked(pod)) memory.releaseSeen(key, uid)
  }
  informer.addHandler({
    onAdd: (pod) => {
      const key = jobKeyOf(pod)
      if (key !== undefined) memory.expectations.createSeen(key)
      seen(pod, false)
    },
    onUpdate: (pod, old) => {
      seen(pod, false)
      // Released to nobody or to another: what was expected of it was expected by its job from before.
      if (jobKeyOf(old) !== jobKeyOf(pod)) seen(pod, false, jobKeyOf(old))
    },
    onDelete: (pod) => seen(pod, true),
  })
}

async function reconcile(key: ObjectKey, context: ReconcileContext, memory: JobMemory): Promise<Result> {
  const text = formatKey(key)
  // Observe.
  const job = context.informer(jobs).get(key)
  if (job === undefined || isManagedElsewhere(job) || endOf(job) !== undefined) {
    memory.forget(text)
    return done
  }
  if (!memory.isCurrent(text, job)) return done
  const isSettled = memory.expectations.satisfied(text, context.nowMs())
  const released = memory.releasedOf(text)
  const view = viewOf(job, await claimPods(job, context), released)
  const writer: PodWriter = { job, key: text, context, memory }

  // Decide and act.
  const ending = planEnding(view, context.nowMs())
  const step =
    ending === undefined ? await runPods(writer, view, isSettled) : await stopPods(writer, view, ending, isSettled)

  // Report.
  await report(writer, view, step)
  if (step.error !== undefined) throw step.error
  return againAfter(view, step, context.nowMs())
}

/** What was done about the pods, and the status that this leads to, before ended pods are counted. */
interface Step {
  readonly status: JobStatus
  readonly ending: Ending | undefined
  readonly error: Error | undefined
  readonly againAfterMs: number | undefined
}

// The job is to end: its pods go, but stay until they are counted.
async function stopPods(writer: PodWriter, view: JobView, ending: Ending, isSettled: boolean): Promise<Step> {
  const { done: deleted, error } = await deletePods(writer, view.active)
  // Pods that could not be deleted, or that the cache does not show yet, would be left behind.
  const isStopped = deleted.length === view.active.length && isSettled
  return {
    status: { ...startedStatus(view, writer.context.nowMs()), ...countsWithout(view, deleted) },
    ending: isStopped ? ending : undefined,
    error,
    againAfterMs: undefined,
  }
}

async function runPods(writer: PodWriter, view: JobView, isSettled: boolean): Promise<Step> {
  const { job, key, context, memory } = writer
  const nowMs = context.nowMs()
  const isManaged = isSettled && job.metadata.deletionTimestamp === undefined
  const failures = withEndedPods(memory.failuresOf(key, job), view.newSucceeded, view.newFailed)
  const plan = isManaged ? planPods(view, failures, nowMs) : { create: [], podsToDelete: [] }
  const discarded = await discardPods(writer, plan.podsToDelete)
  const created = await createPods(writer, plan.create)
  const counts = countsWithout(view, discarded.done)
  const active = (counts.active ?? 0) + created.done.length
  const ending = isComplete(view, active) ? completionsReached : undefined
  const started = startedStatus(view, nowMs)
  return {
    status: {
      ...(isManaged && ending === undefined ? suspensionStatus(writer, started) : started),
      ...counts,
      ...counter('active', active),
    },
    ending,
    error: discarded.error ?? created.error,
    againAfterMs: plan.againAfterMs,
  }
}

// Pods that were deleted just now are no longer active, but still going.
function countsWithout(view: JobView, deleted: readonly Pod[]): JobStatus {
  return {
    ...counter('active', view.active.length - deleted.length),
    ready: view.ready - deleted.filter(isPodReady).length,
    terminating: view.terminating + deleted.length,
  }
}

function startedStatus({ job, status }: JobView, nowMs: number): JobStatus {
  return status.startTime === undefined && !isSuspended(job) ? { ...status, startTime: formatTime(nowMs) } : status
}

// The time of a suspended job stands still: it starts anew when the job is resumed.
function suspensionStatus({ job, context }: PodWriter, status: JobStatus): JobStatus {
  const nowMs = context.nowMs()
  const before = status.conditions ?? []
  const suspended = isSuspended(job)
  const condition = suspended
    ? { type: 'Suspended', status: 'True', reason: 'JobSuspended', message: 'Job suspended' }
    : { type: 'Suspended', status: 'False', reason: 'JobResumed', message: 'Job resumed' }
  const conditions = withJobCondition(before, condition, nowMs)
  if (conditions === before) return status
  context.events.record(job, 'Normal', suspended ? 'Suspended' : 'Resumed', condition.message)
  const { startTime: _startTime, ...rest } = status
  return { ...rest, ...(suspended ? {} : { startTime: formatTime(nowMs) }), conditions: [...conditions] }
}

/** Counts the pods that have ended, in the two steps of {@link tally}, and ends the job once nothing is left to count or to wait for. */
async function report(writer: PodWriter, view: JobView, { status, ending }: Step): Promise<void> {
  const { key, context, memory } = writer
  const counted = tally(view, status, ending, context.nowMs())
  const noted = await writeStatus(writer, writer.job, counted.status)
  if (noted === undefined) return
  const isNoted = new Set(counted.podsToRelease)
  const [succeeded, failed] = [view.newSucceeded, view.newFailed].map((ended) =>
    ended.filter((pod) => isNoted.has(pod)),
  )
  memory.keepFailures(key, noted, withEndedPods(memory.failuresOf(key, noted), succeeded ?? [], failed ?? []))
  const released = await releasePods(writer, counted.podsToRelease)
  const gone = new Set(released.done.map((pod) => pod.metadata.uid))
  const left = view.pods.filter((pod) => view.isTracked(pod) && !gone.has(pod.metadata.uid))
  const after = settled(counted.status, new Set(left.map((pod) => pod.metadata.uid ?? '')))
  const mayEnd = counted.isWhole && released.error === undefined
  const end = ending !== undefined && mayEnd ? ended(after, ending, context.nowMs()) : undefined
  await writeStatus(writer, noted, end ?? after)
  if (end !== undefined && ending !== undefined) recordEnd(writer, end, ending)
  if (released.error !== undefined) throw released.error
}

function recordEnd({ job, context }: PodWriter, status: JobStatus, { type, reason, message }: Ending): void {
  if (type === 'Failed') return context.events.record(job, 'Warning', reason, message)
  if (job.spec?.completions !== undefined && (status.succeeded ?? 0) > job.spec.completions)
    context.events.record(
      job,
      'Warning',
      'TooManySucceededPods',
      'Too many succeeded pods running after completion count reached',
    )
  context.events.record(job, 'Normal', 'Completed', 'Job completed')
}

// Writes a status that differs. The job as it is then; undefined when it is gone.
async function writeStatus({ key, context, memory }: PodWriter, job: Job, status: JobStatus): Promise<Job | undefined> {
  const next = Object.fromEntries(Object.entries(status).filter(([, value]) => value !== undefined)) as JobStatus
  if (jsonEqual(next, job.status)) return job
  try {
    const written = await context.client.updateStatus(jobs, { ...job, status: next })
    memory.statusWritten(key, written)
    return written
  } catch (error) {
    if (isNotFound(error)) return undefined
    throw error
  }
}

function againAfter(view: JobView, { status, againAfterMs, ending }: Step, nowMs: number): Result {
  const times = [againAfterMs, ending === undefined ? deadlineLeftMs(view, status.startTime, nowMs) : undefined]
  const known = times.filter((time) => time !== undefined)
  return known.length === 0 ? done : { requeueAfterMs: Math.min(...known) }
}

async function claimPods(job: Job, context: ReconcileContext): Promise<Pod[]> {
  const informer = context.informer(pods)
  const selector = selectorFromLabelSelector(job.spec?.selector)
  const orphans = orphansIn(informer, job.metadata.namespace ?? '').filter((pod) =>
    selector.matches(pod.metadata.labels),
  )
  return await claim({
    client: context.client,
    owner: job,
    ownerResource: jobs,
    resource: pods,
    selector,
    candidates: [...informer.ownedBy(job.metadata.uid ?? ''), ...orphans],
    nowMs: context.nowMs(),
    finalizer: trackingFinalizer,
  })
}
