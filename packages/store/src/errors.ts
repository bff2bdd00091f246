import type { StoredKey } from './store.ts'

/** Why the store refused. Translated into Status errors in one place: package apiserver. */
export class StoreError extends Error {
  /** The object that the refusal is about, where it is about one. */
  key?: StoredKey
  constructor(message: string, options?: ErrorOptions) {
    super(message, options)
    this.name = new.target.name
  }
}

/** A create found an object of that name. */
export class KeyExists extends StoreError {}
/** An update or delete found no object of that name. */
export class KeyMissing extends StoreError {}
/** The object has another revision than the write expected. */
export class RevisionMismatch extends StoreError {}
/** The revision asked for lies below the horizon: its history is gone. */
export class Compacted extends StoreError {
  /** The oldest revision that can still be read. */
  readonly horizon: number
  constructor(horizon: number) {
    super(`the history up to revision ${horizon} is compacted`)
    this.horizon = horizon
  }
}
/** The revision asked for has not been reached. */
export class FutureRevision extends StoreError {}
/** Postgres does not answer; nothing was written. */
export class StoreUnavailable extends StoreError {}
