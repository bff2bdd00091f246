import { type FSWatcher, watch } from 'node:fs'
import { type FileHandle, open, stat } from 'node:fs/promises'
import path from 'node:path'
import { isPartialLine, LogFormatter, type LogOptions } from './log-format.ts'

/** A container's log file, and whether more may come. */
export interface LogSource {
  readonly logPath: string
  isRunning(): Promise<boolean>
}

const blockBytes = 64 * 1024
/** How often a follower asks whether the container still runs, in milliseconds. */
const stateCheckIntervalMs = 1000
const newline = 0x0a

/**
 * The text that a container has written, piece by piece; with `follow`, also what it writes until it ends or `signal` is aborted. A follower
 * survives rotation: what is left in the old file comes first, then the new one. Only one block is held at a time.
 * @throws Error with code ENOENT when there is no log
 */
export async function* readLog(source: LogSource, options: LogOptions, signal: AbortSignal): AsyncGenerator<Buffer> {
  const formatter = new LogFormatter(options)
  const changes = options.follow ? new DirectoryChanges(path.dirname(source.logPath), signal) : undefined
  let file = await openLog(source.logPath, changes)
  try {
    let position = await tailStart(file, options.tailLines)
    let isLast = !options.follow
    while (!signal.aborted) {
      position = yield* formatted(formatter, file, position)
      if (isLast || formatter.isFull) return
      const rotated = await openIfRotated(source.logPath, file)
      if (rotated !== undefined) {
        // It may have been written to between the last read and the rotation.
        yield* formatted(formatter, file, position)
        await file.close()
        file = rotated
        position = 0
        continue
      }
      if ((await changes?.next()) === 'quiet') isLast = !(await source.isRunning())
    }
  } finally {
    changes?.close()
    await file.close()
  }
}

async function openLog(logPath: string, changes: DirectoryChanges | undefined): Promise<FileHandle> {
  try {
    return await open(logPath, 'r')
  } catch (error) {
    changes?.close()
    throw error
  }
}

// What there is from `from` on; returns where it ends.
async function* formatted(formatter: LogFormatter, file: FileHandle, from: number): AsyncGenerator<Buffer, number> {
  const buffer = Buffer.allocUnsafe(blockBytes)
  let position = from
  while (!formatter.isFull) {
    const { bytesRead } = await file.read(buffer, 0, blockBytes, position)
    if (bytesRead === 0) break
    position += bytesRead
    const text = formatter.format(buffer.subarray(0, bytesRead))
    if (text.length > 0) yield text
  }
  return position
}

async function openIfRotated(logPath: string, current: FileHandle): Promise<FileHandle | undefined> {
  const [present, mine] = await Promise.all([stat(logPath).catch(() => undefined), current.stat()])
  // Between the renaming and the runtime's reopening there is no file.
  if (present === undefined || present.ino === mine.ino) return undefined
  return await open(logPath, 'r').catch(() => undefined)
}

/**
 * Where the last `lines` lines begin, in bytes. Pieces of a line count as the one line that they are. The file is read from its end, a block at a
 * time.
 */
async function tailStart(file: FileHandle, lines: number | undefined): Promise<number> {
  if (lines === undefined) return 0
  const { size } = await file.stat()
  if (lines <= 0) return size
  let ends = 0
  let start = size
  for await (const { at, line } of linesFromEnd(file, size)) {
    if (start === size || !isPartialLine(line)) ends++
    if (ends > lines) return start
    start = at
  }
  return 0
}

async function* linesFromEnd(file: FileHandle, size: number): AsyncGenerator<{ at: number; line: Buffer }> {
  let tail: Buffer = Buffer.alloc(0)
  for (let end = size; end > 0;) {
    const begin = Math.max(0, end - blockBytes)
    const block = Buffer.alloc(end - begin)
    await file.read(block, 0, block.length, begin)
    tail = tail.length === 0 ? block : Buffer.concat([block, tail])
    // The newline at the very end closes the last line: it divides nothing.
    for (;;) {
      const last = tail.length - 1
      const before = last < 1 ? -1 : tail.lastIndexOf(newline, last - 1)
      if (before < 0) break
      yield { at: begin + before + 1, line: tail.subarray(before + 1) }
      tail = tail.subarray(0, before + 1)
    }
    end = begin
  }
  if (tail.length > 0) yield { at: 0, line: tail }
}

/** Says when something in a folder has changed. Changes that nobody waits for are not lost. */
class DirectoryChanges {
  readonly #watcher: FSWatcher
  readonly #signal: AbortSignal
  #pending = false
  #wake: () => void = () => undefined

  constructor(folder: string, signal: AbortSignal) {
    this.#signal = signal
    signal.addEventListener('abort', () => this.#wake(), { once: true })
    this.#watcher = watch(folder, () => {
      this.#pending = true
      this.#wake()
    })
    // The folder goes with its pod; the container has ended by then.
    this.#watcher.on('error', () => this.#wake())
  }

  /** Waits for a change. `quiet`: none came for a while, or the wait was aborted. */
  async next(): Promise<'changed' | 'quiet'> {
    if (!this.#pending && !this.#signal.aborted) {
      const { promise, resolve } = Promise.withResolvers<void>()
      const timer = setTimeout(resolve, stateCheckIntervalMs)
      this.#wake = resolve
      await promise
      clearTimeout(timer)
    }
    const answer = this.#pending ? 'changed' : 'quiet'
    this.#pending = false
    return answer
  }

  close(): void {
    this.#watcher.close()
  }
}
