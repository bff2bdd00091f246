import type { Column } from '../live/queries.ts'
import type { Row, RowOrder } from '../live/row-store.ts'
import { age, durationMs } from './age.ts'

/** What a table's cell shows and sorts by. */
export interface TableColumn {
  readonly title: string
  /** What the column means, in the API's words; '' when it says nothing. */
  readonly description: string
  /** Text of the cell at a moment; ages move with the clock. */
  text(row: Row, nowMs: number): string
  readonly compare: RowOrder
  readonly numeric: boolean
  /** The colour class of the cell's text; '' for ink. */
  color(row: Row): string
}

/** Columns of a resource's table: namespace where it is namespaced, then the server's columns, ages from the creation time. */
export function tableColumns(columns: readonly Column[], namespaced: boolean, wide: boolean): readonly TableColumn[] {
  const shown = columns
    .map((column, index) => ({ column, index }))
    .filter(({ column }) => wide || column.priority === 0)
  const status = columns.findIndex((column) => column.name === 'Status')
  return [
    ...(namespaced ? [namespaceColumn] : []),
    ...shown.map(({ column, index }) => {
      if (creationColumns.has(column.name)) return ageColumn
      return isAge(column) ? sinceColumn(column, index) : cellColumn(column, index, status)
    }),
  ]
}

const noColor = (): string => ''

const namespaceColumn: TableColumn = {
  title: 'Namespace',
  description: 'Where the object lives.',
  text: (row) => row.namespace,
  compare: (a, b) => compareValues(a.namespace, b.namespace),
  numeric: false,
  color: noColor,
}

// Columns that kubectl fills from the creation time.
const creationColumns = new Set(['Age', 'Created At', 'Created'])

// Sorted like kubectl's readers think of it: youngest first.
const ageColumn: TableColumn = {
  title: 'Age',
  description: 'Time since the object was created.',
  text: (row, nowMs) => (row.creationTimestamp === null ? '<unknown>' : age(nowMs - Date.parse(row.creationTimestamp))),
  compare: (a, b) => compareValues(b.creationTimestamp ?? '', a.creationTimestamp ?? ''),
  numeric: true,
  color: noColor,
}

const agesOfOtherTimes = new Set(['Last Seen', 'First Seen', 'Last Schedule'])

function isAge(column: Column): boolean {
  return column.type === 'date' || agesOfOtherTimes.has(column.name)
}

// The server gives the age at the time of sending; it goes on from there.
function sinceColumn(column: Column, index: number): TableColumn {
  const momentMs = (row: Row): number | undefined => {
    const ms = durationMs(String(row.cells[index] ?? ''))
    return ms === undefined ? undefined : row.receivedAtMs - ms
  }
  return {
    title: column.name,
    description: column.description,
    text(row, nowMs) {
      const moment = momentMs(row)
      return moment === undefined ? String(row.cells[index] ?? '') : age(nowMs - moment)
    },
    compare: (a, b) => (momentMs(b) ?? 0) - (momentMs(a) ?? 0),
    numeric: true,
    color: noColor,
  }
}

// `3 (5m ago)`, as restarts are written.
const ago = /\((\w+) ago\)/

function cellColumn(column: Column, index: number, statusIndex: number): TableColumn {
  const colored = stateColumns.has(column.name)
  return {
    title: column.name,
    description: column.description,
    text: (row, nowMs) =>
      String(row.cells[index] ?? '').replace(ago, (whole, written: string) => {
        const ms = durationMs(written)
        return ms === undefined ? whole : `(${age(ms + nowMs - row.receivedAtMs)} ago)`
      }),
    compare: (a, b) => compareValues(a.cells[index] ?? '', b.cells[index] ?? ''),
    numeric: column.type === 'integer' || column.type === 'number',
    color(row) {
      const text = String(row.cells[index] ?? '')
      if (column.name === 'Ready') return readyColor(text, String(row.cells[statusIndex] ?? ''))
      return colored ? statusColor(text) : ''
    },
  }
}

