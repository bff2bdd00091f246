import { describe, expect, it } from 'vitest'
import { applyJsonPatch } from './json-patch.ts'

describe('applyJsonPatch', () => {
  const applied: [name: string, document: unknown, operations: unknown[], result: unknown][] = [
    ['adds a member', { a: 1 }, [{ op: 'add', path: '/b', value: 2 }], { a: 1, b: 2 }],
    ['replaces a member by adding it', { a: 1 }, [{ op: 'add', path: '/a', value: 2 }], { a: 2 }],
    ['inserts into a list', [1, 3], [{ op: 'add', path: '/1', value: 2 }], [1, 2, 3]],
    ['appends to a list', [1], [{ op: 'add', path: '/-', value: 2 }], [1, 2]],
    ['adds at the end by index', [1], [{ op: 'add', path: '/1', value: 2 }], [1, 2]],
    ['replaces the whole', { a: 1 }, [{ op: 'replace', path: '', value: { b: 2 } }], { b: 2 }],
    ['adds a null', {}, [{ op: 'add', path: '/a', value: null }], { a: null }],
    ['removes a member', { a: 1, b: 2 }, [{ op: 'remove', path: '/a' }], { b: 2 }],
    ['removes an element', [1, 2, 3], [{ op: 'remove', path: '/1' }], [1, 3]],
    ['removes the last element by a negative index', [1, 2, 3], [{ op: 'remove', path: '/-1' }], [1, 2]],
    ['appends by a negative index', [1], [{ op: 'add', path: '/-1', value: 2 }], [1, 2]],
    ['replaces an element', [1, 2], [{ op: 'replace', path: '/0', value: 9 }], [9, 2]],
    ['moves a member', { a: { x: 1 }, b: {} }, [{ op: 'move', from: '/a/x', path: '/b/y' }], { a: {}, b: { y: 1 } }],
    ['moves within a list', [1, 2, 3], [{ op: 'move', from: '/0', path: '/2' }], [2, 3, 1]],
    ['copies a member', { a: { x: [1] } }, [{ op: 'copy', from: '/a', path: '/b' }], { a: { x: [1] }, b: { x: [1] } }],
    [
      'passes a test',
      { a: { x: [1, { y: 2 }] } },
      [{ op: 'test', path: '/a', value: { x: [1, { y: 2 }] } }],
      { a: { x: [1, { y: 2 }] } },
    ],
    ['takes an absent member for null in a test', {}, [{ op: 'test', path: '/a', value: null }], {}],
    [
      'reads escapes',
      { 'a/b': 1, 'c~d': 2 },
      [
        { op: 'remove', path: '/a~1b' },
        { op: 'replace', path: '/c~0d', value: 3 },
      ],
      { 'c~d': 3 },
    ],
    ['reads ~01 as ~1', { '~1': 1 }, [{ op: 'remove', path: '/~01' }], {}],
    ['reaches the member of an empty name', { '': 1 }, [{ op: 'remove', path: '/' }], {}],
    [
      'does one after the other',
      { a: 1 },
      [
        { op: 'test', path: '/a', value: 1 },
        { op: 'remove', path: '/a' },
        { op: 'add', path: '/a', value: 2 },
      ],
      { a: 2 },
    ],
  ]
  it.each(applied)('%s', (_, document, operations, result) => {
    expect(applyJsonPatch(document, operations)).toEqual(result)
  })

  const refused: [name: string, document: unknown, operations: unknown[], code: number][] = [
    ['an unknown operation', {}, [{ op: 'merge', path: '/a' }], 400],
    ['an operation without a path', {}, [{ op: 'remove' }], 400],
    ['no operation', {}, [null], 400],
    ['a path without a slash', { a: 1 }, [{ op: 'remove', path: 'a' }], 400],
    ['the removal of what is not there', {}, [{ op: 'remove', path: '/a' }], 422],
    ['the replacement of what is not there', {}, [{ op: 'replace', path: '/a', value: 1 }], 422],
    ['an addition below what is not there', {}, [{ op: 'add', path: '/a/b', value: 1 }], 422],
    ['an index beyond the end', [1], [{ op: 'add', path: '/2', value: 1 }], 422],
    ['an index before the beginning', [1], [{ op: 'remove', path: '/-2' }], 422],
    ['a word as an index', [1], [{ op: 'add', path: '/x', value: 1 }], 422],
    ['a test that fails', { a: 1 }, [{ op: 'test', path: '/a', value: 2 }], 422],
    ['a test of another type', { a: '1' }, [{ op: 'test', path: '/a', value: 1 }], 422],
    ['a move from nowhere', {}, [{ op: 'move', from: '/a', path: '/b' }], 422],
    ['members of the prototype', {}, [{ op: 'copy', from: '/constructor', path: '/a' }], 422],
  ]
  it.each(refused)('refuses %s', (_, document, operations, code) => {
    expect(() => applyJsonPatch(document, operations)).toThrow(expect.objectContaining({ code }))
  })

  it('refuses more than 10000 operations', () => {
    const operations = Array.from({ length: 10_001 }, () => ({ op: 'test', path: '', value: {} }))
    expect(() => applyJsonPatch({}, operations)).toThrow(
      'The allowed maximum operations in a JSON patch is 10000, got 10001',
    )
  })

  it('refuses copies that grow without bound', () => {
    const operations = Array.from({ length: 30 }, (_, index) => ({ op: 'copy', from: '/a', path: `/a/c${index}` }))
    expect(() => applyJsonPatch({ a: { text: 'x'.repeat(100) } }, operations)).toThrow('accumulated size increase')
  })

  it('changes nothing that it was given', () => {
    const document = { a: [{ b: 1 }] }
    const value = { deep: [1] }
    const result = applyJsonPatch(document, [
      { op: 'add', path: '/v', value },
      { op: 'add', path: '/v/deep/-', value: 2 },
      { op: 'replace', path: '/a/0/b', value: 2 },
    ])
    expect(result).toEqual({ a: [{ b: 2 }], v: { deep: [1, 2] } })
    expect([document, value]).toEqual([{ a: [{ b: 1 }] }, { deep: [1] }])
  })

  it('cannot reach the prototype', () => {
    const result = applyJsonPatch({}, [{ op: 'add', path: '/__proto__', value: { polluted: true } }]) as object
    expect(Object.getPrototypeOf(result)).toBe(Object.prototype)
    expect(Object.keys(result)).toEqual(['__proto__'])
  })
})
