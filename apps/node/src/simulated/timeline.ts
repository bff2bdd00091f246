/** Time as the simulation sees it; tests give their own. */
export interface Time {
  nowMs(): number
  /** Calls back once after the given time; returns how to call it off. */
  setTimer(callback: () => void, afterMs: number): () => void
}

interface Entry {
  readonly atMs: number
  readonly sequence: number
  readonly run: () => void
}

/** Things due within this time of each other happen together: one timer serves thousands of pods and leases. */
const togetherMs = 10

/** Runs many things at their times with a single timer. What is due stays due: a thing that is no longer wanted sees that itself. */
export class Timeline {
  readonly #time: Time
  /** A binary heap by time. */
  readonly #entries: Entry[] = []
  #sequence = 0
  #timerAtMs = Number.POSITIVE_INFINITY
  #cancelTimer: () => void = () => {}
  #isStopped = false

  constructor(time: Time) {
    this.#time = time
  }

  /** Runs `run` at the given time, or as soon as possible when that is past. */
  at(atMs: number, run: () => void): void {
    if (this.#isStopped || atMs === Number.POSITIVE_INFINITY) return
    this.#push({ atMs, sequence: this.#sequence++, run })
    this.#arm()
  }

  /** Runs nothing more. */
  stop(): void {
    this.#isStopped = true
    this.#entries.length = 0
    this.#cancelTimer()
  }

  #arm(): void {
    const next = this.#entries[0]
    if (next === undefined || this.#timerAtMs <= next.atMs + togetherMs) return
    this.#cancelTimer()
    const nowMs = this.#time.nowMs()
    this.#timerAtMs = Math.max(next.atMs, nowMs)
    this.#cancelTimer = this.#time.setTimer(() => this.#runDue(), this.#timerAtMs - nowMs)
  }

  #runDue(): void {
    this.#timerAtMs = Number.POSITIVE_INFINITY
    const nowMs = this.#time.nowMs()
    // What is added meanwhile waits for the next round, so that a thing due at once cannot keep this loop busy.
    const end = this.#sequence
    const later: Entry[] = []
    for (let next = this.#entries[0]; next !== undefined && next.atMs <= nowMs; next = this.#entries[0]) {
      this.#removeFirst()
      if (next.sequence >= end) later.push(next)
      else next.run()
    }
    for (const entry of later) this.#push(entry)
    this.#arm()
  }

  #push(entry: Entry): void {
    const entries = this.#entries
    let index = entries.length
    entries.push(entry)
    while (index > 0) {
      const parent = (index - 1) >> 1
      if (!before(entry, entries[parent] as Entry)) break
      entries[index] = entries[parent] as Entry
      index = parent
    }
    entries[index] = entry
  }

  #removeFirst(): void {
    const entries = this.#entries
    const last = entries.pop() as Entry
    if (entries.length === 0) return
    let index = 0
    for (;;) {
      let child = 2 * index + 1
      if (child >= entries.length) break
      if (child + 1 < entries.length && before(entries[child + 1] as Entry, entries[child] as Entry)) child++
      if (!before(entries[child] as Entry, last)) break
      entries[index] = entries[child] as Entry
      index = child
    }
    entries[index] = last
  }
}

function before(a: Entry, b: Entry): boolean {
  return a.atMs < b.atMs || (a.atMs === b.atMs && a.sequence < b.sequence)
}
