/** Indexes from `first` to `last`, both included. */
interface Interval {
  readonly first: number
  readonly last: number
}

/**
 * A set of completion indexes, kept as ordered intervals: jobs of 100,000 indexes are common, and what is done is mostly in one piece. Its text is
 * that of `status.completedIndexes`: `1,3-5,7`, where two neighbours are written `1,2`.
 */
export class CompletionIndexes {
  static readonly none = new CompletionIndexes([])
  readonly #intervals: readonly Interval[]

  private constructor(intervals: readonly Interval[]) {
    this.#intervals = intervals
  }

  /** Reads the text of a status. What cannot be read, and what is not below `completions`, is left out. */
  static parse(text: string | undefined, completions: number): CompletionIndexes {
    const intervals: Interval[] = []
    for (const part of (text ?? '').split(',')) {
      const match = /^(\d+)(?:-(\d+))?$/.exec(part)
      if (match === null) continue
      const first = Number(match[1])
      if (first >= completions) break
      intervals.push({ first, last: Math.min(Number(match[2] ?? first), completions - 1) })
    }
    return new CompletionIndexes(merged(intervals))
  }

  /** The set of these indexes, in any order. */
  static of(indexes: Iterable<number>): CompletionIndexes {
    return new CompletionIndexes(merged([...indexes].map((index) => ({ first: index, last: index }))))
  }

  /** The indexes of both. */
  with(other: CompletionIndexes): CompletionIndexes {
    if (other.#intervals.length === 0) return this
    return new CompletionIndexes(merged([...this.#intervals, ...other.#intervals]))
  }

  has(index: number): boolean {
    let [low, high] = [0, this.#intervals.length]
    while (low < high) {
      const middle = (low + high) >> 1
      if ((this.#intervals[middle] as Interval).last >= index) high = middle
      else low = middle + 1
    }
    const found = this.#intervals[low]
    return found !== undefined && found.first <= index
  }

  /** How many indexes there are. */
  get size(): number {
    return this.#intervals.reduce((sum, { first, last }) => sum + last - first + 1, 0)
  }

  /** How many indexes are in both. */
  overlapWith(other: CompletionIndexes): number {
    let [count, mine, theirs] = [0, 0, 0]
    for (;;) {
      const [a, b] = [this.#intervals[mine], other.#intervals[theirs]]
      if (a === undefined || b === undefined) return count
      count += Math.max(0, Math.min(a.last, b.last) - Math.max(a.first, b.first) + 1)
      if (a.last <= b.last) mine++
      if (b.last <= a.last) theirs++
    }
  }

  /** The lowest indexes below `completions` that are missing, `count` at the most. */
  firstMissing(count: number, completions: number): number[] {
    const missing: number[] = []
    let candidate = 0
    for (const { first, last } of [...this.#intervals, { first: completions, last: completions }]) {
      for (; candidate < Math.min(first, completions) && missing.length < count; candidate++) missing.push(candidate)
      candidate = Math.max(candidate, last + 1)
    }
    return missing
  }

  toString(): string {
    return this.#intervals
      .map(({ first, last }) => (last === first ? `${first}` : `${first}${last === first + 1 ? ',' : '-'}${last}`))
      .join(',')
  }
}

// Ordered, and joined where they overlap or touch.
function merged(intervals: readonly Interval[]): readonly Interval[] {
  const result: Interval[] = []
  for (const interval of intervals.toSorted((a, b) => a.first - b.first)) {
    const before = result.at(-1)
    if (before === undefined || interval.first > before.last + 1) result.push(interval)
    else if (interval.last > before.last) result[result.length - 1] = { first: before.first, last: interval.last }
  }
  return result
}
