import { createReadStream, createWriteStream } from 'node:fs'
import { readdir, rename, rm, stat } from 'node:fs/promises'
import path from 'node:path'
import { pipeline } from 'node:stream/promises'
import { createGzip } from 'node:zlib'

/** A running container's log. */
export interface RunningLog {
  readonly id: string
  readonly logPath: string
}

/** When logs are rotated, and what is kept of them. */
export interface LogRotationOptions {
  /** Bytes (kubelet `containerLogMaxSize`, 10Mi). */
  readonly bytesMax?: number
  /** Files of one container, the present one among them (kubelet `containerLogMaxFiles`). */
  readonly filesMax?: number
  /** Has the runtime write to a new file (CRI `ReopenContainerLog`). */
  reopen(id: string): Promise<void>
  nowMs(): number
}

const bytesDefault = 10 * 2 ** 20
const filesDefault = 5
const compressed = '.gz'
const unfinished = '.tmp'

/**
 * Keeps logs of containers bounded (kubelet `containerLogManager`): one that has grown too large is moved aside as `N.log.20261128-101500` and the
 * runtime begins anew; the one moved before it is compressed, the oldest are removed.
 */
export class LogRotation {
  readonly #options: LogRotationOptions

  constructor(options: LogRotationOptions) {
    this.#options = options
  }

  /** Looks at logs, one after the other. Gives what went wrong: the others are seen to all the same. */
  async rotate(logs: readonly RunningLog[]): Promise<readonly Error[]> {
    const problems: Error[] = []
    for (const log of logs) await this.#look(log).catch((error: Error) => problems.push(error))
    return problems
  }

  async #look({ id, logPath }: RunningLog): Promise<void> {
    const size = (await stat(logPath).catch(() => undefined))?.size
    if (size === undefined || size < (this.#options.bytesMax ?? bytesDefault)) return
    const rotated = await this.#removeExcess(logPath)
    for (const file of rotated.filter((name) => !name.endsWith(compressed))) await compress(file)
    const aside = `${logPath}.${stamp(this.#options.nowMs())}`
    await rename(logPath, aside)
    try {
      await this.#options.reopen(id)
    } catch (error) {
      // The runtime still writes to the file that was moved: it keeps its name.
      await rename(aside, logPath)
      throw error
    }
  }

  /** Removes the oldest, so that the present one and the one that is about to be moved fit in. Gives the others. */
  async #removeExcess(logPath: string): Promise<string[]> {
    const rotated = await rotatedLogs(logPath)
    const finished = rotated.filter((name) => !name.endsWith(unfinished))
    const excess = finished.slice(0, Math.max(0, finished.length - ((this.#options.filesMax ?? filesDefault) - 2)))
    for (const file of [...excess, ...rotated.filter((name) => name.endsWith(unfinished))])
      await rm(file, { force: true })
    return finished.slice(excess.length)
  }
}

/** The files that were moved aside, oldest first. */
export async function rotatedLogs(logPath: string): Promise<string[]> {
  const folder = path.dirname(logPath)
  const names = await readdir(folder).catch(() => [])
  const own = names.filter((name) => name.startsWith(`${path.basename(logPath)}.`))
  return own.toSorted().map((name) => path.join(folder, name))
}

async function compress(file: string): Promise<void> {
  // Under another name until it is whole.
  await pipeline(createReadStream(file), createGzip(), createWriteStream(`${file}${unfinished}`, { mode: 0o640 }))
  await rename(`${file}${unfinished}`, `${file}${compressed}`)
  await rm(file)
}

function stamp(nowMs: number): string {
  const [date = '', time = ''] = new Date(nowMs).toISOString().split('T')
  return `${date.replaceAll('-', '')}-${time.slice(0, 8).replaceAll(':', '')}`
}
