import {
  CommitConnection,
  type CommitConnectionOptions,
  type CommittedWrite,
  type BatchRow,
  type Pending,
} from './commit-connection.ts'
import { KeyExists, KeyMissing, RevisionMismatch, type StoreError, StoreUnavailable } from './errors.ts'
import type { Revision, Write, WriteGroup } from './store.ts'

/**
 * Group commit: what arrives while batches are in flight is the next one. Two may be in flight, each on a connection of its own: while one is being
 * committed, under the lock, the other is prepared, sent and received. They are settled in the order of their revisions.
 */

const inFlightMax = 2
/** Larger batches raise latency without raising the rate. */
const batchWritesMax = 128
const batchBytesMax = 4 * 1024 * 1024
/** From so many waiting writes on, an idle writer takes half of them, so that the other half can follow at once. */
const splitWritesMin = 16
// What a write's own status says against it; 4 is another's fault.
const refusals = new Set([1, 2, 3])

/** A batch that Postgres has committed, in revision order. */
export interface CommittedBatch {
  /** The revision before the batch. */
  readonly base: Revision
  readonly writes: readonly CommittedWrite[]
}

/** A batch that is under way: when its revision is known, and when its writers have been answered. */
interface Flight {
  /** The revision before it; undefined when it failed. */
  readonly base: Promise<Revision | undefined>
  readonly settled: Promise<void>
}

/** What a BatchWriter needs. */
export interface BatchWriterOptions extends CommitConnectionOptions {
  /** Resolves once the cache holds the batch; only then are its writers answered. */
  readonly onCommitted: (batch: CommittedBatch) => Promise<void>
}

/** See the file's head. */
export class BatchWriter {
  readonly #options: BatchWriterOptions
  readonly #idle: CommitConnection[]
  readonly #inFlight = new Set<Flight>()
  #queue: Pending[] = []
  #scheduled = false
  #closed = false

  constructor(options: BatchWriterOptions) {
    this.#options = options
    this.#idle = Array.from({ length: inFlightMax }, () => new CommitConnection(options))
  }

  /** True while a batch is being committed: its changes need not be read from the log. */
  get busy(): boolean {
    return this.#inFlight.size > 0
  }

