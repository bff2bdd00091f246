import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type RunningPostgres, startPostgres } from '@binnacle/store/postgres'
import { type Product, startProduct } from '../fixtures/product.ts'
import { bodyOf, collectionOf } from './load.ts'
import { FaultRun } from './run.ts'
import type { Server } from './servers.ts'

/** A database of the operator's own goes away under load and comes back. */

const seed = Number(process.env['FAULTS_SEED'] ?? Date.now() % 1_000_000)
const clients = 32
const rounds = 3
const collection = collectionOf('restarted')

let folder: string
let postgres: RunningPostgres
let product: Product
let server: Server
let run: FaultRun

beforeAll(async () => {
  process.stdout.write(`faults: FAULTS_SEED=${seed}\n`)
  folder = mkdtempSync(path.join(tmpdir(), 'binnacle-faults-postgres-'))
  postgres = await startPostgres({ dataDir: path.join(folder, 'data'), settings: { shared_buffers: '128MB' } })
  product = startProduct(['--database-url', postgres.url, '--simulated-nodes', '1', '--no-dashboard'])
  server = { name: 'the API server', address: () => product.endpoints.api }
  run = await FaultRun.begin({ product, servers: [server], namespace: 'restarted', clients, seed })
}, 240_000)
afterAll(async () => {
  run?.close()
  product?.remove()
  await postgres?.stop()
  rmSync(folder, { recursive: true, force: true })
})

async function restart(): Promise<void> {
  postgres = await startPostgres({
    dataDir: path.join(folder, 'data'),
    port: Number(new URL(postgres.url).port),
    settings: { shared_buffers: '128MB' },
  })
}

const get = (target: string) => run.requests.send(server, 'GET', target)

describe('Postgres restarted under load', () => {
  it('goes on reading from the cache, says what cannot be answered, and lets writes wait', async () => {
    await run.progress(200, 'the start of the load')
    await postgres.stop()
    const [list, item, fresh, alive, ready] = await Promise.all([
      get(`${collection}?resourceVersion=0`),
      get(`${collection}/shared-0?resourceVersion=0`),
      get(`${collection}/shared-0`),
      get('/livez'),
      get('/readyz'),
    ])
    expect([list.status, item.status, fresh.status, alive.status, ready.status]).toEqual([200, 200, 503, 200, 500])
    expect(list.body.items.length).toBeGreaterThan(0)
    expect(fresh.body).toMatchObject({ kind: 'Status', reason: 'ServiceUnavailable', code: 503 })
    const body = bodyOf('default', { name: 'patient', token: 'patient' })
    const waiting = run.requests.send(server, 'POST', collectionOf('default'), body)
    await restart()
    expect((await waiting).status).toBe(201)
    await run.progress(100, 'the restart')
  }, 120_000)

  it('loses nothing that was acknowledged, restart after restart', async () => {
    for (let round = 1; round <= rounds; round++) {
      await postgres.stop()
      await restart()
      await run.progress(100, `restart ${round}`)
    }
    expect(await run.problems()).toEqual([])
  }, 240_000)
})
