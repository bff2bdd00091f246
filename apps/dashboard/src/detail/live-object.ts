import { useEffect, useState } from 'react'
import { type Freshness, type LiveBatch, LiveStream } from '../live/live-stream.ts'
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
    readonly ownerReferences?: readonly OwnerReference[]
    readonly finalizers?: readonly string[]
    readonly generation?: number
  }
  readonly spec?: Readonly<Record<string, unknown>>
  readonly status?: { readonly conditions?: readonly Condition[] } & Record<string, unknown>
  readonly [field: string]: unknown
}

/** Who owns an object. */
export interface OwnerReference {
  readonly apiVersion: string
  readonly kind: string
  readonly name: string
  readonly controller?: boolean
}

/** A condition of a status. */
export interface Condition {
  readonly type: string
  readonly status: string
  readonly reason?: string
  readonly message?: string
  readonly lastTransitionTime?: string
}

interface ObjectBatch extends LiveBatch {
  readonly events: readonly { readonly type: string; readonly object?: { readonly _json: AnyObject } | null }[]
}

/** One object as it is now: `absent` once it is known not to exist (or to be gone; the last state stays). */
export interface LiveObject {
  readonly object: AnyObject | undefined
  readonly absent: boolean
  readonly freshness: Freshness
}

const nothingYet: LiveObject = {
  object: undefined,
  absent: false,
  freshness: { state: 'loading', resourceVersion: '' },
}

/** Follows one object. */
export function useLiveObject(resource: ApiResource, namespace: string, name: string): LiveObject {
  const [live, setLive] = useState(nothingYet)
  useEffect(() => {
    let found = false
    const receive = (batch: ObjectBatch): void => {
      for (const { type, object } of batch.events) {
        if (object !== null && object !== undefined) {
          found = type !== 'DELETED'
          setLive((before) => ({ ...before, object: object._json, absent: !found }))
        } else if (type === 'INITIAL_END') {
          setLive((before) => ({ ...before, absent: !found }))
        }
      }
    }
    const variables = {
      resource: { group: resource.group, version: resource.version, plural: resource.plural },
      namespace: namespace === '' ? null : namespace,
      fieldSelector: `metadata.name=${name}`,
    }
    setLive(nothingYet)
    const stream = new LiveStream<ObjectBatch>(objectSubscription, variables, {
      begin: () => void (found = false),
      receive,
      report: (freshness) => setLive((before) => ({ ...before, freshness })),
    })
    stream.start()
    return () => stream.close()
  }, [resource, namespace, name])
  return live
}
