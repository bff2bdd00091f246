import { describe, expect, it } from 'vitest'
import type { Row } from '../live/row-store.ts'
import { age, durationMs } from './age.ts'
import { compareValues, filterFor, orderFor, statusColor, tableColumns } from './cells.ts'

const column = (name: string, priority = 0, type = 'string') => ({ name, type, format: '', priority, description: '' })
const row = (name: string, cells: Row['cells'], creationTimestamp: string | null = null): Row => ({
  uid: name,
  namespace: 'shop',
  name,
  resourceVersion: '1',
  creationTimestamp,
  labels: { app: 'web' },
  cells,
  receivedAtMs: 0,
})

describe('tableColumns', () => {
  it('puts the namespace first and leaves wide columns out', () => {
    const titles = tableColumns([column('Name'), column('Node', 1)], true, false).map((c) => c.title)
    expect(titles).toEqual(['Namespace', 'Name'])
  })

  it('shows wide columns on request', () => {
    expect(tableColumns([column('Name'), column('Node', 1)], false, true).map((c) => c.title)).toEqual(['Name', 'Node'])
  })

  it('computes ages from the creation time', () => {
    const [ageColumn] = tableColumns([column('Age')], false, false)
    expect(ageColumn?.text(row('a', ['1h'], '2026-01-01T00:00:00Z'), Date.parse('2026-01-01T00:05:30Z'))).toBe('5m30s')
  })
})

describe('ages in cells', () => {
  const [lastSeen, restarts] = tableColumns([column('Last Seen'), column('Restarts')], false, false)
  const seen = (text: string, receivedAtMs = 0): Row => ({ ...row('e', [text, `3 (${text} ago)`]), receivedAtMs })

  it('go on from what the server wrote', () => {
    expect(lastSeen?.text(seen('50s'), 20_000)).toBe('70s')
    expect(restarts?.text(seen('5m'), 60_000)).toBe('3 (6m ago)')
  })

  it('stay as they are when they are no ages', () => {
    expect(lastSeen?.text(seen('<unknown>'), 20_000)).toBe('<unknown>')
  })

  it('sort by the moment, not by the text', () => {
    const rows = [seen('2m'), seen('9s'), seen('3h'), seen('10s', 60_000)]
    expect(rows.sort(lastSeen?.compare).map((r) => r.cells[0])).toEqual(['10s', '9s', '2m', '3h'])
  })
})

describe('durationMs', () => {
  it.each(['45s', '2m', '5m30s', '3h15m', '2d2h', '40d', '2y70d'])('reads %s, as age writes it', (text) => {
    expect(age(durationMs(text) as number)).toBe(text)
  })
})

describe('colours of cells', () => {
  const columns = tableColumns([column('Name'), column('Ready'), column('Status')], false, false)
  const colors = (...cells: string[]): string[] => columns.map((each) => each.color(row('a', cells)))

  it('are for columns that tell a state, not for names', () => {
    expect(colors('Failed', '1/1', 'Running')).toEqual(['', '', 'text-good'])
  })

  it('warn of what is not ready, unless it is done', () => {
    expect(colors('a', '0/1', 'Pending')[1]).toBe('text-warn')
    expect(colors('a', '0/1', 'Completed')[1]).toBe('')
  })
})

describe('age', () => {
  it.each([
    [45_000, '45s'],
    [119_000, '119s'],
    [120_000, '2m'],
    [330_000, '5m30s'],
    [11 * 60_000, '11m'],
    [3 * 3_600_000, '3h'],
    [3.25 * 3_600_000, '3h15m'],
    [20 * 3_600_000, '20h'],
    [50 * 3_600_000, '2d2h'],
    [40 * 86_400_000, '40d'],
    [800 * 86_400_000, '2y70d'],
  ])('writes %i ms as %s', (ms, text) => {
    expect(age(ms)).toBe(text)
  })
})

describe('compareValues', () => {
  it('orders digits within texts by value', () => {
    expect(['web-10', 'web-2', 'web-1'].sort(compareValues)).toEqual(['web-1', 'web-2', 'web-10'])
  })
})

describe('orderFor', () => {
  const columns = tableColumns([column('Name'), column('Restarts', 0, 'integer')], false, false)
  it('sorts descending with a minus', () => {
    const rows = [row('a', ['a', 1]), row('b', ['b', 12]), row('c', ['c', 3])]
    expect(rows.sort(orderFor(columns, '-Restarts')).map((r) => r.name)).toEqual(['b', 'c', 'a'])
  })
  it('has no order for an unknown column', () => {
    expect(orderFor(columns, 'Colour')).toBeUndefined()
  })
})

describe('filterFor', () => {
  const columns = [{ name: 'Name' }, { name: 'Status' }, { name: 'Last Seen' }]
  const chosen = (text: string): boolean => filterFor(text, columns)(row('a', ['a', 'Running', '5s']))

  it('needs every word, in cells or labels', () => {
    expect(chosen('run APP=web')).toBe(true)
    expect(chosen('run app=db')).toBe(false)
  })

  it.each([
    ['status:run', true],
    ['status:pend', false],
    ['name:run', false],
    ['!pending', true],
    ['!run', false],
    ['!status:run', false],
    ['lastseen:5s', true],
    // No column of this title: a text with a colon in it.
    ['image:nginx', false],
    ['! ', true],
  ])('reads %j', (text, expected) => {
    expect(chosen(text)).toBe(expected)
  })
})

describe('statusColor', () => {
  it('tells good, waiting and bad apart', () => {
    expect(['Running', 'Pending', 'CrashLoopBackOff', 'web-1'].map(statusColor)).toEqual([
      'text-good',
      'text-warn',
      'text-bad',
      '',
    ])
  })
})
