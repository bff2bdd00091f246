'use client'

import { useCallback, useMemo, useRef, useSyncExternalStore } from 'react'
import { useLiveRows } from '../live/live-rows.ts'
import type { ApiResource } from '../live/queries.ts'
import type { RowStore } from '../live/row-store.ts'
import { useReportFreshness } from '../shell/freshness'
import { usePageKeys } from '../shell/keys.ts'
import { useTitle } from '../shell/page-title.ts'
import { findResource } from '../shell/paths.ts'
import { useResources } from '../shell/resources-context.ts'
import { UnknownResource } from '../shell/unknown-resource'
import { useFilterText, useLabelSelector, useNamespaces, useSelected, useSort, useWide } from '../shell/url-state.ts'
import { filterFor, orderFor, tableColumns } from './cells.ts'
import { ResourceTable } from './resource-table'

/** The live table of the resource that the path names. */
export function ResourcePage({ resource: pathName }: { resource: string }) {
  const name = decodeURIComponent(pathName)
  const resource = findResource(useResources(), name)
  if (resource === undefined) return <UnknownResource name={name} />
  return <LiveTable key={pathName} resource={resource} />
}

// What happened last is what one looks for in events.
function defaultSort(resource: ApiResource): string {
  return resource.plural === 'events' ? 'Last Seen' : ''
}

function LiveTable({ resource }: { resource: ApiResource }) {
  const [namespaces] = useNamespaces()
  const [labelSelector] = useLabelSelector()
  const [text] = useFilterText()
  const [urlSort, setSort] = useSort()
  const [wide] = useWide()
  const [uid, setSelected] = useSelected()
  const select = useCallback((next: string) => void setSelected(next), [setSelected])
  const chosen = resource.namespaced ? namespaces : []
  const sort = urlSort === '' ? defaultSort(resource) : urlSort
  useTitle(resource.kind)
  const { store, freshness } = useLiveRows({ resource, namespaces: chosen, labelSelector })
  useReportFreshness(freshness)
  const columns = useMemo(() => tableColumns(resource.columns, resource.namespaced, wide), [resource, wide])
  // During render, so that the first rows already come in the right order; a no-op while nothing changed.
  useMemo(
    () => store.arrange(orderFor(columns, sort), filterFor(text, resource.columns)),
    [store, columns, sort, text, resource],
  )
  return (
    <>
      <Toolbar resource={resource} store={store} />
      {freshness.state === 'failed' ? (
        <p role="alert" className="p-4 text-bad">
          {freshness.error}
        </p>
      ) : (
        <ResourceTable
          resource={resource}
          columns={columns}
          store={store}
          sort={sort}
          onSort={(title) => void setSort(title)}
          loading={freshness.state === 'loading'}
          empty={<Empty resource={resource} filtered={store.size > 0} />}
          selection={{ uid, select }}
        />
      )}
    </>
  )
}

function Empty({ resource, filtered }: { resource: ApiResource; filtered: boolean }) {
  const [namespaces] = useNamespaces()
  const [labelSelector, setLabelSelector] = useLabelSelector()
  const [, setText] = useFilterText()
  if (!filtered && labelSelector === '') {
    const where = !resource.namespaced || namespaces.length === 0 ? '' : ` in ${namespaces.join(', ')}`
    return (
      <p>
        No {resource.plural}
        {where}. They appear here as soon as there are any.
      </p>
    )
  }
  const clear = (): void => {
    void setText('')
    void setLabelSelector('')
  }
  return (
    <p>
      No {resource.plural} match.{' '}
      <button type="button" className="link cursor-pointer" onClick={clear}>
        Clear the filters
      </button>
    </p>
  )
}

function Toolbar({ resource, store }: { resource: ApiResource; store: RowStore }) {
  const [text, setText] = useFilterText()
  const [wide, setWide] = useWide()
  const [selected, select] = useSelected()
  const filter = useRef<HTMLInputElement>(null)
  usePageKeys((event) => {
    if (event.key === '/') filter.current?.focus()
    else if (event.key === 'w') void setWide(!wide)
    else if (event.key === 'Escape' && selected !== '') void select('')
    else if (event.key === 'Escape') void setText('')
    else return
    event.preventDefault()
  })
  const hasWide = resource.columns.some((column) => column.priority > 0)
  return (
    <div className="flex flex-wrap items-center gap-x-3 gap-y-2 border-b border-line px-4 py-2">
      <h1 className="text-base font-semibold">{resource.kind}</h1>
      <Count store={store} />
      <input
        ref={filter}
        type="search"
        aria-label="Filter rows"
        aria-keyshortcuts="/"
        placeholder="Filter  /"
        title="Words that rows must have: web, status:running, !completed. ? says more."
        value={text}
        onChange={(event) => void setText(event.target.value)}
        onKeyDown={(event) => {
          if (event.key === 'Escape' || event.key === 'Enter') event.currentTarget.blur()
        }}
        className="field w-56"
      />
      <LabelSelector />
      {hasWide ? (
        <label className="flex cursor-pointer items-center gap-1.5" title="The columns of kubectl get -o wide (w)">
          <input type="checkbox" checked={wide} onChange={(event) => void setWide(event.target.checked)} /> Wide
        </label>
      ) : null}
    </div>
  )
}

function LabelSelector() {
  const [labelSelector, setLabelSelector] = useLabelSelector()
  return (
    <form
      onSubmit={(event) => {
        event.preventDefault()
        void setLabelSelector(String(new FormData(event.currentTarget).get('selector') ?? '').trim())
      }}
    >
      <input
        key={labelSelector}
        type="search"
        name="selector"
        aria-label="Label selector"
        placeholder="Labels: app=web"
        title="A label selector as for kubectl -l, applied by the server when you press Enter"
        defaultValue={labelSelector}
        onChange={(event) => {
          // The field's own clearing button.
          if (event.currentTarget.value === '' && labelSelector !== '') void setLabelSelector('')
        }}
        className="field w-48"
      />
    </form>
  )
}

function Count({ store }: { store: RowStore }) {
  const rows = useSyncExternalStore(store.subscribe, store.visible, store.visible)
  const all = store.size
  const text =
    rows.length === all
      ? all.toLocaleString('en')
      : `${rows.length.toLocaleString('en')} of ${all.toLocaleString('en')}`
  return (
    <span className="text-faint tabular-nums" data-count={rows.length}>
      {text}
    </span>
  )
}
