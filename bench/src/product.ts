import { spawn } from 'node:child_process'
import { readdirSync, readFileSync } from 'node:fs'
import { request } from 'node:https'
import { type AddressInfo, createServer } from 'node:net'
import path from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Cleanup } from './cleanup.ts'

const root = path.join(import.meta.dirname, '..', '..')
const entry = path.join(root, 'apps', 'binnacle', 'src', 'main.ts')
const startMsMax = 240_000

/** How a load generator reaches a product. */
export interface Address {
  /** An address of the machine that it runs on; the loopback address where there is none. */
  readonly host?: string
  readonly port: number
  readonly ca: string
  readonly token: string
}

/** The real product, started as `npm start` starts it. */
export interface Product extends Address {
  readonly graphqlWs: string
  readonly dataDir: string
  readonly kubeconfig: string
  /** Sends a request and gives the parsed answer. @throws Error when it is refused */
  call<T = any>(method: string, path: string, body?: unknown): Promise<T>
  /** The text of one of its files with keys and certificates. */
  pki(name: string): string
  /** The certificate and key of its API server, for a peer that serves with the same. */
  serverCertificate(): { readonly certificate: string; readonly key: string }
  /** Resident bytes of the API server's process, now and at their highest. */
  apiMemory(): { readonly now: number; readonly highest: number }
  /** What each part takes: its processes together. */
  parts(): readonly Part[]
  /** What one of them takes that is one process. */
  part(name: 'API' | 'workers' | 'nodes'): Part
}

/** A part of the product: one process, or Postgres with all of its own. */
export interface Part {
  readonly name: string
  /** Memory that is its own, and its share of what processes share (`Pss`). */
  readonly bytes: number
  /** Processor time since it started, of the processes that it has now. */
  readonly cpuSeconds: number
}

/** Where a product is run that is to be a node: inside another network. */
export interface Elsewhere {
  /** Put before the command. */
  readonly prefix: readonly string[]
  /** The address by which this process reaches it there. */
  readonly host: string
}

/** Starts it, on a data directory of its own, without the dashboard; it is stopped at the cleanup. */
export async function startProduct(
  cleanup: Cleanup,
  args: readonly string[] = [],
  elsewhere?: Elsewhere,
): Promise<Product> {
  const dataDir = path.join(cleanup.folder('product'), 'data')
  const all = ['--data-dir', dataDir, '--port', '0', '--no-dashboard', '--detach', ...args]
  cleanup.add(() => run(['stop', '--data-dir', dataDir]))
  await run(['start', ...all], elsewhere?.prefix)
  const read = (name: string): string => readFileSync(path.join(dataDir, name), 'utf8')
  const endpoints = JSON.parse(read('endpoints.json')) as { api: string; graphqlWs: string }
  const address = {
    ...(elsewhere === undefined ? {} : { host: elsewhere.host }),
    ...{ port: Number(new URL(endpoints.api).port), ca: read('ca.crt'), token: read('admin.token').trim() },
  }
  return {
    ...{ ...address, dataDir },
    graphqlWs: endpoints.graphqlWs,
    kubeconfig: path.join(dataDir, 'admin.kubeconfig'),
    call: (method, path, body) => call(address, method, path, body),
    pki: (name) => read(`pki/${name}`),
    serverCertificate: () => ({ certificate: read('pki/apiserver.crt'), key: read('pki/apiserver.key') }),
    apiMemory: () => memoryOf(processOf(dataDir, entries.API)),
    parts: () => partsOf(dataDir),
    part: (name) => partOf(name, [processOf(dataDir, entries[name])]),
  }
}

/** A port of the loopback address that nobody listens on now. */
export function freePort(): Promise<number> {
  const server = createServer()
  return new Promise((resolve, reject) => {
    server.once('error', reject)
    server.listen(0, '127.0.0.1', () => {
      const { port } = server.address() as AddressInfo
      server.close(() => resolve(port))
    })
  })
}

/** Waits, for a bounded time, until it holds. @throws Error when it does not come to hold */
export async function until(holds: () => Promise<boolean>, msMax: number, intervalMs: number): Promise<void> {
  const deadlineMs = Date.now() + msMax
  while (!(await holds())) {
    if (Date.now() > deadlineMs) throw new Error(`it did not come about within ${msMax / 1000} s`)
    await sleep(intervalMs)
  }
}

