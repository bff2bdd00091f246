'use client'

import dynamic from 'next/dynamic'
import Link from 'next/link'
import type { ReactNode } from 'react'
import type { ApiResource } from '../live/queries.ts'
import { useReportFreshness } from '../shell/freshness'
import { findResource, objectPath, tablePath } from '../shell/paths.ts'
import { useResources } from '../shell/shell'
import { useTab } from '../shell/url-state.ts'
import { ResourceTable } from '../tables/resource-table'
import { tableColumns, statusColor } from '../tables/cells.ts'
import { useLiveRows } from '../live/live-rows.ts'
import { type AnyObject, useLiveObject } from './live-object.ts'

// The editor is a third of the page's code and shown on one tab: it is loaded when that is opened.
const YamlView = dynamic(() => import('./yaml-view'), {
  ssr: false,
  loading: () => <p className="p-4 text-faint">Loading …</p>,
})

const tabs = { summary: 'Summary', yaml: 'YAML', events: 'Events' } as const

/** One object: what it is, its YAML, its events; live. */
export function ObjectPage({
  resource: pathName,
  namespace,
  name,
}: {
  resource: string
  namespace: string
  name: string
}) {
  const resource = findResource(useResources(), decodeURIComponent(pathName))
  if (resource === undefined) return <p className="p-6">The API serves no resource “{decodeURIComponent(pathName)}”.</p>
  return <LiveObject resource={resource} namespace={namespace} name={name} />
}

function LiveObject({ resource, namespace, name }: { resource: ApiResource; namespace: string; name: string }) {
  const { object, absent, freshness } = useLiveObject(resource, namespace, name)
  useReportFreshness(freshness)
  const [tab, setTab] = useTab()
  return (
    <>
      <div className="flex flex-wrap items-baseline gap-2 border-b border-line px-4 py-2">
        <Link href={tablePath(resource)} className="text-accent hover:underline">
          {resource.kind}
        </Link>
        <h1 className="text-lg font-semibold">{namespace === '' ? name : `${namespace}/${name}`}</h1>
        {absent ? <strong className="text-bad">{object === undefined ? 'does not exist' : 'deleted'}</strong> : null}
      </div>
      <div role="tablist" aria-label="Parts of the object" className="flex gap-1 border-b border-line px-4">
        {Object.entries(tabs).map(([key, title]) => (
          <button
            key={key}
            type="button"
            role="tab"
            id={`tab-${key}`}
            aria-selected={tab === key}
            aria-controls="part"
            onClick={() => void setTab(key)}
            className={`border-b-2 px-3 py-1.5 ${tab === key ? 'border-accent font-medium' : 'border-transparent text-faint'}`}
          >
            {title}
          </button>
        ))}
      </div>
      <div
        role="tabpanel"
        id="part"
        aria-labelledby={`tab-${tab}`}
        className="flex min-h-0 grow flex-col overflow-auto"
      >
        {object === undefined ? (
          <p className="p-4 text-faint">{absent ? '' : 'Loading …'}</p>
        ) : (
          <Part tab={tab} object={object} />
        )}
      </div>
    </>
  )
}

function Part({ tab, object }: { tab: string; object: AnyObject }) {
  if (tab === 'yaml') return <YamlView object={object} />
  if (tab === 'events') return <Events object={object} />
  return <Summary object={object} />
}

function Summary({ object }: { object: AnyObject }) {
  const { metadata } = object
  return (
    <div className="grid gap-6 p-4">
      <dl className="grid grid-cols-[10rem_1fr] gap-x-4 gap-y-1">
        <Term title="Created">{metadata.creationTimestamp ?? ''}</Term>
        {metadata.deletionTimestamp === undefined ? null : (
          <Term title="Deleting since">{metadata.deletionTimestamp}</Term>
        )}
        <Term title="UID">{metadata.uid}</Term>
        <Term title="Resource version">{metadata.resourceVersion}</Term>
        <Term title="Labels">
          <Pairs pairs={metadata.labels} />
        </Term>
        <Term title="Annotations">
          <Pairs pairs={metadata.annotations} />
        </Term>
        <Term title="Owners">
          <Owners object={object} />
        </Term>
      </dl>
      <Conditions object={object} />
    </div>
  )
}

function Term({ title, children }: { title: string; children: ReactNode }) {
  return (
    <>
      <dt className="text-faint">{title}</dt>
      <dd className="min-w-0 break-words">{children}</dd>
    </>
  )
}

function Pairs({ pairs }: { pairs: Readonly<Record<string, string>> | undefined }) {
  const entries = Object.entries(pairs ?? {})
  if (entries.length === 0) return <span className="text-faint">none</span>
  return (
    <ul>
      {entries.map(([key, value]) => (
        <li key={key} className="break-all">
          {key} = {value}
        </li>
      ))}
    </ul>
  )
}

function Owners({ object }: { object: AnyObject }) {
  const resources = useResources()
  const owners = object.metadata.ownerReferences ?? []
  if (owners.length === 0) return <span className="text-faint">none</span>
  return owners.map((owner) => {
    const resource = resources.find(
      (candidate) =>
        candidate.kind === owner.kind &&
        (candidate.group === '' ? candidate.version : `${candidate.group}/${candidate.version}`) === owner.apiVersion,
    )
    const text = `${owner.kind} ${owner.name}`
    if (resource === undefined) return <span key={text}>{text}</span>
    return (
      <Link
        key={text}
        href={objectPath(resource, resource.namespaced ? (object.metadata.namespace ?? '') : '', owner.name)}
        className="text-accent hover:underline"
      >
        {text}
      </Link>
    )
  })
}

function Conditions({ object }: { object: AnyObject }) {
  const conditions = object.status?.conditions ?? []
  if (conditions.length === 0) return null
  return (
    <table className="w-full text-left">
      <caption className="pb-1 text-left font-semibold">Conditions</caption>
      <thead className="text-xs text-faint">
        <tr>
          {['Type', 'Status', 'Reason', 'Message', 'Since'].map((title) => (
            <th key={title} scope="col" className="border-b border-line py-1 pr-4">
              {title}
            </th>
          ))}
        </tr>
      </thead>
      <tbody>
        {conditions.map((condition) => (
          <tr key={condition.type} className="border-b border-line align-top">
            <td className="py-1 pr-4">{condition.type}</td>
            <td className={`py-1 pr-4 ${statusColor(condition.status)}`}>{condition.status}</td>
            <td className="py-1 pr-4">{condition.reason ?? ''}</td>
            <td className="py-1 pr-4">{condition.message ?? ''}</td>
            <td className="py-1 whitespace-nowrap">{condition.lastTransitionTime ?? ''}</td>
          </tr>
        ))}
      </tbody>
    </table>
  )
}

function Events({ object }: { object: AnyObject }) {
  const resource = useResources().find((candidate) => candidate.group === '' && candidate.plural === 'events')
  const namespace = object.metadata.namespace ?? ''
  const selection =
    resource === undefined
      ? undefined
      : {
          resource,
          namespaces: namespace === '' ? [] : [namespace],
          labelSelector: '',
          fieldSelector: `involvedObject.uid=${object.metadata.uid}`,
        }
  const { store, freshness } = useLiveRows(selection)
  if (resource === undefined) return <p className="p-4">The API serves no events.</p>
  return (
    <ResourceTable
      resource={resource}
      columns={tableColumns(resource.columns, false, false)}
      store={store}
      sort=""
      onSort={() => undefined}
      loading={freshness.state === 'loading'}
    />
  )
}
