import { describe, expect, it } from 'vitest'
import type { JsonSchema } from './json-schema.ts'
import { hasDefaults, prune, withDefaults, withoutNulls } from './structural-values.ts'

const schema: JsonSchema = {
  type: 'object',
  properties: {
    spec: {
      type: 'object',
      properties: {
        a: { type: 'string', default: 'x' },
        free: {
          type: 'object',
          'x-kubernetes-preserve-unknown-fields': true,
          properties: { strict: { type: 'object', properties: { b: { type: 'string' } } } },
        },
        map: {
          type: 'object',
          additionalProperties: { type: 'object', properties: { c: { type: 'string', default: 'y' } } },
        },
        list: { type: 'array', items: { type: 'object', properties: { d: { type: 'string', default: 'z' } } } },
        pod: { type: 'object', 'x-kubernetes-embedded-resource': true, properties: { spec: { type: 'object' } } },
        maybe: { type: 'string', nullable: true, default: 'n' },
      },
    },
  },
}

describe('pruning', () => {
  it('drops what is not specified, and says where it stood', () => {
    const object = {
      apiVersion: 'v1',
      kind: 'A',
      metadata: { anything: 1 },
      other: 1,
      spec: { a: '1', e: 2, list: [{ d: '1', f: 3 }], map: { k: { c: '1', g: 4 } } },
    }
    const unknown: string[] = []
    expect(prune(object, schema, unknown)).toEqual({
      apiVersion: 'v1',
      kind: 'A',
      metadata: { anything: 1 },
      spec: { a: '1', list: [{ d: '1' }], map: { k: { c: '1' } } },
    })
    expect(unknown.sort()).toEqual(['other', 'spec.e', 'spec.list[0].f', 'spec.map.k.g'])
  })

  it('keeps what is unknown where the schema says so, and prunes again below a schema', () => {
    const free = { anything: { at: ['all'] }, strict: { b: '1', c: 2 } }
    expect(prune({ spec: { free } }, schema)).toEqual({
      spec: { free: { anything: { at: ['all'] }, strict: { b: '1' } } },
    })
  })

  it('leaves type and metadata to embedded objects', () => {
    const pod = { apiVersion: 'v1', kind: 'Pod', metadata: { name: 'a' }, spec: {}, status: {} }
    expect(prune({ spec: { pod } }, schema)).toEqual({
      spec: { pod: { apiVersion: 'v1', kind: 'Pod', metadata: { name: 'a' }, spec: {} } },
    })
  })

  it('gives the very object where nothing is unknown', () => {
    const object = { apiVersion: 'v1', spec: { a: '1', list: [{ d: '1' }] } }
    expect(prune(object, schema)).toBe(object)
  })

  it('takes a field called __proto__ for one like any other', () => {
    const object = JSON.parse('{"spec": {"map": {"__proto__": {"c": "1", "x": 2}}}}')
    expect(JSON.stringify(prune(object, schema))).toBe('{"spec":{"map":{"__proto__":{"c":"1"}}}}')
  })
})

describe('defaults', () => {
  it('are filled in where something is missing, however deep', () => {
    expect(withDefaults({ spec: { list: [{}], map: { k: {} } } }, schema)).toEqual({
      spec: { a: 'x', maybe: 'n', list: [{ d: 'z' }], map: { k: { c: 'y' } } },
    })
    expect(withDefaults({}, schema)).toEqual({})
  })

  it('replace nulls that are no values, and leave those that are', () => {
    expect(withDefaults({ spec: { a: null, maybe: null } }, schema)).toEqual({ spec: { a: 'x', maybe: null } })
  })

  it('give the very value where none is missing', () => {
    const object = { spec: { a: '1', maybe: '2', list: [{ d: '3' }] } }
    expect(withDefaults(object, schema)).toBe(object)
    expect([hasDefaults(schema), hasDefaults({ type: 'object' })]).toEqual([true, false])
  })
})

it('nulls that mean nothing are dropped', () => {
  expect(withoutNulls({ spec: { free: null, maybe: null, list: [null], map: { k: null } } }, schema)).toEqual({
    spec: { maybe: null, list: [null], map: {} },
  })
})
