import { type Event, events } from '@binnacle/resources'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { ControllerBench } from '../controller-bench.ts'
import { eventExpiry, lastHappenedMs } from './expire.ts'

let bench: ControllerBench
beforeEach(() => {
  vi.useFakeTimers({ now: Date.UTC(2026, 0, 1) })
  bench = new ControllerBench({ controllers: [], runnables: [eventExpiry()] })
})
afterEach(async () => {
  await bench.stop()
  vi.useRealTimers()
})

const anEvent = (name: string, times: Partial<Event> = {}): Event => ({
  apiVersion: 'v1',
  kind: 'Event',
  metadata: { name, namespace: 'default' },
  involvedObject: { kind: 'Pod', name: 'p', namespace: 'default' },
  ...times,
})
const names = () => bench.cluster.all(events).map((event) => event.metadata.name)

describe('eventExpiry', () => {
  it('deletes events an hour after they last happened', async () => {
    bench.cluster.seed(events, anEvent('once'))
    bench.cluster.seed(events, anEvent('again', { lastTimestamp: '2026-01-01T00:30:00Z' }))
    await bench.start()
    await bench.pass(59 * 60_000)
    expect(names()).toEqual(['once', 'again'])
    await bench.pass(3 * 60_000)
    expect(names()).toEqual(['again'])
    await bench.pass(31 * 60_000)
    expect(names()).toEqual([])
  })

  it('writes nothing where nothing has expired', async () => {
    bench.cluster.seed(events, anEvent('young', { lastTimestamp: '2026-01-01T03:00:00Z' }))
    await bench.start()
    const before = bench.cluster.writes.length
    await bench.pass(3_600_000)
    expect(bench.cluster.writes).toHaveLength(before)
  })
})

it.each([
  [{ eventTime: '2026-01-01T00:00:00.5Z' }, 500],
  [{ eventTime: '2026-01-01T00:00:00Z', series: { count: 2, lastObservedTime: '2026-01-01T00:00:03Z' } }, 3000],
  [{ firstTimestamp: '2026-01-01T00:00:01Z', lastTimestamp: '2026-01-01T00:00:02Z' }, 2000],
])('an event of %j last happened %i ms into the year', (times, ms) => {
  expect(lastHappenedMs(anEvent('e', times as Partial<Event>)) - Date.UTC(2026, 0, 1)).toBe(ms)
})
