'use client'

import { type Virtualizer, useVirtualizer } from '@tanstack/react-virtual'
import Link from 'next/link'
import { useRouter, useSearchParams } from 'next/navigation'
import { type ReactNode, memo, useCallback, useEffect, useRef, useSyncExternalStore } from 'react'
import type { ApiResource } from '../live/queries.ts'
import type { Row, RowStore } from '../live/row-store.ts'
import { usePageKeys } from '../shell/keys.ts'
import { objectPath } from '../shell/paths.ts'
import { useResources } from '../shell/resources-context.ts'
import { namespaceQuery, tableQuery } from '../shell/url-state.ts'
import { cellLink } from './cell-links.ts'
import type { TableColumn } from './cells.ts'
import { columnWidths, gridTemplate } from './column-widths.ts'
import { useNow } from './now.ts'
import { movedIndex } from './row-selection.ts'

const rowHeightPx = 28

interface TableProps {
  readonly resource: ApiResource
  readonly columns: readonly TableColumn[]
  readonly store: RowStore
  readonly sort: string
  readonly onSort: (sort: string) => void
  readonly loading: boolean
  /** What stands in the place of rows when there are none. */
  readonly empty: ReactNode
  /** The page's main table is walked through by keys, and takes its filters along to objects. */
  readonly selection?: { readonly uid: string; readonly select: (uid: string) => void }
}

/** A table of any size: only the rows on the screen are in the page. */
export function ResourceTable({ resource, columns, store, sort, onSort, loading, empty, selection }: TableProps) {
  const rows = useSyncExternalStore(store.subscribe, store.visible, store.visible)
  const scroller = useRef<HTMLDivElement>(null)
  const virtual = useVirtualizer({
    count: rows.length,
    getScrollElement: () => scroller.current,
    estimateSize: () => rowHeightPx,
    overscan: 12,
    // The header covers the top rows when one is scrolled to.
    scrollPaddingStart: rowHeightPx,
  })
  const nowMs = useNow()
  const search = useSearchParams().toString()
  const queryOf = useCallback(
    (uid: string) => (selection === undefined ? namespaceQuery(search) : tableQuery(search, uid)),
    [search, selection === undefined],
  )
  const template = useGridTemplate(columns, rows, nowMs)
  useRowKeys({ resource, rows, virtual, selection, queryOf })
  const selected = selection?.uid ?? ''
  return (
    <div className={`flex min-h-0 flex-col ${selection === undefined ? '' : 'grow'}`}>
      <div
        ref={scroller}
        className={`overflow-auto ${rows.length === 0 ? 'shrink-0' : selection === undefined ? 'max-h-80' : 'min-h-0 grow'}`}
        role="grid"
        aria-label={resource.kind}
        aria-rowcount={rows.length + 1}
        aria-busy={loading}
        aria-activedescendant={isRendered(virtual, rows, selected) ? rowId(selected) : undefined}
        tabIndex={0}
      >
        <div className="w-max min-w-full">
          <div role="rowgroup" className="sticky top-0 z-20 border-b border-line bg-panel">
            <div
              role="row"
              aria-rowindex={1}
              className="grid gap-x-3 bg-panel px-4"
              style={{ gridTemplateColumns: template }}
            >
              {columns.map((column) => (
                <HeaderCell key={column.title} column={column} sort={sort} onSort={onSort} />
              ))}
            </div>
          </div>
          <div role="rowgroup" className="relative" style={{ height: virtual.getTotalSize() }}>
            {virtual.getVirtualItems().map((item) => {
              const row = rows[item.index] as Row
              return (
                <TableRow
                  key={row.uid}
                  row={row}
                  index={item.index}
                  startPx={item.start}
                  template={template}
                  selected={selection === undefined ? undefined : row.uid === selected}
                  select={selection?.select}
                  resource={resource}
                  columns={columns}
                  queryOf={queryOf}
                  nowMs={nowMs}
                />
              )
            })}
          </div>
        </div>
      </div>
      {rows.length === 0 ? <div className="p-4 text-faint">{loading ? 'Loading …' : empty}</div> : null}
    </div>
  )
}

function rowId(uid: string): string {
  return `row-${uid}`
}

function isRendered(virtual: Virtualizer<HTMLDivElement, Element>, rows: readonly Row[], uid: string): boolean {
  return uid !== '' && virtual.getVirtualItems().some((item) => rows[item.index]?.uid === uid)
}

// Widths grow while the same columns are shown, and begin anew with others.
function useGridTemplate(columns: readonly TableColumn[], rows: readonly Row[], nowMs: number): string {
  const last = useRef<{ columns: readonly TableColumn[]; rows: readonly Row[]; widths: readonly number[] }>(undefined)
  if (last.current?.columns !== columns || last.current.rows !== rows) {
    const before = last.current?.columns === columns ? last.current.widths : []
    last.current = { columns, rows, widths: columnWidths(columns, rows, nowMs, before) }
  }
  return gridTemplate(last.current.widths)
}

