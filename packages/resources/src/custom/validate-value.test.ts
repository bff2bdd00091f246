import { describe, expect, it } from 'vitest'
import type { JsonSchema } from './json-schema.ts'
import { listTypeErrors } from './list-types.ts'
import { schemaErrors } from './validate-value.ts'

const spec = (schema: JsonSchema): JsonSchema => ({ type: 'object', properties: { spec: schema } })
const texts = (schema: JsonSchema, value: unknown, old?: unknown): string[] =>
  schemaErrors(spec(schema), { spec: value }, old === undefined ? {} : { old: { spec: old } }).map(
    ({ field, message }) => `${field}: ${message}`,
  )

describe('a value that its schema does not allow', () => {
  it.each<[string, JsonSchema, unknown, string[]]>([
    [
      'another type',
      { type: 'integer' },
      'three',
      ['spec: Invalid value: "string": spec in body must be of type integer: "string"'],
    ],
    [
      'a fraction',
      { type: 'integer' },
      1.5,
      ['spec: Invalid value: "number": spec in body must be of type integer: "number"'],
    ],
    ['a whole number as a number', { type: 'number' }, 1, []],
    ['null', { type: 'string' }, null, ['spec: Invalid value: "null": spec in body must be of type string: "null"']],
    ['null where it may be', { type: 'string', nullable: true }, null, []],
    [
      'neither number nor text',
      { 'x-kubernetes-int-or-string': true },
      true,
      ['spec: Invalid value: "boolean": spec in body must be of type integer,string: "boolean"'],
    ],
    [
      'a text without its pattern',
      { type: 'string', pattern: '^\\d+$' },
      'a',
      ['spec: Invalid value: "a": spec in body should match \'^\\d+$\''],
    ],
    [
      'a text that is too long',
      { type: 'string', maxLength: 2 },
      'abc',
      ['spec: Too long: may not be more than 2 bytes'],
    ],
    ['characters of two units', { type: 'string', maxLength: 2 }, '😀😀', []],
    [
      'a text that is too short',
      { type: 'string', minLength: 2 },
      'a',
      ['spec: Invalid value: "a": spec in body should be at least 2 chars long'],
    ],
    [
      'a number that is too great',
      { type: 'integer', maximum: 3 },
      4,
      ['spec: Invalid value: 4: spec in body should be less than or equal to 3'],
    ],
    [
      'a number that is as great',
      { type: 'integer', maximum: 3, exclusiveMaximum: true },
      3,
      ['spec: Invalid value: 3: spec in body should be less than 3'],
    ],
    [
      'a number that is too small',
      { type: 'integer', minimum: 3 },
      2,
      ['spec: Invalid value: 2: spec in body should be greater than or equal to 3'],
    ],
    [
      'no multiple',
      { type: 'number', multipleOf: 0.1 },
      0.25,
      ['spec: Invalid value: 0.25: spec in body should be a multiple of 0.1'],
    ],
    ['a multiple that floats', { type: 'number', multipleOf: 0.1 }, 0.3, []],
    ['not one of those', { enum: ['a', 'b'] }, 'c', ['spec: Unsupported value: "c": supported values: "a", "b"']],
    [
      'too few items',
      { type: 'array', items: { type: 'string' }, minItems: 1 },
      [],
      ['spec: Invalid value: 0: spec in body should have at least 1 items'],
    ],
    [
      'too many items',
      { type: 'array', items: { type: 'string' }, maxItems: 1 },
      ['a', 'b'],
      ['spec: Too many: 2: must have at most 1 item'],
    ],
    [
      'an item of another type',
      { type: 'array', items: { type: 'string' } },
      ['a', 1],
      ['spec[1]: Invalid value: "integer": spec[1] in body must be of type string: "integer"'],
    ],
    [
      'a member that is missing, and one in a map',
      { type: 'object', required: ['a'], additionalProperties: { type: 'integer' } },
      { b: 'x' },
      ['spec.b: Invalid value: "string": spec.b in body must be of type integer: "string"', 'spec.a: Required value'],
    ],
    [
      'another format',
      { type: 'string', format: 'date-time' },
      'today',
      ['spec: Invalid value: "today": spec in body must be of type date-time: "today"'],
    ],
    ['a format that nobody knows', { type: 'string', format: 'poem' }, 'x', []],
    ['a format of numbers', { type: 'integer', format: 'int32' }, 5, []],
    [
      'none of several',
      { type: 'integer', anyOf: [{ maximum: 1 }, { minimum: 5 }] },
      3,
      [
        '<nil>: Invalid value: "": "spec" must validate at least one schema (anyOf)',
        'spec: Invalid value: 3: spec in body should be less than or equal to 1',
      ],
    ],
    [
      'two of several',
      { type: 'integer', oneOf: [{ minimum: 1 }, { minimum: 2 }] },
      3,
      ['<nil>: Invalid value: "": "spec" must validate one and only one schema (oneOf). Found 2 valid alternatives'],
    ],
    [
      'what it must not be',
      { type: 'integer', not: { minimum: 1 } },
      3,
      ['<nil>: Invalid value: "": "spec" must not validate the schema (not)'],
    ],
    [
      'not all of several',
      { type: 'integer', allOf: [{ minimum: 5 }, { maximum: 9 }] },
      3,
      [
        'spec: Invalid value: 3: spec in body should be greater than or equal to 5',
        '<nil>: Invalid value: "": "spec" must validate all the schemas (allOf)',
      ],
    ],
  ])('is told of as kube-apiserver does: %s', (_what, schema, value, expected) => {
    expect(texts(schema, value)).toEqual(expected)
  })

  it('is told of below the place where it stands', () => {
    const errors = schemaErrors({ type: 'object', required: ['a'] }, {}, { field: 'status' })
    expect(errors).toEqual([{ type: 'FieldValueRequired', field: 'status.a', message: 'Required value' }])
  })
})

