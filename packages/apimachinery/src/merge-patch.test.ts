import { expect, it } from 'vitest'
import { applyMergePatch } from './merge-patch.ts'

// The examples of RFC 7386, appendix A.
const cases: [document: unknown, patch: unknown, result: unknown][] = [
  [{ a: 'b' }, { a: 'c' }, { a: 'c' }],
  [{ a: 'b' }, { b: 'c' }, { a: 'b', b: 'c' }],
  [{ a: 'b' }, { a: null }, {}],
  [{ a: 'b', b: 'c' }, { a: null }, { b: 'c' }],
  [{ a: ['b'] }, { a: 'c' }, { a: 'c' }],
  [{ a: 'c' }, { a: ['b'] }, { a: ['b'] }],
  [{ a: { b: 'c' } }, { a: { b: 'd', c: null } }, { a: { b: 'd' } }],
  [{ a: [{ b: 'c' }] }, { a: [1] }, { a: [1] }],
  [
    ['a', 'b'],
    ['c', 'd'],
    ['c', 'd'],
  ],
  [{ a: 'b' }, ['c'], ['c']],
  [{ a: 'foo' }, null, null],
  [{ a: 'foo' }, 'bar', 'bar'],
  [{ e: null }, { a: 1 }, { e: null, a: 1 }],
  [[1, 2], { a: 'b', c: null }, { a: 'b' }],
  [{}, { a: { bb: { ccc: null } } }, { a: { bb: {} } }],
]

it.each(cases)('merges %j with %j into %j', (document, patch, result) => {
  const before = structuredClone(document)
  expect(applyMergePatch(document, patch)).toEqual(result)
  expect(document).toEqual(before)
})

it('cannot reach the prototype', () => {
  const result = applyMergePatch({}, JSON.parse('{"__proto__":{"polluted":true}}') as unknown) as object
  expect(Object.getPrototypeOf(result)).toBe(Object.prototype)
})
