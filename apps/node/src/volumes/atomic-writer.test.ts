import { existsSync, mkdtempSync, readFileSync, readlinkSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { afterEach, describe, expect, it } from 'vitest'
import { writeAtomically } from './atomic-writer.ts'
import { subPathOf } from './pod-volumes.ts'

const directories: string[] = []

function newDirectory(): string {
  const directory = mkdtempSync(path.join(tmpdir(), 'volume-'))
  directories.push(directory)
  return directory
}

const payload = (files: Record<string, string>) =>
  new Map(Object.entries(files).map(([name, text]) => [name, { data: Buffer.from(text), mode: 0o644 }]))

afterEach(() => {
  for (const directory of directories.splice(0)) rmSync(directory, { recursive: true })
})

describe('writeAtomically', () => {
  it('swings all files over at once and removes what is gone', () => {
    const directory = newDirectory()
    expect(writeAtomically(directory, payload({ a: '1', 'deep/b': '2' }), undefined)).toBe(true)
    const first = readlinkSync(path.join(directory, '..data'))
    expect(writeAtomically(directory, payload({ a: '3' }), undefined)).toBe(true)
    expect(readFileSync(path.join(directory, 'a'), 'utf8')).toBe('3')
    expect(existsSync(path.join(directory, 'deep'))).toBe(false)
    expect(existsSync(path.join(directory, first))).toBe(false)
  })

  it('writes nothing when nothing changed', () => {
    const directory = newDirectory()
    writeAtomically(directory, payload({ a: '1' }), undefined)
    const link = readlinkSync(path.join(directory, '..data'))
    expect(writeAtomically(directory, payload({ a: '1' }), undefined)).toBe(false)
    expect(readlinkSync(path.join(directory, '..data'))).toBe(link)
  })
})

describe('subPathOf', () => {
  it('makes what is missing, and does not lead out of the volume', () => {
    const directory = newDirectory()
    expect(subPathOf(directory, 'a/b')).toBe(path.join(directory, 'a/b'))
    expect(() => subPathOf(directory, '../b')).toThrow("must not contain '..'")
  })
})
