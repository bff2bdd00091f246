import { appendFileSync, mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { readLog } from './container-log.ts'
import type { LogOptions } from './log-format.ts'

let folder: string
let logPath: string
beforeEach(() => {
  folder = mkdtempSync(path.join(tmpdir(), 'binnacle-log-'))
  logPath = path.join(folder, '0.log')
})
afterEach(() => rmSync(folder, { recursive: true }))

const all: LogOptions = {
  follow: false,
  timestamps: false,
  tailLines: undefined,
  since: undefined,
  limitBytes: undefined,
}
const line = (second: number, text: string, tag = 'F', stream = 'stdout'): string =>
  `2026-01-01T00:00:${String(second).padStart(2, '0')}.5Z ${stream} ${tag} ${text}\n`
const ended = { isRunning: async () => false }

async function read(options: Partial<LogOptions> = {}): Promise<string> {
  let text = ''
  for await (const part of readLog({ logPath, ...ended }, { ...all, ...options }, new AbortController().signal))
    text += part.toString()
  return text
}

describe('readLog', () => {
  it('gives what was written to both outputs, without what the runtime adds', async () => {
    writeFileSync(logPath, line(1, 'out') + line(2, 'err', 'F', 'stderr') + line(3, ''))
    expect(await read()).toBe('out\nerr\n\n')
  })

  it('joins the pieces of a line, and puts one time before them', async () => {
    writeFileSync(logPath, line(1, 'long ', 'P') + line(2, 'line', 'F') + line(3, 'next'))
    expect(await read()).toBe('long line\nnext\n')
    expect(await read({ timestamps: true })).toBe(
      '2026-01-01T00:00:01.500000000Z long line\n2026-01-01T00:00:03.500000000Z next\n',
    )
  })

  it('leaves out what is no line of a log, and a line that is only begun', async () => {
    writeFileSync(logPath, `${line(1, 'a')}garbage\n\n2026-01-01T00:00:02Z stdlog F x\n${line(3, 'b')}2026-01-01T00`)
    expect(await read()).toBe('a\nb\n')
  })

  it.each([
    [0, ''],
    [1, 'in pieces\n'],
    [2, 'b\nin pieces\n'],
    [3, 'a\nb\nin pieces\n'],
    [9, 'a\nb\nin pieces\n'],
  ])('gives the last %i lines, however many pieces they have', async (tailLines, expected) => {
    writeFileSync(logPath, line(1, 'a') + line(2, 'b') + line(3, 'in ', 'P') + line(3, 'pie', 'P') + line(3, 'ces'))
    expect(await read({ tailLines })).toBe(expected)
  })

  it('finds the last lines of a file of many blocks', async () => {
    const text = (i: number): string => `${i} ${'x'.repeat(i % 300)}`
    writeFileSync(logPath, Array.from({ length: 3000 }, (_, i) => line(i % 60, text(i))).join(''))
    const tail = Array.from({ length: 1500 }, (_, i) => `${text(1500 + i)}\n`).join('')
    expect(await read({ tailLines: 1500 })).toBe(tail)
  })

  it('leaves out what is older, to the nanosecond', async () => {
    writeFileSync(logPath, line(1, 'a') + line(2, 'b'))
    expect(await read({ since: '2026-01-01T00:00:01.5Z' })).toBe('a\nb\n')
    expect(await read({ since: '2026-01-01T00:00:01.500000001Z' })).toBe('b\n')
    expect(await read({ since: '2026-01-01T02:00:03+02:00' })).toBe('')
  })

  it('ends at the limit of bytes', async () => {
    writeFileSync(logPath, line(1, 'abc') + line(2, 'def'))
    expect(await read({ limitBytes: 5 })).toBe('abc\nd')
  })

  it('fails when there is no file', async () => {
    await expect(read()).rejects.toMatchObject({ code: 'ENOENT' })
    await expect(read({ follow: true })).rejects.toMatchObject({ code: 'ENOENT' })
  })
})

describe('a follower of a log', () => {
  function follow(options: Partial<LogOptions> = {}) {
    const state = { running: true }
    const source = { logPath, isRunning: async () => state.running }
    const stop = new AbortController()
    const parts = readLog(source, { ...all, follow: true, ...options }, stop.signal)
    const next = async (): Promise<string | undefined> => (await parts.next()).value?.toString()
    return { state, stop, next }
  }

  it('gives what is written later, and ends when the container has', async () => {
    writeFileSync(logPath, line(1, 'a'))
    const { state, next } = follow()
    expect(await next()).toBe('a\n')
    appendFileSync(logPath, line(2, 'b'))
    expect(await next()).toBe('b\n')
    state.running = false
    appendFileSync(logPath, line(3, 'last'))
    expect(await next()).toBe('last\n')
    expect(await next()).toBeUndefined()
  })

  it('begins with the last lines', async () => {
    writeFileSync(logPath, line(1, 'a') + line(2, 'b'))
    const { next, stop } = follow({ tailLines: 1 })
    expect(await next()).toBe('b\n')
    stop.abort()
    expect(await next()).toBeUndefined()
  })

  it('goes over to the new file after a rotation, and misses nothing of the old', async () => {
    writeFileSync(logPath, line(1, 'a'))
    const { next, stop } = follow()
    expect(await next()).toBe('a\n')
    appendFileSync(logPath, line(2, 'b'))
    renameSync(logPath, `${logPath}.20260101-000002`)
    appendFileSync(`${logPath}.20260101-000002`, line(3, 'c'))
    writeFileSync(logPath, line(4, 'd'))
    expect((await next()) ?? '').toBe('b\nc\n')
    expect(await next()).toBe('d\n')
    stop.abort()
    expect(await next()).toBeUndefined()
  })
})
