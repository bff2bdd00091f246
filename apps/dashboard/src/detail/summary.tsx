'use client'

import Link from 'next/link'
import { useMemo, useSyncExternalStore } from 'react'
import { useLiveRows } from '../live/live-rows.ts'
import type { ApiResource } from '../live/queries.ts'
import type { Row } from '../live/row-store.ts'
import { findKind, objectPath, tablePath } from '../shell/paths.ts'
import { useResources } from '../shell/resources-context.ts'
import { age } from '../tables/age.ts'
import { cellLink } from '../tables/cell-links.ts'
import { type TableColumn, statusColor, tableColumns } from '../tables/cells.ts'
import { useNow } from '../tables/now.ts'
import { Containers, DataKeys } from './contents'
import { Fact, Facts, PlainTable, Section } from './facts'
import type { AnyObject } from './live-object.ts'

/** What one wants to know of an object first: its columns, where it belongs, what it is made of, its conditions. */
export function Summary({ resource, object }: { resource: ApiResource; object: AnyObject }) {
  const { metadata } = object
  return (
    <div className="grid gap-5 p-4 [&>*]:min-w-0">
      <Facts>
        <Columns resource={resource} object={object} />
        {(metadata.ownerReferences ?? []).length === 0 ? null : (
          <Fact title="Owned by">
            <Owners object={object} />
          </Fact>
        )}
        <Fact title="Labels">
          <Labels resource={resource} object={object} />
        </Fact>
        <Fact title="Annotations">
          <Annotations annotations={metadata.annotations} />
        </Fact>
        {metadata.finalizers === undefined ? null : <Fact title="Finalizers">{metadata.finalizers.join(', ')}</Fact>}
        {metadata.deletionTimestamp === undefined ? null : (
          <Fact title="Deleting">
            <span className="text-warn">
              <Since time={metadata.deletionTimestamp} />
            </span>
          </Fact>
        )}
        <Fact title="Created">
          <Since time={metadata.creationTimestamp} />
        </Fact>
        <Fact title="UID">
          <span className="font-mono">{metadata.uid}</span>
        </Fact>
      </Facts>
      <Containers object={object} />
      <DataKeys object={object} />
      <Conditions object={object} />
    </div>
  )
}

const identity = new Set(['Name', 'Namespace', 'Age'])

// The object's row in its own table, wide columns too: so every kind, custom ones as well, says here what its author found worth a column.
function Columns({ resource, object }: { resource: ApiResource; object: AnyObject }) {
  const { namespace = '', name, uid } = object.metadata
  const selection = useMemo(
    () => ({
      resource,
      namespaces: namespace === '' ? [] : [namespace],
      labelSelector: '',
      fieldSelector: `metadata.name=${name}`,
    }),
    [resource, namespace, name],
  )
  const { store } = useLiveRows(selection)
  const rows = useSyncExternalStore(store.subscribe, store.visible, store.visible)
  const columns = useMemo(() => tableColumns(resource.columns, false, true), [resource])
  const row = rows.find((each) => each.uid === uid)
  if (row === undefined) return null
  return columns
    .filter((column) => !identity.has(column.title))
    .map((column) => <ColumnFact key={column.title} resource={resource} column={column} row={row} />)
}

function ColumnFact({ resource, column, row }: { resource: ApiResource; column: TableColumn; row: Row }) {
  const resources = useResources()
  const text = column.text(row, useNow())
  const href = cellLink(resources, resource, column.title, text, row)
  if (text === '') return null
  return (
    <Fact title={column.title}>
      {href === undefined ? (
        <span className={`${column.color(row)} ${text.startsWith('<') ? 'text-faint' : ''}`}>{text}</span>
      ) : (
        <Link href={href} prefetch={false} className="link">
          {text}
        </Link>
      )}
    </Fact>
  )
}

