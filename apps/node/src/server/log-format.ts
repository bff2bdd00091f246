import { parseTime } from '@binnacle/apimachinery'

/** What of a container's log is asked for (the kubelet's reading of `v1.PodLogOptions`). */
export interface LogOptions {
  /** Goes on until the container ends. */
  readonly follow: boolean
  /** Puts the time before each line. */
  readonly timestamps: boolean
  /** The last lines of what is there; undefined: all. */
  readonly tailLines: number | undefined
  /** Leaves out what is older, as an RFC 3339 time; undefined: nothing. */
  readonly since: string | undefined
  /** Ends after so many bytes; undefined: no limit. */
  readonly limitBytes: number | undefined
}

const newline = 0x0a
const space = 0x20
const partialTag = 0x50 // P
const newlineByte = Buffer.from([newline])
const spaceByte = Buffer.from([space])

/** One line of a log file: `2026-01-01T00:00:00.1Z stdout F text`. The parts are views of the line. */
export interface LogLine {
  readonly time: string
  readonly isPartial: boolean
  readonly text: Buffer
}

/**
 * Reads one line of a file in the CRI's format, without its newline. Undefined when it is none: a runtime that was killed may leave half a line.
 * Partial lines are pieces of one that was too long for the runtime, or that the process had not ended.
 */
export function parseLogLine(line: Buffer): LogLine | undefined {
  const afterTime = line.indexOf(space)
  const afterStream = afterTime < 0 ? -1 : line.indexOf(space, afterTime + 1)
  if (afterStream < 0) return undefined
  const stream = line.toString('latin1', afterTime + 1, afterStream)
  if (stream !== 'stdout' && stream !== 'stderr') return undefined
  // Without a text, the tag may be the end.
  const afterTag = line.indexOf(space, afterStream + 1)
  return {
    time: line.toString('latin1', 0, afterTime),
    isPartial: isPartialAt(line, afterStream + 1),
    text: afterTag < 0 ? line.subarray(line.length) : line.subarray(afterTag + 1),
  }
}

/** Whether the line is a piece after which more of it follows. */
export function isPartialLine(line: Buffer): boolean {
  const afterTime = line.indexOf(space)
  const afterStream = afterTime < 0 ? -1 : line.indexOf(space, afterTime + 1)
  return afterStream >= 0 && isPartialAt(line, afterStream + 1)
}

// The first of the tags, which colons divide.
function isPartialAt(line: Buffer, at: number): boolean {
  const next = line[at + 1]
  return line[at] === partialTag && (next === undefined || next === space || next === 0x3a)
}

/** Turns the file's bytes into the text that the container wrote: joins partial lines, leaves out old ones, counts what is still allowed. */
export class LogFormatter {
  readonly #timestamps: boolean
  readonly #since: bigint | undefined
  #bytesLeft: number
  #rest: Buffer = Buffer.alloc(0)
  #inLine = false

  constructor({ timestamps, since, limitBytes }: LogOptions) {
    this.#timestamps = timestamps
    this.#since = since === undefined ? undefined : nanoseconds(since)
    this.#bytesLeft = limitBytes ?? Number.POSITIVE_INFINITY
  }

  /** The limit is reached: nothing more will come out. */
  get isFull(): boolean {
    return this.#bytesLeft <= 0
  }

  /** The text in the next bytes of the file. A line that they do not end waits for the next. */
  format(bytes: Buffer): Buffer {
    const input = this.#rest.length === 0 ? bytes : Buffer.concat([this.#rest, bytes])
    const parts: Buffer[] = []
    let start = 0
    for (let end = input.indexOf(newline); end >= 0; end = input.indexOf(newline, start)) {
      this.#line(input.subarray(start, end), parts)
      start = end + 1
    }
    // A copy: the reader uses its buffer again.
    this.#rest = Buffer.from(input.subarray(start))
    return this.#limit(Buffer.concat(parts))
  }

  #line(raw: Buffer, parts: Buffer[]): void {
    const line = parseLogLine(raw)
    if (line === undefined) return
    if (this.#since !== undefined && nanoseconds(line.time) < this.#since) return
    if (this.#timestamps && !this.#inLine) parts.push(Buffer.from(fixedNanoseconds(line.time)), spaceByte)
    parts.push(line.text)
    if (!line.isPartial) parts.push(newlineByte)
    this.#inLine = line.isPartial
  }

  #limit(text: Buffer): Buffer {
    const allowed = text.length <= this.#bytesLeft ? text : text.subarray(0, this.#bytesLeft)
    this.#bytesLeft -= allowed.length
    return allowed
  }
}

const fractionOf = (time: string): string => (/\.(\d{1,9})/.exec(time)?.[1] ?? '').padEnd(9, '0')

/** Runtimes leave out trailing zeros; kubelets print all nine digits, so that columns line up. */
function fixedNanoseconds(time: string): string {
  return time.replace(/(?:\.\d+)?(Z|[+-]\d\d:\d\d)$/, `.${fractionOf(time)}$1`)
}

function nanoseconds(time: string): bigint {
  const ms = parseTime(time)
  return Number.isNaN(ms) ? 0n : BigInt(Math.floor(ms / 1000)) * 1_000_000_000n + BigInt(fractionOf(time))
}
