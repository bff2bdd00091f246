import type { Row } from '../live/row-store.ts'
import type { TableColumn } from './cells.ts'

const sampleRowsMax = 400
const widestCh = 60
const widestNameCh = 72
/** Room for the sorting arrow beside a title. */
const arrowCh = 2

/**
 * The widths of columns, in characters: what their texts need, within bounds. A sample of the rows is measured, so that ten thousand
 * cost no more than a few hundred. `before` are the widths so far: columns only grow, so that a table does not jump while it is read.
 */
export function columnWidths(
  columns: readonly TableColumn[],
  rows: readonly Row[],
  nowMs: number,
  before: readonly number[] = [],
): readonly number[] {
  const step = Math.max(1, Math.ceil(rows.length / sampleRowsMax))
  const widths = columns.map((column, index) => Math.max(before[index] ?? 0, column.title.length + arrowCh))
  for (let at = 0; at < rows.length; at += step) {
    columns.forEach((column, index) => {
      const most = column.title === 'Name' ? widestNameCh : widestCh
      const length = Math.min(most, column.text(rows[at] as Row, nowMs).length + 1)
      if (length > (widths[index] as number)) widths[index] = length
    })
  }
  return widths
}

/** The same as a CSS grid template: every column has its width, and what room is left is shared in proportion. */
export function gridTemplate(widths: readonly number[]): string {
  return widths.map((width) => `minmax(${width}ch, ${width}fr)`).join(' ')
}
