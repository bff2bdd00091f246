import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { closeSync, openSync, readFileSync } from 'node:fs'
import path from 'node:path'
import { type Product, root } from '../fixtures/product.ts'

/** Processes beside those that the product starts: a second API server, second workers; and the finding of those that are to be killed. */

const apiEntry = 'apps/api/src/main.ts'
const workersEntry = 'apps/workers/src/main.ts'

/** The command line of a process, without the program. */
function argumentsOf(pid: number): string[] {
  const words = readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0').slice(1, -1)
  return words.slice(words.findIndex((word) => word.endsWith('main.ts')) + 1)
}

/** The product's own process with that entry file. @throws Error when it does not run just now */
function pidOf(product: Product, entry: string, except: number | undefined): number {
  const pid = product.pids(entry).find((candidate) => candidate !== except)
  if (pid === undefined) throw new Error(`${entry} does not run`)
  return pid
}

/** A process of the test's own, started again whenever it dies. */
export class SecondProcess {
  readonly #entry: string
  readonly #args: readonly string[]
  readonly #log: string
  #child: ChildProcess | undefined
  #stopping = false
  /** The port it listens on, for the API server. */
  port = 0

  constructor(entry: string, args: readonly string[], log: string) {
    this.#entry = entry
    this.#args = args
    this.#log = log
  }

  get pid(): number | undefined {
    return this.#child?.pid
  }

  /** Resolves once it serves. */
  start(): Promise<void> {
    const log = openSync(this.#log, 'a', 0o600)
    const port = this.port === 0 ? [] : ['--port', String(this.port)]
    const child = spawn(process.execPath, [this.#entry, ...this.#args, ...port], {
      cwd: root,
      stdio: ['ignore', 'pipe', log],
    })
    closeSync(log)
    this.#child = child
    return new Promise((resolve, reject) => {
      let text = ''
      child.stdout?.setEncoding('utf8').on('data', (chunk: string) => {
        text += chunk
        const ready = /^\{"ready":true.*$/m.exec(text)
        if (ready === null) return
        this.port = (JSON.parse(ready[0]) as { port?: number }).port ?? 0
        resolve()
      })
      child.once('exit', () => {
        reject(new Error(`${this.#entry} ended; see ${this.#log}`))
        if (!this.#stopping) setTimeout(() => void this.start().catch(() => undefined), 100)
      })
    })
  }

  async stop(): Promise<void> {
    this.#stopping = true
    const child = this.#child
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return
    const ended = new Promise((resolve) => child.once('exit', resolve))
    child.kill('SIGKILL')
    await ended
  }
}

/** A second API server on the product's database, with the same keys. */
export function secondApi(product: Product): SecondProcess {
  const args = argumentsOf(pidOf(product, apiEntry, undefined))
  args.splice(args.indexOf('--port'), 2, '--port', '0')
  return new SecondProcess(apiEntry, args, path.join(product.dataDir, 'logs/api-2.log'))
}

/** Second workers on the product's database: they stand by, and say at that port, if there is one, whether they lead. */
export function secondWorkers(product: Product, metricsPort?: number): SecondProcess {
  const metrics = metricsPort === undefined ? [] : ['--metrics-port', String(metricsPort)]
  const args = [...argumentsOf(pidOf(product, workersEntry, undefined)), ...metrics]
  return new SecondProcess(workersEntry, args, path.join(product.dataDir, 'logs/workers-2.log'))
}

/** Something that can be killed: the pid that it has just now; undefined while it is not there. */
export interface Victim {
  readonly name: string
  pid(): number | undefined
}

/** Kills the starter of a product and everything that it has started, at once. */
export function killAll(product: Product): void {
  const starter = Number(readFileSync(path.join(product.dataDir, 'binnacle.pid'), 'utf8'))
  const entries = [apiEntry, workersEntry, 'apps/node/src/main.ts'].flatMap((entry) => product.pids(entry))
  const postgres = postmaster(product)
  for (const pid of [starter, ...entries, ...(postgres === undefined ? [] : [postgres])]) process.kill(pid, 'SIGKILL')
}

/** Every process of a product and of the test's own beside it, Postgres and its sessions included. */
export function victimsOf(product: Product, api: SecondProcess, workers: SecondProcess): readonly Victim[] {
  const own = (entry: string, except: SecondProcess | undefined) => () =>
    product.pids(entry).find((pid) => pid !== except?.pid)
  return [
    { name: 'the API server', pid: own(apiEntry, api) },
    { name: 'the second API server', pid: () => api.pid },
    { name: 'the workers', pid: own(workersEntry, workers) },
    { name: 'the second workers', pid: () => workers.pid },
    { name: 'the simulated nodes', pid: own('apps/node/src/main.ts', undefined) },
    { name: 'Postgres', pid: () => postmaster(product) },
    { name: 'a session of Postgres', pid: () => writerSession(product) },
  ]
}

function postmaster({ dataDir }: Product): number | undefined {
  try {
    return Number(readFileSync(path.join(dataDir, 'postgres/postmaster.pid'), 'utf8').split('\n')[0])
  } catch {
    return undefined
  }
}

/** A server process that is committing or about to: any that serves a connection. */
function writerSession(product: Product): number | undefined {
  const parent = postmaster(product)
  const lines = execFileSync('ps', ['-eo', 'pid=,ppid=,args='], { encoding: 'utf8' }).split('\n')
  const sessions = lines
    .map((line) => /^\s*(\d+)\s+(\d+)\s+postgres: binnacle postgres .* (?:SELECT|idle|COMMIT)/.exec(line))
    .filter((match) => match !== null && Number(match[2]) === parent)
  const busy = sessions.find((match) => match?.[0].endsWith('SELECT')) ?? sessions[0]
  return busy === undefined || busy === null ? undefined : Number(busy[1])
}
