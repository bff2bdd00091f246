import { parseValue, print } from 'graphql'
import { describe, expect, it } from 'vitest'
import {
  base64Scalar,
  int64Scalar,
  intOrStringScalar,
  jsonScalar,
  quantityScalar,
  stringMapScalar,
  timeScalar,
} from './scalars.ts'

const literal = (scalar: typeof jsonScalar, text: string, variables: Record<string, unknown> = {}): unknown =>
  scalar.parseLiteral(parseValue(text), variables)

describe('StringMap', () => {
  it('is an object or a list of keys and values, from variables and in the document', () => {
    const map = { 'app.kubernetes.io/name': 'web', tier: '' }
    expect(stringMapScalar.parseValue(map)).toEqual(map)
    const list = Object.entries(map).map(([key, value]) => ({ key, value }))
    expect(stringMapScalar.parseValue(list)).toEqual(map)
    const text = '[{key: "app.kubernetes.io/name", value: "web"}, {key: "tier", value: ""}]'
    expect(literal(stringMapScalar, text)).toEqual(map)
    expect(literal(stringMapScalar, '{tier: ""}')).toEqual({ tier: '' })
    expect(literal(stringMapScalar, '[]')).toEqual({})
  })

  it('takes values by variables within a literal', () => {
    expect(literal(stringMapScalar, '[{key: "a", value: $x}]', { x: 'b' })).toEqual({ a: 'b' })
  })

  it('keeps every key, also those that mean something to JavaScript', () => {
    const text = '[{key: "__proto__", value: "a"}, {key: "constructor", value: "b"}]'
    expect(Object.entries(literal(stringMapScalar, text) as object)).toEqual([
      ['__proto__', 'a'],
      ['constructor', 'b'],
    ])
    expect(Object.entries(stringMapScalar.parseValue(JSON.parse('{"__proto__":"a"}')) as object)).toEqual([
      ['__proto__', 'a'],
    ])
  })

  it('refuses anything else', () => {
    for (const text of ['"x"', '7', '[{key: "a"}]', '[{value: "a"}]', '[["a", "b"]]', '{a: 1}', '{a: null}', '[null]'])
      expect(() => literal(stringMapScalar, text), text).toThrow('StringMap cannot represent')
    for (const value of ['x', 7, true, [1], { a: {} }, [{ key: 'a', value: 1 }]])
      expect(() => stringMapScalar.parseValue(value)).toThrow('StringMap cannot represent')
  })
})

describe('Int64', () => {
  it('is a whole number, also as text, as far as JSON numbers are exact', () => {
    expect(literal(int64Scalar, '30')).toBe(30)
    expect(literal(int64Scalar, '-9007199254740991')).toBe(-9007199254740991)
    expect(literal(int64Scalar, '"-12"')).toBe(-12)
    expect(int64Scalar.parseValue('9007199254740991')).toBe(9007199254740991)
    expect(int64Scalar.parseValue(30)).toBe(30)
  })

  it('refuses what would be rounded', () => {
    for (const text of ['9007199254740993', '9223372036854775807', '"9223372036854775807"'])
      expect(() => literal(int64Scalar, text), text).toThrow('Int64 cannot represent')
    expect(() => int64Scalar.parseValue(2 ** 60)).toThrow('Int64 cannot represent')
  })

  it('refuses what is no whole number', () => {
    for (const text of ['1.5', 'true', '"one"', '{}', '[1]'])
      expect(() => literal(int64Scalar, text), text).toThrow('Int64 cannot represent')
    for (const value of [1.5, Number.NaN, Number.POSITIVE_INFINITY, '1.5', '', null, {}])
      expect(() => int64Scalar.parseValue(value)).toThrow('Int64 cannot represent')
  })
})

describe('IntOrString', () => {
  it('is a whole number or a text, each as it was given', () => {
    expect(literal(intOrStringScalar, '80')).toBe(80)
    expect(literal(intOrStringScalar, '"80"')).toBe('80')
    expect(literal(intOrStringScalar, '"25%"')).toBe('25%')
    expect(intOrStringScalar.parseValue('http')).toBe('http')
  })

  it('refuses anything else', () => {
    for (const text of ['1.5', 'true', '{}', '[1]', 'http'])
      expect(() => literal(intOrStringScalar, text), text).toThrow('IntOrString cannot represent')
    expect(() => intOrStringScalar.parseValue(1.5)).toThrow('IntOrString cannot represent')
  })
})

describe('Quantity', () => {
  it('is a text or a number, also a fraction', () => {
    expect(literal(quantityScalar, '"500m"')).toBe('500m')
    expect(literal(quantityScalar, '2')).toBe(2)
    expect(literal(quantityScalar, '0.5')).toBe(0.5)
    expect(quantityScalar.parseValue('1Gi')).toBe('1Gi')
  })

  it('refuses anything else', () => {
    for (const text of ['true', '{}', '["1"]', 'Gi'])
      expect(() => literal(quantityScalar, text), text).toThrow('Quantity cannot represent')
  })
})

describe('JSON', () => {
  it('is any value that a document can write', () => {
    const text = '{a: 1, b: [true, null, 1.5, "x"], c: {d: ENUM, e: $v}}'
    expect(literal(jsonScalar, text, { v: { deep: [1] } })).toEqual({
      a: 1,
      b: [true, null, 1.5, 'x'],
      c: { d: 'ENUM', e: { deep: [1] } },
    })
    expect(literal(jsonScalar, '"text"')).toBe('text')
    expect(print(parseValue(text))).toContain('$v')
  })

  it('makes objects like any other, without members of their prototype set', () => {
    const value = literal(jsonScalar, '{a: {b: 1}, __proto__: {c: 1}}') as any
    expect(Object.getPrototypeOf(value)).toBe(Object.prototype)
    expect(Object.getPrototypeOf(value.a)).toBe(Object.prototype)
    expect(Object.keys(value)).toEqual(['a', '__proto__'])
    expect(value.c).toBeUndefined()
  })
})

describe('Time and Base64', () => {
  it('are texts of their form', () => {
    expect(literal(timeScalar, '"2026-01-02T03:04:05Z"')).toBe('2026-01-02T03:04:05Z')
    expect(timeScalar.parseValue('2026-01-02T03:04:05.123456+02:00')).toBe('2026-01-02T03:04:05.123456+02:00')
    expect(literal(base64Scalar, '"aGVsbG8="')).toBe('aGVsbG8=')
  })

  it('refuse anything else', () => {
    for (const text of ['"yesterday"', '"2026-01-02"', '1767312000', 'true'])
      expect(() => literal(timeScalar, text), text).toThrow('Time cannot represent')
    for (const text of ['"not base64!"', '7']) expect(() => literal(base64Scalar, text)).toThrow('Base64 cannot')
  })
})
