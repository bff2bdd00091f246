import { formatTime, parseTime } from '@binnacle/apimachinery'
import type { Job } from '@binnacle/resources'
import { aCronJob, aJob } from '@binnacle/testing'
import { describe, expect, it } from 'vitest'
import { dueOf, jobNameFor, outdatedJobs, timetableOf } from './plan.ts'

function due(schedule: string, since: string, now: string, startingDeadlineSeconds?: number) {
  const cronJob = aCronJob({
    spec: { schedule, ...(startingDeadlineSeconds === undefined ? {} : { startingDeadlineSeconds }) },
  })
  const timetable = timetableOf(cronJob)
  if ('reason' in timetable) throw new Error(timetable.message)
  const found = dueOf(cronJob, timetable, parseTime(since), parseTime(now))
  if (typeof found === 'string') return found
  const text = (ms: number | undefined): string | undefined => (ms === undefined ? undefined : formatTime(ms))
  return [text(found.runMs), found.hasMissedTooMany, text(found.againAtMs)]
}

describe('dueOf', () => {
  const day = '2026-01-01T'
  it.each([
    ['nothing before the first time', '0 * * * *', '10:30:00', '10:59:59', undefined, [undefined, false, '11:00:00']],
    ['the time itself', '0 * * * *', '10:30:00', '11:00:00', undefined, ['11:00:00', false, '12:00:00']],
    ['the latest of those missed', '0 * * * *', '10:30:00', '15:20:00', undefined, ['15:00:00', false, '16:00:00']],
    ['what is within the deadline', '0 * * * *', '10:30:00', '15:20:00', 1800, ['15:00:00', false, '16:00:00']],
    ['nothing beyond the deadline', '0 * * * *', '10:30:00', '15:20:00', 600, [undefined, false, '16:00:00']],
    ['uneven times', '30 6-16/4 * * *', '00:00:00', '15:00:00', undefined, ['14:30:00', false, undefined]],
    ['more than a hundred', '* * * * *', '10:00:00', '12:00:00', undefined, ['12:00:00', true, '12:01:00']],
    ['few by their deadline', '* * * * *', '10:00:00', '12:00:00', 90, ['12:00:00', false, '12:01:00']],
  ])('finds %s', (_what, schedule, since, now, deadline, [run, tooMany, again]) => {
    const found = due(schedule, day + since, day + now, deadline)
    const at = (time: unknown): unknown => (typeof time === 'string' ? `${day}${time}Z` : time)
    expect(found.slice(0, 2)).toEqual([at(run), tooMany])
    if (again !== undefined) expect(found[2]).toBe(at(again))
  })

  it('knows a schedule that makes no sense', () => {
    expect(due('59 23 31 2 *', `${day}00:00:00Z`, `${day}00:00:00Z`)).toBe(
      'time difference between two schedules is less than 1 second',
    )
  })
})

describe('timetableOf', () => {
  it.each([
    [{ timeZone: 'Mars/Phobos' }, 'UnknownTimeZone', 'invalid timeZone: "Mars/Phobos": unknown time zone Mars/Phobos'],
    [
      { schedule: '* * *' },
      'UnparseableSchedule',
      'unparseable schedule: "* * *" : expected exactly 5 fields, found 3: [* * *]',
    ],
  ])('says what is wrong with %j', (spec, reason, message) => {
    expect(timetableOf(aCronJob({ spec }))).toEqual({ reason, message })
  })
})

describe('jobNameFor', () => {
  it('names the minute since 1970', () => {
    expect(jobNameFor(aCronJob(), Date.UTC(2026, 0, 1))).toBe('report-29453760')
  })
})

describe('outdatedJobs', () => {
  const ended = (name: string, type: string, startTime?: string): Job => ({
    ...aJob({ name }),
    status: {
      ...(startTime === undefined ? {} : { startTime }),
      conditions: [{ type, status: 'True' }],
    },
  })
  it('takes the oldest beyond the limit of each kind, and none that runs', () => {
    const jobs = [
      ended('c3', 'Complete', '2026-01-03T00:00:00Z'),
      ended('c1', 'Complete', '2026-01-01T00:00:00Z'),
      ended('c2', 'Complete', '2026-01-02T00:00:00Z'),
      ended('f2', 'Failed'),
      ended('f1', 'Failed', '2026-01-05T00:00:00Z'),
      aJob({ name: 'runs' }),
    ]
    const cronJob = aCronJob({ spec: { successfulJobsHistoryLimit: 1, failedJobsHistoryLimit: 1 } })
    expect(outdatedJobs(cronJob, jobs).map((job) => job.metadata.name)).toEqual(['c1', 'c2', 'f1'])
  })
})
