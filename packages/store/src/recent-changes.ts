import type { Change, Revision } from './store.ts'

/**
 * The changes of the last while, in memory: watchers resume from here, and lists continue at a past revision, without asking Postgres. Bounded by
 * bytes; the oldest go first.
 */
export class RecentChanges {
  readonly #bytesMax: number
  #changes: Change[] = []
  #start = 0
  #bytes = 0
  #before: Revision

  constructor(bytesMax: number, revision: Revision) {
    this.#bytesMax = bytesMax
    this.#before = revision
  }

  /** Every change after this revision is here. */
  get since(): Revision {
    return this.#before
  }

  push(change: Change): void {
    this.#changes.push(change)
    this.#bytes += sizeOf(change)
    while (this.#bytes > this.#bytesMax && this.#changes.length - this.#start > 1) this.#drop()
    if (this.#start > 4096 && this.#start * 2 > this.#changes.length) {
      this.#changes = this.#changes.slice(this.#start)
      this.#start = 0
    }
  }

  /** Changes after a revision that is not before {@link since}. */
  *after(revision: Revision): Generator<Change> {
    let low = this.#start
    let high = this.#changes.length
    while (low < high) {
      const middle = (low + high) >> 1
      if ((this.#changes[middle] as Change).revision <= revision) low = middle + 1
      else high = middle
    }
    for (let i = low; i < this.#changes.length; i++) yield this.#changes[i] as Change
  }

  #drop(): void {
    const dropped = this.#changes[this.#start] as Change
    this.#changes[this.#start] = undefined as never
    this.#start++
    this.#bytes -= sizeOf(dropped)
    this.#before = dropped.revision
  }
}

// The state before is counted too: once replaced, only the ring holds it. A change also costs its records.
function sizeOf(change: Change): number {
  return 400 + change.object.size + (change.previous?.size ?? 0)
}
