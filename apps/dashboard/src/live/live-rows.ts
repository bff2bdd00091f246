import { useEffect, useRef, useState } from 'react'
import { type ApiResource, rowsSubscription } from './queries.ts'
import { socket } from './graphql.ts'
import { type Row, type RowEvent, RowStore } from './row-store.ts'

/** What a table shows. */
export interface RowSelection {
  readonly resource: ApiResource
  /** Empty: all namespaces. */
  readonly namespaces: readonly string[]
  readonly labelSelector: string
  readonly fieldSelector?: string
}

/** How fresh what is on the screen is. */
export interface Freshness {
  readonly state: 'loading' | 'live' | 'reconnecting' | 'failed'
  readonly resourceVersion: string
  readonly error?: string
}

interface RowMessage extends Row {
  readonly type: 'ADDED' | 'MODIFIED' | 'DELETED' | 'BOOKMARK' | 'INITIAL_END'
}
interface RowsPayload {
  tableRows: { resourceVersion: string; events: RowMessage[] }
}

const retryMs = 1000

/**
 * Keeps a RowStore equal to the selection on the server: initial pages, then changes. After a broken connection it resumes from the
 * last resourceVersion; when that is compacted (EXPIRED) it lists anew, and swaps the rows only when the new list is whole.
 */
export class LiveRows {
  readonly store: RowStore
  readonly #selection: RowSelection
  readonly #onFreshness: (freshness: Freshness) => void
  #resourceVersion = ''
  /** Rows of an initial list that is under way; undefined once live. */
  #pending: Map<string, Row> | undefined
  #stop: (() => void) | undefined
  #timer: ReturnType<typeof setTimeout> | undefined
  #frame = 0
  #closed = false

  constructor(store: RowStore, selection: RowSelection, onFreshness: (freshness: Freshness) => void) {
    this.store = store
    this.#selection = selection
    this.#onFreshness = onFreshness
  }

  start(): void {
    const { resource, namespaces, labelSelector, fieldSelector } = this.#selection
    if (this.#resourceVersion === '') this.#pending = new Map()
    const variables = {
      resource: { group: resource.group, version: resource.version, plural: resource.plural },
      namespaces: namespaces.length === 0 ? null : namespaces,
      labelSelector: labelSelector === '' ? null : labelSelector,
      fieldSelector: fieldSelector ?? null,
      resourceVersion: this.#resourceVersion === '' ? null : this.#resourceVersion,
    }
    this.#stop = socket().subscribe<RowsPayload>(
      { query: rowsSubscription, variables },
      {
        next: (result) =>
          result.errors === undefined ? this.#receive(result.data as RowsPayload) : this.#fail(result.errors),
        error: (error) => this.#fail(error),
        complete: () => this.#restart(),
      },
    )
  }

  close(): void {
    this.#closed = true
    clearTimeout(this.#timer)
    cancelAnimationFrame(this.#frame)
    this.#stop?.()
  }

  #receive({ tableRows }: RowsPayload): void {
    this.#resourceVersion = tableRows.resourceVersion
    const changes: RowEvent[] = []
    for (const message of tableRows.events) {
      if (message.type === 'INITIAL_END') this.#swap()
      else if (message.type === 'BOOKMARK') continue
      else if (this.#pending === undefined) changes.push({ type: message.type, row: message })
      else if (message.type === 'DELETED') this.#pending.delete(message.uid)
      else this.#pending.set(message.uid, message)
    }
    this.store.apply(changes)
    if (this.#pending === undefined) this.#onFreshness({ state: 'live', resourceVersion: this.#resourceVersion })
    this.#frame ||= requestAnimationFrame(() => {
      this.#frame = 0
      this.store.flush()
    })
  }

  #swap(): void {
    if (this.#pending !== undefined) this.store.reset([...this.#pending.values()])
    this.#pending = undefined
  }

  #fail(error: unknown): void {
    const first = Array.isArray(error) ? (error[0] as { message: string; extensions?: { code?: string } }) : undefined
    const code = first?.extensions?.code
    // A list that was cut short cannot be resumed; one whose revision is gone neither.
    if (this.#pending !== undefined || code === 'EXPIRED' || code === 'Expired') this.#resourceVersion = ''
    const lasting = code === 'BadRequest' || code === 'Forbidden' || code === 'GRAPHQL_VALIDATION_FAILED'
    if (lasting)
      this.#onFreshness({ state: 'failed', resourceVersion: this.#resourceVersion, error: first?.message ?? 'failed' })
    else this.#restart()
  }

  #restart(): void {
    if (this.#closed) return
    this.#onFreshness({ state: 'reconnecting', resourceVersion: this.#resourceVersion })
    this.#stop?.()
    clearTimeout(this.#timer)
    this.#timer = setTimeout(() => this.start(), retryMs)
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
