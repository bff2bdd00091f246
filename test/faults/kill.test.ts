import { createServer, type AddressInfo } from 'node:net'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { SeededRandom } from '@binnacle/testing'
import { eventually, https, type Product, startProduct } from '../fixtures/product.ts'
import { killAll, type SecondProcess, secondApi, secondWorkers, victimsOf } from './processes.ts'
import { FaultRun } from './run.ts'
import type { Server } from './servers.ts'

/**
 * Kill −9 of any process at any time while 64 clients write through two API servers on one database. FAULTS_SEED repeats a run's choices;
 * FAULTS_SECONDS makes it a long soak.
 */

const seed = Number(process.env['FAULTS_SEED'] ?? Date.now() % 1_000_000)
const seconds = Number(process.env['FAULTS_SECONDS'] ?? 25)
const clients = 64
const pauseMsMax = 1200
/** So many writes must succeed after a kill before the next one. */
const acknowledgedMin = 100

let product: Product
let api: SecondProcess
let workers: SecondProcess
let metricsPort: number
let first: Server
let second: Server

beforeAll(async () => {
  process.stdout.write(`faults: FAULTS_SEED=${seed} FAULTS_SECONDS=${seconds}\n`)
  product = startProduct(['--simulated-nodes', '3', '--no-dashboard'])
  metricsPort = await freePort()
  api = secondApi(product)
  workers = secondWorkers(product, metricsPort)
  await Promise.all([api.start(), workers.start()])
  first = { name: 'the API server', address: () => product.endpoints.api }
  second = { name: 'the second API server', address: () => `https://127.0.0.1:${api.port}` }
}, 240_000)
afterAll(async () => {
  await Promise.all([api?.stop(), workers?.stop()])
  product?.remove()
})

function freePort(): Promise<number> {
  return new Promise((resolve) => {
    const server = createServer()
    server.listen(0, '127.0.0.1', () => {
      const { port } = server.address() as AddressInfo
      server.close(() => resolve(port))
    })
  })
}

async function killRounds(run: FaultRun, random: SeededRandom): Promise<number> {
  const victims = victimsOf(product, api, workers)
  // Everything dies once, in a random order; then whatever chance picks.
  const next = random.shuffle(victims)
  const deadlineMs = Date.now() + seconds * 1000
  let kills = 0
  for (; next.length > 0 || Date.now() < deadlineMs; kills++) {
    const victim = next.pop() ?? random.pick(victims)
    await new Promise((resolve) => setTimeout(resolve, random.below(pauseMsMax)))
    await eventually(() => {
      const pid = victim.pid()
      if (pid === undefined) throw new Error(`${victim.name} is not there`)
      process.kill(pid, 'SIGKILL')
    })
    await run.progress(acknowledgedMin, `kill ${kills + 1}, of ${victim.name}`)
  }
  return kills
}

const lease = async (): Promise<{ holderIdentity: string }> => {
  const url = `${product.endpoints.api}/apis/coordination.k8s.io/v1/namespaces/kube-system/leases/kube-controller-manager`
  return JSON.parse((await https(product, url)).body).spec
}

/** Kills the workers that lead, and gives the identity that they had. */
async function killLeader(): Promise<string> {
  const { holderIdentity } = await lease()
  const metrics = await (await fetch(`http://127.0.0.1:${metricsPort}/metrics`)).text()
  const secondLeads = metrics.includes('leader_election_master_status{name="kube-controller-manager"} 1')
  const firstPid = product.pids('apps/workers/src/main.ts').find((pid) => pid !== workers.pid)
  process.kill((secondLeads ? workers.pid : firstPid) as number, 'SIGKILL')
  return holderIdentity
}

async function scale(replicas: number): Promise<void> {
  const body = JSON.stringify({ spec: { replicas } })
  const headers = { 'content-type': 'application/merge-patch+json' }
  const url = `${product.endpoints.api}/apis/apps/v1/namespaces/default/deployments/steady/scale`
  expect((await https(product, url, { method: 'PATCH', body, headers })).status).toBe(200)
}

async function expectReady(replicas: number): Promise<void> {
  await eventually(async () => {
    const deployment = `${product.endpoints.api}/apis/apps/v1/namespaces/default/deployments/steady`
    const { status } = JSON.parse((await https(product, deployment)).body)
    expect(status).toMatchObject({ replicas, readyReplicas: replicas })
    const pods = `${product.endpoints.api}/api/v1/namespaces/default/pods?labelSelector=app%3Dsteady`
    expect(JSON.parse((await https(product, pods)).body).items).toHaveLength(replicas)
  }, 90)
}

describe('kill −9 of any process', () => {
  it(
    'loses no write that was acknowledged to 64 clients, and watchers that resume see every event once and in order',
    async () => {
      const run = await FaultRun.begin({ product, servers: [first, second], namespace: 'killed', clients, seed })
      const kills = await killRounds(run, new SeededRandom(seed))
      const problems = await run.problems()
      process.stdout.write(`faults: ${kills} kills, ${run.summary()}\n`)
      run.close()
      expect(problems).toEqual([])
      expect(run.resumedMin).toBeGreaterThan(0)
    },
    (seconds + 240) * 1000,
  )

  it('lets the standby take over by the Lease and reach the right number of replicas', async () => {
    const labels = { app: 'steady' }
    const spec = { containers: [{ name: 'c', image: 'busybox:1.36' }] }
    const deployment = {
      apiVersion: 'apps/v1',
      kind: 'Deployment',
      metadata: { name: 'steady' },
      spec: { replicas: 5, selector: { matchLabels: labels }, template: { metadata: { labels }, spec } },
    }
    const url = `${product.endpoints.api}/apis/apps/v1/namespaces/default/deployments`
    await https(product, url, { method: 'POST', body: JSON.stringify(deployment) })
    await expectReady(5)
    const leader = await killLeader()
    await scale(20)
    await expectReady(20)
    expect((await lease()).holderIdentity).not.toBe(leader)
  }, 240_000)

  it('of everything at once leaves all that was acknowledged for the next start', async () => {
    await Promise.all([api.stop(), workers.stop()])
    const run = await FaultRun.begin({ product, servers: [first], namespace: 'all-killed', clients, seed: seed + 1 })
    await run.progress(acknowledgedMin * 3, 'the start of the load')
    killAll(product)
    product.restart()
    await run.progress(acknowledgedMin, 'the second start')
    const problems = await run.problems()
    run.close()
    expect(problems).toEqual([])
  }, 240_000)
})
