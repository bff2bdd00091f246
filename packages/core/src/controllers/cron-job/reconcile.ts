import {
  controllerReference,
  formatKey,
  formatTime,
  isControlledBy,
  isNamespaceTerminating,
  isNotFound,
  hasReason,
  jsonEqual,
  type ObjectKey,
} from '@binnacle/apimachinery'
import { type CronJob, cronJobs, type CronJobStatus, type Job, jobs } from '@binnacle/resources'
import { type Controller, done, type ReconcileContext, type Result } from '../../controller.ts'
import { endOf } from '../job/conditions.ts'
import { type Due, dueOf, jobNameFor, outdatedJobs, type Problem, type Timetable, timetableOf } from './plan.ts'
import {
  isListed,
  scheduledKey,
  servedUntilMs,
  withForgotten,
  withoutActive,
  withStarted,
  withSuccesses,
} from './status.ts'

/** Starts jobs at the times that CronJobs name. */
export function cronJobController(): Controller {
  const timetables: Timetables = new Map()
  return {
    name: 'cronjob',
    reconciles: cronJobs,
    owns: [jobs],
    reconcile: (key, context) => reconcile(key, context, timetables),
  }
}

/** The schedule that each CronJob was last seen with, and since when: another schedule is not applied to the past. */
type Timetables = Map<string, { readonly uid: string; readonly text: string; readonly sinceMs: number }>

/** One CronJob at work, its status as it becomes. */
interface Work {
  cronJob: CronJob
  status: CronJobStatus
  readonly owned: readonly Job[]
  readonly context: ReconcileContext
}

async function reconcile(key: ObjectKey, context: ReconcileContext, timetables: Timetables): Promise<Result> {
  // Observe.
  const cronJob = context.informer(cronJobs).get(key)
  if (cronJob === undefined) {
    timetables.delete(formatKey(key))
    return done
  }
  const owned = context
    .informer(jobs)
    .ownedBy(cronJob.metadata.uid ?? '')
    .filter((job) => isControlledBy(job, cronJob))
  const work: Work = { cronJob, status: cronJob.status ?? {}, owned, context }
  await followJobs(work)

  // Decide and act; what was done is reported even where the rest fails.
  let result: Result = done
  try {
    if (work.cronJob.metadata.deletionTimestamp === undefined) result = await startDue(work, timetables)
  } finally {
    // Report.
    if (!jsonEqual(work.status, work.cronJob.status ?? {}))
      await context.client.updateStatus(cronJobs, { ...work.cronJob, status: work.status })
  }
  // Last: what has ended tells which runs were made, and may only go once the status says so too.
  await removeOutdated(work)
  return result
}

// Brings the list of active jobs up to what the jobs are.
async function followJobs(work: Work): Promise<void> {
  const { owned, context } = work
  for (const job of owned) {
    const { uid = '', name } = job.metadata
    const end = endOf(job)
    if (isListed(work.status, uid)) {
      if (end === undefined) continue
      work.status = withoutActive(work.status, uid)
      context.events.record(
        work.cronJob,
        'Normal',
        'SawCompletedJob',
        `Saw completed job: ${name}, condition: ${end.type}`,
      )
    } else if (end === undefined && job.metadata.deletionTimestamp === undefined && !(await isListedByNow(work, uid)))
      context.events.record(
        work.cronJob,
        'Warning',
        'UnexpectedJob',
        `Saw a job that the controller did not create or forgot: ${name}`,
      )
  }
  for (const job of owned) work.status = withForgotten(work.status, work.cronJob, job)
  work.status = withSuccesses(work.status, owned)
  const present = new Set(owned.map((job) => job.metadata.uid))
  for (const { uid = '', name = '', namespace = '' } of work.status.active ?? []) {
    // The cache may be behind.
    if (present.has(uid) || (await exists(context, { namespace, name }))) continue
    context.events.record(work.cronJob, 'Normal', 'MissingJob', `Active job went missing: ${name}`)
    work.status = withoutActive(work.status, uid)
  }
}

// The cache may not show yet what the last reconcile wrote. If so, that is what this one goes on from.
async function isListedByNow(work: Work, uid: string): Promise<boolean> {
  const { namespace = '', name } = work.cronJob.metadata
  const fresh = await work.context.client.get(cronJobs, { namespace, name })
  if (!isListed(fresh.status ?? {}, uid)) return false
  work.cronJob = fresh
  work.status = fresh.status ?? {}
  return true
}

async function exists(context: ReconcileContext, key: ObjectKey): Promise<boolean> {
  return await context.client.get(jobs, key).then(
    () => true,
    (error: unknown) => {
      if (isNotFound(error)) return false
      throw error
    },
  )
}

async function startDue(work: Work, timetables: Timetables): Promise<Result> {
  const { cronJob, context } = work
  const nowMs = context.nowMs()
  const timetable = timetableOf(cronJob)
  // Noted even while nothing is started: a schedule that was changed counts from then on.
  const problem = 'reason' in timetable ? timetable : undefined
  const timetableMs = problem === undefined ? timetableSince(cronJob, timetables, nowMs) : Number.NEGATIVE_INFINITY
  const tell = ({ reason, message }: Problem): Result => {
    context.events.record(cronJob, 'Warning', reason, message)
    return done
  }
  // Of a suspended one nothing else is told.
  if (problem?.reason === 'UnknownTimeZone') return tell(problem)
  if (cronJob.spec.suspend === true) return done
  if (cronJob.spec.schedule.includes('TZ'))
    context.events.record(
      cronJob,
      'Warning',
      'UnsupportedSchedule',
      `CRON_TZ or TZ used in schedule ${JSON.stringify(cronJob.spec.schedule)} is not officially supported, see https://kubernetes.io/docs/concepts/workloads/controllers/cron-jobs/ for more details`,
    )
  if ('reason' in timetable) return tell(timetable)
  const sinceMs = Math.max(servedUntilMs(cronJob, work.status), timetableMs)
  const due = dueOf(cronJob, timetable, sinceMs, nowMs)
  if (typeof due === 'string')
    return tell({ reason: 'InvalidSchedule', message: `invalid schedule: ${cronJob.spec.schedule} : ${due}` })
  if (due.runMs !== undefined && (await mayStart(work, due, due.runMs))) await start(work, timetable, due.runMs)
  return due.againAtMs === undefined ? done : { requeueAfterMs: due.againAtMs - context.nowMs() }
}

