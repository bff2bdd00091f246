import { describe, expect, it } from 'vitest'
import type { Row } from '../live/row-store.ts'
import { age, compareValues, filterFor, orderFor, statusColor, tableColumns } from './cells.ts'

const column = (name: string, priority = 0, type = 'string') => ({ name, type, format: '', priority, description: '' })
const row = (name: string, cells: Row['cells'], creationTimestamp: string | null = null): Row => ({
  uid: name,
  namespace: 'shop',
  name,
  resourceVersion: '1',
  creationTimestamp,
  labels: { app: 'web' },
  cells,
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
  it('needs every word, in cells or labels', () => {
    expect(filterFor('run APP=web')(row('a', ['a', 'Running']))).toBe(true)
    expect(filterFor('run app=db')(row('a', ['a', 'Running']))).toBe(false)
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
