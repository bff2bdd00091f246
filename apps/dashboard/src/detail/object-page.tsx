'use client'

import dynamic from 'next/dynamic'
import Link from 'next/link'
import { useRouter, useSearchParams } from 'next/navigation'
import type { KeyboardEvent } from 'react'
import type { ApiResource } from '../live/queries.ts'
import { useReportFreshness } from '../shell/freshness'
import { usePageKeys } from '../shell/keys.ts'
import { useTitle } from '../shell/page-title.ts'
import { findResource, tablePath } from '../shell/paths.ts'
import { useResources } from '../shell/resources-context.ts'
import { UnknownResource } from '../shell/unknown-resource'
import { type Tab, tableQuery, tabs, useTab } from '../shell/url-state.ts'
import { type AnyObject, useLiveObject } from './live-object.ts'
import { Related, RelatedTable } from './related'
import { Summary } from './summary'

// The editor is a third of the page's code and shown on one tab: it is loaded when that is opened.
const YamlView = dynamic(() => import('./yaml-view'), {
  ssr: false,
  loading: () => <p className="p-4 text-faint">Loading …</p>,
})

const tabTitles: Readonly<Record<Tab, string>> = {
  summary: 'Summary',
  related: 'Related',
  yaml: 'YAML',
  events: 'Events',
}

/** One object: what it is, what belongs to it, its YAML, its events; live. */
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
  if (resource === undefined) return <UnknownResource name={decodeURIComponent(pathName)} />
  return <LiveObject resource={resource} namespace={namespace} name={name} />
}

function LiveObject({ resource, namespace, name }: { resource: ApiResource; namespace: string; name: string }) {
  const { object, absent, freshness } = useLiveObject(resource, namespace, name)
  useReportFreshness(freshness)
  useTitle(`${name} · ${resource.kind}`)
  const [tab, setTab] = useTab()
  const router = useRouter()
  const back = `${tablePath(resource)}${tableQuery(useSearchParams().toString())}`
  usePageKeys((event) => {
    if (event.key === 'y') void setTab('yaml')
    else if (event.key === 'e') void setTab('events')
    else if (event.key === 'Escape') router.push(back)
    else return
    event.preventDefault()
  })
  return (
    <>
      <Heading resource={resource} namespace={namespace} name={name} back={back} />
      {absent ? <Absent known={object !== undefined} kind={resource.kind} back={back} /> : null}
      {freshness.state === 'failed' ? (
        <p role="alert" className="p-4 text-bad">
          {freshness.error}
        </p>
      ) : null}
      {object === undefined ? (
        <p className="p-4 text-faint">{absent || freshness.state === 'failed' ? '' : 'Loading …'}</p>
      ) : (
        <>
          <Tabs tab={tab} onTab={(next) => void setTab(next)} />
          <div
            role="tabpanel"
            id="part"
            tabIndex={0}
            aria-labelledby={`tab-${tab}`}
            className="flex min-h-0 grow flex-col overflow-auto"
          >
            <Part tab={tab} resource={resource} object={object} />
          </div>
        </>
      )}
    </>
  )
}

interface HeadingProps {
  readonly resource: ApiResource
  readonly namespace: string
  readonly name: string
  readonly back: string
}

function Heading({ resource, namespace, name, back }: HeadingProps) {
  return (
    <div className="flex min-w-0 flex-wrap items-baseline gap-x-2 px-4 py-2">
      <Link href={back} prefetch={false} className="link" title={`Back to the table (Esc)`}>
        {resource.kind}
      </Link>
      <span aria-hidden className="text-faint">
        /
      </span>
      {namespace === '' ? null : (
        <>
          <Link
            href={`${tablePath(resource)}?${new URLSearchParams({ ns: namespace })}`}
            prefetch={false}
            className="link"
            title={`Every ${resource.kind} in this namespace`}
          >
            {namespace}
          </Link>
          <span aria-hidden className="text-faint">
            /
          </span>
        </>
      )}
      <h1 className="min-w-0 text-base font-semibold break-all">{name}</h1>
    </div>
  )
}

function Absent({ known, kind, back }: { known: boolean; kind: string; back: string }) {
  return (
    <p role="status" className="border-y border-line bg-warn-ground px-4 py-1.5 text-warn">
      {known ? 'This object was deleted. What you see is its last state.' : `There is no ${kind} of this name.`}{' '}
      <Link href={back} className="underline">
        Back to the table
      </Link>
    </p>
  )
}

// The arrow keys walk along the tabs, and only the chosen one is in the order of the Tab key, as ARIA asks for.
function Tabs({ tab, onTab }: { tab: Tab; onTab: (tab: Tab) => void }) {
  const walk = (event: KeyboardEvent<HTMLDivElement>): void => {
    const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key]
    if (step === undefined) return
    const next = tabs[(tabs.indexOf(tab) + step + tabs.length) % tabs.length] as Tab
    onTab(next)
    event.currentTarget.querySelector<HTMLElement>(`#tab-${next}`)?.focus()
    event.preventDefault()
  }
  return (
    <div
      role="tablist"
      aria-label="Parts of the object"
      className="flex gap-1 border-b border-line px-4"
      onKeyDown={walk}
    >
      {tabs.map((each) => (
        <button
          key={each}
          type="button"
          role="tab"
          id={`tab-${each}`}
          aria-selected={tab === each}
          aria-controls="part"
          tabIndex={tab === each ? 0 : -1}
          onClick={() => onTab(each)}
          className={`-mb-px cursor-pointer border-b-2 px-3 py-1 ${tab === each ? 'border-accent font-medium' : 'border-transparent text-faint hover:text-ink'}`}
        >
          {tabTitles[each]}
        </button>
      ))}
    </div>
  )
}

function Part({ tab, resource, object }: { tab: Tab; resource: ApiResource; object: AnyObject }) {
  if (tab === 'yaml') return <YamlView object={object} />
  if (tab === 'events') return <Events object={object} />
  if (tab === 'related') return <Related resource={resource} object={object} />
  return <Summary resource={resource} object={object} />
}

function Events({ object }: { object: AnyObject }) {
  const resource = useResources().find((candidate) => candidate.group === '' && candidate.plural === 'events')
  if (resource === undefined) return <p className="p-4">The API serves no events.</p>
  const { namespace, uid } = object.metadata
  return (
    <div className="p-4">
      <RelatedTable
        resource={resource}
        relation={{
          title: 'Events',
          resource: 'events',
          namespaces: namespace === undefined ? [] : [namespace],
          labelSelector: '',
          fieldSelector: `involvedObject.uid=${uid}`,
        }}
      />
    </div>
  )
}