interface RowKeys {
  readonly resource: ApiResource
  readonly selection: TableProps['selection'] | undefined
  readonly rows: readonly Row[]
  readonly virtual: Virtualizer<HTMLDivElement, Element>
  readonly queryOf: (uid: string) => string
}

function useRowKeys({ resource, rows, virtual, selection, queryOf }: RowKeys): void {
  const router = useRouter()
  // When the selected row goes away, the one in its place follows.
  const lastIndex = useRef(-1)
  const found =
    selection === undefined || selection.uid === '' ? -1 : rows.findIndex((row) => row.uid === selection.uid)
  useEffect(() => {
    if (found !== -1) lastIndex.current = found
  }, [found])
  usePageKeys((event) => {
    if (selection === undefined) return
    const index = found !== -1 || selection.uid === '' ? found : Math.min(lastIndex.current, rows.length - 1)
    const pageRows = Math.max(1, Math.floor((virtual.scrollRect?.height ?? 0) / rowHeightPx) - 2)
    const target = movedIndex(event.key, index, rows.length, pageRows)
    if (target !== undefined) {
      selection.select((rows[target] as Row).uid)
      virtual.scrollToIndex(target)
      event.preventDefault()
      return
    }
    const tab = { Enter: '', y: 'yaml', e: 'events' }[event.key]
    const row = rows[index]
    if (tab === undefined || row === undefined) return
    event.preventDefault()
    const parameters = new URLSearchParams(queryOf(row.uid))
    if (tab !== '') parameters.set('tab', tab)
    router.push(`${objectPath(resource, row.namespace, row.name)}${parameters.size === 0 ? '' : `?${parameters}`}`)
  })
}

function HeaderCell({ column, sort, onSort }: { column: TableColumn; sort: string; onSort: (sort: string) => void }) {
  const state = sort === column.title ? 'ascending' : sort === `-${column.title}` ? 'descending' : 'none'
  const next = state === 'none' ? column.title : state === 'ascending' ? `-${column.title}` : ''
  return (
    <div role="columnheader" aria-sort={state} className={stickiness(column)}>
      <button
        type="button"
        onClick={() => onSort(next)}
        title={column.description === '' ? undefined : column.description}
        className="w-full cursor-pointer truncate py-1 text-left text-xs font-semibold text-faint hover:text-ink"
      >
        {column.title}
        {state === 'none' ? '' : <span aria-hidden> {state === 'ascending' ? '▲' : '▼'}</span>}
      </button>
    </div>
  )
}

// The name stays when a wide table is scrolled sideways, where the window has room for it.
function stickiness(column: TableColumn): string {
  return column.title === 'Name' ? 'bg-inherit md:sticky md:left-0 md:z-10' : ''
}

interface TableRowProps {
  readonly row: Row
  readonly index: number
  readonly startPx: number
  readonly template: string
  /** undefined: rows of this table are not selected. */
  readonly selected: boolean | undefined
  readonly select: ((uid: string) => void) | undefined
  readonly resource: ApiResource
  readonly columns: readonly TableColumn[]
  readonly queryOf: (uid: string) => string
  readonly nowMs: number
}

// Rows that did not change are not rendered again, so that scrolling costs only the rows that come in: a row is a new object exactly when
// it changed.
const TableRow = memo(function TableRow(props: TableRowProps) {
  const { row, index, startPx, template, selected, select, columns } = props
  return (
    <div
      id={rowId(row.uid)}
      role="row"
      aria-rowindex={index + 2}
      aria-selected={selected}
      data-uid={row.uid}
      onClick={(event) => {
        if ((event.target as Element).closest('a') === null) select?.(row.uid)
      }}
      className="table-row-live absolute grid w-full items-center gap-x-3 border-b border-line px-4"
      style={{
        gridTemplateColumns: template,
        height: rowHeightPx,
        transform: `translateY(${startPx}px)`,
      }}
    >
      {columns.map((column) => (
        <Cell key={column.title} column={column} {...props} />
      ))}
    </div>
  )
})

function Cell({
  column,
  row,
  resource,
  queryOf,
  nowMs,
}: Pick<TableRowProps, 'row' | 'resource' | 'queryOf' | 'nowMs'> & { column: TableColumn }) {
  const text = column.text(row, nowMs)
  const href = cellLink(useResources(), resource, column.title, text, row)
  const query = queryOf(row.uid)
  return (
    <div
      role="gridcell"
      title={text}
      className={`truncate ${column.color(row)} ${column.numeric ? 'tabular-nums' : ''} ${stickiness(column)}`}
    >
      {href === undefined ? (
        text
      ) : (
        <Link
          href={`${href}${column.title === 'Name' ? query : namespaceQuery(query)}`}
          prefetch={false}
          className="link"
        >
          {text}
        </Link>
      )}
    </div>
  )
}
