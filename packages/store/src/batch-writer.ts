import { randomUUID } from 'node:crypto'
import type pg from 'pg'
import { bigintArray, intArray, textArray } from './binary-array.ts'
import { newClient, reasonOf } from './database.ts'
import { KeyExists, KeyMissing, RevisionMismatch, type StoreError, StoreUnavailable } from './errors.ts'
import type { Revision, StoredKey, Write, WriteGroup } from './store.ts'

/**
 * Group commit. One batch is in flight at a time; what arrives meanwhile is the next one. A batch is one call of `commit_batch`.
 *
 * When the connection breaks while a batch is in flight nobody knows whether it was committed. The writer then ends the old session,
 * looks for the batch's id in the log, and either answers from there or commits the batch again: it never guesses.
 */

/** Larger batches raise latency without raising the rate. */
const batchWritesMax = 128
const batchBytesMax = 4 * 1024 * 1024
const reconnectMsMin = 50
const reconnectMsMax = 2000
/** How long a write waits for a database that does not answer before it is refused. */
const unavailableMsMax = 15_000

/** A write as committed: what the cache needs. */
export interface CommittedWrite {
  readonly write: Write
  readonly actor: string
  readonly revision: Revision
  readonly createdRevision: Revision
}

/** A batch that Postgres has committed, in revision order. */
export interface CommittedBatch {
  /** The revision before the batch. */
  readonly base: Revision
  readonly writes: readonly CommittedWrite[]
}

interface Pending {
  readonly group: WriteGroup
  readonly keys: readonly string[]
  readonly bytes: number
  readonly queuedAtMs: number
  resolve(writes: readonly CommittedWrite[]): void
  reject(error: Error): void
}

interface BatchRow {
  base: string
  status: number[] | null
  created: string[] | null
}

const commitSql = {
  name: 'commit_batch',
  text: 'SELECT base, status, created FROM commit_batch($1, $2::int[], $3::int[], $4::text[], $5::text[], $6::text[], $7::text[], $8::bigint[], $9::bigint[], $10::text[], $11::text[])',
}

// What a write's own status says against it; 4 is another's fault.
const refusals = new Set([1, 2, 3])
const kindNumber = { create: 0, update: 1, delete: 2 } as const

/** What a BatchWriter needs. */
export interface BatchWriterOptions {
  readonly url: string
  /** A revision known to be committed. */
  readonly currentRevision: () => Revision
  /** The revision at which an object was created, as far as is known; a wrong one costs time, nothing else. */
  readonly createdRevisionOf: (key: StoredKey) => Revision
  /** Resolves once the cache holds the batch; only then are its writers answered. */
  readonly onCommitted: (batch: CommittedBatch) => Promise<void>
}

/** See the file's head. */
export class BatchWriter {
  readonly #url: string
  readonly #onCommitted: (batch: CommittedBatch) => Promise<void>
  readonly #currentRevision: () => Revision
  readonly #createdRevisionOf: (key: StoredKey) => Revision
  #session = ''
  #client: pg.Client | undefined
  #queue: Pending[] = []
  #running = false
  #closed = false

  constructor({ url, currentRevision, createdRevisionOf, onCommitted }: BatchWriterOptions) {
    this.#url = url
    this.#currentRevision = currentRevision
    this.#createdRevisionOf = createdRevisionOf
    this.#onCommitted = onCommitted
  }

  /** True while a batch is being committed: its changes need not be read from the log. */
  get busy(): boolean {
    return this.#running
  }

  commit(group: WriteGroup): Promise<readonly CommittedWrite[]> {
    if (this.#closed) return Promise.reject(new StoreUnavailable('the store is closed'))
    const keys = group.writes.map(({ key }) => `${key.resource}\0${key.namespace}\0${key.name}`)
    const bytes = group.writes.reduce((sum, write) => sum + write.data.length, 0)
    const { promise, resolve, reject } = Promise.withResolvers<readonly CommittedWrite[]>()
    this.#queue.push({ group, keys, bytes, queuedAtMs: Date.now(), resolve, reject })
    if (!this.#running) {
      this.#running = true
      // What is handed over in the same tick shares the batch.
      setImmediate(() => void this.#run())
    }
    return promise
  }

  async close(): Promise<void> {
    this.#closed = true
    while (this.#running) await new Promise((resolve) => setTimeout(resolve, 5))
    await this.#client?.end().catch(() => undefined)
  }

  async #run(): Promise<void> {
    while (this.#queue.length > 0) {
      const batch = this.#take()
      await this.#commitBatch(batch).catch((error: Error) => {
        for (const pending of batch) pending.reject(error)
      })
    }
    this.#running = false
  }

  // The next groups in order, none of which writes a key that an earlier one of the batch writes: those wait for the next batch and see its outcome.
  #take(): Pending[] {
    const batch: Pending[] = []
    const keys = new Set<string>()
    const later: Pending[] = []
    let writes = 0
    let bytes = 0
    for (const [index, pending] of this.#queue.entries()) {
      const full =
        batch.length > 0 && (writes + pending.keys.length > batchWritesMax || bytes + pending.bytes > batchBytesMax)
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

  async #commitBatch(batch: readonly Pending[]): Promise<void> {
    const id = randomUUID()
    const since = this.#currentRevision()
    for (;;) {
      const client = await this.#connected(batch)
      try {
        const row = await send(client, id, batch, this.#createdRevisionOf)
        return await this.#settle(batch, row)
      } catch (error) {
        if (isDatabaseError(error)) return await this.#refuse(batch, error as Error)
        await this.#disconnect()
        const row = await this.#findCommitted(id, since, batch)
        if (row !== undefined) return await this.#settle(batch, row)
      }
    }
  }

  // A statement that Postgres refused (nothing was written): one write's fault must not be the others', so each is tried alone.
  async #refuse(batch: readonly Pending[], error: Error): Promise<void> {
    if (batch.length === 1) return (batch[0] as Pending).reject(error)
    for (const pending of batch) await this.#commitBatch([pending])
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
    if (writes.length > 0) await this.#onCommitted({ base, writes })
    for (const outcome of outcomes) outcome()
  }

