import type { NodeTable } from './node-table.ts'

/** What was worked out of each slot for one request; holds until what is taken of the slot, or can be, changes. */
export interface SlotMemo {
  values: Uint8Array
  /** The {@link NodeTable.usageEpoch} that the value is of; 0: of none. */
  epochs: Uint32Array
}

/** Memos kept; one for each request that scores differ by. */
const memosMax = 256

/** Scores that depend on a request and on one node's usage alone: between two decisions few nodes change, so few are worked out again. */
export class SlotMemos {
  readonly #memos = new Map<string, SlotMemo>()
  #table: NodeTable | undefined

  /** The memo of a request, with room for every slot of the table. */
  of(table: NodeTable, request: string): SlotMemo {
    if (this.#table !== table) this.#memos.clear()
    this.#table = table
    let memo = this.#memos.get(request)
    if (memo === undefined || memo.epochs.length < table.capacity) {
      if (this.#memos.size >= memosMax) this.#memos.clear()
      memo = { values: new Uint8Array(table.capacity), epochs: new Uint32Array(table.capacity) }
      this.#memos.set(request, memo)
    }
    return memo
  }
}
