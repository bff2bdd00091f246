import { useEffect, useState } from 'react'
import { socket } from '../live/graphql.ts'
import type { Freshness } from '../live/live-rows.ts'
import { type ApiResource, objectSubscription } from '../live/queries.ts'

/** Any object, as JSON. */
export interface AnyObject {
  readonly apiVersion: string
  readonly kind: string
  readonly metadata: {
    readonly name: string
    readonly namespace?: string
    readonly uid: string
    readonly resourceVersion: string
    readonly creationTimestamp?: string
    readonly deletionTimestamp?: string
    readonly labels?: Readonly<Record<string, string>>
    readonly annotations?: Readonly<Record<string, string>>
    readonly ownerReferences?: readonly { apiVersion: string; kind: string; name: string; controller?: boolean }[]
  }
  readonly status?: { readonly conditions?: readonly Condition[] } & Record<string, unknown>
  readonly [field: string]: unknown
}

/** A condition of a status. */
export interface Condition {
  readonly type: string
  readonly status: string
  readonly reason?: string
  readonly message?: string
  readonly lastTransitionTime?: string
}

interface ObjectMessage {
  objectEvents: { resourceVersion: string; events: { type: string; object: { _json: AnyObject } | null }[] }
}

/** One object as it is now: `absent` once it is known not to exist (or to be gone; the last state stays). */
export function useLiveObject(
  resource: ApiResource,
  namespace: string,
  name: string,
): { object: AnyObject | undefined; absent: boolean; freshness: Freshness } {
  const [object, setObject] = useState<AnyObject | undefined>()
  const [absent, setAbsent] = useState(false)
  const [freshness, setFreshness] = useState<Freshness>({ state: 'loading', resourceVersion: '' })
  useEffect(() => {
    let found = false
    const variables = {
      resource: { group: resource.group, version: resource.version, plural: resource.plural },
      namespace: namespace === '' ? null : namespace,
      fieldSelector: `metadata.name=${name}`,
    }
    const receive = ({ objectEvents }: ObjectMessage): void => {
      for (const event of objectEvents.events) {
        if (event.object !== null && event.object !== undefined) setObject(event.object._json)
        if (event.type === 'ADDED' || event.type === 'MODIFIED') found = true
        if (event.type === 'DELETED') found = false
        if (event.type === 'INITIAL_END' || event.type === 'DELETED' || event.type === 'ADDED') setAbsent(!found)
      }
      setFreshness({ state: 'live', resourceVersion: objectEvents.resourceVersion })
    }
    const fail = (): void => setFreshness((before) => ({ ...before, state: 'reconnecting' }))
    return socket().subscribe<ObjectMessage>(
      { query: objectSubscription, variables },
      {
        next: (result) => (result.errors === undefined ? receive(result.data as ObjectMessage) : fail()),
        error: fail,
        complete: () => undefined,
      },
    )
  }, [resource, namespace, name])
  return { object, absent, freshness }
}
