import { SeededRandom } from '@binnacle/testing'
import { describe, expect, it } from 'vitest'
import { CompletionIndexes } from './completion-indexes.ts'

describe('CompletionIndexes', () => {
  it.each([
    ['', '', 0],
    ['0', '0', 1],
    ['0,1', '0,1', 2],
    ['0-2', '0-2', 3],
    ['0,1,2', '0-2', 3],
    ['1,3-5,7', '1,3-5,7', 5],
    ['1,x,3', '1,3', 2],
    ['8-12', '8,9', 2],
    ['10,11', '', 0],
  ])('reads %j as %j, %i indexes below ten', (text, written, size) => {
    const indexes = CompletionIndexes.parse(text, 10)
    expect(indexes.toString()).toBe(written)
    expect(indexes.size).toBe(size)
  })

  it('agrees with a plain set', () => {
    const random = new SeededRandom(7)
    for (let round = 0; round < 300; round++) {
      const completions = 1 + random.below(40)
      const draw = () => Array.from({ length: random.below(completions) }, () => random.below(completions))
      const [a, b] = [new Set(draw()), new Set(draw())]
      const [ours, theirs] = [CompletionIndexes.of(a), CompletionIndexes.of(b)]
      const both = new Set([...a, ...b])
      const joined = ours.with(theirs)
      const all = Array.from({ length: completions }, (_, index) => index)
      expect(all.filter((index) => joined.has(index))).toEqual(all.filter((index) => both.has(index)))
      expect(joined.size).toBe(both.size)
      expect(ours.overlapWith(theirs)).toBe([...a].filter((index) => b.has(index)).length)
      const count = random.below(completions + 1)
      expect(joined.firstMissing(count, completions)).toEqual(all.filter((index) => !both.has(index)).slice(0, count))
      expect(CompletionIndexes.parse(joined.toString(), completions).toString()).toBe(joined.toString())
    }
  })
})
