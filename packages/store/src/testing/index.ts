/** A throw-away database for a test file: `BINNACLE_TEST_DATABASE_URL` names a server to use, else one is started. */
import { randomBytes } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import pg from 'pg'
import { startPostgres } from '../postgres/run-postgres.ts'

/** A database of one's own. */
export interface TestDatabase {
  readonly url: string
  /** Drops it, and stops the server that was started for it. */
  drop(): Promise<void>
}

/** Makes a database. */
export async function createTestDatabase(): Promise<TestDatabase> {
  const shared = process.env['BINNACLE_TEST_DATABASE_URL']
  if (shared !== undefined) return await createOn(shared, async () => undefined)
  const folder = mkdtempSync(path.join(tmpdir(), 'binnacle-postgres-'))
  const server = await startPostgres({ dataDir: path.join(folder, 'data'), settings: { shared_buffers: '128MB' } })
  return await createOn(server.url, async () => {
    await server.stop()
    rmSync(folder, { recursive: true, force: true })
  })
}

async function createOn(serverUrl: string, afterwards: () => Promise<void>): Promise<TestDatabase> {
  const name = `test_${randomBytes(6).toString('hex')}`
  await execute(serverUrl, `CREATE DATABASE ${name}`)
  const url = new URL(serverUrl)
  url.pathname = `/${name}`
  return {
    url: url.href,
    async drop() {
      await execute(serverUrl, `DROP DATABASE ${name} WITH (FORCE)`)
      await afterwards()
    },
  }
}

async function execute(url: string, statement: string): Promise<void> {
  const client = new pg.Client({ connectionString: url })
  await client.connect()
  try {
    await client.query(statement)
  } finally {
    await client.end()
  }
}
