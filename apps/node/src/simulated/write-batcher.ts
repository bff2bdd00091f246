import type { BatchResult, BatchWrite, Client } from '@binnacle/client'

/** Something that has writes to make: its state at the time of sending counts, so that what changed meanwhile goes in the same write. */
export interface WriteSource {
  /** The writes to make now, in order; none when there is nothing to write any more. */
  takeWrites(): readonly BatchWrite[]
  /** What came of them, in the same order. */
  written(results: readonly BatchResult[]): void
}

/** Writes in one request. */
const batchWritesMax = 256
/** Requests under way at once. */
const requestsInFlightMax = 4
/** How long writes gather before they are sent. */
const gatherMs = 15

/** How a {@link WriteBatcher} waits. */
export type SetTimer = (callback: () => void, afterMs: number) => () => void

/**
 * Sends the writes of many sources together. A source is sent once at a time; those that can wait go only when nothing more
 * pressing is left, so that under load their intermediate states are never written.
 */
export class WriteBatcher {
  readonly #client: Client
  readonly #setTimer: SetTimer
  readonly #pressing = new Set<WriteSource>()
  readonly #canWait = new Set<WriteSource>()
  readonly #busy = new Set<WriteSource>()
  #inFlight = 0
  #cancelTimer: (() => void) | undefined
  #onIdle: (() => void)[] = []

  constructor(client: Client, setTimer: SetTimer) {
    this.#client = client
    this.#setTimer = setTimer
  }

  /** Notes that the source has writes to make. */
  add(source: WriteSource, options: { canWait: boolean }): void {
    if (options.canWait) {
      if (!this.#pressing.has(source)) this.#canWait.add(source)
    } else {
      this.#canWait.delete(source)
      this.#pressing.add(source)
    }
    this.#arm()
  }

  /** Forgets the source's unsent writes. */
  remove(source: WriteSource): void {
    this.#pressing.delete(source)
    this.#canWait.delete(source)
  }

  /** Resolves once everything that was added is written. */
  async idle(): Promise<void> {
    if (this.#inFlight === 0 && this.#pressing.size + this.#canWait.size === 0) return
    await new Promise<void>((resolve) => void this.#onIdle.push(resolve))
  }

  /** Sends nothing more. */
  stop(): void {
    this.#cancelTimer?.()
    this.#cancelTimer = undefined
    this.#pressing.clear()
    this.#canWait.clear()
    this.#wakeIdle()
  }

  #arm(): void {
    if (this.#cancelTimer !== undefined || this.#inFlight >= requestsInFlightMax) return
    this.#cancelTimer = this.#setTimer(() => {
      this.#cancelTimer = undefined
      this.#flush()
    }, gatherMs)
  }

  #flush(): void {
    while (this.#inFlight < requestsInFlightMax) {
      const sources: WriteSource[] = []
      const writes: (readonly BatchWrite[])[] = []
      const count = this.#take(this.#pressing, sources, writes, 0)
      this.#take(this.#canWait, sources, writes, count)
      if (sources.length === 0) return
      void this.#send(sources, writes)
    }
  }

  #take(from: Set<WriteSource>, sources: WriteSource[], writes: (readonly BatchWrite[])[], count: number): number {
    let taken = count
    for (const source of from) {
      if (taken >= batchWritesMax) break
      if (this.#busy.has(source)) continue
      from.delete(source)
      const own = source.takeWrites()
      if (own.length === 0) continue
      sources.push(source)
      writes.push(own)
      taken += own.length
    }
    return taken
  }

  async #send(sources: readonly WriteSource[], writes: readonly (readonly BatchWrite[])[]): Promise<void> {
    this.#inFlight++
    for (const source of sources) this.#busy.add(source)
    const results = await this.#resultsOf(writes.flat())
    this.#inFlight--
    let next = 0
    for (const [i, source] of sources.entries()) {
      this.#busy.delete(source)
      const end = next + (writes[i] as readonly BatchWrite[]).length
      source.written(results.slice(next, end))
      next = end
    }
    if (this.#pressing.size + this.#canWait.size > 0) this.#arm()
    else if (this.#inFlight === 0) this.#wakeIdle()
  }

  async #resultsOf(writes: readonly BatchWrite[]): Promise<readonly BatchResult[]> {
    try {
      return await this.#client.writeAll(writes, { atomic: false })
    } catch (error) {
      const failure = { error: error instanceof Error ? error : new Error(String(error)) }
      return writes.map(() => failure)
    }
  }

  #wakeIdle(): void {
    for (const resolve of this.#onIdle.splice(0)) resolve()
  }
}
