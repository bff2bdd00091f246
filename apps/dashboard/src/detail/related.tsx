'use client'

import Link from 'next/link'
import { useEffect, useMemo, useState } from 'react'
import { request } from '../live/graphql.ts'
import { useLiveRows } from '../live/live-rows.ts'
import { type ApiResource, childrenQuery } from '../live/queries.ts'
import { findKind, findResource, objectPath, tablePath } from '../shell/paths.ts'
import { useResources } from '../shell/resources-context.ts'
import { filterFor, orderFor, tableColumns } from '../tables/cells.ts'
import { ResourceTable } from '../tables/resource-table'
import { Fact, Facts, Section } from './facts'
import type { AnyObject } from './live-object.ts'
import { type Related as Relation, referencesOf, relatedTo } from './relations.ts'
import { Owners } from './summary'

/** What the object is connected with: its owners, what it names, what it owns, what its selectors choose. */
export function Related({ resource, object }: { resource: ApiResource; object: AnyObject }) {
  const resources = useResources()
  const references = referencesOf(object)
  const owned = useOwned(resource, object)
  const tables = relatedTo(object).flatMap((relation) => {
    const target = findResource(resources, relation.resource)
    return target === undefined ? [] : [{ relation, target }]
  })
  const owners = object.metadata.ownerReferences ?? []
  // What a table below shows anyway is not listed once more.
  const unlisted = owned.filter((each) => !tables.some(({ target }) => target.kind === each.kind))
  if (owners.length + references.length + unlisted.length + tables.length === 0)
    return <p className="p-4 text-faint">This object has no owner, owns nothing and names no other object.</p>
  return (
    <div className="grid gap-5 p-4 [&>*]:min-w-0">
      {owners.length + references.length === 0 ? null : (
        <Facts>
          {owners.length === 0 ? null : (
            <Fact title="Owned by">
              <Owners object={object} />
            </Fact>
          )}
          {[...Map.groupBy(references, ({ role }) => role)].map(([role, group]) => (
            <Fact key={role} title={role}>
              {group.map((reference) => (
                <ReferenceLink key={`${reference.resource} ${reference.name}`} {...reference} />
              ))}
            </Fact>
          ))}
        </Facts>
      )}
      {unlisted.length === 0 ? null : <Owned owned={unlisted} />}
      {tables.map(({ relation, target }) => (
        <RelatedTable key={relation.title} relation={relation} resource={target} />
      ))}
    </div>
  )
}

function ReferenceLink({ resource: pathName, namespace, name }: { resource: string; namespace: string; name: string }) {
  const resource = findResource(useResources(), pathName)
  if (resource === undefined) return <div>{name}</div>
  return (
    <div>
      <Link href={objectPath(resource, namespace, name)} prefetch={false} className="link">
        {name}
      </Link>
    </div>
  )
}

interface OwnedObject {
  readonly apiVersion: string
  readonly kind: string
  readonly metadata: { readonly namespace?: string | null; readonly name: string }
}

const refreshMs = 500

// Asked anew a moment after the object changes: controllers write an object's status when what it owns has changed.
function useOwned(resource: ApiResource, object: AnyObject): readonly OwnedObject[] {
  const [owned, setOwned] = useState<readonly OwnedObject[]>([])
  const { namespace = null, name, resourceVersion } = object.metadata
  useEffect(() => {
    const aborter = new AbortController()
    const timer = setTimeout(() => {
      const variables = {
        resource: { group: resource.group, version: resource.version, plural: resource.plural },
        namespace,
        name,
      }
      request<{ object: { children: OwnedObject[] } | null }>(childrenQuery, variables, aborter.signal)
        .then((answer) => setOwned(answer.object?.children ?? []))
        // The chip tells of a lost connection; what was known stays.
        .catch(() => undefined)
    }, refreshMs)
    return () => {
      clearTimeout(timer)
      aborter.abort()
    }
  }, [resource, namespace, name, resourceVersion])
  return owned
}

function Owned({ owned }: { owned: readonly OwnedObject[] }) {
  const resources = useResources()
  return (
    <Section title="Owns">
      <ul>
        {owned.map(({ apiVersion, kind, metadata }) => {
          const resource = findKind(resources, apiVersion, kind)
          const text = `${kind} ${metadata.name}`
          return (
            <li key={text}>
              {resource === undefined ? (
                text
              ) : (
                <Link
                  href={objectPath(resource, metadata.namespace ?? '', metadata.name)}
                  prefetch={false}
                  className="link"
                >
                  {text}
                </Link>
              )}
            </li>
          )
        })}
      </ul>
    </Section>
  )
}

/** A live table of what belongs to an object. */
export function RelatedTable({ relation, resource }: { relation: Relation; resource: ApiResource }) {
  const { namespaces, labelSelector, fieldSelector, title } = relation
  const [sort, setSort] = useState(resource.plural === 'events' ? 'Last Seen' : '')
  const selection = {
    resource,
    namespaces,
    labelSelector,
    ...(fieldSelector === undefined ? {} : { fieldSelector }),
  }
  const { store, freshness } = useLiveRows(selection)
  const columns = useMemo(
    () => tableColumns(resource.columns, resource.namespaced && namespaces.length !== 1, false),
    [resource, namespaces.length],
  )
  useMemo(() => store.arrange(orderFor(columns, sort), filterFor('', [])), [store, columns, sort])
  const query = new URLSearchParams({
    ...(namespaces.length === 0 ? {} : { ns: namespaces.join(',') }),
    ...(labelSelector === '' ? {} : { l: labelSelector }),
  })
  return (
    <section className="min-w-0">
      <h2 className="mb-1.5 font-semibold">
        {fieldSelector === undefined ? (
          <Link href={`${tablePath(resource)}?${query}`} prefetch={false} className="link underline">
            {title}
          </Link>
        ) : (
          title
        )}{' '}
        <span className="font-normal break-all text-faint">{labelSelector}</span>
      </h2>
      {freshness.state === 'failed' ? (
        <p role="alert" className="text-bad">
          {freshness.error}
        </p>
      ) : (
        <div className="border border-line">
          <ResourceTable
            resource={resource}
            columns={columns}
            store={store}
            sort={sort}
            onSort={setSort}
            loading={freshness.state === 'loading'}
            empty={`No ${resource.plural}.`}
          />
        </div>
      )}
    </section>
  )
}
