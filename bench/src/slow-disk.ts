import { readFileSync } from 'node:fs'
import path from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { startPostgres } from '@binnacle/store/postgres'
import { hasProgram, jsonFrom, startChild } from './child.ts'
import type { Cleanup } from './cleanup.ts'
import pg from 'pg'

const delayMicroseconds = 2000
const startMsMax = 30_000
const nobody = 65_534

/** A way to run a program on a disk whose flushes take longer. */
export interface SlowDisk {
  readonly note: string
  wrap(command: readonly string[]): readonly string[]
}

/**
 * strace stops every fsync and fdatasync of a program and its children for 2 ms; a seccomp filter keeps it out of all other calls. The same for both peers:
 * a preloaded library would miss etcd, which makes its system calls itself.
 * @throws Error where strace is missing
 */
export async function slowDisk(): Promise<SlowDisk> {
  if (!(await hasProgram('strace', '--seccomp-bpf', '-f', '-o', '/dev/null', 'true')))
    throw new Error("strace is missing or may not trace here (Debian's package strace)")
  const [usualMs, slowMs] = [await flushMs([]), await flushMs(slow([]))]
  return {
    note: `Both servers run under strace, which delays the end of each of their fsync and fdatasync calls by ${delayMicroseconds} µs and, by a seccomp filter, sees no other call. Measured here, one write of 2 KB with its fdatasync takes ${slowMs.toFixed(2)} ms so, and ${usualMs.toFixed(2)} ms otherwise.`,
    wrap: slow,
  }
}

function slow(command: readonly string[]): readonly string[] {
  return [
    ...['strace', '--seccomp-bpf', '-f', '-qq', '-o', '/dev/null', '-e', 'trace=fsync,fdatasync'],
    ...['-e', `inject=fsync,fdatasync:delay_exit=${delayMicroseconds}`, '--', ...command],
  ]
}

// The median of some flushes, as a process sees them that runs behind the prefix.
async function flushMs(prefix: readonly string[]): Promise<number> {
  const [program = '', ...args] = [...prefix, process.execPath, '-e', flushProgram]
  return await jsonFrom<number>(program, args, 30)
}

const flushProgram = `
const fs = require('node:fs'), path = require('node:path')
const folder = fs.mkdtempSync(path.join(require('node:os').tmpdir(), 'binnacle-bench-flush-'))
const file = fs.openSync(path.join(folder, 'flush'), 'w')
const taken = Array.from({ length: 101 }, () => {
  const startMs = performance.now()
  fs.writeSync(file, Buffer.alloc(2048))
  fs.fdatasyncSync(file)
  return performance.now() - startMs
})
fs.rmSync(folder, { recursive: true })
console.log(taken.sort((a, b) => a - b)[50])`

/** Postgres with the product's own settings on such a disk. */
export async function slowPostgres(cleanup: Cleanup, disk: SlowDisk): Promise<{ url: string }> {
  const dataDir = path.join(cleanup.folder('postgres-slow'), 'data')
  const usual = await startPostgres({ dataDir })
  const command = readFileSync(`/proc/${usual.pid}/cmdline`, 'utf8').split('\0').slice(0, -1)
  await usual.stop()
  const child = startChild(cleanup, disk.wrap([...unprivileged(), ...command]), {
    cwd: '/',
    env: { PATH: process.env['PATH'] ?? '', LC_ALL: 'C', TZ: 'UTC' },
    // Without waiting for those that are connected.
    stopSignal: 'SIGINT',
  })
  const deadlineMs = Date.now() + startMsMax
  while (!(await answers(usual.url))) {
    if (child.process.exitCode !== null || Date.now() > deadlineMs)
      throw new Error(`Postgres did not start under strace: ${child.errorOutput()}`)
    await sleep(100)
  }
  return { url: usual.url }
}

// As the product does it: Postgres refuses to run as root.
function unprivileged(): readonly string[] {
  if (process.getuid?.() !== 0) return []
  const user = [`--reuid=${nobody}`, `--regid=${nobody}`, '--clear-groups']
  return ['setpriv', ...user, '--inh-caps=+dac_override', '--ambient-caps=+dac_override']
}

async function answers(url: string): Promise<boolean> {
  const client = new pg.Client({ connectionString: url, connectionTimeoutMillis: 2000 })
  client.on('error', () => undefined)
  try {
    await client.connect()
    await client.end()
    return true
  } catch {
    return false
  }
}
