/** The value below which the given part of the numbers lies; NaN when there are none. */
export function quantile(numbers: readonly number[], part: number): number {
  const sorted = Float64Array.from(numbers).sort()
  return sorted[Math.floor((sorted.length - 1) * part)] ?? Number.NaN
}

/** The middle one; of an even count the mean of the two in the middle. */
export function median(numbers: readonly number[]): number {
  const sorted = Float64Array.from(numbers).sort()
  const middle = sorted.length >> 1
  const upper = sorted[middle] ?? Number.NaN
  return sorted.length % 2 === 1 ? upper : ((sorted[middle - 1] ?? Number.NaN) + upper) / 2
}

/** Now, in milliseconds since 1970 with their fractions: comparable between processes of one machine. */
export function wallClockMs(): number {
  return performance.timeOrigin + performance.now()
}
