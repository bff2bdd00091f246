import { parseTime } from '@binnacle/apimachinery'
import { type CronJob, type Job, parseCronSchedule } from '@binnacle/resources'
import { endOf } from '../job/conditions.ts'
import { runTimes, type RunTimes } from './next-run.ts'
import { TimeZone } from './zoned-time.ts'

const minuteMs = 60_000
// Missed start times beyond which something is probably wrong.
const missedMax = 100
// Not woken before the time: clocks and timers have fractions.
const afterScheduleMs = 100

/** When a CronJob runs, and in which time zone it says so. */
export interface Timetable {
  readonly times: RunTimes
  readonly zone: TimeZone
}

/** Why a CronJob has no timetable. */
export interface Problem {
  readonly reason: 'UnknownTimeZone' | 'UnparseableSchedule' | 'InvalidSchedule'
  readonly message: string
}

/** The timetable of a CronJob. Without a time zone it is UTC. */
export function timetableOf({ spec }: CronJob): Timetable | Problem {
  const { schedule, timeZone } = spec
  let zone: TimeZone
  try {
    zone = new TimeZone(timeZone)
  } catch {
    return {
      reason: 'UnknownTimeZone',
      message: `invalid timeZone: ${JSON.stringify(timeZone)}: unknown time zone ${timeZone}`,
    }
  }
  const unparseable = (why: string): Problem => ({
    reason: 'UnparseableSchedule',
    message: `unparseable schedule: ${JSON.stringify(schedule)} : ${why}`,
  })
  const parsed = parseCronSchedule(schedule)
  if (typeof parsed === 'string') return unparseable(parsed)
  // Objects from before there was a field for it may name the zone in their schedule.
  const named = 'fields' in parsed ? parsed.timeZone : undefined
  try {
    return { times: runTimes(parsed, named === undefined ? zone : new TimeZone(named)), zone }
  } catch {
    return unparseable(`provided bad location ${named}: unknown time zone ${named}`)
  }
}

/** What a CronJob has missed and when it runs next. */
export interface Due {
  /** The latest time at which it should have run and has not; undefined when there is none. In milliseconds since 1970. */
  readonly runMs: number | undefined
  readonly hasMissedTooMany: boolean
  /** When to look again. Undefined: never. */
  readonly againAtMs: number | undefined
}

/**
 * What is due (kube-controller-manager cronjob `nextScheduleTime`, `nextScheduleTimeDuration`). `sinceMs`: times up to then are no concern, because
 * the CronJob has run for them, was created later, or had another timetable. A text says why the schedule makes no sense.
 */
export function dueOf(cronJob: CronJob, { times }: Timetable, sinceMs: number, nowMs: number): Due | string {
  const deadlineSeconds = cronJob.spec.startingDeadlineSeconds
  const deadlineMs = deadlineSeconds === undefined ? sinceMs : Math.max(sinceMs, nowMs - deadlineSeconds * 1000)
  const due = latestTime(times, deadlineMs, nowMs)
  if (typeof due === 'string') return due
  const known = latestTime(times, sinceMs, nowMs)
  const knownMs = typeof known === 'string' ? nowMs : (known.atMs ?? (known.missed === 0 ? sinceMs : nowMs))
  const nextMs = times.next(knownMs)
  return {
    runMs: due.atMs,
    hasMissedTooMany: due.missed > missedMax && due.atMs !== undefined,
    againAtMs: nextMs === undefined ? undefined : nextMs + afterScheduleMs,
  }
}

// The latest time after one moment and up to another, found without walking through all of them: the first two tell about how many there are.
function latestTime(
  times: RunTimes,
  sinceMs: number,
  nowMs: number,
): { atMs: number | undefined; missed: number } | string {
  const first = times.next(sinceMs)
  const second = first === undefined ? undefined : times.next(first)
  if (first !== undefined && nowMs < first) return { atMs: undefined, missed: 0 }
  if (first !== undefined && second !== undefined && nowMs < second) return { atMs: first, missed: 0 }
  const pauseMs = Math.round(((second ?? 0) - (first ?? 0)) / 1000) * 1000
  if (first === undefined || second === undefined || pauseMs < 1000)
    return 'time difference between two schedules is less than 1 second'
  const missed = Math.floor((nowMs - first) / pauseMs) + 1
  let atMs: number | undefined
  // Two pauses earlier, because not all pauses need be as long.
  let time = times.next(first + (missed - 2) * pauseMs)
  while (time !== undefined && time <= nowMs) {
    atMs = time
    time = times.next(time)
  }
  return { atMs, missed }
}

/** The name of the job for a time: the same whoever makes it, so that there is only one. */
export function jobNameFor(cronJob: CronJob, runMs: number): string {
  return `${cronJob.metadata.name}-${Math.floor(runMs / minuteMs)}`
}

/** Ended jobs beyond the history limits, the oldest first. */
export function outdatedJobs({ spec }: CronJob, jobs: readonly Job[]): readonly Job[] {
  const beyond = (type: string, limit: number | undefined): readonly Job[] => {
    if (limit === undefined) return []
    const ended = jobs.filter((job) => endOf(job)?.type === type).toSorted(byStart)
    return ended.slice(0, Math.max(0, ended.length - limit))
  }
  return [...beyond('Complete', spec.successfulJobsHistoryLimit), ...beyond('Failed', spec.failedJobsHistoryLimit)]
}

// Those that never started come last.
function byStart(a: Job, b: Job): number {
  const [aMs, bMs] = [a, b].map((job) => parseTime(job.status?.startTime)) as [number, number]
  if (Number.isNaN(aMs) !== Number.isNaN(bMs)) return Number.isNaN(aMs) ? 1 : -1
  if (aMs !== bMs && !Number.isNaN(aMs)) return aMs - bMs
  return a.metadata.name < b.metadata.name ? -1 : 1
}
