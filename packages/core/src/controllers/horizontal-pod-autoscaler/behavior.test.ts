import { describe, expect, it } from 'vitest'
import { normalizeReplicas, rememberScaling, type ScalingHistory } from './behavior.ts'

const nowMs = Date.UTC(2026, 0, 1)
const wish = (current: number, desired: number, min = 1, max = 100) => ({ current, desired, min, max })
const noHistory = (): ScalingHistory => ({ recommendations: [], ups: [], downs: [] })
const recommended = (...entries: [secondsAgo: number, replicas: number][]): ScalingHistory => ({
  ...noHistory(),
  recommendations: entries.map(([secondsAgo, replicas]) => ({ atMs: nowMs - secondsAgo * 1000, replicas })),
})

describe('without rules', () => {
  it.each([
    [wish(3, 5), 5, 'DesiredWithinRange', false],
    [wish(1, 9), 4, 'ScaleUpLimit', true],
    [wish(10, 50), 20, 'ScaleUpLimit', true],
    [wish(3, 9, 1, 5), 5, 'TooManyReplicas', true],
    [wish(5, 1, 2), 2, 'TooFewReplicas', true],
  ])('%j leads to %i', (given, replicas, reason, limited) => {
    expect(normalizeReplicas(given, undefined, noHistory(), nowMs)).toMatchObject({
      replicas,
      limited,
      limit: { reason },
      able: { reason: 'ReadyForNewScale' },
    })
  })

  it('the highest recommendation of five minutes holds on the way down', () => {
    const held = normalizeReplicas(wish(8, 2), undefined, recommended([299, 6], [301, 9]), nowMs)
    expect(held).toMatchObject({ replicas: 6, able: { reason: 'ScaleDownStabilized' } })
    expect(normalizeReplicas(wish(8, 2), undefined, recommended([301, 6]), nowMs).replicas).toBe(2)
  })

  it('each recommendation is remembered as it came', () => {
    const history = recommended([200, 6], [400, 9])
    normalizeReplicas(wish(8, 2), undefined, history, nowMs)
    expect(history.recommendations.map(({ replicas }) => replicas)).toEqual([6, 2])
  })
})

describe('with rules', () => {
  const pods = (value: number, periodSeconds = 60) => ({ type: 'Pods', value, periodSeconds })
  const percent = (value: number, periodSeconds = 60) => ({ type: 'Percent', value, periodSeconds })

  it.each([
    ['four pods or the double, whichever is more, by default', {}, wish(2, 50), 6],
    ['so for more pods', {}, wish(10, 50), 20],
    ['the greatest of several', { scaleUp: { policies: [pods(2), percent(50)] } }, wish(10, 50), 15],
    ['the smallest', { scaleUp: { selectPolicy: 'Min', policies: [pods(2), percent(50)] } }, wish(10, 50), 12],
    ['not at all', { scaleUp: { selectPolicy: 'Disabled' } }, wish(10, 50), 10],
    ['rounded up', { scaleUp: { policies: [percent(1)] } }, wish(10, 50), 11],
    ['down by pods', { scaleDown: { stabilizationWindowSeconds: 0, policies: [pods(3)] } }, wish(10, 1), 7],
    [
      'down by the smallest',
      { scaleDown: { stabilizationWindowSeconds: 0, selectPolicy: 'Min', policies: [pods(3), percent(10)] } },
      wish(10, 1),
      9,
    ],
    ['never down', { scaleDown: { stabilizationWindowSeconds: 0, selectPolicy: 'Disabled' } }, wish(10, 1), 10],
  ])('replicas change by %s', (_name, behavior, given, replicas) => {
    expect(normalizeReplicas(given, behavior, noHistory(), nowMs).replicas).toBe(replicas)
  })

  it('the lowest recommendation of its window holds on the way up', () => {
    const behavior = { scaleUp: { stabilizationWindowSeconds: 60 } }
    const held = normalizeReplicas(wish(3, 6), behavior, recommended([30, 4]), nowMs)
    expect(held).toMatchObject({ replicas: 4, able: { reason: 'ScaleUpStabilized' } })
  })

  it('what was added within the period counts against the rate', () => {
    const behavior = { scaleUp: { policies: [pods(4)] } }
    const history = noHistory()
    rememberScaling(history, behavior, { from: 2, to: 5, nowMs: nowMs - 30_000 })
    expect(normalizeReplicas(wish(5, 50), behavior, history, nowMs)).toMatchObject({
      replicas: 6,
      limit: { reason: 'ScaleUpLimit' },
      limited: true,
    })
    expect(normalizeReplicas(wish(5, 50), behavior, history, nowMs + 31_000).replicas).toBe(9)
  })
})
