import type pg from 'pg'
import type { DataSource } from 'typeorm'
import { type ChangeRow, newClient } from './database.ts'
import type { Revision } from './store.ts'

/**
 * Hears of new revisions. A notification only wakes: what changed is always read from the log, in revision order. A slow poll covers
 * notifications that were lost, and poolers that carry none.
 *
 *     connecting ──LISTEN──▶ listening ──connection lost──▶ waiting ──back-off──▶ connecting
 */

const pollMs = 1000
const reconnectMsMin = 100
const reconnectMsMax = 5000

/** Calls back with revisions that are known to be committed, in no particular order, some more than once. */
export class RevisionListener {
  readonly #url: string
  readonly #dataSource: DataSource
  readonly #onRevision: (revision: Revision) => void
  #client: pg.Client | undefined
  #timer: NodeJS.Timeout | undefined
  #closed = false

  constructor(url: string, dataSource: DataSource, onRevision: (revision: Revision) => void) {
    this.#url = url
    this.#dataSource = dataSource
    this.#onRevision = onRevision
  }

  start(): void {
    void this.#listen(reconnectMsMin)
    this.#schedulePoll()
  }

  async close(): Promise<void> {
    this.#closed = true
    clearTimeout(this.#timer)
    await this.#client?.end().catch(() => undefined)
  }

  async #listen(delayMs: number): Promise<void> {
    if (this.#closed) return
    const client = newClient(this.#url, 'binnacle-listener')
    const again = (): void => {
      if (!this.#closed) setTimeout(() => void this.#listen(Math.min(delayMs * 2, reconnectMsMax)), delayMs).unref()
    }
    try {
      await client.connect()
      client.on('notification', ({ payload }) => this.#onRevision(Number(payload)))
      client.once('end', () => void this.#listen(reconnectMsMin))
      await client.query('LISTEN binnacle_revision')
      this.#client = client
      await this.#poll()
    } catch {
      client.removeAllListeners('end')
      await client.end().catch(() => undefined)
      again()
    }
  }

  #schedulePoll(): void {
    this.#timer = setTimeout(() => {
      // A database that does not answer is tried again; requests that need it say so themselves.
      void this.#poll()
        .catch(() => undefined)
        .finally(() => {
          if (!this.#closed) this.#schedulePoll()
        })
    }, pollMs)
    this.#timer.unref()
  }

  async #poll(): Promise<void> {
    this.#onRevision(await readRevision(this.#dataSource))
  }
}

/** The newest committed revision. */
export async function readRevision(dataSource: DataSource): Promise<Revision> {
  const rows = (await dataSource.query('SELECT revision FROM revision')) as { revision: string }[]
  return Number((rows[0] as { revision: string }).revision)
}

/** Changes after a revision, oldest first, at most `limit`. */
export async function readChanges(dataSource: DataSource, after: Revision, limit: number): Promise<ChangeRow[]> {
  return (await dataSource.query('SELECT * FROM changes WHERE revision > $1 ORDER BY revision LIMIT $2', [
    after,
    limit,
  ])) as ChangeRow[]
}