  commit(group: WriteGroup): Promise<readonly CommittedWrite[]> {
    if (this.#closed) return Promise.reject(new StoreUnavailable('the store is closed'))
    const keys = group.writes.map(({ key }) => `${key.resource}\0${key.namespace}\0${key.name}`)
    const bytes = group.writes.reduce((sum, write) => sum + write.data.length, 0)
    const { promise, resolve, reject } = Promise.withResolvers<readonly CommittedWrite[]>()
    this.#queue.push({ group, keys, bytes, queuedAtMs: Date.now(), resolve, reject })
    this.#schedule()
    return promise
  }

  async close(): Promise<void> {
    this.#closed = true
    while (this.#queue.length > 0 || this.busy) await new Promise((resolve) => setTimeout(resolve, 5))
    await Promise.all(this.#idle.map((connection) => connection.close()))
  }

  // What is handed over in the same tick shares the batch.
  #schedule(): void {
    if (this.#scheduled || this.#idle.length === 0) return
    this.#scheduled = true
    setImmediate(() => {
      this.#scheduled = false
      while (this.#queue.length > 0) {
        const connection = this.#idle.pop()
        if (connection === undefined) return
        this.#launch(connection, this.#take())
      }
    })
  }

  #launch(connection: CommitConnection, batch: readonly Pending[]): void {
    const { promise: base, resolve } = Promise.withResolvers<Revision | undefined>()
    const settled = this.#commitBatch(connection, batch, resolve)
      .catch((error: Error) => {
        resolve(undefined)
        for (const pending of batch) pending.reject(error)
      })
      .then(() => {
        this.#inFlight.delete(flight)
        this.#idle.push(connection)
        if (this.#queue.length > 0) this.#schedule()
      })
    const flight: Flight = { base, settled }
    this.#inFlight.add(flight)
  }

  // The next groups in order, none of which writes a key that an earlier one of the batch writes: those wait for the next batch and see its outcome.
  #take(): Pending[] {
    const batch: Pending[] = []
    const keys = new Set<string>()
    const later: Pending[] = []
    const split = this.#inFlight.size === 0 && this.#queue.length >= splitWritesMin
    const writesMax = split ? Math.min(batchWritesMax, Math.ceil(this.#queue.length / inFlightMax)) : batchWritesMax
    let writes = 0
    let bytes = 0
    for (const [index, pending] of this.#queue.entries()) {
      const full =
        batch.length > 0 && (writes + pending.keys.length > writesMax || bytes + pending.bytes > batchBytesMax)
      if (full) {
        later.push(...this.#queue.slice(index))
        break
      }
      if (pending.keys.some((key) => keys.has(key))) {
        later.push(pending)
        // Whoever waits keeps its place before later writes of the same keys.
        for (const key of pending.keys) keys.add(key)
        continue
      }
      for (const key of pending.keys) keys.add(key)
      batch.push(pending)
      writes += pending.keys.length
      bytes += pending.bytes
    }
    this.#queue = later
    return batch
  }

  async #commitBatch(
    connection: CommitConnection,
    batch: readonly Pending[],
    onCommitted: (base: Revision | undefined) => void,
  ): Promise<void> {
    let row: BatchRow
    try {
      row = await connection.commit(batch)
    } catch (error) {
      onCommitted(undefined)
      if (error instanceof StoreUnavailable || batch.length === 1) throw error
      // Postgres refused the statement, so nothing was written. One write's fault must not be the others': each is tried alone.
      for (const pending of batch)
        await this.#commitBatch(connection, [pending], onCommitted).catch((alone: Error) => pending.reject(alone))
      return
    }
    const base = Number(row.base)
    onCommitted(base)
    // Another batch may have been committed before this one and not be settled yet.
    if (base > this.#options.currentRevision()) await this.#settledBefore(base)
    await this.#settle(batch, row)
  }

  async #settledBefore(base: Revision): Promise<void> {
    for (const other of this.#inFlight) {
      const otherBase = await other.base
      if (otherBase !== undefined && otherBase < base) await other.settled
    }
  }

  async #settle(batch: readonly Pending[], row: BatchRow): Promise<void> {
    const base = Number(row.base)
    const { status } = row
    const created = row.created ?? []
    const writes: CommittedWrite[] = []
    const outcomes: (() => void)[] = []
    let at = 0
    for (const pending of batch) {
      const start = writes.length
      const failed = pending.group.writes.findIndex((_, index) => refusals.has(status?.[at + index] ?? 0))
      for (const [index, write] of pending.group.writes.entries()) {
        if (status !== null && status[at + index] !== 0) continue
        const revision = base + writes.length + 1
        writes.push({
          write,
          actor: pending.group.actor,
          revision,
          createdRevision: write.kind === 'create' ? revision : Number(created[at + index]),
        })
      }
      const own = writes.slice(start)
      if (failed < 0) outcomes.push(() => pending.resolve(own))
      else {
        const error = refusal(pending.group.writes[failed] as Write, status?.[at + failed] as number)
        outcomes.push(() => pending.reject(error))
      }
      at += pending.group.writes.length
    }
    if (writes.length > 0) await this.#options.onCommitted({ base, writes })
    for (const outcome of outcomes) outcome()
  }
}

function refusal(write: Write, status: number): StoreError {
  const { resource, namespace, name } = write.key
  const where = `${resource} ${namespace === '' ? '' : `${namespace}/`}${name}`
  const error =
    status === 1
      ? new KeyExists(`${where} exists`)
      : status === 2
        ? new KeyMissing(`${where} does not exist`)
        : new RevisionMismatch(`${where} is not at revision ${write.expectedRevision}`)
  error.key = write.key
  return error
}
