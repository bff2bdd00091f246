import { describe, expect, it } from 'vitest'
import {
  differenceOf,
  type FieldSet,
  insertPath,
  intersectionOf,
  isFieldSet,
  pathsOf,
  unionOf,
  withoutPath,
} from './field-set.ts'

function setOf(...paths: string[]): FieldSet {
  const set: FieldSet = {}
  for (const path of paths) insertPath(set, path.split('/'))
  return set
}

describe('sets of fields', () => {
  it('have the form of fieldsV1, whatever the order in which paths came', () => {
    expect(setOf('f:spec/f:replicas')).toEqual({ 'f:spec': { 'f:replicas': {} } })
    const both = { 'f:labels': { '.': {}, 'f:app': {} } }
    expect(setOf('f:labels', 'f:labels/f:app')).toEqual(both)
    expect(setOf('f:labels/f:app', 'f:labels')).toEqual(both)
  })

  const a = setOf('f:x', 'f:m', 'f:m/f:a', 'f:m/f:b', 'f:only/f:a')
  const b = setOf('f:x', 'f:m/f:b', 'f:m/f:c', 'f:other')

  it('unite', () => {
    expect(unionOf(a, b)).toEqual(setOf('f:x', 'f:m', 'f:m/f:a', 'f:m/f:b', 'f:m/f:c', 'f:only/f:a', 'f:other'))
    expect(unionOf(undefined, a)).toBe(a)
  })

  it('are taken from each other, member by member', () => {
    expect(differenceOf(a, b)).toEqual(setOf('f:m', 'f:m/f:a', 'f:only/f:a'))
    expect(differenceOf(a, a)).toBeUndefined()
    expect(differenceOf(setOf('f:m/f:a'), setOf('f:m'))).toEqual(setOf('f:m/f:a'))
  })

  it('have what both have in common', () => {
    expect(intersectionOf(a, b)).toEqual(setOf('f:x', 'f:m/f:b'))
    expect(intersectionOf(setOf('f:m/f:a'), setOf('f:m'))).toBeUndefined()
  })

  it('lose a path with all below it, and what is then empty', () => {
    expect(withoutPath(setOf('f:m/f:a/f:b', 'f:x'), ['f:m', 'f:a'])).toEqual(setOf('f:x'))
    expect(withoutPath(setOf('f:m/f:a'), ['f:m', 'f:a'])).toBeUndefined()
  })

  it('are written as people read paths', () => {
    const set = setOf('f:spec/f:ports/k:{"port":80,"protocol":"TCP"}/f:name', 'f:metadata/f:finalizers/v:"a/b"')
    insertPath(set, ['f:metadata', 'f:finalizers', 'v:"x/y"'])
    expect(pathsOf(setOf('f:spec/f:ports/k:{"port":80,"protocol":"TCP"}/f:name'))).toEqual([
      '.spec.ports[port=80,protocol="TCP"].name',
    ])
    const finalizers: FieldSet = {}
    insertPath(finalizers, ['f:metadata', 'f:finalizers', 'v:"x/y"'])
    expect(pathsOf(finalizers)).toEqual(['.metadata.finalizers[="x/y"]'])
  })

  it('are told from what is none', () => {
    expect(isFieldSet({ 'f:a': { '.': {}, 'k:{"name":"x"}': {} } })).toBe(true)
    for (const value of [null, [], 'f:a', { a: {} }, { 'f:a': 1 }]) expect(isFieldSet(value)).toBe(false)
  })
})
