import { type ChildProcess, spawn } from 'node:child_process'
import { openSync, readFileSync, closeSync, existsSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { PlainError } from './options.ts'

/**
 * One of Binnacle's processes: started, awaited until it says `{"ready":true}` on its standard output, restarted with back-off when it
 * dies, stopped gracefully.
 *
 *     starting ──ready──▶ running ──exit──▶ waiting ──back-off──▶ starting
 *         └──────────────── stop() ─────────────┴──▶ stopping ──exit──▶ stopped
 */

const preload = fileURLToPath(new URL('./exit-with-parent.ts', import.meta.url))
const root = fileURLToPath(new URL('../../..', import.meta.url))
const readyMsMax = 120_000
const stopMsDefault = 15_000
const restartMsMin = 250
const restartMsMax = 10_000
/** A process that has run this long starts over with the shortest back-off. */
const steadyMs = 30_000

/** What a process says once it serves. */
export interface ReadyLine {
  readonly ready: true
  readonly port?: number
}

/** How to start a process. */
export interface ProcessSpec {
  /** Shown to people, and the log file's name. */
  readonly name: string
  /** Path of the entry file, from the project's root. */
  readonly entry: string
  /** Arguments of the n-th start (from 0): a restart can ask for the port that the first start got. */
  args(previous: ReadyLine | undefined): readonly string[]
  readonly logFile: string
  readonly nodeOptions?: readonly string[]
  /** How long it may take to end once it is asked to. */
  readonly stopMsMax?: number
  /** Told of every unexpected end and every restart. */
  onEvent(text: string): void
}

/** See the file's head. */
export class SupervisedProcess {
  readonly #spec: ProcessSpec
  #child: ChildProcess | undefined
  #ready: ReadyLine | undefined
  #stopping = false
  #timer: NodeJS.Timeout | undefined
  #backOffMs = restartMsMin

  constructor(spec: ProcessSpec) {
    this.#spec = spec
  }

  /**
   * Starts it for the first time; later deaths are repaired silently.
   * @throws PlainError with the process's own last words when it ends before it is ready.
   */
  async start(): Promise<ReadyLine> {
    this.#ready = await this.#launch()
    return this.#ready
  }

  /** SIGTERM, then SIGKILL if it does not end in time. */
  async stop(): Promise<void> {
    this.#stopping = true
    clearTimeout(this.#timer)
    const child = this.#child
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return
    const ended = new Promise<void>((resolve) => child.once('exit', () => resolve()))
    const killer = setTimeout(() => child.kill('SIGKILL'), this.#spec.stopMsMax ?? stopMsDefault)
    child.kill('SIGTERM')
    await ended
    clearTimeout(killer)
  }

  #launch(): Promise<ReadyLine> {
    const { promise, resolve, reject } = Promise.withResolvers<ReadyLine>()
    const log = openSync(this.#spec.logFile, 'a', 0o600)
    const argv = [
      '--import',
      preload,
      ...(this.#spec.nodeOptions ?? []),
      this.#spec.entry,
      ...this.#spec.args(this.#ready),
    ]
    const startedMs = Date.now()
    const child = spawn(process.execPath, argv, { cwd: root, stdio: ['ignore', 'pipe', log, 'pipe'], detached: true })
    closeSync(log)
    this.#child = child
    const timeout = setTimeout(() => {
      reject(
        new PlainError(
          `${this.#spec.name} did not become ready within ${readyMsMax / 1000} s; see ${this.#spec.logFile}.`,
        ),
      )
    }, readyMsMax)
    onReadyLine(child, (line) => {
      clearTimeout(timeout)
      resolve(line)
    })
    child.once('error', reject)
    child.once('exit', (code, signal) => {
      clearTimeout(timeout)
      reject(
        new PlainError(
          `${this.#spec.name} could not start: ${lastWords(this.#spec.logFile) ?? `it ended with ${signal ?? `exit code ${code}`}`}`,
        ),
      )
      if (this.#ready !== undefined && !this.#stopping)
        this.#scheduleRestart(`ended with ${signal ?? `exit code ${code}`}`, Date.now() - startedMs)
    })
    return promise
  }

  #scheduleRestart(why: string, livedMs: number): void {
    this.#backOffMs = livedMs >= steadyMs ? restartMsMin : Math.min(this.#backOffMs * 2, restartMsMax)
    this.#spec.onEvent(`${this.#spec.name} ${why}; starting it again (log: ${this.#spec.logFile})`)
    this.#timer = setTimeout(() => {
      // A failure to start is an exit too, which schedules the next try.
      this.#launch().then(
        () => this.#spec.onEvent(`${this.#spec.name} is back`),
        () => undefined,
      )
    }, this.#backOffMs)
  }
}

function onReadyLine(child: ChildProcess, callback: (line: ReadyLine) => void): void {
  let text = ''
  child.stdout?.setEncoding('utf8').on('data', (chunk: string) => {
    text += chunk
    const lines = text.split('\n')
    text = lines.pop() ?? ''
    for (const line of lines) {
      if (line.startsWith('{"ready":true')) callback(JSON.parse(line) as ReadyLine)
    }
  })
}

// The last error that the process logged, as a sentence; log lines are JSON with a message.
function lastWords(logFile: string): string | undefined {
  if (!existsSync(logFile)) return undefined
  const lines = readFileSync(logFile, 'utf8').trimEnd().split('\n').slice(-40).reverse()
  for (const line of lines) {
    try {
      const entry = JSON.parse(line) as { level?: string; message?: string; msg?: string; error?: unknown }
      if (entry.level === 'error' || entry.level === 'fatal')
        return `${entry.message ?? entry.msg}${typeof entry.error === 'string' ? ` (${entry.error})` : ''}`
    } catch {
      if (/^(\w*Error|binnacle)/.test(line)) return line
    }
  }
  return lines[0]
}
