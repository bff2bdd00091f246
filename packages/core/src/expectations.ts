/**
 * What a controller has asked for and not yet seen in its cache (kube-controller-manager `ControllerExpectations`): until it has seen all, its
 * view is stale and it must not create or delete again.
 */
export class Expectations {
  readonly #timeoutMs: number
  readonly #pending = new Map<string, { creates: number; deletes: Set<string>; atMs: number }>()

  constructor(timeoutMs = 300_000) {
    this.#timeoutMs = timeoutMs
  }

  /** True when everything expected of the key has been seen, or waited for long enough. */
  satisfied(key: string, nowMs: number): boolean {
    const pending = this.#pending.get(key)
    if (pending === undefined) return true
    if ((pending.creates <= 0 && pending.deletes.size === 0) || nowMs - pending.atMs > this.#timeoutMs) {
      this.#pending.delete(key)
      return true
    }
    return false
  }

  expectCreates(key: string, count: number, nowMs: number): void {
    const pending = this.#get(key, nowMs)
    pending.creates += count
  }

  expectDeletes(key: string, uids: Iterable<string>, nowMs: number): void {
    const pending = this.#get(key, nowMs)
    for (const uid of uids) pending.deletes.add(uid)
  }

  /** A create was seen, or failed. */
  createSeen(key: string): void {
    const pending = this.#pending.get(key)
    if (pending !== undefined) pending.creates--
  }

  /** A delete was seen, or failed. */
  deleteSeen(key: string, uid: string): void {
    this.#pending.get(key)?.deletes.delete(uid)
  }

  forget(key: string): void {
    this.#pending.delete(key)
  }

  #get(key: string, nowMs: number): { creates: number; deletes: Set<string>; atMs: number } {
    let pending = this.#pending.get(key)
    if (pending === undefined) this.#pending.set(key, (pending = { creates: 0, deletes: new Set(), atMs: nowMs }))
    pending.atMs = nowMs
    return pending
  }
}
