import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { gunzipSync } from 'node:zlib'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { LogRotation } from './log-rotation.ts'

let folder: string
let logPath: string
let reopened: string[]
let nowMs: number

beforeEach(() => {
  folder = mkdtempSync(path.join(tmpdir(), 'binnacle-rotation-'))
  logPath = path.join(folder, '0.log')
  reopened = []
  nowMs = Date.UTC(2026, 0, 2, 3, 4, 5)
})
afterEach(() => rmSync(folder, { recursive: true }))

const rotation = (reopen = async (id: string): Promise<void> => void reopened.push(id)) =>
  new LogRotation({ bytesMax: 10, filesMax: 3, nowMs: () => nowMs, reopen })
const files = (): string[] => readdirSync(folder).toSorted()

describe('the rotation of logs', () => {
  it('leaves small logs alone, and those that are not there', async () => {
    writeFileSync(logPath, 'small')
    const logs = [
      { id: 'a', logPath },
      { id: 'b', logPath: path.join(folder, 'none') },
    ]
    expect(await rotation().rotate(logs)).toEqual([])
    expect([files(), reopened]).toEqual([['0.log'], []])
  })

  it('moves a large one aside, compresses the one before and keeps as many as it may', async () => {
    for (const text of ['first first', 'second second', 'third third', 'fourth fourth']) {
      writeFileSync(logPath, text)
      await rotation().rotate([{ id: 'a', logPath }])
      nowMs += 1000
    }
    // With the present one, which the runtime makes, there are three.
    expect(files()).toEqual(['0.log.20260102-030407.gz', '0.log.20260102-030408'])
    expect(String(gunzipSync(readFileSync(path.join(folder, '0.log.20260102-030407.gz'))))).toBe('third third')
    expect(reopened).toEqual(['a', 'a', 'a', 'a'])
  })

  it('gives the log its name back when the runtime does not reopen it, and says so', async () => {
    writeFileSync(logPath, 'large enough')
    const refuse = async (): Promise<void> => {
      throw new Error('no such container')
    }
    const problems = await rotation(refuse).rotate([{ id: 'a', logPath }])
    expect(problems.map(({ message }) => message)).toEqual(['no such container'])
    expect(files()).toEqual(['0.log'])
  })

  it('removes what an agent that was killed has left half compressed', async () => {
    writeFileSync(`${logPath}.20260101-000000.tmp`, 'half')
    writeFileSync(logPath, 'large enough')
    await rotation().rotate([{ id: 'a', logPath }])
    expect(files()).toEqual(['0.log.20260102-030405'])
  })
})
