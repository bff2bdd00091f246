import { parseCronSchedule } from '@binnacle/resources'
import { SeededRandom } from '@binnacle/testing'
import { describe, expect, it } from 'vitest'
import { runTimes } from './next-run.ts'
import { TimeZone } from './zoned-time.ts'

const minuteMs = 60_000

function timesOf(schedule: string, zone: string | undefined) {
  const parsed = parseCronSchedule(schedule)
  if (typeof parsed === 'string') throw new Error(parsed)
  return { parsed, times: runTimes(parsed, new TimeZone(zone)) }
}

// The next `count` times, as the zone's clock shows them.
function next(schedule: string, zone: string | undefined, after: string, count = 1): string[] {
  const { times } = timesOf(schedule, zone)
  const found: string[] = []
  let atMs: number | undefined = Date.parse(after)
  while (found.length < count && (atMs = times.next(atMs as number)) !== undefined)
    found.push(new TimeZone(zone).format(atMs))
  return found
}

describe('runTimes', () => {
  it.each([
    ['0/15 * * * *', '2012-07-09T14:45:00Z', '2012-07-09T15:00:00Z'],
    ['20-35/15 * * * *', '2012-07-09T23:46:00Z', '2012-07-10T00:20:00Z'],
    ['* * * * *', '2012-07-09T23:59:59Z', '2012-07-10T00:00:00Z'],
    ['0 0 9 Apr-Oct ?', '2012-07-09T23:35:00Z', '2012-08-09T00:00:00Z'],
    ['0 0 */5 Apr,Aug,Oct Mon', '2012-07-09T23:35:00Z', '2012-08-01T00:00:00Z'],
    ['0 0 * Feb Mon/2', '2012-07-09T23:35:00Z', '2013-02-01T00:00:00Z'],
    ['0 0 29 Feb ?', '2012-07-09T23:35:00Z', '2016-02-29T00:00:00Z'],
    ['0 0 13 * 5', '2026-01-01T00:00:00Z', '2026-01-02T00:00:00Z'],
    ['0 0 13 * *', '2026-01-01T00:00:00Z', '2026-01-13T00:00:00Z'],
    ['0 0 * * 5', '2026-01-03T00:00:00Z', '2026-01-09T00:00:00Z'],
    ['@yearly', '2026-01-01T00:00:00Z', '2027-01-01T00:00:00Z'],
    ['@monthly', '2026-01-15T00:00:00Z', '2026-02-01T00:00:00Z'],
    ['@weekly', '2026-01-01T00:00:00Z', '2026-01-04T00:00:00Z'],
    ['@hourly', '2026-01-01T00:00:00Z', '2026-01-01T01:00:00Z'],
    ['@every 1h30m', '2026-01-01T00:00:00.400Z', '2026-01-01T01:30:00Z'],
    ['@every 15s', '2026-01-01T00:00:59Z', '2026-01-01T00:01:14Z'],
    ['@every 100ms', '2026-01-01T00:00:00Z', '2026-01-01T00:00:01Z'],
  ])('%s after %s comes at %s', (schedule, after, expected) => {
    expect(next(schedule, undefined, after)).toEqual([expected])
  })

  it('has no time for a day that never comes', () => {
    expect(next('59 23 31 2 *', undefined, '2026-01-01T00:00:00Z')).toEqual([])
  })

  it.each([
    // Clocks go forward: two o'clock does not exist.
    ['30 2 * * *', 'America/New_York', '2026-03-07T12:00:00Z', ['2026-03-09T02:30:00-04:00']],
    ['0 * * * *', 'America/New_York', '2026-03-08T06:00:00Z', ['2026-03-08T03:00:00-04:00']],
    // Clocks go back: one o'clock comes twice.
    [
      '30 1 * * *',
      'America/New_York',
      '2026-10-31T12:00:00Z',
      ['2026-11-01T01:30:00-04:00', '2026-11-01T01:30:00-05:00', '2026-11-02T01:30:00-05:00'],
    ],
    ['0 3 * * *', 'Europe/Berlin', '2026-10-24T12:00:00Z', ['2026-10-25T03:00:00+01:00', '2026-10-26T03:00:00+01:00']],
    // A day without a midnight.
    ['0 0 * * *', 'America/Sao_Paulo', '2018-11-03T12:00:00Z', ['2018-11-05T00:00:00-02:00']],
    ['0 5 4 11 *', 'America/Sao_Paulo', '2018-10-03T12:00:00Z', ['2018-11-04T05:00:00-02:00']],
    // Clocks go back by half an hour: robfig/cron walks in whole ones, and misses the full hour that day.
    ['0 3 * * *', 'Australia/Lord_Howe', '2026-04-04T12:00:00Z', ['2026-04-06T03:00:00+10:30']],
    ['15 9 * * *', 'Asia/Kolkata', '2026-01-01T00:00:00Z', ['2026-01-01T09:15:00+05:30']],
  ])('%s in %s after %s', (schedule, zone, after, expected) => {
    expect(next(schedule, zone, after, expected.length)).toEqual(expected)
  })

  it.each([undefined, 'America/New_York', 'Europe/Berlin', 'Asia/Kolkata', 'America/Sao_Paulo', 'Pacific/Apia'])(
    'takes the first minute that a plain walk through the minutes finds, in %s',
    (zone) => {
      const random = new SeededRandom(11)
      const clock = new TimeZone(zone)
      const draw = (min: number, max: number): string =>
        random.chance(0.5)
          ? '*'
          : Array.from({ length: 1 + random.below(3) }, () => min + random.below(max - min + 1)).join(',')
      for (let round = 0; round < 40; round++) {
        const schedule = `${draw(0, 59)} ${draw(0, 23)} ${random.chance(0.8) ? '*' : draw(1, 31)} * ${random.chance(0.8) ? '*' : draw(0, 6)}`
        const { parsed, times } = timesOf(schedule, zone)
        if ('everyMs' in parsed) throw new Error('not a schedule of fields')
        const { minute, hour, dayOfMonth, dayOfWeek } = parsed.fields
        // Around the changes of the clocks in spring and autumn, of both halves of the earth.
        const month = random.pick([
          '2018-11-02',
          '2018-02-16',
          '2026-03-07',
          '2026-03-28',
          '2026-04-04',
          '2026-10-03',
          '2026-10-24',
        ])
        const afterMs = Date.parse(`${month}T00:00:00Z`) + random.below(72 * 60) * minuteMs
        const isTime = (atMs: number): boolean => {
          const shown = clock.wallTime(atMs)
          const days = [dayOfMonth.values.has(shown.day), dayOfWeek.values.has(shown.weekday)]
          const isDay = dayOfMonth.isAny || dayOfWeek.isAny ? days.every(Boolean) : days.some(Boolean)
          return isDay && hour.values.has(shown.hour) && minute.values.has(shown.minute)
        }
        let walkedMs = afterMs + minuteMs
        while (!isTime(walkedMs)) walkedMs += minuteMs
        const foundMs = times.next(afterMs) ?? 0
        expect(clock.format(foundMs), `${schedule} after ${clock.format(afterMs)}`).toBe(clock.format(walkedMs))
      }
    },
  )
})