/** A moment: how long ago it is, and exactly. */
export function Since({ time }: { time: string | undefined }) {
  const nowMs = useNow()
  if (time === undefined) return null
  return (
    <time dateTime={time} className="tabular-nums">
      {age(nowMs - Date.parse(time))} ago{' '}
      <span className="text-faint">({time.replace('T', ' ').replace('Z', ' UTC')})</span>
    </time>
  )
}

/** Who owns the object, as links. */
export function Owners({ object }: { object: AnyObject }) {
  const resources = useResources()
  return (object.metadata.ownerReferences ?? []).map(({ apiVersion, kind, name, controller }) => {
    const resource = findKind(resources, apiVersion, kind)
    const text = `${kind} ${name}`
    return (
      <div key={text}>
        {resource === undefined ? (
          text
        ) : (
          <Link
            href={objectPath(resource, resource.namespaced ? (object.metadata.namespace ?? '') : '', name)}
            prefetch={false}
            className="link"
          >
            {text}
          </Link>
        )}{' '}
        {controller === true ? <span className="text-faint">controller</span> : null}
      </div>
    )
  })
}

function Labels({ resource, object }: { resource: ApiResource; object: AnyObject }) {
  const entries = Object.entries(object.metadata.labels ?? {})
  if (entries.length === 0) return <span className="text-faint">none</span>
  const { namespace } = object.metadata
  return (
    <ul className="flex flex-wrap gap-1.5">
      {entries.map(([key, value]) => {
        const query = new URLSearchParams({
          ...(namespace === undefined ? {} : { ns: namespace }),
          l: value === '' ? key : `${key}=${value}`,
        })
        return (
          <li key={key} className="min-w-0">
            <Link
              href={`${tablePath(resource)}?${query}`}
              prefetch={false}
              title={`Every ${resource.kind} with this label`}
              className="block rounded border border-line bg-panel px-1.5 break-all hover:underline"
            >
              {value === '' ? key : `${key}=${value}`}
            </Link>
          </li>
        )
      })}
    </ul>
  )
}

const foldedLength = 160

function Annotations({ annotations }: { annotations: Readonly<Record<string, string>> | undefined }) {
  const entries = Object.entries(annotations ?? {})
  if (entries.length === 0) return <span className="text-faint">none</span>
  return (
    <ul>
      {entries.map(([key, value]) =>
        value.length <= foldedLength ? (
          <li key={key} className="break-all">
            <span className="text-faint">{key}:</span> {value}
          </li>
        ) : (
          <li key={key}>
            <details>
              <summary className="cursor-pointer">
                <span className="text-faint">{key}:</span> {value.length.toLocaleString('en')} characters
              </summary>
              <pre className="my-1 rounded bg-panel p-2 font-mono break-all whitespace-pre-wrap">{value}</pre>
            </details>
          </li>
        ),
      )}
    </ul>
  )
}

// Types whose truth is trouble.
const badWhenTrue =
  /^(Failed|ReplicaFailure|DiskPressure|MemoryPressure|PIDPressure|NetworkUnavailable|.*Failure|DisruptionTarget|Dangling)$/

function conditionColor(type: string, status: string): string {
  if (status === 'Unknown') return 'text-warn'
  if (badWhenTrue.test(type)) return status === 'True' ? 'text-bad' : 'text-good'
  return status === 'False' ? 'text-warn' : statusColor(status)
}

function Conditions({ object }: { object: AnyObject }) {
  const conditions = object.status?.conditions ?? []
  if (conditions.length === 0) return null
  return (
    <Section title="Conditions">
      <PlainTable
        label="Conditions"
        titles={['Type', 'Status', 'Reason', 'Message', 'Since']}
        rows={conditions.map(({ type, status, reason = '', message = '', lastTransitionTime }) => [
          type,
          <span key="status" className={conditionColor(type, status)}>
            {status}
          </span>,
          reason,
          message,
          <span key="since" className="whitespace-nowrap">
            <Since time={lastTransitionTime} />
          </span>,
        ])}
      />
    </Section>
  )
}
