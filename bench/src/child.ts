import { type ChildProcess, type ChildProcessByStdio, execFile, spawn, type SpawnOptions } from 'node:child_process'
import { createServer, type AddressInfo } from 'node:net'
import type { Readable } from 'node:stream'
import type { Cleanup } from './cleanup.ts'

const stopMsMax = 20_000
const outputCharactersMax = 4000

/** A process of the benchmark's own. */
export interface Child {
  readonly process: ChildProcess
  /** The end of what it wrote to standard error. */
  errorOutput(): string
  /** Asks it to stop, and kills it when that does not help; resolves once it has ended. */
  stop(): Promise<void>
}

/** Starts a server in a process group of its own; the group is ended at the cleanup, by its id, with the signal that the server takes for "stop". */
export function startChild(
  cleanup: Cleanup,
  command: readonly string[],
  options: SpawnOptions & { stopSignal?: NodeJS.Signals } = {},
): Child {
  const [program = '', ...args] = command
  const child = spawn(program, args, {
    ...options,
    detached: true,
    stdio: ['ignore', 'ignore', 'pipe'],
  }) as ChildProcessByStdio<null, null, Readable>
  let output = ''
  child.stderr.setEncoding('utf8').on('data', (chunk: string) => {
    output = (output + chunk).slice(-outputCharactersMax)
  })
  child.on('error', (error) => (output += error.message))
  const stop = (): Promise<void> => endProcess(child, options.stopSignal, 'group')
  cleanup.add(stop)
  return { process: child, errorOutput: () => output, stop }
}

/** Ends a process, or the group that it leads, by its id and waits for its end. */
export async function endProcess(
  child: ChildProcess,
  signal: NodeJS.Signals = 'SIGTERM',
  whom: 'process' | 'group' = 'process',
): Promise<void> {
  if (child.pid === undefined || child.exitCode !== null || child.signalCode !== null) return
  const id = whom === 'group' ? -child.pid : child.pid
  const ended = new Promise<void>((resolve) => child.once('exit', () => resolve()))
  process.kill(id, signal)
  const killer = setTimeout(() => process.kill(id, 'SIGKILL'), stopMsMax)
  await ended
  clearTimeout(killer)
}

/** Runs a program to its end and reads the one JSON line it prints. */
export function jsonFrom<T>(command: string, args: readonly string[], secondsMax: number): Promise<T> {
  return new Promise((resolve, reject) => {
    execFile(command, [...args], { timeout: secondsMax * 1000, killSignal: 'SIGKILL' }, (error, stdout, stderr) => {
      if (error === null) resolve(JSON.parse(stdout) as T)
      else reject(new Error(`${command}: ${stderr.trim() || error.message}`, { cause: error }))
    })
  })
}

/** Whether a program is on the path. */
export function hasProgram(name: string, ...args: readonly string[]): Promise<boolean> {
  return new Promise((resolve) => execFile(name, [...args], (error) => resolve(error === null)))
}

/** A port of the loopback address that is free now. */
export function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer()
    server.once('error', reject)
    server.listen(0, '127.0.0.1', () => {
      const { port } = server.address() as AddressInfo
      server.close(() => resolve(port))
    })
  })
}
