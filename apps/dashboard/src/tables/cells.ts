import type { Column } from '../live/queries.ts'
import type { Row, RowOrder } from '../live/row-store.ts'

/** What a table's cell shows and sorts by. */
export interface TableColumn {
  readonly title: string
  /** Text of the cell at a moment; ages move with the clock. */
  text(row: Row, nowMs: number): string
  readonly compare: RowOrder
  readonly numeric: boolean
}

/** Columns of a resource's table: namespace where it is namespaced, then the server's columns, ages from the creation time. */
export function tableColumns(columns: readonly Column[], namespaced: boolean, wide: boolean): readonly TableColumn[] {
  const shown = columns
    .map((column, index) => ({ column, index }))
    .filter(({ column }) => wide || column.priority === 0)
  return [
    ...(namespaced ? [namespaceColumn] : []),
    ...shown.map(({ column, index }) => (column.name === 'Age' ? ageColumn : cellColumn(column, index))),
  ]
}

const namespaceColumn: TableColumn = {
  title: 'Namespace',
  text: (row) => row.namespace,
  compare: (a, b) => compareValues(a.namespace, b.namespace),
  numeric: false,
}

// Sorted like kubectl's readers think of it: youngest first.
const ageColumn: TableColumn = {
  title: 'Age',
  text: (row, nowMs) => (row.creationTimestamp === null ? '<unknown>' : age(nowMs - Date.parse(row.creationTimestamp))),
  compare: (a, b) => compareValues(b.creationTimestamp ?? '', a.creationTimestamp ?? ''),
  numeric: true,
}

function cellColumn(column: Column, index: number): TableColumn {
  return {
    title: column.name,
    text: (row) => String(row.cells[index] ?? ''),
    compare: (a, b) => compareValues(a.cells[index] ?? '', b.cells[index] ?? ''),
    numeric: column.type === 'integer' || column.type === 'number',
  }
}

const collator = new Intl.Collator('en', { numeric: true })

/** Numbers by value, texts with the digits in them by value: `web-2` before `web-10`. */
export function compareValues(a: string | number | boolean, b: string | number | boolean): number {
  return typeof a === 'number' && typeof b === 'number' ? a - b : collator.compare(String(a), String(b))
}

/** A duration as kubectl writes ages: `45s`, `12m`, `3h15m`, `5d2h`, `40d`, `2y31d`. */
export function age(ms: number): string {
  const seconds = Math.max(0, Math.floor(ms / 1000))
  const [minutes, hours, days] = [Math.floor(seconds / 60), Math.floor(seconds / 3600), Math.floor(seconds / 86_400)]
  const pair = (big: number, bigUnit: string, small: number, smallUnit: string): string =>
    small === 0 ? `${big}${bigUnit}` : `${big}${bigUnit}${small}${smallUnit}`
  if (seconds < 120) return `${seconds}s`
  if (minutes < 10) return pair(minutes, 'm', seconds % 60, 's')
  if (minutes < 180) return `${minutes}m`
  if (hours < 8) return pair(hours, 'h', minutes % 60, 'm')
  if (hours < 48) return `${hours}h`
  if (days < 8) return pair(days, 'd', hours % 24, 'h')
  if (days < 730) return `${days}d`
  return pair(Math.floor(days / 365), 'y', days % 365, 'd')
}

/** The order that `sort=Title` or `sort=-Title` asks for; undefined when no column has that title. */
export function orderFor(columns: readonly TableColumn[], sort: string): RowOrder | undefined {
  const descending = sort.startsWith('-')
  const column = columns.find((candidate) => candidate.title === sort.replace(/^-/, ''))
  if (column === undefined) return undefined
  return descending ? (a, b) => column.compare(b, a) : column.compare
}

/** True for rows in which every word of the text occurs, in a cell, the name, the namespace or a label (`app=web`). */
export function filterFor(text: string): (row: Row) => boolean {
  const words = text
    .toLowerCase()
    .split(/\s+/)
    .filter((word) => word !== '')
  if (words.length === 0) return () => true
  return (row) => {
    const haystack = [
      row.namespace,
      row.name,
      ...row.cells.map(String),
      ...Object.entries(row.labels).map(([key, value]) => `${key}=${value}`),
    ]
      .join('\n')
      .toLowerCase()
    return words.every((word) => haystack.includes(word))
  }
}

const good = new Set([
  'Running',
  'Active',
  'Ready',
  'Bound',
  'Available',
  'Complete',
  'Completed',
  'Succeeded',
  'True',
  'Normal',
])
const bad = /^(Failed|Error|Evicted|NotReady|Lost|Unknown|OutOf.*|.*BackOff|.*Error|OOMKilled|Warning|Invalid.*)$/
const waiting = /^(Pending|Terminating|ContainerCreating|PodInitializing|Init:.*|Released|.*SchedulingDisabled)$/

/** The colour class of a status word; '' for anything else. */
export function statusColor(text: string): string {
  if (good.has(text)) return 'text-good'
  if (bad.test(text)) return 'text-bad'
  return waiting.test(text) ? 'text-warn' : ''
}