describe('what was there before', () => {
  const strict: JsonSchema = {
    type: 'object',
    properties: {
      name: { type: 'string', maxLength: 1 },
      ports: {
        type: 'array',
        'x-kubernetes-list-type': 'map',
        'x-kubernetes-list-map-keys': ['port'],
        items: { type: 'object', properties: { port: { type: 'integer' }, name: { type: 'string', maxLength: 1 } } },
      },
    },
  }

  it('may stay, though the schema has become stricter', () => {
    expect(texts(strict, { name: 'long', other: 1 }, { name: 'long' })).toEqual([])
    expect(texts(strict, { name: 'longer' }, { name: 'long' })).toHaveLength(1)
  })

  it('is known again in a list by its keys', () => {
    const old = { ports: [{ port: 1, name: 'long' }] }
    expect(texts(strict, { ports: [{ port: 2, name: 'b' }, ...old.ports] }, old)).toEqual([])
    expect(texts(strict, { ports: [{ port: 2, name: 'long' }] }, old)).toHaveLength(1)
  })
})

describe('lists that are sets or maps', () => {
  const schema = (extensions: object): JsonSchema => spec({ type: 'array', items: {}, ...extensions } as JsonSchema)

  it('have no element twice', () => {
    const set = schema({ 'x-kubernetes-list-type': 'set' })
    expect(listTypeErrors(set, { spec: ['a', 'b', 'a', 'a'] })).toEqual([
      { type: 'FieldValueDuplicate', field: 'spec[2]', message: 'Duplicate value: "a"' },
    ])
  })

  it('have no keys twice', () => {
    const map = schema({ 'x-kubernetes-list-type': 'map', 'x-kubernetes-list-map-keys': ['port', 'protocol'] })
    const items = [{ port: 1, name: 'a' }, { port: 1, protocol: 'UDP' }, { port: 1 }]
    expect(listTypeErrors(map, { spec: items })).toEqual([
      { type: 'FieldValueDuplicate', field: 'spec[2]', message: 'Duplicate value: {"port":1}' },
    ])
  })
})
