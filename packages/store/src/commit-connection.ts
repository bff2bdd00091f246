import { randomUUID } from 'node:crypto'
import type pg from 'pg'
import { bigintArray, intArray, textArray } from './binary-array.ts'
import { newClient, reasonOf } from './database.ts'
import { StoreUnavailable } from './errors.ts'
import type { Revision, StoredKey, Write, WriteGroup } from './store.ts'

/**
 * A connection that commits batches, one at a time; a batch is one call of `commit_batch`.
 *
 * When the connection breaks while a batch is in flight nobody knows whether it was committed. The old session is then ended, the batch's
 * id is looked for in the log, and it is either answered from there or committed again: nothing is guessed.
 */

const reconnectMsMin = 50
const reconnectMsMax = 2000
/** How long a write waits for a database that does not answer before it is refused. */
const unavailableMsMax = 15_000

/** A group that waits for its commit. */
export interface Pending {
  readonly group: WriteGroup
  readonly keys: readonly string[]
  readonly bytes: number
  readonly queuedAtMs: number
  resolve(writes: readonly CommittedWrite[]): void
  reject(error: Error): void
}

/** A write as committed: what the cache needs. */
export interface CommittedWrite {
  readonly write: Write
  readonly actor: string
  readonly revision: Revision
  readonly createdRevision: Revision
}

/** The answer of `commit_batch`. `status` null: everything is committed. */
export interface BatchRow {
  base: string
  status: number[] | null
  created: string[] | null
}

const commitSql = {
  name: 'commit_batch',
  text: 'SELECT base, status, created FROM commit_batch($1, $2::int[], $3::int[], $4::text[], $5::text[], $6::text[], $7::text[], $8::bigint[], $9::bigint[], $10::text[], $11::text[])',
}
const kindNumber = { create: 0, update: 1, delete: 2 } as const

/** What a CommitConnection needs. */
export interface CommitConnectionOptions {
  readonly url: string
  /** A revision known to be committed. */
  readonly currentRevision: () => Revision
  /** The revision at which an object was created, as far as is known; a wrong one costs time, nothing else. */
  readonly createdRevisionOf: (key: StoredKey) => Revision
}

/** See the file's head. */
export class CommitConnection {
  readonly #options: CommitConnectionOptions
  #session = ''
  #client: pg.Client | undefined
  #closed = false

  constructor(options: CommitConnectionOptions) {
    this.#options = options
  }

  /** @throws the database's error when it refused the statement (nothing is written); StoreUnavailable when it cannot be reached */
  async commit(batch: readonly Pending[]): Promise<BatchRow> {
    const id = randomUUID()
    const since = this.#options.currentRevision()
    for (;;) {
      const client = await this.#connected(batch)
      try {
        return await send(client, id, batch, this.#options.createdRevisionOf)
      } catch (error) {
        if (isDatabaseError(error)) throw error
        await this.#disconnect()
        const row = await this.#findCommitted(id, since, batch)
        if (row !== undefined) return row
      }
    }
  }

  async close(): Promise<void> {
    this.#closed = true
    await this.#client?.end().catch(() => undefined)
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
    const client = newClient(this.#options.url, session)
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
