/** One row of a table: the cells that the server computed, and what identifies the object. */
export interface Row {
  readonly uid: string
  readonly namespace: string
  readonly name: string
  readonly resourceVersion: string
  readonly creationTimestamp: string | null
  readonly labels: Readonly<Record<string, string>>
  readonly cells: readonly (string | number | boolean | null)[]
  /** When the browser received it, in milliseconds since the epoch: ages in its cells were right at that moment. */
  readonly receivedAtMs: number
}

/** A change of one row. A row that left the selection is DELETED, too. */
export interface RowEvent {
  readonly type: 'ADDED' | 'MODIFIED' | 'DELETED'
  readonly row: Row
}

/** Orders rows. Ties are broken by namespace, name and uid, so that every order is total. */
export type RowOrder = (a: Row, b: Row) => number

const byKey: RowOrder = (a, b) =>
  compareText(a.namespace, b.namespace) || compareText(a.name, b.name) || compareText(a.uid, b.uid)

function compareText(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0
}

/**
 * A live list, keyed by uid, kept sorted and filtered by binary insertion: an event costs a search, never a sort of the whole list.
 * Readers subscribe to the list's shape or to one row; `flush` tells them, once a frame.
 */
export class RowStore {
  readonly #rows = new Map<string, Row>()
  #visible: Row[] = []
  #order: RowOrder = byKey
  #filter: (row: Row) => boolean = () => true
  readonly #listeners = new Set<() => void>()
  #snapshot: readonly Row[] = []
  #dirty = false

  /** All rows, whether they pass the filter or not. */
  get size(): number {
    return this.#rows.size
  }

  /** The rows that pass the filter, in order. The same array until something changed. */
  readonly visible = (): readonly Row[] => this.#snapshot

  readonly subscribe = (listener: () => void): (() => void) => {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  get(uid: string): Row | undefined {
    return this.#rows.get(uid)
  }

  /** Applies events in order. Listeners hear of it at the next {@link flush}. */
  apply(events: readonly RowEvent[]): void {
    for (const { type, row } of events) {
      const old = this.#rows.get(row.uid)
      if (old !== undefined) this.#hide(old)
      if (type === 'DELETED') {
        this.#rows.delete(row.uid)
      } else {
        this.#rows.set(row.uid, row)
        this.#show(row)
      }
    }
    this.#dirty ||= events.length > 0
  }

  /** Replaces everything, as after a new initial list. */
  reset(rows: readonly Row[]): void {
    this.#rows.clear()
    for (const row of rows) this.#rows.set(row.uid, row)
    this.#rebuild()
  }

  /** Changes order and filter. */
  arrange(order: RowOrder | undefined, filter: (row: Row) => boolean): void {
    this.#order = order === undefined ? byKey : (a, b) => order(a, b) || byKey(a, b)
    this.#filter = filter
    this.#rebuild()
    this.flush()
  }

  /** Tells the listeners, if anything changed since the last call. */
  flush(): void {
    if (!this.#dirty) return
    this.#dirty = false
    this.#snapshot = [...this.#visible]
    for (const listener of this.#listeners) listener()
  }

  #rebuild(): void {
    this.#visible = [...this.#rows.values()].filter(this.#filter).sort(this.#order)
    this.#dirty = true
  }

  #show(row: Row): void {
    if (!this.#filter(row)) return
    // Rows mostly arrive in order during the initial list: appending is then free.
    const last = this.#visible.at(-1)
    if (last === undefined || this.#order(last, row) < 0) this.#visible.push(row)
    else this.#visible.splice(this.#position(row), 0, row)
  }

  #hide(row: Row): void {
    const index = this.#position(row)
    if (this.#visible[index]?.uid === row.uid) this.#visible.splice(index, 1)
  }

  /** The index of the first visible row that is not before this one. */
  #position(row: Row): number {
    let low = 0
    let high = this.#visible.length
    while (low < high) {
      const middle = (low + high) >> 1
      if (this.#order(this.#visible[middle] as Row, row) < 0) low = middle + 1
      else high = middle
    }
    return low
  }
}
