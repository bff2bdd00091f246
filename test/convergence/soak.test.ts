import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { SeededRandom } from '@binnacle/testing'
import { type SecondProcess, secondApi, secondWorkers, type Victim, victimsOf } from '../faults/processes.ts'
import { Requests, type Server } from '../faults/servers.ts'
import { eventually, type Product, startProduct } from '../fixtures/product.ts'
import { changesBetween, type CollectionName, collections, problemsOf, type Snapshot } from './invariants.ts'
import { Workloads } from './workloads.ts'

/**
 * Workloads change without pause while API servers, workers, nodes and Postgres are killed at random. Then everything is left alone, and has to come to
 * the state that was asked for last. CONVERGENCE_SEED repeats a run's choices; CONVERGENCE_SECONDS makes it a long soak.
 */

const seed = Number(process.env['CONVERGENCE_SEED'] ?? Date.now() % 1_000_000)
const seconds = Number(process.env['CONVERGENCE_SECONDS'] ?? 45)
const killPauseMs = { from: 500, to: 4000 }
const actionPauseMsMax = 200
/** Pods of a node that is gone are given up after a minute; what has failed often waits longer each time. */
const settleSecondsMax = 240
const restMs = 15_000

let product: Product
let api: SecondProcess
let workers: SecondProcess
let requests: Requests
let servers: readonly [Server, Server]

beforeAll(async () => {
  process.stdout.write(`convergence: CONVERGENCE_SEED=${seed} CONVERGENCE_SECONDS=${seconds}\n`)
  product = startProduct(['--simulated-nodes', '4', '--no-dashboard'])
  api = secondApi(product)
  workers = secondWorkers(product)
  await Promise.all([api.start(), workers.start()])
  requests = new Requests(product, 8)
  servers = [
    { name: 'the API server', address: () => product.endpoints.api },
    { name: 'the second API server', address: () => `https://127.0.0.1:${api.port}` },
  ]
}, 240_000)
afterAll(async () => {
  requests?.close()
  await Promise.all([api?.stop(), workers?.stop()])
  product?.remove()
})

const sleep = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms))

async function kill(victim: Victim): Promise<void> {
  await eventually(() => {
    const pid = victim.pid()
    if (pid === undefined) throw new Error(`${victim.name} is not there`)
    process.kill(pid, 'SIGKILL')
  }, 120)
}

async function killUntil(untilMs: number, random: SeededRandom): Promise<string[]> {
  const victims = victimsOf(product, api, workers)
  // Everything dies once, in a random order; then whatever chance picks.
  const next = random.shuffle(victims)
  const killed: string[] = []
  while (next.length > 0 || Date.now() < untilMs) {
    await sleep(killPauseMs.from + random.below(killPauseMs.to - killPauseMs.from))
    const victim = next.pop() ?? random.pick(victims)
    await kill(victim)
    killed.push(victim.name)
  }
  // Nodes that somebody has deleted come back with their agent, and with them the volumes that pods wait for.
  for (const victim of victims) if (victim.name === 'the simulated nodes') await kill(victim)
  return killed
}

async function change(workloads: Workloads, random: SeededRandom, untilMs: number): Promise<void> {
  while (Date.now() < untilMs) {
    await workloads.step()
    await sleep(random.below(actionPauseMsMax))
  }
}

async function look(): Promise<Snapshot> {
  const lists = Object.entries(collections).map(async ([name, path]) => {
    const { status, body } = await requests.send(servers[0], 'GET', path)
    if (status !== 200) throw new Error(`${path} was answered with ${status}`)
    return [name as CollectionName, body.items as unknown[]] as const
  })
  return Object.fromEntries(await Promise.all(lists)) as unknown as Snapshot
}

describe('a cluster whose processes are killed while its workloads change', () => {
  let rested: Snapshot

  it(
    'comes to the state that was asked for',
    async () => {
      const workloads = new Workloads(servers, requests, new SeededRandom(seed))
      await workloads.begin()
      const untilMs = Date.now() + seconds * 1000
      const [killed] = await Promise.all([
        killUntil(untilMs, new SeededRandom(seed + 1)),
        change(workloads, new SeededRandom(seed + 2), untilMs),
      ])
      await workloads.rest()
      const done = [...workloads.done].map(([method, count]) => `${count} ${method}`).join(', ')
      process.stdout.write(`convergence: ${killed.length} kills; ${done}\n`)
      await eventually(async () => {
        rested = await look()
        expect(problemsOf(rested)).toEqual([])
      }, settleSecondsMax)
      expect(rested.pods.length).toBeGreaterThan(0)
    },
    (seconds + settleSecondsMax + 180) * 1000,
  )

  it('then writes nothing but heartbeats', async () => {
    // Events and Leases are no state; what controllers still look at once more is over.
    await eventually(async () => {
      const before = await look()
      await sleep(restMs)
      expect(changesBetween(before, await look())).toEqual([])
    }, 60)
    expect(problemsOf(await look())).toEqual([])
  }, 180_000)
})
