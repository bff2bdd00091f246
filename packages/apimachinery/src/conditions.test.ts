import { expect, it } from 'vitest'
import { type Condition, findCondition, isConditionTrue, withCondition } from './conditions.ts'
import { controllerOf, controllerReference, isControlledBy } from './owner-references.ts'
import { formatKey, keyOf, parseKey } from './object.ts'
import { scaledValue } from './int-or-string.ts'
import { canonicalJson, fnv32a, shortHash } from './hash.ts'
import { jsonEqual, semanticEqual } from './deep-equal.ts'

const nowMs = Date.UTC(2026, 0, 2, 3, 4, 5)
const ready: Condition = {
  type: 'Ready',
  status: 'True',
  reason: 'Up',
  message: '',
  lastTransitionTime: '2025-01-01T00:00:00Z',
}

it('a new condition gets the time of now', () => {
  expect(withCondition(undefined, { type: 'Ready', status: 'False' }, nowMs)).toEqual([
    { type: 'Ready', status: 'False', lastTransitionTime: '2026-01-02T03:04:05Z' },
  ])
})
it('an equal condition leaves the list as it is', () => {
  const list = [ready]
  expect(withCondition(list, { ...ready, lastTransitionTime: 'other' }, nowMs)).toBe(list)
})
it('another reason keeps the time of the transition', () => {
  const next = withCondition([ready], { type: 'Ready', status: 'True', reason: 'Still', message: '' }, nowMs)
  expect(findCondition(next, 'Ready')).toEqual({ ...ready, reason: 'Still' })
})
it('another status moves the time of the transition, and keeps the place in the list', () => {
  const next = withCondition([ready, { type: 'B', status: 'True' }], { type: 'Ready', status: 'False' }, nowMs)
  expect(next.map((condition) => condition.type)).toEqual(['Ready', 'B'])
  expect(next[0]?.lastTransitionTime).toBe('2026-01-02T03:04:05Z')
  expect(isConditionTrue(next, 'Ready')).toBe(false)
})

const owner = { apiVersion: 'apps/v1', kind: 'ReplicaSet', metadata: { name: 'rs', uid: 'u1' } }
it('an object is controlled by the owner whose reference says so', () => {
  const reference = controllerReference(owner)
  const plain = { ...reference, uid: 'u2', controller: false }
  const pod = { apiVersion: 'v1', kind: 'Pod', metadata: { name: 'p', ownerReferences: [plain, reference] } }
  expect(controllerOf(pod)).toBe(reference)
  expect(isControlledBy(pod, owner)).toBe(true)
  expect(isControlledBy(pod, { metadata: { uid: 'u2' } })).toBe(false)
  expect(isControlledBy(pod, { metadata: {} })).toBe(false)
})

it.each([
  [{ namespace: 'ns', name: 'a' }, 'ns/a'],
  [{ namespace: '', name: 'a' }, 'a'],
])('key %j is written %s', (key, text) => {
  expect(formatKey(key)).toBe(text)
  expect(parseKey(text)).toEqual(key)
})
it('the key of an object without a namespace has an empty one', () => {
  expect(keyOf({ metadata: { name: 'a' } })).toEqual({ namespace: '', name: 'a' })
})

it.each([
  [3, 10, true, 3],
  ['25%', 10, true, 3],
  ['25%', 10, false, 2],
  ['100%', 7, false, 7],
  ['0%', 7, true, 0],
] as const)('%s of %d, rounded up: %s, is %d', (value, total, up, result) => {
  expect(scaledValue(value, total, up)).toBe(result)
})
it.each(['3', '%', '-1%', '1.5%'])('%s is no percentage', (value) => {
  expect(() => scaledValue(value, 1, true)).toThrow(RangeError)
})

it.each([
  ['', 0x811c9dc5],
  ['a', 0xe40c292c],
  ['foobar', 0xbf9cf968],
])('the hash of %j is that of FNV-1a', (text, hash) => {
  expect(fnv32a(text)).toBe(hash)
})
it('hashes do not depend on the order of members, but on a collision count', () => {
  expect(shortHash({ a: 1, b: [2] })).toBe(shortHash({ b: [2], a: 1, c: undefined }))
  expect(shortHash({ a: 1 }, 1)).not.toBe(shortHash({ a: 1 }))
  expect(shortHash({ a: 1 })).toMatch(/^[bcdfghjklmnpqrstvwxz2456789]{1,10}$/)
})
it('canonical JSON sorts members and leaves out undefined ones', () => {
  expect(canonicalJson({ b: 1, a: { d: null, c: undefined } })).toBe('{"a":{"d":null},"b":1}')
})

it.each([
  [{ a: 1 }, { a: 1, b: undefined }, true, true],
  [{ a: 1 }, { a: 1, b: null }, true, false],
  [{ a: 1 }, { a: 1, b: [] }, true, false],
  [{ a: 1 }, { a: 1, b: {} }, false, false],
  [{ a: [1, 2] }, { a: [2, 1] }, false, false],
  [{ a: '1' }, { a: 1 }, false, false],
  [{ a: [] }, { a: {} }, false, false],
  [[], undefined, true, false],
  [{ a: { b: 0 } }, {}, false, false],
  [{ a: false }, {}, false, false],
])('%j and %j: semantically %s, exactly %s', (a, b, semantic, exact) => {
  expect(semanticEqual(a, b)).toBe(semantic)
  expect(semanticEqual(b, a)).toBe(semantic)
  expect(jsonEqual(a, b)).toBe(exact)
})