const collator = new Intl.Collator('en', { numeric: true })

/** Numbers by value, texts with the digits in them by value: `web-2` before `web-10`. */
export function compareValues(a: string | number | boolean, b: string | number | boolean): number {
  return typeof a === 'number' && typeof b === 'number' ? a - b : collator.compare(String(a), String(b))
}

/** The order that `sort=Title` or `sort=-Title` asks for; undefined when no column has that title. */
export function orderFor(columns: readonly TableColumn[], sort: string): RowOrder | undefined {
  const descending = sort.startsWith('-')
  const column = columns.find((candidate) => candidate.title === sort.replace(/^-/, ''))
  if (column === undefined) return undefined
  return descending ? (a, b) => column.compare(b, a) : column.compare
}

/**
 * The rows that a text chooses; every word of it must hold. `web` occurs in a cell, the name, the namespace or a label (`app=web`);
 * `status:running` in that column; `!web` and `!status:running` nowhere there. Capitals do not matter.
 */
export function filterFor(text: string, columns: readonly Pick<Column, 'name'>[]): (row: Row) => boolean {
  const tests = text
    .toLowerCase()
    .split(/\s+/)
    .filter((word) => word !== '' && word !== '!')
    .map((word) => (word.startsWith('!') ? not(wordTest(word.slice(1), columns)) : wordTest(word, columns)))
  return (row) => tests.every((test) => test(row))
}

function not(test: (row: Row) => boolean): (row: Row) => boolean {
  return (row) => !test(row)
}

function wordTest(word: string, columns: readonly Pick<Column, 'name'>[]): (row: Row) => boolean {
  const colon = word.indexOf(':')
  const title = word.slice(0, colon)
  const index = colon > 0 ? columns.findIndex((column) => columnWord(column.name) === title) : -1
  if (index === -1) return (row) => searchText(row).includes(word)
  const wanted = word.slice(colon + 1)
  return (row) =>
    String(row.cells[index] ?? '')
      .toLowerCase()
      .includes(wanted)
}

/** How a filter writes a column's title: `Last Seen` is `lastseen`. */
export function columnWord(title: string): string {
  return title.toLowerCase().replaceAll(/[^a-z0-9]/g, '')
}

// A row is a new object when it changes, so its text is made once: typing in the filter only searches.
const searchTexts = new WeakMap<Row, string>()

function searchText(row: Row): string {
  let text = searchTexts.get(row)
  if (text === undefined) {
    const labels = Object.entries(row.labels).map(([key, value]) => `${key}=${value}`)
    text = [row.namespace, row.name, ...row.cells.map(String), ...labels].join('\n').toLowerCase()
    searchTexts.set(row, text)
  }
  return text
}

// The columns that tell a state; a ConfigMap that is called Failed is not red.
const stateColumns = new Set(['Status', 'Type', 'Available', 'Condition', 'State', 'Attached', 'Suspend'])

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
  'Approved,Issued',
])
const bad =
  /^(Failed|Error|Evicted|NotReady.*|Lost|Unknown|OutOf.*|.*BackOff|.*Error|OOMKilled|Warning|Invalid.*|Denied|Err.*|Init:.*(Error|BackOff))$/
const waiting =
  /^(Pending|Terminating|ContainerCreating|PodInitializing|Init:.*|Released|Suspended|FailureTarget|SuccessCriteriaMet|.*SchedulingDisabled|SchedulingGated|NodeLost)$/

/** The colour class of a status word; '' for anything else. */
export function statusColor(text: string): string {
  if (good.has(text)) return 'text-good'
  if (bad.test(text)) return 'text-bad'
  return waiting.test(text) ? 'text-warn' : ''
}

// `1/3` lacks two; a completed pod lacks nothing.
function readyColor(text: string, status: string): string {
  const [ready, wanted] = text.split('/').map(Number)
  if (ready === undefined || wanted === undefined || !(ready < wanted)) return ''
  return status === 'Completed' || status === 'Succeeded' ? '' : 'text-warn'
}
