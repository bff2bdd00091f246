import { existsSync, mkdirSync, readdirSync, readFileSync, statSync } from 'node:fs'
import { createHash } from 'node:crypto'
import { execFile } from 'node:child_process'
import { homedir } from 'node:os'
import path from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { promisify } from 'node:util'
import { type Child, freePort, hasProgram, jsonFrom, startChild } from './child.ts'
import type { Cleanup } from './cleanup.ts'

const startMsMax = 20_000
const driverFolder = path.join(import.meta.dirname, '..', 'etcd-driver')

/** What a round of writes gave. */
export interface WriteRates {
  readonly writes: number
  readonly seconds: number
  readonly perSecond: number
  readonly p50Ms: number
  readonly p99Ms: number
}

/** One round of writes: so many writers, each with one write under way at a time. */
export interface WriteRound {
  readonly kind: 'create' | 'update'
  readonly clients: number
  readonly warmUpSeconds: number
  readonly seconds: number
}

/** A running etcd and the Go program that loads it. */
export interface Etcd {
  readonly version: string
  /** How the driver reaches it, for the notes. */
  readonly client: string
  round(round: WriteRound): Promise<WriteRates>
}

/** Bytes of an object that is written, in both peers. */
export const objectBytes = 2048

/** Why the peer cannot be measured here; undefined when it can. */
export async function etcdMissing(): Promise<string | undefined> {
  if (!(await hasProgram('etcd', '--version'))) return "etcd is not installed (Debian's package etcd-server)"
  if (!(await hasProgram('go', 'version')))
    return 'Go is not installed, and no other client is fast enough to be fair to etcd'
  return undefined
}

/**
 * Starts etcd with its own defaults (fsync on) and builds its driver. `wrap` may put other programs before it.
 * @throws Error when it does not start
 */
export async function startEtcd(
  cleanup: Cleanup,
  wrap: (command: readonly string[]) => readonly string[] = (command) => command,
): Promise<Etcd> {
  const driver = await buildDriver()
  const [clientPort, peerPort] = [await freePort(), await freePort()]
  const endpoint = `http://127.0.0.1:${clientPort}`
  const peer = `http://127.0.0.1:${peerPort}`
  const command = wrap([
    'etcd',
    `--data-dir=${cleanup.folder('etcd')}`,
    `--listen-client-urls=${endpoint}`,
    `--advertise-client-urls=${endpoint}`,
    `--listen-peer-urls=${peer}`,
    `--initial-advertise-peer-urls=${peer}`,
    `--initial-cluster=default=${peer}`,
    '--quota-backend-bytes=8589934592',
    '--log-level=error',
  ])
  const child = startChild(cleanup, command)
  const version = await answers(endpoint, child)
  let prefix = 0
  const run = ({ kind, clients, warmUpSeconds, seconds }: WriteRound, connections: number): Promise<WriteRates> => {
    const numbers = [clients, connections, warmUpSeconds, seconds, objectBytes].map(String)
    return jsonFrom(driver, [endpoint, kind, ...numbers, `r${prefix++}`], warmUpSeconds + seconds + 30)
  }
  const connections = await fastest(run)
  return {
    version,
    client: `Go, go.etcd.io/etcd/client/v3, ${connections} connection${connections === 1 ? '' : 's'}`,
    round: (round) => run(round, round.clients === 1 ? 1 : connections),
  }
}

// The peer gets the number of connections that suits it best.
async function fastest(run: (round: WriteRound, connections: number) => Promise<WriteRates>): Promise<number> {
  const rates = new Map<number, number>()
  for (let turn = 0; turn < 2; turn++) {
    for (const connections of [1, 4, 16]) {
      const { perSecond } = await run({ kind: 'create', clients: 64, warmUpSeconds: 0, seconds: 1 }, connections)
      rates.set(connections, (rates.get(connections) ?? 0) + perSecond)
    }
  }
  return [...rates].sort(([, a], [, b]) => b - a)[0]?.[0] ?? 1
}

async function answers(endpoint: string, child: Child): Promise<string> {
  const deadlineMs = Date.now() + startMsMax
  for (;;) {
    try {
      const health = (await (await fetch(`${endpoint}/health`)).json()) as { health: string }
      if (String(health.health) === 'true')
        return ((await (await fetch(`${endpoint}/version`)).json()) as { etcdserver: string }).etcdserver
    } catch {
      // Not listening yet.
    }
    if (child.process.exitCode !== null || Date.now() > deadlineMs)
      throw new Error(`etcd did not start: ${child.errorOutput()}`)
    await sleep(50)
  }
}

// Built once for each state of its sources, outside the checkout.
async function buildDriver(): Promise<string> {
  const hash = createHash('sha256')
  for (const name of readdirSync(driverFolder).sort()) {
    const file = path.join(driverFolder, name)
    if (statSync(file).isFile()) hash.update(name).update(readFileSync(file))
  }
  const folder = path.join(process.env['XDG_CACHE_HOME'] ?? path.join(homedir(), '.cache'), 'binnacle-bench')
  const binary = path.join(folder, `etcd-driver-${hash.digest('hex').slice(0, 16)}`)
  if (existsSync(binary)) return binary
  mkdirSync(folder, { recursive: true })
  await promisify(execFile)('go', ['build', '-o', binary, '.'], { cwd: driverFolder, timeout: 300_000 })
  return binary
}
