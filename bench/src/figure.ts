/** One measured number beside what it is compared with. */
export interface Figure {
  readonly name: string
  readonly unit: string
  readonly ours: number | undefined
  /** The same, measured of the peer in the same run. */
  readonly peer?: number | undefined
  readonly goal?: Goal | undefined
  /** What a reader has to know to judge it. */
  readonly note?: string | undefined
}

/** What a figure is to reach: a bound on ours, or on ours divided by the peer's. */
export interface Goal {
  readonly of: 'ours' | 'ratio'
  readonly atLeast?: number
  readonly atMost?: number
}

/** Ours divided by the peer's; undefined where one is missing. */
export function ratioOf({ ours, peer }: Figure): number | undefined {
  return ours === undefined || peer === undefined || peer === 0 ? undefined : ours / peer
}

/** Whether the goal is reached; undefined where there is none, and false where the figure could not be measured. */
export function isReached(figure: Figure): boolean | undefined {
  const { goal } = figure
  if (goal === undefined) return undefined
  const value = goal.of === 'ours' ? figure.ours : ratioOf(figure)
  if (value === undefined) return false
  return value >= (goal.atLeast ?? -Infinity) && value <= (goal.atMost ?? Infinity)
}

/** The goal in words. */
export function goalText(figure: Figure): string {
  const { goal } = figure
  if (goal === undefined) return ''
  const unit = goal.of === 'ratio' ? '×' : ` ${figure.unit}`
  return goal.atLeast === undefined ? `≤ ${goal.atMost}${unit}` : `≥ ${goal.atLeast}${unit}`
}
