import { spawn } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import pg from 'pg'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type RunningPostgres, startPostgres } from './run-postgres.ts'

let folder: string
let dataDir: string
let postgres: RunningPostgres

const start = async (port?: number): Promise<void> => {
  const settings = { shared_buffers: '128MB' }
  postgres = await startPostgres({ dataDir, settings, ...(port === undefined ? {} : { port }) })
}

beforeAll(async () => {
  folder = mkdtempSync(path.join(tmpdir(), 'binnacle-run-postgres-'))
  dataDir = path.join(folder, 'data')
  await start()
})
afterAll(async () => {
  await postgres?.stop()
  rmSync(folder, { recursive: true, force: true })
})

async function connect(): Promise<pg.Client> {
  const client = new pg.Client({ connectionString: postgres.url })
  client.on('error', () => undefined)
  await client.connect()
  return client
}

async function query(sql: string): Promise<unknown[]> {
  const client = await connect()
  try {
    return (await client.query(sql)).rows
  } finally {
    await client.end()
  }
}

describe('an embedded Postgres that was killed', () => {
  it('says how it ended', async () => {
    process.kill(postgres.pid, 'SIGKILL')
    expect(await postgres.ended).toBe('SIGKILL')
    await start()
  })

  it('starts again on its port with what was committed, though sessions outlive it for a while', async () => {
    await query('CREATE TABLE kept (n int); INSERT INTO kept VALUES (1)')
    const sleeper = await connect()
    const sleeping = sleeper.query('SELECT pg_sleep(1)').catch(() => undefined)
    const port = Number(new URL(postgres.url).port)
    process.kill(postgres.pid, 'SIGKILL')
    await postgres.ended
    await start(port)
    await sleeping
    expect(await query('SELECT n FROM kept')).toEqual([{ n: 1 }])
  })

  it('starts though another program has its process number by now', async () => {
    const lockFile = path.join(dataDir, 'postmaster.pid')
    const lock = readFileSync(lockFile, 'utf8')
    process.kill(postgres.pid, 'SIGKILL')
    await postgres.ended
    const other = spawn('sleep', ['60'])
    try {
      writeFileSync(lockFile, lock.replace(/^\d+/, String(other.pid)))
      await start()
      expect(await query('SELECT n FROM kept')).toEqual([{ n: 1 }])
    } finally {
      other.kill()
    }
  })
})