function run(args: readonly string[], prefix: readonly string[] = []): Promise<void> {
  const [file = '', ...rest] = [...prefix, process.execPath, entry, ...args]
  return new Promise((resolve, reject) => {
    const child = spawn(file, rest, { cwd: root, stdio: ['ignore', 'pipe', 'pipe'] })
    let output = ''
    for (const stream of [child.stdout, child.stderr])
      stream.setEncoding('utf8').on('data', (chunk: string) => (output += chunk))
    const timer = setTimeout(() => child.kill('SIGKILL'), startMsMax)
    child.on('error', reject)
    child.on('exit', (code) => {
      clearTimeout(timer)
      if (code === 0) resolve()
      else reject(new Error(`binnacle ${args[0]} failed: ${output}`))
    })
  })
}

function call<T>(
  { host = '127.0.0.1', port, ca, token }: Address,
  method: string,
  path: string,
  body?: unknown,
): Promise<T> {
  return new Promise((resolve, reject) => {
    const headers = { authorization: `Bearer ${token}`, 'content-type': 'application/json' }
    const outgoing = request({ host, port, path, method, ca, headers }, (response) => {
      const chunks: Buffer[] = []
      response.on('data', (chunk: Buffer) => chunks.push(chunk))
      response.on('end', () => {
        const text = Buffer.concat(chunks).toString()
        if ((response.statusCode ?? 500) < 300) resolve(JSON.parse(text) as T)
        else reject(new Error(`${method} ${path}: ${response.statusCode} ${text.slice(0, 500)}`))
      })
    })
    outgoing.on('error', reject)
    outgoing.end(body === undefined ? undefined : JSON.stringify(body))
  })
}

const entries = { API: 'apps/api/src/main.ts', workers: 'apps/workers/src/main.ts', nodes: 'apps/node/src/main.ts' }

// The product's own process of that entry is the one that was started with this data directory's keys.
function processOf(dataDir: string, entryFile: string): number {
  const found = processIds().filter((id) => {
    const command = read(`/proc/${id}/cmdline`)
    return command.includes(entryFile) && command.includes(dataDir)
  })
  if (found.length !== 1) throw new Error(`${found.length} processes of ${entryFile} instead of one`)
  return found[0] as number
}

function processIds(): number[] {
  return readdirSync('/proc')
    .filter((id) => /^\d+$/.test(id))
    .map(Number)
}

// Empty when the process has ended meanwhile.
function read(file: string): string {
  try {
    return readFileSync(file, 'utf8')
  } catch {
    return ''
  }
}

function memoryOf(pid: number): { now: number; highest: number } {
  const status = readFileSync(`/proc/${pid}/status`, 'utf8')
  const bytes = (name: string): number => Number(new RegExp(`${name}:\\s+(\\d+)`).exec(status)?.[1] ?? 0) * 1024
  return { now: bytes('VmRSS'), highest: bytes('VmHWM') }
}

function partsOf(dataDir: string): Part[] {
  const postmaster = Number(readFileSync(path.join(dataDir, 'postgres', 'postmaster.pid'), 'utf8').split('\n')[0])
  const sessions = processIds().filter((id) => parentOf(id) === postmaster)
  return [
    ...Object.entries(entries).map(([name, file]) => partOf(name, [processOf(dataDir, file)])),
    partOf('Postgres', [postmaster, ...sessions]),
  ]
}

const ticksPerSecond = 100

function partOf(name: string, pids: readonly number[]): Part {
  let bytes = 0
  let cpuSeconds = 0
  for (const pid of pids) {
    bytes += Number(/^Pss:\s+(\d+)/m.exec(read(`/proc/${pid}/smaps_rollup`))?.[1] ?? 0) * 1024
    const fields = statOf(pid)
    cpuSeconds += (Number(fields[11] ?? 0) + Number(fields[12] ?? 0)) / ticksPerSecond
  }
  return { name, bytes, cpuSeconds }
}

const parentOf = (pid: number): number => Number(statOf(pid)[1])

// The fields after the process's name, which may have blanks in it.
function statOf(pid: number): string[] {
  const stat = read(`/proc/${pid}/stat`)
  return stat.slice(stat.lastIndexOf(')') + 2).split(' ')
}
