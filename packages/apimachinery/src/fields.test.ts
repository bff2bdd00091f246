import { describe, expect, it } from 'vitest'
import { parseFieldSelector } from './fields.ts'

const valuesOf = (values: Record<string, string>) => (path: string) => values[path] ?? ''

describe('parseFieldSelector', () => {
  const matching: [selector: string, values: Record<string, string>, matches: boolean][] = [
    ['', {}, true],
    ['spec.nodeName=n1', { 'spec.nodeName': 'n1' }, true],
    ['spec.nodeName==n1', { 'spec.nodeName': 'n2' }, false],
    ['spec.nodeName=', {}, true],
    ['spec.nodeName!=', { 'spec.nodeName': 'n1' }, true],
    ['status.phase!=Failed,status.phase!=Succeeded', { 'status.phase': 'Running' }, true],
    ['status.phase!=Failed,status.phase!=Succeeded', { 'status.phase': 'Failed' }, false],
    ['a=x\\,y', { a: 'x,y' }, true],
    ['a=x\\=y', { a: 'x=y' }, true],
    ['a=x\\\\y', { a: 'x\\y' }, true],
    ['a=b,', { a: 'b' }, true],
  ]
  it.each(matching)('%j against %j is %s', (selector, values, matches) => {
    expect(parseFieldSelector(selector).matches(valuesOf(values))).toBe(matches)
  })

  it.each(['a', 'a=b=c', 'a=b\\c', 'a=b\\', 'a=b,c'])('refuses %j', (selector) => {
    expect(() => parseFieldSelector(selector)).toThrow(expect.objectContaining({ code: 400 }))
  })

  it('names the value that it demands', () => {
    const selector = parseFieldSelector('metadata.name=a,spec.nodeName!=n')
    expect(selector.exact('metadata.name')).toBe('a')
    expect(selector.exact('spec.nodeName')).toBeUndefined()
  })
})
