import { describe, expect, it } from 'vitest'
import { ageOf, formatMicroTime, formatTime, humanDuration, parseTime } from './time.ts'

const [second, minute, hour, day] = [1000, 60_000, 3_600_000, 86_400_000]

describe('humanDuration', () => {
  const forms: [ms: number, text: string][] = [
    [-2 * second, '<invalid>'],
    [-second, '0s'],
    [0, '0s'],
    [999, '0s'],
    [119 * second, '119s'],
    [2 * minute, '2m'],
    [2 * minute + 5 * second, '2m5s'],
    [9 * minute + 59 * second, '9m59s'],
    [10 * minute + 30 * second, '10m'],
    [179 * minute, '179m'],
    [3 * hour, '3h'],
    [3 * hour + 20 * minute, '3h20m'],
    [7 * hour + 59 * minute, '7h59m'],
    [8 * hour + 59 * minute, '8h'],
    [47 * hour, '47h'],
    [2 * day, '2d'],
    [2 * day + 3 * hour, '2d3h'],
    [8 * day + 3 * hour, '8d'],
    [729 * day, '729d'],
    [730 * day, '2y'],
    [735 * day, '2y5d'],
    [8 * 365 * day, '8y'],
  ]
  it.each(forms)('writes %d ms as %s', (ms, text) => {
    expect(humanDuration(ms)).toBe(text)
  })
})

describe('times', () => {
  it('are written in UTC, with the precision of their type', () => {
    const ms = Date.UTC(2026, 0, 2, 3, 4, 5, 678)
    expect(formatTime(ms)).toBe('2026-01-02T03:04:05Z')
    expect(formatMicroTime(ms)).toBe('2026-01-02T03:04:05.678000Z')
  })
  it('are read with any zone', () => {
    expect(parseTime('2026-01-02T03:04:05+02:00')).toBe(Date.UTC(2026, 0, 2, 1, 4, 5))
  })
  it('that are missing give an unknown age', () => {
    expect(ageOf(undefined, 0)).toBe('<unknown>')
    expect(ageOf('1970-01-01T00:00:00Z', 5 * minute)).toBe('5m')
  })
})
