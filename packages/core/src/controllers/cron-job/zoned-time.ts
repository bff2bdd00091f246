/** A moment as a clock on the wall of a time zone shows it; `month` counts from 1, `weekday` from Sunday = 0. */
export interface WallTime {
  readonly year: number
  readonly month: number
  readonly day: number
  readonly hour: number
  readonly minute: number
  readonly weekday: number
}

const hourMs = 3_600_000
// Clocks change at quarters of an hour, so within one the offset is the same.
const offsetCellMs = hourMs / 4
const cachedMax = 20_000

/** Conversions between moments (milliseconds since 1970) and the wall clock of one time zone, with the choices that Go's `time` makes. */
export class TimeZone {
  readonly #format: Intl.DateTimeFormat | undefined
  readonly #offsets = new Map<number, number>()

  /** @throws RangeError when there is no such zone */
  constructor(name: string | undefined) {
    const options = { hourCycle: 'h23', era: 'short' } as const
    const numeric = { year: 'numeric', month: 'numeric', day: 'numeric', hour: 'numeric', minute: 'numeric' } as const
    this.#format =
      name === undefined || name === 'UTC'
        ? undefined
        : new Intl.DateTimeFormat('en-US', { timeZone: name, ...options, ...numeric, second: 'numeric' })
  }

  /** How far the zone is ahead of UTC at a moment, in milliseconds. */
  offsetMs(atMs: number): number {
    if (this.#format === undefined) return 0
    const cell = Math.floor(atMs / offsetCellMs)
    let offset = this.#offsets.get(cell)
    if (offset === undefined) {
      if (this.#offsets.size >= cachedMax) this.#offsets.clear()
      this.#offsets.set(cell, (offset = offsetAt(this.#format, cell * offsetCellMs)))
    }
    return offset
  }

  /** What the clock shows. */
  wallTime(atMs: number): WallTime {
    const shown = new Date(atMs + this.offsetMs(atMs))
    return {
      year: shown.getUTCFullYear(),
      month: shown.getUTCMonth() + 1,
      day: shown.getUTCDate(),
      hour: shown.getUTCHours(),
      minute: shown.getUTCMinutes(),
      weekday: shown.getUTCDay(),
    }
  }

  /**
   * When the clock shows this time of this day; values beyond their bounds run over. For a time that the clock skips or shows twice it is right
   * before or after the change, as Go's `time.Date` chooses.
   */
  at({ year, month, day, hour = 0, minute = 0 }: Partial<WallTime> & Pick<WallTime, 'year' | 'month' | 'day'>): number {
    const shownMs = Date.UTC(year, month - 1, day, hour, minute)
    const offset = this.offsetMs(shownMs)
    return offset === 0 ? shownMs : shownMs - this.offsetMs(shownMs - offset)
  }

  /** RFC 3339 with the zone's offset: `2026-03-29T03:00:00+02:00`. */
  format(atMs: number): string {
    const offset = this.offsetMs(atMs)
    const text = new Date(atMs + offset).toISOString().slice(0, 19)
    if (offset === 0) return `${text}Z`
    const minutes = Math.abs(offset) / 60_000
    const [hours, rest] = [Math.floor(minutes / 60), Math.floor(minutes % 60)].map((part) => `${part}`.padStart(2, '0'))
    return `${text}${offset < 0 ? '-' : '+'}${hours}:${rest}`
  }
}

function offsetAt(format: Intl.DateTimeFormat, atMs: number): number {
  const shown = Object.fromEntries(format.formatToParts(atMs).map(({ type, value }) => [type, value]))
  const [year, month, day, hour, minute, second] = ['year', 'month', 'day', 'hour', 'minute', 'second'].map((part) =>
    Number(shown[part]),
  ) as [number, number, number, number, number, number]
  return Date.UTC(year, month - 1, day, hour, minute, second) - atMs
}
