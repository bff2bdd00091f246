import type { Log } from '../log.ts'
import { families, type Family } from './addresses.ts'
import type { RunCommand } from './commands.ts'
import type { NftTables } from './nft-tables.ts'

/** What keeps a pair of tables equal to what is wanted of them. */
export interface TableLoopOptions {
  readonly tables: NftTables
  readonly run: RunCommand
  readonly log: Log
  /** Brings `tables` up to date with what was observed, right before they are written. */
  prepare(): void
  /** Called after the kernel has them. */
  written?(): Promise<void>
  /** Whether the elements of a map or set are all planned; those that packets add are not. */
  isPlanned(object: string): boolean
  /** How often the kernel's elements are compared with what is wanted. Default: 5 minutes. */
  readonly checkMs?: number | undefined
}

/** Changes that arrive within this time go to the kernel together. */
const coalesceMs = 10
const retryMs = 1_000
const defaultCheckMs = 300_000

/** Writes tables to the kernel: the whole once, then differences, each one transaction; the whole again after an error or when somebody changed them. */
export class TableLoop {
  readonly #options: TableLoopOptions
  readonly #synced = Promise.withResolvers<void>()
  #isWhole = false
  #isStarted = false
  #isStopped = false
  #isWanted = false
  #writes = 0
  #running: Promise<void> | undefined
  #timer: NodeJS.Timeout | undefined
  #checkTimer: NodeJS.Timeout | undefined

  constructor(options: TableLoopOptions) {
    this.#options = options
  }

  /** Resolves when the kernel first has the tables. */
  get synced(): Promise<void> {
    return this.#synced.promise
  }

  /** Begins to write; what was scheduled before waits until now. */
  start(): void {
    this.#isStarted = true
    this.#checkTimer = setInterval(() => void this.#check(), this.#options.checkMs ?? defaultCheckMs)
    this.#checkTimer.unref()
    this.schedule(0)
  }

  /** Something changed: the tables are written soon. */
  schedule(afterMs = coalesceMs): void {
    this.#isWanted = true
    if (this.#isStopped || !this.#isStarted || this.#running !== undefined || this.#timer !== undefined) return
    this.#timer = setTimeout(() => {
      this.#timer = undefined
      this.#running = this.#write().finally(() => {
        this.#running = undefined
        if (!this.#isWhole) this.schedule(retryMs)
        else if (this.#isWanted) this.schedule()
      })
    }, afterMs)
  }

  /** Ends writing; the tables stay as they are. */
  async stop(): Promise<void> {
    this.#isStopped = true
    clearTimeout(this.#timer)
    clearInterval(this.#checkTimer)
    await this.#running
  }

  async #write(): Promise<void> {
    const { tables, run, log, prepare, written } = this.#options
    this.#isWanted = false
    this.#writes++
    prepare()
    const script = this.#isWhole ? tables.differenceScript() : tables.wholeScript()
    try {
      if (script !== '') await run('nft', ['-f', '-'], script)
      this.#isWhole = true
      await written?.()
      this.#synced.resolve()
    } catch (error) {
      // Whatever the tables are now, they are written anew.
      this.#isWhole = false
      log('error', 'cannot write tables of nftables', { table: tables.table, error: String(error) })
    }
  }

  /** Somebody may have flushed the tables: what the kernel has is compared with what it was given. */
  async #check(): Promise<void> {
    if (!this.#isWhole || this.#running !== undefined) return
    const { tables, run, log, isPlanned } = this.#options
    const wanted = tables.elements()
    const writes = this.#writes
    let found = 0
    let isSame = true
    for (const family of families) {
      const json = await run('nft', ['-j', 'list', 'table', family, tables.table]).catch(() => undefined)
      const elements = json === undefined ? undefined : elementsInKernel(json, family, isPlanned)
      if (elements === undefined) isSame = false
      found += elements?.size ?? 0
      for (const [id, value] of elements ?? []) if (wanted.get(id) !== value) isSame = false
    }
    // What was written meanwhile explains any difference: the next check looks again.
    if ((isSame && found === wanted.size) || this.#writes !== writes) return
    log('warn', 'tables of nftables were changed by somebody else and are written anew', { table: tables.table })
    this.#isWhole = false
    this.schedule(0)
  }
}

/** Reads planned elements out of `nft -j list table`, in the form in which they are planned. */
function elementsInKernel(json: string, family: Family, isPlanned: (object: string) => boolean): Map<string, string> {
  const elements = new Map<string, string>()
  const { nftables } = JSON.parse(json) as { nftables: { map?: Listed; set?: Listed }[] }
  for (const { map, set } of nftables) {
    const listed = map ?? set
    if (listed === undefined || !isPlanned(listed.name)) continue
    for (const element of listed.elem ?? []) {
      const [key, value] = map === undefined ? [element, ''] : (element as [unknown, unknown])
      elements.set(`${family} ${listed.name} ${text(key)}`, text(value))
    }
  }
  return elements
}

interface Listed {
  readonly name: string
  readonly elem?: readonly unknown[]
}

/** An expression of nft's JSON as scripts have it. */
function text(value: unknown): string {
  if (typeof value !== 'object' || value === null) return String(value)
  if ('concat' in value) return (value.concat as unknown[]).map(text).join(' . ')
  for (const verdict of ['goto', 'jump'])
    if (verdict in value) return `${verdict} ${(value as Record<string, { target: string }>)[verdict]?.target}`
  return Object.keys(value)[0] ?? ''
}
