import { badRequest } from '@binnacle/apimachinery'
import { authorize, type SelectedEvent, type SelectedEventListener, type SelectedWatch } from '@binnacle/apiserver'
import type { ResourceDefinition } from '@binnacle/resources'
import type { StoredObject } from '@binnacle/store'
import type { GraphqlContext } from '../context.ts'

/** What a subscription selects. */
export interface LiveSelection {
  readonly definition: ResourceDefinition
  /** Empty: all. */
  readonly namespaces: readonly string[]
  readonly labelSelector: string | undefined
  readonly fieldSelector: string | undefined
}

/** The value of a subscription's root field: what changed together. */
export interface LiveBatch {
  readonly resourceVersion: string
  readonly events: readonly unknown[]
}

/** Makes an event of a subscription from one of the store; BOOKMARK and INITIAL_END have no object. */
export interface EventShape {
  event(type: string, object: StoredObject, revision: number, left: boolean): unknown
  marker(type: 'BOOKMARK' | 'INITIAL_END', revision: number): unknown
}

/**
 * What a subscription field's resolver returns: where its events come from. The WebSocket side drives it, so that one execution serves every
 * subscriber that asks the same.
 */
export class LiveSource implements AsyncIterable<LiveBatch> {
  readonly #context: GraphqlContext
  readonly #selection: LiveSelection
  readonly #shape: EventShape
  /** Resume after this revision; undefined: from now on. */
  readonly since: string | undefined
  readonly wantsInitial: boolean

  constructor(
    context: GraphqlContext,
    selection: LiveSelection,
    shape: EventShape,
    start: { readonly since: string | undefined; readonly wantsInitial: boolean },
  ) {
    if (selection.namespaces.length > 0 && selection.definition.scope === 'Cluster')
      throw badRequest(`${selection.definition.plural} have no namespace`)
    this.#context = context
    this.#selection = selection
    this.#shape = shape
    this.since = start.since
    this.wantsInitial = start.wantsInitial
  }

  /** @throws StatusError Forbidden */
  authorize(): void {
    const { definition, namespaces } = this.#selection
    for (const namespace of namespaces.length === 0 ? [undefined] : namespaces)
      authorize(this.#context.request, 'watch', definition, { namespace })
  }

  /** Waits until the present state is known here. */
  async linearize(): Promise<void> {
    await this.#context.server.store.linearize()
  }

  /** The present state. */
  snapshot(): { readonly revision: number; readonly objects: readonly StoredObject[] } {
    const { server, request } = this.#context
    const { definition } = this.#selection
    const objects = this.#selects().flatMap((select) => server.listNow(request, definition, select))
    return { revision: server.store.cachedRevision, objects }
  }

  batchOf(events: readonly SelectedEvent[]): LiveBatch {
    const last = events.at(-1) as SelectedEvent
    return {
      resourceVersion: String(last.revision),
      events: events.map(({ type, object, revision, left }) => this.#shape.event(type, object, revision, left)),
    }
  }

  initialBatch(objects: readonly StoredObject[], revision: number): LiveBatch {
    const events = objects.map((object) => this.#shape.event('ADDED', object, object.revision, false))
    return { resourceVersion: String(revision), events }
  }

  markerBatch(type: 'BOOKMARK' | 'INITIAL_END', revision: number): LiveBatch {
    return { resourceVersion: String(revision), events: [this.#shape.marker(type, revision)] }
  }

  /** Every event from now on, synchronously attached. */
  attach(listener: SelectedEventListener): SelectedWatch {
    const { server, request } = this.#context
    const [first, ...more] = this.#selects()
    // Several namespaces are one watch of all, narrowed: their events stay in order.
    const select = more.length === 0 ? first : { ...first, namespace: undefined }
    return server.attach(request, this.#selection.definition, select ?? {}, this.#narrowed(listener))
  }

  /** Every event after `since`. @throws StatusError Expired */
  async resume(listener: SelectedEventListener): Promise<SelectedWatch> {
    const { server, request } = this.#context
    const [first, ...more] = this.#selects()
    const select = more.length === 0 ? first : { ...first, namespace: undefined }
    return await server.watch(
      request,
      this.#selection.definition,
      { ...select, resourceVersion: this.since },
      this.#narrowed(listener),
    )
  }

  #selects(): {
    namespace: string | undefined
    labelSelector: string | undefined
    fieldSelector: string | undefined
  }[] {
    const { namespaces, labelSelector, fieldSelector } = this.#selection
    const all: (string | undefined)[] = namespaces.length === 0 ? [undefined] : [...new Set(namespaces)]
    return all.map((namespace) => ({ namespace, labelSelector, fieldSelector }))
  }

  #narrowed(listener: SelectedEventListener): SelectedEventListener {
    const namespaces = new Set(this.#selection.namespaces)
    if (namespaces.size < 2) return listener
    return {
      ...listener,
      onEvents(events) {
        const inside = events.filter(({ object }) => namespaces.has(object.key.namespace))
        if (inside.length > 0) listener.onEvents(inside)
      },
    }
  }

  /** GraphQL's own form of a source of events, for executors that know nothing of sharing: batches until the reader stops. */
  async *[Symbol.asyncIterator](): AsyncGenerator<LiveBatch> {
    const waiting: LiveBatch[] = []
    let wake: () => void = () => undefined
    const put = (batch: LiveBatch): void => {
      waiting.push(batch)
      wake()
    }
    await this.linearize()
    const listener = { onEvents: (events: readonly SelectedEvent[]) => put(this.batchOf(events)) }
    if (this.since === undefined && this.wantsInitial) {
      const { revision, objects } = this.snapshot()
      put(this.initialBatch(objects, revision))
      put(this.markerBatch('INITIAL_END', revision))
    }
    const watch = this.since === undefined ? this.attach(listener) : await this.resume(listener)
    try {
      for (;;) {
        while (waiting.length > 0) yield waiting.shift() as LiveBatch
        await new Promise<void>((resolve) => (wake = resolve))
      }
    } finally {
      watch.close()
    }
  }
}
