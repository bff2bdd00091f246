import type { Pod, PodDisruptionBudget } from '@binnacle/resources'
import { aPod } from '@binnacle/testing'
import { describe, expect, it } from 'vitest'
import { expectationOf, planCounts, planDisrupted } from './plan.ts'

const nowMs = Date.UTC(2026, 0, 1)
const at = (secondsAgo: number): string => new Date(nowMs - secondsAgo * 1000).toISOString()

function aBudget(spec: object, disruptedPods?: Record<string, string>): PodDisruptionBudget {
  return {
    apiVersion: 'policy/v1',
    kind: 'PodDisruptionBudget',
    metadata: { name: 'budget', namespace: 'default' },
    spec,
    ...(disruptedPods === undefined ? {} : { status: { disruptedPods } }),
  }
}
const ready = (count: number): Pod[] => Array.from({ length: count }, (_, i) => aPod({ name: `r${i}`, ready: true }))
const unready = (count: number): Pod[] => Array.from({ length: count }, (_, i) => aPod({ name: `u${i}`, ready: false }))
const nobody = { pods: {}, overdue: [], againAfterMs: undefined }

describe('planCounts', () => {
  it.each([
    [{ minAvailable: 2 }, 3, 0, 3, [3, 2, 1]],
    [{ minAvailable: 2 }, 1, 2, 3, [1, 2, 0]],
    [{ minAvailable: '50%' }, 3, 0, 3, [3, 2, 1]],
    [{ minAvailable: '0%' }, 3, 0, 3, [3, 0, 3]],
    [{ maxUnavailable: 1 }, 3, 0, 3, [3, 2, 1]],
    [{ maxUnavailable: '25%' }, 4, 0, 4, [4, 3, 1]],
    // Percentages are rounded up: one of three may go.
    [{ maxUnavailable: '10%' }, 3, 0, 3, [3, 2, 1]],
    [{ maxUnavailable: 5 }, 3, 0, 3, [3, 0, 3]],
    [{ maxUnavailable: 1 }, 2, 0, 5, [2, 4, 0]],
    [{ minAvailable: 0 }, 0, 0, 0, [0, 0, 0]],
    [{}, 3, 0, 0, [3, 0, 0]],
  ])('with %j, %i ready and %i unready pods of %i counts %j', (spec, readyPods, others, expected, counts) => {
    const plan = planCounts(aBudget(spec), [...ready(readyPods), ...unready(others)], nobody, expected)
    expect([plan.currentHealthy, plan.desiredHealthy, plan.disruptionsAllowed]).toEqual(counts)
    expect(plan.expectedPods).toBe(expected)
  })

  it('counts no pod that is going or about to', () => {
    const going = aPod({ name: 'going', ready: true })
    going.metadata.deletionTimestamp = at(0)
    const plan = planCounts(aBudget({ minAvailable: 1 }), [...ready(3), going], { ...nobody, pods: { r0: at(5) } }, 4)
    expect(plan).toEqual({ currentHealthy: 2, desiredHealthy: 1, expectedPods: 4, disruptionsAllowed: 1 })
  })

  it('does not understand an amount that is no percentage', () => {
    expect(() => planCounts(aBudget({ maxUnavailable: 'some' }), [], nobody, 1)).toThrow('not a percentage')
  })
})

describe('planDisrupted', () => {
  const pods = ready(3)

  it('waits two minutes for a deletion', () => {
    const plan = planDisrupted(aBudget({}, { r0: at(30), r1: at(90), r2: at(121) }), pods, nowMs)
    expect(plan.pods).toEqual({ r0: at(30), r1: at(90) })
    expect(plan.overdue.map((pod) => pod.metadata.name)).toEqual(['r2'])
    expect(plan.againAfterMs).toBe(30_000)
  })

  it('forgets pods that are gone or going', () => {
    const going = aPod({ name: 'r0' })
    going.metadata.deletionTimestamp = at(0)
    expect(planDisrupted(aBudget({}, { r0: at(1), gone: at(1) }), [going], nowMs)).toEqual(nobody)
  })
})

it.each([
  [{ maxUnavailable: 1 }, 'scales'],
  [{ minAvailable: '10%' }, 'scales'],
  [{ minAvailable: 1 }, 'pods'],
  [{}, 'none'],
])('a budget of %j expects %s', (spec, kind) => {
  expect(expectationOf(aBudget(spec))).toBe(kind)
})
