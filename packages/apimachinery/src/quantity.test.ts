import { describe, expect, it } from 'vitest'
import {
  addQuantities,
  canonicalQuantity,
  compareQuantities,
  formatQuantity,
  milliUnits,
  parseQuantity,
  subtractQuantities,
  tryParseQuantity,
  wholeUnits,
} from './quantity.ts'

describe('canonicalQuantity', () => {
  const forms: [text: string | number, canonical: string][] = [
    ['0', '0'],
    ['0Gi', '0'],
    ['-0', '0'],
    ['1', '1'],
    [2, '2'],
    [0.5, '500m'],
    ['100m', '100m'],
    ['1000m', '1'],
    ['1500m', '1500m'],
    ['0.1', '100m'],
    ['1.5', '1500m'],
    ['.5', '500m'],
    ['5.', '5'],
    ['+3', '3'],
    ['-1.5', '-1500m'],
    ['1000', '1k'],
    ['1500', '1500'],
    ['1000000', '1M'],
    ['128974848', '128974848'],
    ['129e6', '129e6'],
    ['1e3', '1e3'],
    ['1.5e3', '1500'],
    ['100E', '100E'],
    ['1024Ki', '1Mi'],
    ['1536Mi', '1536Mi'],
    ['1Gi', '1Gi'],
    ['1.5Gi', '1536Mi'],
    ['0.5Ki', '512'],
    ['512Mi', '512Mi'],
    ['1023Ki', '1023Ki'],
    ['1000Mi', '1000Mi'],
    ['1n', '1n'],
    ['0.1n', '1n'],
    ['1000u', '1m'],
  ]
  it.each(forms)('writes %j as %j', (text, canonical) => {
    expect(canonicalQuantity(text)).toBe(canonical)
  })
  it.each(forms)('leaves the canonical form of %j as it is', (_, canonical) => {
    expect(canonicalQuantity(canonical)).toBe(canonical)
  })
})

describe('tryParseQuantity', () => {
  it.each(['', 'abc', '1x', '1 Gi', '1ki', '1gi', '--1', '1e', 'Gi', '1.2.3', '0x10'])('refuses %j', (text) => {
    expect(tryParseQuantity(text)).toBeUndefined()
  })
  it('throws with the text of upstream', () => {
    expect(() => parseQuantity('abc')).toThrow('quantities must match the regular expression')
  })
})

describe('arithmetic', () => {
  it('compares across suffixes', () => {
    expect(compareQuantities(parseQuantity('1Gi'), parseQuantity('1G'))).toBe(1)
    expect(compareQuantities(parseQuantity('0.5'), parseQuantity('500m'))).toBe(0)
    expect(compareQuantities(parseQuantity('1'), parseQuantity('1001m'))).toBe(-1)
  })
  it('adds and subtracts exactly beyond what a double holds', () => {
    const sum = addQuantities(parseQuantity('9007199254740993'), parseQuantity('1m'))
    expect(formatQuantity(sum)).toBe('9007199254740993001m')
    expect(formatQuantity(subtractQuantities(sum, parseQuantity('1m')))).toBe('9007199254740993')
  })
  it('keeps the format of the first', () => {
    expect(formatQuantity(addQuantities(parseQuantity('1Gi'), parseQuantity('1073741824')))).toBe('2Gi')
  })
  it('rounds up to whole units and thousandths', () => {
    expect(wholeUnits(parseQuantity('1001m'))).toBe(2)
    expect(milliUnits(parseQuantity('100u'))).toBe(1)
    expect(milliUnits(parseQuantity('2'))).toBe(2000)
  })
})
