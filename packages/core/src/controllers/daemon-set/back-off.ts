/** How long failed pods wait on a node before they are replaced: longer each time, and forgotten in the end (client-go `flowcontrol.Backoff`). */

const waitMsMin = 1000
const waitMsMax = 15 * 60_000
// Nothing for so long, and the next failure counts as the first.
const forgetAfterMs = 2 * waitMsMax

/** Remembers the last failure under each key. */
export class FailureBackOff {
  readonly #entries = new Map<string, { waitMs: number; atMs: number }>()

  /** Milliseconds until the key may be tried again; 0: it may. */
  remainingMs(key: string, nowMs: number): number {
    const entry = this.#entries.get(key)
    return entry === undefined ? 0 : Math.max(0, entry.atMs + entry.waitMs - nowMs)
  }

  /** Notes a failure: the next one has to wait twice as long. */
  next(key: string, nowMs: number): void {
    const entry = this.#entries.get(key)
    const isForgotten = entry === undefined || nowMs - entry.atMs > forgetAfterMs
    // Put at the end, so that the oldest are always first.
    this.#entries.delete(key)
    this.#entries.set(key, { waitMs: isForgotten ? waitMsMin : Math.min(entry.waitMs * 2, waitMsMax), atMs: nowMs })
    for (const [oldest, { atMs }] of this.#entries) {
      if (nowMs - atMs <= forgetAfterMs) break
      this.#entries.delete(oldest)
    }
  }
}
