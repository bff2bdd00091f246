import { useEffect, useRef, useState } from 'react'
import { type Freshness, type LiveBatch, LiveStream, type Subscribe } from './live-stream.ts'
import { type ApiResource, rowsSubscription } from './queries.ts'
import { type Row, type RowEvent, RowStore } from './row-store.ts'

/** What a table shows. */
export interface RowSelection {
  readonly resource: ApiResource
  /** Empty: all namespaces. */
  readonly namespaces: readonly string[]
  readonly labelSelector: string
  readonly fieldSelector?: string
}

interface RowMessage extends Omit<Row, 'receivedAtMs'> {
  readonly type: 'ADDED' | 'MODIFIED' | 'DELETED' | 'BOOKMARK' | 'INITIAL_END'
}
interface RowsBatch extends LiveBatch {
  readonly events: readonly RowMessage[]
}

/** Keeps a RowStore equal to the selection on the server. A list that begins anew replaces the old rows only once it is whole. */
export class LiveRows {
  readonly #store: RowStore
  readonly #stream: LiveStream<RowsBatch>
  /** Rows of an initial list that is under way; undefined once live. */
  #pending: Map<string, Row> | undefined
  #frame = 0

  constructor(
    store: RowStore,
    { resource, namespaces, labelSelector, fieldSelector }: RowSelection,
    onFreshness: (freshness: Freshness) => void,
    subscribe?: Subscribe,
  ) {
    this.#store = store
    const variables = {
      resource: { group: resource.group, version: resource.version, plural: resource.plural },
      namespaces: namespaces.length === 0 ? null : namespaces,
      labelSelector: labelSelector === '' ? null : labelSelector,
      fieldSelector: fieldSelector ?? null,
    }
    const receiver = {
      begin: () => void (this.#pending = new Map()),
      receive: (batch: RowsBatch) => this.#receive(batch),
      report: onFreshness,
    }
    this.#stream = new LiveStream(rowsSubscription, variables, receiver, subscribe)
  }

  start(): void {
    this.#stream.start()
  }

  close(): void {
    this.#stream.close()
    if (this.#frame !== 0) cancelAnimationFrame(this.#frame)
  }

  #receive(batch: RowsBatch): void {
    const receivedAtMs = Date.now()
    const changes: RowEvent[] = []
    for (const { type, ...values } of batch.events) {
      const row = { ...values, receivedAtMs }
      if (type === 'INITIAL_END') this.#swap()
      else if (type === 'BOOKMARK') continue
      else if (this.#pending === undefined) changes.push({ type, row })
      else if (type === 'DELETED') this.#pending.delete(row.uid)
      else this.#pending.set(row.uid, row)
    }
    this.#store.apply(changes)
    this.#frame ||= requestAnimationFrame(() => {
      this.#frame = 0
      this.#store.flush()
    })
  }

  #swap(): void {
    if (this.#pending !== undefined) this.#store.reset([...this.#pending.values()])
    this.#pending = undefined
  }
}

/** A live RowStore for a selection; a new selection gets a new store. */
export function useLiveRows(selection: RowSelection | undefined): { store: RowStore; freshness: Freshness } {
  const key =
    selection === undefined
      ? ''
      : JSON.stringify([
          selection.resource.group,
          selection.resource.version,
          selection.resource.plural,
          selection.namespaces,
          selection.labelSelector,
          selection.fieldSelector,
        ])
  const [freshness, setFreshness] = useState<Freshness>({ state: 'loading', resourceVersion: '' })
  const current = useRef({ key: '', store: new RowStore() })
  if (current.current.key !== key) current.current = { key, store: new RowStore() }
  const { store } = current.current
  useEffect(() => {
    if (selection === undefined) return undefined
    setFreshness({ state: 'loading', resourceVersion: '' })
    const live = new LiveRows(store, selection, setFreshness)
    live.start()
    return () => live.close()
    // The key stands for the selection.
  }, [key, store])
  return { store, freshness }
}
