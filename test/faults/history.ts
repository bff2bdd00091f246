/** What clients and watchers saw while faults were made: the material that the checker judges. */

/** One object that a client asked to be written. Every value written is unique, so that an event tells whose write it shows. */
export interface AttemptedWrite {
  readonly name: string
  readonly kind: 'create' | 'update' | 'delete'
  /** The unique value written; for a delete the uid of what was to go. */
  readonly token: string
  /** For an update: the revision that the object had to have. */
  readonly base?: number
}

/**
 * One request. `acknowledged`: the server said that it is done; `refused`: it said that it is not (a conflict, say); `unknown`: no answer came, or
 * one that leaves it open. Several writes are one atomic group.
 */
export interface Attempt {
  readonly client: string
  readonly writes: readonly AttemptedWrite[]
  outcome: 'acknowledged' | 'refused' | 'unknown'
  /** Revisions that the answer named, in the order of `writes`; deletes name none. */
  revisions?: readonly number[]
}

/** One event of a watch. */
export interface SeenEvent {
  readonly type: 'ADDED' | 'MODIFIED' | 'DELETED'
  readonly revision: number
  readonly name: string
  readonly uid: string
  /** The unique value that the object holds. */
  readonly token: string
}

/** An object as a list shows it. */
export type ListedObject = Omit<SeenEvent, 'type'>

/** Everything that is known of one run. */
export interface History {
  readonly attempts: readonly Attempt[]
  /** A watch of the whole run from its first revision on, made after all faults: the order that the server stands by. */
  readonly reference: readonly SeenEvent[]
  /** What the watchers saw that lived through the faults and resumed from the last resourceVersion that they had, by watcher. */
  readonly watchers: Readonly<Record<string, readonly SeenEvent[]>>
  /** Lists made at the end, by server. */
  readonly lists: Readonly<Record<string, readonly ListedObject[]>>
}
