import { describe, expect, it } from 'vitest'
import type { Row } from '../live/row-store.ts'
import { tableColumns } from './cells.ts'
import { columnWidths, gridTemplate } from './column-widths.ts'

const column = (name: string) => ({ name, type: 'string', format: '', priority: 0, description: '' })
const columns = tableColumns([column('Name'), column('Message')], false, false)
const row = (name: string, message = ''): Row => ({
  uid: name,
  namespace: 'default',
  name,
  resourceVersion: '1',
  creationTimestamp: null,
  labels: {},
  cells: [name, message],
  receivedAtMs: 0,
})

describe('columnWidths', () => {
  it('gives a long name its whole room', () => {
    const name = 'a-deployment-with-quite-a-long-name-54cb886f68-2rlxl'
    expect(columnWidths(columns, [row('web'), row(name)], 0)[0]).toBe(name.length + 1)
  })

  it('has room for the title and its arrow, and bounds for endless texts', () => {
    expect(columnWidths(columns, [], 0)).toEqual([6, 9])
    expect(columnWidths(columns, [row('x'.repeat(253), 'y'.repeat(2000))], 0)).toEqual([72, 60])
  })

  it('never shrinks, so that a table does not jump', () => {
    expect(columnWidths(columns, [row('a')], 0, [40, 12])).toEqual([40, 12])
  })

  it('looks at no more than a sample of many rows', () => {
    let looks = 0
    const counted = [{ ...columns[0]!, text: () => (looks++, '') }]
    columnWidths(
      counted,
      Array.from({ length: 10_000 }, (_, i) => row(`n${i}`)),
      0,
    )
    expect(looks).toBeLessThanOrEqual(400)
  })

  it('shares what room is left in proportion', () => {
    expect(gridTemplate([20, 6])).toBe('minmax(20ch, 20fr) minmax(6ch, 6fr)')
  })
})
