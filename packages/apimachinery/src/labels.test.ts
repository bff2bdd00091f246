import { describe, expect, it } from 'vitest'
import {
  labelSelectorOf,
  parseLabelSelector,
  selectEverything,
  selectNothing,
  selectorFromLabelSelector,
  selectorFromMap,
} from './labels.ts'

describe('parseLabelSelector', () => {
  const matching: [selector: string, labels: Record<string, string>, matches: boolean][] = [
    ['', {}, true],
    ['a=b', { a: 'b' }, true],
    ['a==b', { a: 'b' }, true],
    ['a=b', { a: 'c' }, false],
    ['a=b', {}, false],
    ['a=', { a: '' }, true],
    ['a=,b', { a: '', b: 'x' }, true],
    ['a!=b', { a: 'c' }, true],
    ['a!=b', {}, true],
    ['a!=b', { a: 'b' }, false],
    ['a', { a: 'anything' }, true],
    ['a', {}, false],
    ['!a', {}, true],
    ['! a', { a: '' }, false],
    ['a in (b,c)', { a: 'c' }, true],
    ['a in (b, c)', { a: 'd' }, false],
    ['a in (b,c)', {}, false],
    ['a in ()', { a: '' }, true],
    ['a in (b,)', { a: '' }, true],
    ['a in (,b)', { a: 'b' }, true],
    ['a in (b,,c)', { a: '' }, true],
    ['a notin (b,c)', { a: 'b' }, false],
    ['a notin (b,c)', {}, true],
    ['a in (in)', { a: 'in' }, true],
    ['in in (notin)', { in: 'notin' }, true],
    ['a>3', { a: '4' }, true],
    ['a>3', { a: '3' }, false],
    ['a<3', { a: '2' }, true],
    ['a<3', { a: 'x' }, false],
    ['a<3', {}, false],
    ['app.kubernetes.io/name=web,tier notin (db),!old', { 'app.kubernetes.io/name': 'web' }, true],
    ['a=b,a=c', { a: 'b' }, false],
  ]
  it.each(matching)('%j against %j is %s', (selector, labels, matches) => {
    expect(parseLabelSelector(selector).matches(labels)).toBe(matches)
  })

  const texts: [selector: string, text: string][] = [
    ['b = c , a', 'a,b=c'],
    ['a==b', 'a=b'],
    ['a in (c,b)', 'a in (b,c)'],
    ['a in (b)', 'a in (b)'],
    ['a notin (b)', 'a notin (b)'],
    ['a!=b,!c', 'a!=b,!c'],
    ['x>1,y<2', 'x>1,y<2'],
  ]
  it.each(texts)('%j reads back as %j', (selector, text) => {
    expect(parseLabelSelector(selector).toString()).toBe(text)
  })

  const nameText =
    "name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')"
  const valueText =
    "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  or '12345', regex used for validation is '(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')"
  const refused: [selector: string, message: string][] = [
    [',', "found ',', expected: !, identifier, or 'end of string'"],
    ['=a', "found '=', expected: !, identifier, or 'end of string'"],
    ['a,', "found '', expected: identifier after ','"],
    ['a,,b', "found ',', expected: identifier after ','"],
    ['a b', "unable to parse requirement: found 'b', expected: in, notin, =, ==, !=, gt, lt"],
    ['!', "unable to parse requirement: found '', expected: identifier"],
    ['!a=b', "found '=', expected: ',' or 'end of string'"],
    ['a=b c', "found 'c', expected: ',' or 'end of string'"],
    ['a in b', "unable to parse requirement: found 'b' expected: '('"],
    ['a in (b c)', "unable to parse requirement: found 'c', expected: ',' or ')'"],
    ['a in (b', "unable to parse requirement: found '', expected: ',', or identifier"],
    [
      'a>b',
      "unable to parse requirement: values[0]: Invalid value: \"b\": for 'Gt', 'Lt' operators, the value must be an integer",
    ],
    ['-a=b', `unable to parse requirement: <nil>: Invalid value: "-a": ${nameText}`],
    ['a=-b', `unable to parse requirement: values[0][a]: Invalid value: "-b": ${valueText}`],
    ['a in (b,-c)', `unable to parse requirement: values[0][a]: Invalid value: "-c": ${valueText}`],
  ]
  it.each(refused)('refuses %j', (selector, message) => {
    expect(() => parseLabelSelector(selector)).toThrow(expect.objectContaining({ message, code: 400 }))
  })

  it('remembers a selector that was parsed before', () => {
    expect(labelSelectorOf('remembered=yes')).toBe(labelSelectorOf('remembered=yes'))
  })
})

describe('selectorFromLabelSelector', () => {
  it('selects nothing without a selector', () => {
    expect(selectorFromLabelSelector(undefined)).toBe(selectNothing)
    expect(selectNothing.matches({ never: 'x' })).toBe(false)
  })
  it('selects everything with an empty one', () => {
    expect(selectorFromLabelSelector({})).toBe(selectEverything)
  })
  it('demands labels and expressions alike', () => {
    const selector = selectorFromLabelSelector({
      matchLabels: { app: 'web' },
      matchExpressions: [
        { key: 'tier', operator: 'In', values: ['front'] },
        { key: 'legacy', operator: 'DoesNotExist' },
      ],
    })
    expect(selector.matches({ app: 'web', tier: 'front' })).toBe(true)
    expect(selector.matches({ app: 'web', tier: 'front', legacy: '' })).toBe(false)
    expect(selector.toString()).toBe('app=web,!legacy,tier in (front)')
  })
})

describe('selectorFromMap', () => {
  it('selects nothing with an empty map', () => {
    expect(selectorFromMap({})).toBe(selectNothing)
  })
  it('demands every pair', () => {
    const selector = selectorFromMap({ b: '2', a: '1' })
    expect(selector.matches({ a: '1', b: '2', c: '3' })).toBe(true)
    expect(selector.matches({ a: '1' })).toBe(false)
    expect(selector.toString()).toBe('a=1,b=2')
  })
})
