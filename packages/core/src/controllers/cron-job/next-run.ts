import type { CronField, CronSchedule } from '@binnacle/resources'
import type { TimeZone, WallTime } from './zoned-time.ts'

const minuteMs = 60_000
const hourMs = 3_600_000
const yearsAheadMax = 5

/** Gives the times of a schedule, in milliseconds since 1970. */
export interface RunTimes {
  /** The first time after a moment; undefined when there is none within five years (`0 0 30 2 *`). */
  next(afterMs: number): number | undefined
}

/**
 * The times of a schedule in a time zone (robfig/cron `SpecSchedule.Next`, `ConstantDelaySchedule.Next`). Where clocks go forward, a time that does
 * not exist that day is left out; where they go back, a time that comes twice is taken twice.
 */
export function runTimes(schedule: CronSchedule, zone: TimeZone): RunTimes {
  if ('everyMs' in schedule) return { next: (afterMs) => Math.floor(afterMs / 1000) * 1000 + schedule.everyMs }
  return { next: (afterMs) => new Search(schedule.fields, zone).after(afterMs) }
}

type Fields = Extract<CronSchedule, { fields: unknown }>['fields']

/** One search for the next time: month, day, hour and minute are moved on one after the other, and all are looked at again when one wraps around. */
class Search {
  readonly #fields: Fields
  readonly #zone: TimeZone
  #atMs = 0
  // Until a field has moved, the smaller ones still are those of the moment from which the search began.
  #hasMoved = false

  constructor(fields: Fields, zone: TimeZone) {
    this.#fields = fields
    this.#zone = zone
  }

  after(afterMs: number): number | undefined {
    this.#atMs = (Math.floor(afterMs / minuteMs) + 1) * minuteMs
    const lastYear = this.#shown.year + yearsAheadMax
    while (this.#shown.year <= lastYear)
      if (this.#moveToMonth() && this.#moveToDay() && this.#moveToHour() && this.#moveToMinute()) return this.#atMs
    return undefined
  }

  get #shown(): WallTime {
    return this.#zone.wallTime(this.#atMs)
  }

  // Each gives false when it wrapped around.
  #moveToMonth(): boolean {
    while (!this.#fields.month.values.has(this.#shown.month)) {
      const { year, month } = this.#shown
      if (!this.#hasMoved) this.#atMs = this.#zone.at({ year, month, day: 1 })
      this.#hasMoved = true
      const from = this.#shown
      this.#atMs = this.#zone.at({ ...from, month: from.month + 1 })
      if (this.#shown.month === 1) return false
    }
    return true
  }

  #moveToDay(): boolean {
    while (!isDay(this.#fields.dayOfMonth, this.#fields.dayOfWeek, this.#shown)) {
      const { year, month, day } = this.#shown
      if (!this.#hasMoved) this.#atMs = this.#zone.at({ year, month, day })
      this.#hasMoved = true
      const from = this.#shown
      this.#atMs = this.#zone.at({ ...from, day: from.day + 1 })
      // There are days without a midnight.
      const { hour } = this.#shown
      if (hour !== 0) this.#atMs += (hour > 12 ? 24 - hour : -hour) * hourMs
      if (this.#shown.day === 1) return false
    }
    return true
  }

  #moveToHour(): boolean {
    while (!this.#fields.hour.values.has(this.#shown.hour)) {
      const { year, month, day, hour } = this.#shown
      if (!this.#hasMoved) this.#atMs = this.#zone.at({ year, month, day, hour })
      this.#hasMoved = true
      this.#atMs += hourMs
      if (this.#shown.hour === 0) return false
    }
    return true
  }

  #moveToMinute(): boolean {
    while (!this.#fields.minute.values.has(this.#shown.minute)) {
      this.#hasMoved = true
      this.#atMs += minuteMs
      if (this.#shown.minute === 0) return false
    }
    return true
  }
}

// Two fields name days. If one of them is `*` the other decides, else a day that either names will do.
function isDay(dayOfMonth: CronField, dayOfWeek: CronField, { day, weekday }: WallTime): boolean {
  const [inMonth, inWeek] = [dayOfMonth.values.has(day), dayOfWeek.values.has(weekday)]
  return dayOfMonth.isAny || dayOfWeek.isAny ? inMonth && inWeek : inMonth || inWeek
}
