import type { HorizontalPodAutoscalerV2, HPAScalingRules } from '@binnacle/resources'

/** How fast and how steadily the number of replicas follows what the metrics ask for (podautoscaler `horizontal.go`). */

/** Without `behavior`, and for scaling down with it: how long the highest recommendation holds. */
const downStabilizationSeconds = 300
/** What an autoscaler remembers of its recommendations and scalings; times are milliseconds since 1970. */
export interface ScalingHistory {
  recommendations: { readonly atMs: number; readonly replicas: number }[]
  ups: { readonly atMs: number; readonly change: number }[]
  downs: { readonly atMs: number; readonly change: number }[]
}

/** What is to be made of a recommendation. */
export interface Wish {
  readonly current: number
  readonly desired: number
  readonly min: number
  readonly max: number
}

/** Why something is as it is, for a condition. */
export interface Why {
  readonly reason: string
  readonly message: string
}

/** The number of replicas to set, and what the conditions AbleToScale and ScalingLimited say of it. */
export interface Normalized {
  readonly replicas: number
  readonly able: Why
  readonly limit: Why
  readonly limited: boolean
}

type Behavior = NonNullable<HorizontalPodAutoscalerV2['spec']>['behavior']

const ready: Why = { reason: 'ReadyForNewScale', message: 'recommended size matches current size' }
const downStabilized: Why = {
  reason: 'ScaleDownStabilized',
  message: 'recent recommendations were higher than current one, applying the highest recent recommendation',
}
const upStabilized: Why = {
  reason: 'ScaleUpStabilized',
  message: 'recent recommendations were lower than current one, applying the lowest recent recommendation',
}
const withinRange: Why = {
  reason: 'DesiredWithinRange',
  message: 'the desired count is within the acceptable range',
}
const tooMany: Why = {
  reason: 'TooManyReplicas',
  message: 'the desired replica count is more than the maximum replica count',
}
const tooFew: Why = {
  reason: 'TooFewReplicas',
  message: 'the desired replica count is less than the minimum replica count',
}
const upTooFast: Why = {
  reason: 'ScaleUpLimit',
  message: 'the desired replica count is increasing faster than the maximum scale rate',
}
const downTooFast: Why = {
  reason: 'ScaleDownLimit',
  message: 'the desired replica count is decreasing faster than the maximum scale rate',
}

/** Stabilizes a recommendation, then keeps it within bounds and rates. The recommendation is remembered in the history. */
export function normalizeReplicas(
  wish: Wish,
  behavior: Behavior | undefined,
  history: ScalingHistory,
  nowMs: number,
): Normalized {
  const up = behavior?.scaleUp
  const upSeconds = up?.stabilizationWindowSeconds ?? 0
  const downSeconds = behavior?.scaleDown?.stabilizationWindowSeconds ?? downStabilizationSeconds
  const stable = stabilized(wish, history, { upSeconds, downSeconds }, nowMs)
  history.recommendations = [
    ...history.recommendations.filter(({ atMs }) => nowMs - atMs < Math.max(upSeconds, downSeconds) * 1000),
    { atMs: nowMs, replicas: wish.desired },
  ]
  const steady = { ...wish, desired: stable }
  const [replicas, limit] =
    behavior === undefined ? withinPlainBounds(steady) : withinRates(steady, behavior, history, nowMs)
  const able = stable === wish.desired ? ready : wish.desired >= wish.current ? upStabilized : downStabilized
  return { replicas, able, limit, limited: replicas !== stable }
}

function stabilized(
  { current, desired }: Wish,
  { recommendations }: ScalingHistory,
  { upSeconds, downSeconds }: { upSeconds: number; downSeconds: number },
  nowMs: number,
): number {
  const within = (seconds: number): number[] =>
    recommendations.filter(({ atMs }) => nowMs - atMs < seconds * 1000).map(({ replicas }) => replicas)
  const lowest = Math.min(desired, ...within(upSeconds))
  const highest = Math.max(desired, ...within(downSeconds))
  return Math.min(Math.max(current, lowest), highest)
}

// Without rules of its own an autoscaler at most doubles the replicas at a time, or goes to four.
function withinPlainBounds({ current, desired, min, max }: Wish): [number, Why] {
  const fastest = Math.max(2 * current, 4)
  if (desired < min) return [min, tooFew]
  if (desired > Math.min(max, fastest)) return max > fastest ? [fastest, upTooFast] : [max, tooMany]
  return [desired, withinRange]
}

function withinRates(
  { current, desired, min, max }: Wish,
  behavior: NonNullable<Behavior>,
  history: ScalingHistory,
  nowMs: number,
): [number, Why] {
  if (desired > current) {
    const fastest = Math.max(current, rateLimit('up', current, behavior.scaleUp, history, nowMs))
    if (desired > Math.min(max, fastest)) return max > fastest ? [fastest, upTooFast] : [max, tooMany]
  } else if (desired < current) {
    const fastest = Math.min(current, rateLimit('down', current, behavior.scaleDown, history, nowMs))
    if (desired < Math.max(min, fastest)) return min < fastest ? [fastest, downTooFast] : [min, tooFew]
  }
  return [desired, withinRange]
}

const defaultPolicies = {
  up: [
    { type: 'Pods', value: 4, periodSeconds: 15 },
    { type: 'Percent', value: 100, periodSeconds: 15 },
  ],
  down: [{ type: 'Percent', value: 100, periodSeconds: 15 }],
} as const

function rateLimit(
  direction: 'up' | 'down',
  current: number,
  rules: HPAScalingRules | undefined,
  { ups, downs }: ScalingHistory,
  nowMs: number,
): number {
  const select = rules?.selectPolicy ?? 'Max'
  if (select === 'Disabled') return current
  const sign = direction === 'up' ? 1 : -1
  const limits = (rules?.policies ?? defaultPolicies[direction]).map(({ type, value, periodSeconds }) => {
    const within = (changes: ScalingHistory['ups']): number =>
      changes.filter(({ atMs }) => nowMs - atMs < periodSeconds * 1000).reduce((sum, { change }) => sum + change, 0)
    const start = current - within(ups) + within(downs)
    if (type === 'Pods') return start + sign * value
    const scaled = start * (1 + (sign * value) / 100)
    // Rounded so that a small percentage still leads somewhere.
    return direction === 'up' ? Math.ceil(scaled) : Math.trunc(scaled)
  })
  // The greatest change is the highest number on the way up and the lowest on the way down.
  return (select === 'Min') === (direction === 'up') ? Math.min(...limits) : Math.max(...limits)
}

/** Remembers a scaling, as long as some policy may ask about it. */
export function rememberScaling(
  history: ScalingHistory,
  behavior: Behavior,
  { from, to, nowMs }: { readonly from: number; readonly to: number; readonly nowMs: number },
): void {
  if (behavior === undefined) return
  const longest = Math.max(
    15,
    ...[behavior.scaleUp, behavior.scaleDown].flatMap((rules) =>
      (rules?.policies ?? []).map(({ periodSeconds }) => periodSeconds),
    ),
  )
  const recent = (changes: ScalingHistory['ups']): ScalingHistory['ups'] =>
    changes.filter(({ atMs }) => nowMs - atMs < longest * 1000)
  history.ups = recent(history.ups)
  history.downs = recent(history.downs)
  if (to > from) history.ups.push({ atMs: nowMs, change: to - from })
  else history.downs.push({ atMs: nowMs, change: from - to })
}
