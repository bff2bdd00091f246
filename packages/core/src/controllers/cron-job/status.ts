import { formatTime, parseTime } from '@binnacle/apimachinery'
import type { CronJob, CronJobStatus, Job } from '@binnacle/resources'
import { endOf } from '../job/conditions.ts'

/** Annotation: the time that a job was made for. */
export const scheduledKey = 'batch.kubernetes.io/cronjob-scheduled-timestamp'

/** The job is on the CronJob's list of active ones. */
export function isListed(status: CronJobStatus, uid: string | undefined): boolean {
  return status.active?.some((reference) => reference.uid === uid) === true
}

/** The status without one of its active jobs. */
export function withoutActive(status: CronJobStatus, jobUid: string): CronJobStatus {
  const { active = [], ...rest } = status
  const left = active.filter(({ uid }) => uid !== jobUid)
  return left.length === 0 ? rest : { ...rest, active: left }
}

/** The status with a job among the active ones, made for that time. */
export function withStarted(status: CronJobStatus, job: Job, runTime: string): CronJobStatus {
  const { name, namespace = '', uid = '', resourceVersion = '' } = job.metadata
  const reference = { apiVersion: 'batch/v1', kind: 'Job', name, namespace, uid, resourceVersion }
  return { ...status, active: [...(status.active ?? []), reference], lastScheduleTime: runTime }
}

/** The status with the latest success that the jobs tell of. */
export function withSuccesses(status: CronJobStatus, jobs: readonly Job[]): CronJobStatus {
  let last = status.lastSuccessfulTime
  for (const job of jobs) {
    const time = endOf(job)?.type === 'Complete' ? job.status?.completionTime : undefined
    if (time !== undefined && (last === undefined || parseTime(time) > parseTime(last))) last = time
  }
  return last === undefined ? status : { ...status, lastSuccessfulTime: last }
}

/** The status with what jobs tell that it does not: the process may have ended after making a job and before writing that down. */
export function withForgotten(status: CronJobStatus, cronJob: CronJob, job: Job): CronJobStatus {
  const time = job.metadata.annotations?.[scheduledKey]
  // Of jobs that people made from the same template the annotation may be a copy.
  if (job.metadata.name !== `${cronJob.metadata.name}-${Math.floor(parseTime(time) / 60_000)}`) return status
  const last = parseTime(status.lastScheduleTime)
  const lastMs = Number.isNaN(last) ? parseTime(time) : Math.max(last, parseTime(time))
  if (endOf(job) === undefined && job.metadata.deletionTimestamp === undefined && !isListed(status, job.metadata.uid))
    return withStarted(status, job, formatTime(lastMs))
  return lastMs === last ? status : { ...status, lastScheduleTime: formatTime(lastMs) }
}

/** Until when the CronJob has had its runs, in milliseconds since 1970. */
export function servedUntilMs(cronJob: CronJob, status: CronJobStatus): number {
  return parseTime(status.lastScheduleTime ?? cronJob.metadata.creationTimestamp)
}
