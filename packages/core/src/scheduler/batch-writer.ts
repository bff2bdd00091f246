import type { BatchResult, BatchWrite, Client } from '@binnacle/client'

/** Writes in one request; the store commits a batch at once, so bigger gains little and delays the first. */
const batchWritesMax = 256
/** Requests under way at once: one is being committed while the next travels. */
const batchesInFlightMax = 4
/** Writes queued and under way beyond which the scheduler waits: more assumptions would only be decided on older facts. */
const writesOutstandingMax = 4096

interface PendingWrite {
  readonly write: BatchWrite
  readonly settle: (result: BatchResult) => void
}

/** Sends writes together: what gathers while requests are under way goes with the next one. */
export class BatchWriter {
  readonly #client: Client
  readonly #onCapacity: () => void
  #pending: PendingWrite[] = []
  #inFlight = 0
  #writesInFlight = 0
  readonly #waiting: (() => void)[] = []

  /** `onCapacity` is called after each request, when more can be taken. */
  constructor(client: Client, onCapacity: () => void) {
    this.#client = client
    this.#onCapacity = onCapacity
  }

  /** True while so much is outstanding that callers had better wait. */
  get isFull(): boolean {
    return this.#pending.length + this.#writesInFlight >= writesOutstandingMax
  }

  /** Sends what is queued and resolves once all of it is written. */
  async idle(): Promise<void> {
    this.flush()
    if (this.#inFlight > 0) await new Promise<void>((resolve) => void this.#waiting.push(resolve))
  }

  /** Queues a write; `settle` learns what came of it. Sent by {@link flush}. */
  add(write: BatchWrite, settle: (result: BatchResult) => void): void {
    this.#pending.push({ write, settle })
  }

  /** Sends what is queued, as far as requests may be under way. */
  flush(): void {
    while (this.#pending.length > 0 && this.#inFlight < batchesInFlightMax) {
      void this.#send(this.#pending.splice(0, batchWritesMax))
    }
  }

  async #send(batch: readonly PendingWrite[]): Promise<void> {
    this.#inFlight++
    this.#writesInFlight += batch.length
    const results = await this.#resultsOf(batch)
    this.#inFlight--
    this.#writesInFlight -= batch.length
    for (const [i, { settle }] of batch.entries())
      settle(results[i] ?? { error: new Error('the batch gave no result for this write') })
    this.flush()
    if (this.#inFlight === 0) for (const resolve of this.#waiting.splice(0)) resolve()
    this.#onCapacity()
  }

  async #resultsOf(batch: readonly PendingWrite[]): Promise<readonly BatchResult[]> {
    try {
      return await this.#client.writeAll(
        batch.map((p) => p.write),
        { atomic: false },
      )
    } catch (error) {
      const failure = { error: error instanceof Error ? error : new Error(String(error)) }
      return batch.map(() => failure)
    }
  }
}