// A schedule that was changed counts from then on. One that is seen for the first time counts for the past as well: nobody was there to start it.
function timetableSince({ metadata, spec }: CronJob, timetables: Timetables, nowMs: number): number {
  const key = formatKey({ namespace: metadata.namespace ?? '', name: metadata.name })
  const { uid = '' } = metadata
  const text = `${spec.timeZone ?? ''} ${spec.schedule}`
  const known = timetables.get(key)
  if (known?.uid === uid && known.text === text) return known.sinceMs
  const sinceMs = known?.uid === uid ? nowMs : Number.NEGATIVE_INFINITY
  timetables.set(key, { uid, text, sinceMs })
  return sinceMs
}

async function mayStart(work: Work, due: Due, runMs: number): Promise<boolean> {
  const { cronJob, status, context } = work
  const { startingDeadlineSeconds, concurrencyPolicy } = cronJob.spec
  if (due.hasMissedTooMany)
    context.events.record(
      cronJob,
      'Warning',
      'TooManyMissedTimes',
      'too many missed start times. Set or decrease .spec.startingDeadlineSeconds or check clock skew',
    )
  if (startingDeadlineSeconds !== undefined && runMs + startingDeadlineSeconds * 1000 < context.nowMs()) {
    const time = new Date(runMs).toUTCString().replace('GMT', '+0000')
    context.events.record(cronJob, 'Warning', 'MissSchedule', `Missed scheduled time to start a job: ${time}`)
    return false
  }
  if (status.active?.some(({ name }) => name === jobNameFor(cronJob, runMs)) === true) return false
  if (concurrencyPolicy === 'Forbid' && (status.active ?? []).length > 0) {
    context.events.record(
      cronJob,
      'Normal',
      'JobAlreadyActive',
      'Not starting job because prior execution is running and concurrency policy is Forbid',
    )
    return false
  }
  if (concurrencyPolicy === 'Replace') await replaceActive(work)
  return true
}

async function replaceActive(work: Work): Promise<void> {
  const { cronJob, context } = work
  for (const { name = '', namespace = '' } of work.status.active ?? []) {
    const job = await context.client.get(jobs, { namespace, name }).catch((error: Error) => {
      context.events.record(cronJob, 'Warning', 'FailedGet', `Get job: ${error.message}`)
      throw error
    })
    await removeJob(work, job)
  }
}

async function start(work: Work, { zone }: Timetable, runMs: number): Promise<void> {
  const { cronJob, context } = work
  const wanted = jobFor(cronJob, runMs, zone.format(runMs))
  let job: Job
  try {
    job = await context.client.create(jobs, wanted)
    context.events.record(cronJob, 'Normal', 'SuccessfulCreate', `Created job ${job.metadata.name}`)
  } catch (error) {
    if (!hasReason(error, 'AlreadyExists')) {
      if (!isNamespaceTerminating(error))
        context.events.record(cronJob, 'Warning', 'FailedCreate', `Error creating job: ${(error as Error).message}`)
      throw error
    }
    // Made before a crash that came ahead of the status; or by somebody else, who then keeps the account of it.
    const { namespace = '', name } = wanted.metadata
    job = await context.client.get(jobs, { namespace, name })
    if (!isControlledBy(job, cronJob) || isListed(work.status, job.metadata.uid)) return
  }
  work.status = withStarted(work.status, job, formatTime(runMs))
}

function jobFor(cronJob: CronJob, runMs: number, runTime: string): Job {
  const { metadata: template, spec } = cronJob.spec.jobTemplate
  return {
    apiVersion: 'batch/v1',
    kind: 'Job',
    metadata: {
      name: jobNameFor(cronJob, runMs),
      namespace: cronJob.metadata.namespace ?? '',
      ...(template?.labels === undefined ? {} : { labels: { ...template.labels } }),
      annotations: { ...template?.annotations, [scheduledKey]: runTime },
      ownerReferences: [controllerReference(cronJob)],
    },
    ...(spec === undefined ? {} : { spec: structuredClone(spec) }),
  }
}

async function removeOutdated(work: Work): Promise<void> {
  for (const job of outdatedJobs(work.cronJob, work.owned))
    if (job.metadata.deletionTimestamp === undefined) await removeJob(work, job)
}

async function removeJob(work: Work, job: Job): Promise<void> {
  const { cronJob, context } = work
  const { namespace = '', name, uid = '' } = job.metadata
  try {
    await context.client.delete(jobs, { namespace, name }, { propagationPolicy: 'Background', preconditions: { uid } })
  } catch (error) {
    if (isNotFound(error)) return
    context.events.record(cronJob, 'Warning', 'FailedDelete', `Deleted job: ${(error as Error).message}`)
    throw error
  }
  work.status = withoutActive(work.status, uid)
  context.events.record(cronJob, 'Normal', 'SuccessfulDelete', `Deleted job ${name}`)
}
