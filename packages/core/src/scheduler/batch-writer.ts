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
  /** Writes of the same key are one batch, all or nothing. */
  readonly together: string | undefined
}

/** Sends writes together: what gathers while requests are under way goes with the next one. */
export class BatchWriter {
  readonly #client: Client
  readonly #onCapacity: () => void
  #pending: PendingWrite[] = []
  #inFlight = 0
  /** Pending writes that go with others. */
  #bundled = 0
  #isToFlush = false
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

  /**
   * Queues a write; `settle` learns what came of it. Sent by {@link flush}. Of the writes that are queued with the same `together`, all are made or
   * none.
   */
  add(write: BatchWrite, settle: (result: BatchResult) => void, together?: string): void {
    this.#pending.push({ write, settle, together })
    if (together !== undefined) this.#bundled++
  }

  /** As {@link flush}, once what runs now has queued all its writes. */
  flushSoon(): void {
    if (this.#isToFlush) return
    this.#isToFlush = true
    queueMicrotask(() => {
      this.#isToFlush = false
      this.flush()
    })
  }

  /** Sends what is queued, as far as requests may be under way. */
  flush(): void {
    while (this.#pending.length > 0 && this.#inFlight < batchesInFlightMax) {
      void this.#send(this.#nextBatch())
    }
  }

  #nextBatch(): readonly PendingWrite[] {
    if (this.#bundled === 0) return this.#pending.splice(0, batchWritesMax)
    const together = this.#pending[0]?.together
    const batch = this.#pending.filter((p) => p.together === together)
    if (together === undefined) batch.splice(batchWritesMax)
    else this.#bundled -= batch.length
    const taken = new Set(batch)
    this.#pending = this.#pending.filter((p) => !taken.has(p))
    return batch
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
    const atomic = batch[0]?.together !== undefined
    try {
      return await this.#client.writeAll(
        batch.map((p) => p.write),
        { atomic },
      )
    } catch (thrown) {
      const error = thrown instanceof Error ? thrown : new Error(String(thrown))
      // That the object of one write is gone says nothing of the others'.
      const failure = { error: atomic ? new Error(error.message, { cause: error }) : error }
      return batch.map(() => failure)
    }
  }
}
