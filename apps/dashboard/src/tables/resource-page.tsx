'use client'

import { useMemo } from 'react'
import { useLiveRows } from '../live/live-rows.ts'
import type { ApiResource } from '../live/queries.ts'
import { useReportFreshness } from '../shell/freshness'
import { findResource } from '../shell/paths.ts'
import { useResources } from '../shell/shell'
import { useFilterText, useLabelSelector, useNamespaces, useSort, useWide } from '../shell/url-state.ts'
import { filterFor, orderFor, tableColumns } from './cells.ts'
import { ResourceTable } from './resource-table'

/** The live table of the resource that the path names. */
export function ResourcePage({ resource: pathName }: { resource: string }) {
  const resource = findResource(useResources(), decodeURIComponent(pathName))
  if (resource === undefined) return <p className="p-6">The API serves no resource “{decodeURIComponent(pathName)}”.</p>
  return <LiveTable key={pathName} resource={resource} />
}

function LiveTable({ resource }: { resource: ApiResource }) {
  const [namespaces] = useNamespaces()
  const [labelSelector] = useLabelSelector()
  const [text] = useFilterText()
  const [sort, setSort] = useSort()
  const [wide] = useWide()
  const chosen = resource.namespaced ? namespaces : []
  const { store, freshness } = useLiveRows({ resource, namespaces: chosen, labelSelector })
  useReportFreshness(freshness)
  const columns = useMemo(() => tableColumns(resource.columns, resource.namespaced, wide), [resource, wide])
  // During render, so that the first rows already come in the right order; a no-op while nothing changed.
  useMemo(() => store.arrange(orderFor(columns, sort), filterFor(text)), [store, columns, sort, text])
  return (
    <>
      <Toolbar resource={resource} />
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
        />
      )}
    </>
  )
}

const inputClass = 'rounded border border-line bg-ground px-2 py-1'

function Toolbar({ resource }: { resource: ApiResource }) {
  const [text, setText] = useFilterText()
  const [labelSelector, setLabelSelector] = useLabelSelector()
  const [wide, setWide] = useWide()
  return (
    <div className="flex flex-wrap items-center gap-3 border-b border-line px-4 py-2">
      <h1 className="text-lg font-semibold">{resource.kind}</h1>
      <input
        type="search"
        aria-label="Filter rows"
        placeholder="Filter"
        value={text}
        onChange={(event) => void setText(event.target.value)}
        className={inputClass}
      />
      <form
        onSubmit={(event) => {
          event.preventDefault()
          void setLabelSelector(String(new FormData(event.currentTarget).get('selector') ?? ''))
        }}
      >
        <input
          key={labelSelector}
          name="selector"
          aria-label="Label selector"
          placeholder="Labels: app=web"
          defaultValue={labelSelector}
          className={inputClass}
        />
      </form>
      <label className="flex items-center gap-1">
        <input type="checkbox" checked={wide} onChange={(event) => void setWide(event.target.checked)} /> wide
      </label>
    </div>
  )
}