  async #connected(batch: readonly Pending[]): Promise<pg.Client> {
    const oldestMs = Math.min(...batch.map((pending) => pending.queuedAtMs))
    for (let delayMs = reconnectMsMin; this.#client === undefined; delayMs = Math.min(delayMs * 2, reconnectMsMax)) {
      try {
        this.#client = await this.#connect()
      } catch (error) {
        if (this.#closed || Date.now() - oldestMs > unavailableMsMax)
          throw new StoreUnavailable(`the database does not answer: ${reasonOf(error)}`, { cause: error })
        await new Promise((resolve) => setTimeout(resolve, delayMs))
      }
    }
    return this.#client
  }

  async #connect(): Promise<pg.Client> {
    const session = `binnacle-writer-${randomUUID()}`
    const client = newClient(this.#url, session)
    await client.connect()
    // The batch's few keys are looked up by index, whatever the statistics say.
    await client.query(
      'SET enable_seqscan = off; SET enable_hashjoin = off; SET enable_mergejoin = off; SET plan_cache_mode = force_generic_plan; SET jit = off; SET synchronous_commit = on',
    )
    client.on('end', () => {
      if (this.#client === client) this.#client = undefined
    })
    this.#session = session
    return client
  }

  async #disconnect(): Promise<void> {
    const client = this.#client
    this.#client = undefined
    await Promise.race([client?.end().catch(() => undefined), new Promise((resolve) => setTimeout(resolve, 500))])
  }

  /** What became of a batch whose answer was lost. The old session is ended first: otherwise it might still commit after we looked. */
  async #findCommitted(id: string, since: Revision, batch: readonly Pending[]): Promise<BatchRow | undefined> {
    const session = this.#session
    for (let delayMs = reconnectMsMin; ; delayMs = Math.min(delayMs * 2, reconnectMsMax)) {
      try {
        const client = await this.#connect()
        this.#client = client
        await endSession(client, session)
        return await readBatch(client, id, since, batch)
      } catch (error) {
        // It cannot be said yet what happened, so nobody is answered: not "failed" for what may be committed.
        if (this.#closed)
          throw new StoreUnavailable(`the outcome of a write is unknown: ${reasonOf(error)}`, { cause: error })
        await this.#disconnect()
        await new Promise((resolve) => setTimeout(resolve, delayMs))
      }
    }
  }
}

async function send(
  client: pg.Client,
  id: string,
  batch: readonly Pending[],
  createdRevisionOf: (key: StoredKey) => Revision,
): Promise<BatchRow> {
  const writes = batch.flatMap((pending, group) =>
    pending.group.writes.map((write) => ({ group, write, actor: pending.group.actor })),
  )
  const result = await client.query<BatchRow>({
    ...commitSql,
    values: [
      id,
      intArray(writes.map(({ group }) => group)),
      intArray(writes.map(({ write }) => kindNumber[write.kind])),
      textArray(writes.map(({ write }) => write.key.resource)),
      textArray(writes.map(({ write }) => write.key.namespace)),
      textArray(writes.map(({ write }) => write.key.name)),
      textArray(writes.map(({ write }) => write.uid)),
      bigintArray(writes.map(({ write }) => write.expectedRevision)),
      bigintArray(writes.map(({ write }) => (write.kind === 'create' ? 0 : createdRevisionOf(write.key)))),
      textArray(writes.map(({ actor }) => actor)),
      textArray(writes.map(({ write }) => write.data)),
    ],
  })
  return result.rows[0] as BatchRow
}

async function endSession(client: pg.Client, session: string): Promise<void> {
  for (;;) {
    const { rowCount } = await client.query(
      'SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = $1',
      [session],
    )
    if (rowCount === 0) return
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
}

// Reconstructs the answer from the log: a committed group has all its writes there, under adjacent revisions in the batch's order.
async function readBatch(
  client: pg.Client,
  id: string,
  since: Revision,
  batch: readonly Pending[],
): Promise<BatchRow | undefined> {
  const { rows } = await client.query<{
    revision: string
    resource: string
    namespace: string
    name: string
    created_revision: string
  }>(
    'SELECT revision, resource, namespace, name, created_revision FROM changes WHERE revision > $1 AND batch = $2 ORDER BY revision',
    [since, id],
  )
  const first = rows[0]
  if (first === undefined) return undefined
  const found = new Map(rows.map((row) => [`${row.resource}\0${row.namespace}\0${row.name}`, row.created_revision]))
  const keys = batch.flatMap((pending) => pending.keys)
  const kinds = batch.flatMap((pending) => pending.group.writes.map((write) => write.kind))
  return {
    base: String(Number(first.revision) - 1),
    status: keys.map((key, index) => (found.has(key) ? 0 : kinds[index] === 'create' ? 1 : 3)),
    created: keys.map((key) => found.get(key) ?? '0'),
  }
}

// An answer of Postgres (five-character code), as opposed to a broken connection. Class 57 and 08: it is going away, the outcome must be looked up.
function isDatabaseError(error: unknown): boolean {
  const code = (error as { code?: string }).code
  return (
    typeof code === 'string' &&
    /^[0-9A-Z]{5}$/.test(code) &&
    /\d/.test(code) &&
    !code.startsWith('57') &&
    !code.startsWith('08')
  )
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
