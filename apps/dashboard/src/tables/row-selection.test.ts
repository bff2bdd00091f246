import { describe, expect, it } from 'vitest'
import { movedIndex } from './row-selection.ts'

describe('movedIndex', () => {
  it.each([
    ['j', -1, 0],
    ['j', 4, 5],
    ['ArrowDown', 9, 9],
    ['k', -1, 9],
    ['k', 0, 0],
    ['ArrowUp', 5, 4],
    ['g', 5, 0],
    ['G', 5, 9],
    ['Home', 5, 0],
    ['End', -1, 9],
    ['PageDown', 2, 6],
    ['PageDown', 8, 9],
    ['PageUp', 8, 4],
    ['PageUp', -1, 0],
    ['x', 3, undefined],
  ])('moves with %s from %i to %s', (key, from, to) => {
    expect(movedIndex(key, from, 10, 4)).toBe(to)
  })

  it('has nowhere to go in an empty table', () => {
    expect(movedIndex('j', -1, 0, 4)).toBeUndefined()
  })
})
