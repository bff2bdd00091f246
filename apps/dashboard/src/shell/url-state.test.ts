import { createLoader, createSerializer } from 'nuqs/server'
import { describe, expect, it } from 'vitest'
import { namespaceQuery, tableQuery, urlParsers } from './url-state.ts'

const write = createSerializer(urlParsers)
const read = createLoader(urlParsers)

describe('the state in the URL', () => {
  it.each([
    { ns: ['guestbook', 'kube-system'], q: 'status:running !web', l: 'app in (a,b),tier!=x', sort: '-Last Seen' },
    { ns: [], q: '100% & more + ü', wide: true, sel: 'b0a7', tab: 'yaml' as const },
    {},
  ])('is read as it was written: %o', (state) => {
    const defaults = { ns: [], q: '', l: '', sort: '', wide: false, sel: '', tab: 'summary' }
    expect(read(new URL(write('/pods', state), 'http://localhost').searchParams)).toEqual({ ...defaults, ...state })
  })

  it('leaves out what is as always', () => {
    expect(write('/pods', { ns: [], q: '', sort: '', wide: false, tab: 'summary' })).toBe('/pods')
  })

  it('falls back to the summary on an unknown tab', () => {
    expect(read('?tab=colours').tab).toBe('summary')
  })

  it('carries filters to an object and back, and only namespaces to other tables', () => {
    expect(tableQuery('?ns=a,b&q=web&tab=yaml')).toBe('?ns=a%2Cb&q=web')
    expect(tableQuery('?sel=1&tab=yaml', '2')).toBe('?sel=2')
    expect(tableQuery('?tab=yaml')).toBe('')
    expect(namespaceQuery('?ns=a,b&q=web')).toBe('?ns=a%2Cb')
    expect(namespaceQuery('?q=web')).toBe('')
  })
})
