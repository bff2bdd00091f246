/** How a queue is doing. */
export interface WorkQueueFigures {
  readonly depth: number
  readonly adds: number
  readonly retries: number
  readonly processing: number
}

const backOffMsMin = 5
const backOffMsMax = 1_000_000

/**
 * Keys that need work (client-go `workqueue`): a key waits once, however often it is added; it is never worked on twice at once; added meanwhile, it
 * comes again afterwards. Retries wait exponentially longer for each failure of that key.
 */
export class WorkQueue {
  readonly #waiting: string[] = []
  readonly #dirty = new Set<string>()
  readonly #processing = new Set<string>()
  readonly #failures = new Map<string, number>()
  readonly #timers = new Map<string, { timer: NodeJS.Timeout; atMs: number }>()
  readonly #onReady: () => void
  #adds = 0
  #retries = 0
  #closed = false

  /** `onReady` is called when a key can be taken. */
  constructor(onReady: () => void) {
    this.#onReady = onReady
  }

  add(key: string): void {
    if (this.#closed || this.#dirty.has(key)) return
    this.#adds++
    this.#dirty.add(key)
    if (this.#processing.has(key)) return
    this.#waiting.push(key)
    this.#onReady()
  }

  /** Adds the key after a time; an earlier time that is already set stays. */
  addAfter(key: string, afterMs: number): void {
    if (this.#closed) return
    if (afterMs <= 0) return this.add(key)
    const atMs = Date.now() + afterMs
    const set = this.#timers.get(key)
    if (set !== undefined && set.atMs <= atMs) return
    clearTimeout(set?.timer)
    const timer = setTimeout(
      () => {
        this.#timers.delete(key)
        this.add(key)
      },
      Math.min(afterMs, 2_000_000_000),
    )
    timer.unref()
    this.#timers.set(key, { timer, atMs })
  }

  /** Adds the key after a failure, later each time. */
  addRateLimited(key: string): void {
    const failures = this.#failures.get(key) ?? 0
    this.#failures.set(key, failures + 1)
    this.#retries++
    this.addAfter(key, Math.min(backOffMsMin * 2 ** failures, backOffMsMax))
  }

  /** The key has succeeded: its next failure waits shortly again. */
  forget(key: string): void {
    this.#failures.delete(key)
  }

  failuresOf(key: string): number {
    return this.#failures.get(key) ?? 0
  }

  /** Takes the next key; {@link done} must follow. */
  take(): string | undefined {
    const key = this.#waiting.shift()
    if (key === undefined) return undefined
    this.#dirty.delete(key)
    this.#processing.add(key)
    return key
  }

  done(key: string): void {
    this.#processing.delete(key)
    if (!this.#dirty.has(key) || this.#closed) return
    this.#waiting.push(key)
    this.#onReady()
  }

  get figures(): WorkQueueFigures {
    return { depth: this.#waiting.length, adds: this.#adds, retries: this.#retries, processing: this.#processing.size }
  }

  /** Drops what waits; what is being worked on may finish. */
  close(): void {
    this.#closed = true
    this.#waiting.length = 0
    this.#dirty.clear()
    for (const { timer } of this.#timers.values()) clearTimeout(timer)
    this.#timers.clear()
  }
}
