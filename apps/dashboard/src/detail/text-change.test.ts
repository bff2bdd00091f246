import { describe, expect, it } from 'vitest'
import { changedSpan } from './text-change.ts'

describe('changedSpan', () => {
  it.each([
    ['', 'a: 1\n'],
    ['a: 1\nb: 2\nc: 3\n', 'a: 1\nb: 22\nc: 3\n'],
    ['a: 1\nb: 2\n', 'a: 1\n'],
    ['aaa', 'aaaa'],
    ['x\nx\n', 'x\nx\nx\n'],
    ['a: 1\n', ''],
  ])('turns %j into %j', (before, after) => {
    const change = changedSpan(before, after)
    expect(change).toBeDefined()
    const { from, to, insert } = change as { from: number; to: number; insert: string }
    expect(before.slice(0, from) + insert + before.slice(to)).toBe(after)
  })

  it('leaves the lines around a changed value alone', () => {
    expect(changedSpan('a: 1\nb: 2\nc: 3\n', 'a: 1\nb: 9\nc: 3\n')).toEqual({ from: 5, to: 9, insert: 'b: 9' })
  })

  it('finds nothing in equal texts', () => {
    expect(changedSpan('a', 'a')).toBeUndefined()
  })
})
