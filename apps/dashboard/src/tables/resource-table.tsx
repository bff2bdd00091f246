'use client'

import { useVirtualizer } from '@tanstack/react-virtual'
import Link from 'next/link'
import { useSearchParams } from 'next/navigation'
import { memo, useEffect, useRef, useState, useSyncExternalStore } from 'react'
import type { ApiResource } from '../live/queries.ts'
import type { Row, RowStore } from '../live/row-store.ts'
import { objectPath } from '../shell/paths.ts'
import { type TableColumn, statusColor } from './cells.ts'

const rowHeightPx = 30
const ageTickMs = 1000

interface TableProps {
  readonly resource: ApiResource
  readonly columns: readonly TableColumn[]
  readonly store: RowStore
  readonly sort: string
  readonly onSort: (sort: string) => void
  readonly loading: boolean
}

/** A table of any size: only the rows on the screen are in the page. */
export function ResourceTable({ resource, columns, store, sort, onSort, loading }: TableProps) {
  const rows = useSyncExternalStore(store.subscribe, store.visible, store.visible)
  const scroller = useRef<HTMLDivElement>(null)
  const virtual = useVirtualizer({
    count: rows.length,
    getScrollElement: () => scroller.current,
    estimateSize: () => rowHeightPx,
    overscan: 12,
  })
  const nowMs = useNow()
  const namespaces = useSearchParams().get('ns')
  const suffix = namespaces === null ? '' : `?ns=${encodeURIComponent(namespaces)}`
  const template = {
    gridTemplateColumns: columns
      .map((column) =>
        column.title === 'Name' ? 'minmax(12rem, 3fr)' : column.title === 'Age' ? '6rem' : 'minmax(6rem, 1fr)',
      )
      .join(' '),
  }
  const items = virtual.getVirtualItems()
  return (
    <div
      ref={scroller}
      className="min-h-0 grow overflow-auto"
      role="table"
      aria-label={resource.kind}
      aria-rowcount={rows.length + 1}
      aria-busy={loading}
      tabIndex={0}
    >
      <div role="rowgroup" className="sticky top-0 z-10 border-b border-line bg-panel">
        <div role="row" aria-rowindex={1} className="grid gap-3 px-4" style={template}>
          {columns.map((column) => (
            <HeaderCell key={column.title} column={column} sort={sort} onSort={onSort} />
          ))}
        </div>
      </div>
      <div role="rowgroup" className="relative" style={{ height: virtual.getTotalSize() }}>
        {items.map((item) => {
          const row = rows[item.index] as Row
          return (
            <div
              key={row.uid}
              role="row"
              aria-rowindex={item.index + 2}
              data-uid={row.uid}
              className="absolute grid w-full items-center gap-3 border-b border-line px-4 hover:bg-panel"
              style={{ ...template, height: rowHeightPx, transform: `translateY(${item.start}px)` }}
            >
              <Cells
                row={row}
                columns={columns}
                href={`${objectPath(resource, row.namespace, row.name)}${suffix}`}
                nowMs={nowMs}
              />
            </div>
          )
        })}
      </div>
      {rows.length === 0 ? (
        <p className="p-4 text-faint">
          {loading ? 'Loading …' : store.size > 0 ? 'No row passes the filter.' : `No ${resource.plural} here.`}
        </p>
      ) : null}
    </div>
  )
}

function HeaderCell({ column, sort, onSort }: { column: TableColumn; sort: string; onSort: (sort: string) => void }) {
  const state = sort === column.title ? 'ascending' : sort === `-${column.title}` ? 'descending' : 'none'
  const next = state === 'none' ? column.title : state === 'ascending' ? `-${column.title}` : ''
  return (
    <div role="columnheader" aria-sort={state}>
      <button
        type="button"
        onClick={() => onSort(next)}
        className="w-full truncate py-1.5 text-left text-xs font-semibold text-faint"
      >
        {column.title} {state === 'ascending' ? '▲' : state === 'descending' ? '▼' : ''}
      </button>
    </div>
  )
}

// Rows that did not change are not rendered again: a row is a new object exactly when it changed.
const Cells = memo(function Cells({
  row,
  columns,
  href,
  nowMs,
}: {
  row: Row
  columns: readonly TableColumn[]
  href: string
  nowMs: number
}) {
  return columns.map((column) => {
    const text = column.text(row, nowMs)
    return (
      <div
        key={column.title}
        role="cell"
        title={text}
        className={`truncate ${statusColor(text)} ${column.numeric ? 'tabular-nums' : ''}`}
      >
        {column.title === 'Name' ? (
          <Link href={href} prefetch={false} className="text-accent hover:underline">
            {text}
          </Link>
        ) : (
          text
        )}
      </div>
    )
  })
})

function useNow(): number {
  const [nowMs, setNowMs] = useState(() => Date.now())
  useEffect(() => {
    const timer = setInterval(() => setNowMs(Date.now()), ageTickMs)
    return () => clearInterval(timer)
  }, [])
  return nowMs
}
