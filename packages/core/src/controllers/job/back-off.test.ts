import { formatTime } from '@binnacle/apimachinery'
import type { Pod } from '@binnacle/resources'
import { aPod } from '@binnacle/testing'
import { describe, expect, it } from 'vitest'
import { backOffLeftMs, endedAtMs, noFailures, withEndedPods } from './back-off.ts'

const startMs = Date.UTC(2026, 0, 1)
const time = (second: number) => formatTime(startMs + second * 1000)
const endedAt = (second: number): Pod => ({
  ...aPod(),
  status: {
    containerStatuses: [
      {
        name: 'app',
        image: '',
        imageID: '',
        ready: false,
        restartCount: 0,
        state: { terminated: { exitCode: 1, finishedAt: time(second) } },
      },
    ],
  },
})
const known = { failures: 2, lastFailureMs: startMs }

describe('withEndedPods', () => {
  it.each([
    ['adds failures to those before', known, [], [5, 3], { failures: 4, lastFailureMs: startMs + 5000 }],
    ['forgets failures when a pod succeeds', known, [5], [], noFailures],
    [
      'counts the failures after the last success only',
      known,
      [4, 6],
      [5, 7, 8],
      { failures: 2, lastFailureMs: startMs + 8000 },
    ],
    ['forgets failures from before the success', known, [9], [5, 7], noFailures],
    ['keeps what it knows when nothing has ended', known, [], [], known],
  ])('%s', (_what, record, succeeded, failed, expected) => {
    expect(withEndedPods(record, succeeded.map(endedAt), failed.map(endedAt))).toEqual(expected)
  })
})

describe('backOffLeftMs', () => {
  it.each([
    [0, 0, 0],
    [1, 0, 10_000],
    [2, 0, 20_000],
    [3, 5000, 35_000],
    [6, 0, 320_000],
    [7, 0, 600_000],
    [1000, 0, 600_000],
    [1, 10_000, 0],
    [1, 99_000, 0],
  ])('after %i failures, the last %i ms ago: %i ms', (failures, agoMs, expected) => {
    expect(backOffLeftMs({ failures, lastFailureMs: startMs }, startMs + agoMs)).toBe(expected)
  })
})

describe('endedAtMs', () => {
  const base = aPod()
  it.each<[string, Pod, number]>([
    ['the last container', { ...endedAt(7) }, 7],
    [
      'the Ready condition where a container has no end',
      { ...base, status: { conditions: [{ type: 'Ready', status: 'False', lastTransitionTime: time(4) }] } },
      4,
    ],
    [
      'the deletion less its grace period',
      {
        ...base,
        metadata: { ...base.metadata, deletionTimestamp: time(40), deletionGracePeriodSeconds: 30 },
        status: {},
      },
      10,
    ],
    ['the creation', { ...base, metadata: { ...base.metadata, creationTimestamp: time(2) }, status: {} }, 2],
  ])('is that of %s', (_what, pod, second) => {
    expect(endedAtMs(pod)).toBe(startMs + second * 1000)
  })
})
