import { describe, expect, it } from 'vitest'
import { readText } from './repository.ts'

/** packages/store/SPEC.md and the store's tests say the same, in both directions. */

const folder = 'packages/store'
const spec = readText(`${folder}/SPEC.md`)
const invariants = [...spec.matchAll(/^\*\*([A-Z]\d+)\*\* [\s\S]*?(?=^\*\*[A-Z]\d|^## |$(?![\s\S]))/gm)].map(
  ([text, name]) => ({
    name: name as string,
    proofs: [...text.matchAll(/^- `([\w.-]+)`: (.+)$/gm)].map((match) => ({
      file: match[1] as string,
      test: match[2] as string,
    })),
  }),
)
const proofs = invariants.flatMap((invariant) => invariant.proofs)
const testsOf = (file: string): string[] =>
  [...readText(`${folder}/src/${file}`).matchAll(/^\s*it\(\s*'([^'\n]+)'/gm)].map((match) => match[1] as string)

describe('the specification of the store', () => {
  it('numbers its invariants without a gap', () => {
    const letters = [...new Set(invariants.map(({ name }) => name[0]))]
    const expected = letters.flatMap((letter) => {
      const count = invariants.filter(({ name }) => name.startsWith(letter as string)).length
      return Array.from({ length: count }, (_, i) => `${letter}${i + 1}`)
    })
    expect(invariants.length).toBeGreaterThan(15)
    expect(invariants.map(({ name }) => name)).toEqual(expected)
  })

  it('names a test for every invariant', () => {
    expect(invariants.filter((invariant) => invariant.proofs.length === 0).map(({ name }) => name)).toEqual([])
  })

  it('names only tests that exist', () => {
    expect(proofs.filter(({ file, test }) => !testsOf(file).includes(test))).toEqual([])
  })

  it('has an invariant for every test of the files that it names', () => {
    const files = [...new Set(proofs.map(({ file }) => file))]
    const named = new Set(proofs.map(({ file, test }) => `${file}: ${test}`))
    const unnamed = files
      .flatMap((file) => testsOf(file).map((test) => `${file}: ${test}`))
      .filter((test) => !named.has(test))
    expect(unnamed).toEqual([])
  })
})
