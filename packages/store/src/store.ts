import type { ObjectKey } from '@binnacle/apimachinery'

/**
 * The boundary of the store on one page: durable objects under one commit-ordered revision, a history, a change feed, a
 * cache of encoded bytes. It knows keys, labels and owners, but no kind by name. SPEC.md numbers the guarantees.
 */

/** A cluster-wide, commit-ordered number; safe as a double for any life of a cluster. */
export type Revision = number

/** Names one object in the store. `resource` is a ResourceDefinition's `storageName`. */
export interface StoredKey extends ObjectKey {
  readonly resource: string
}

/** One object to write. */
export interface Write {
  readonly key: StoredKey
  readonly kind: 'create' | 'update' | 'delete'
  readonly uid: string
  /** The revision the object must have: the write fails with RevisionMismatch otherwise. Ignored for `create` (it must not exist). */
  readonly expectedRevision: Revision
  /**
   * The object after the write (for a delete: its last state), as {@link encodeObject} gives it: JSON text without
   * `metadata.resourceVersion`.
   */
  readonly data: string
  /** The object that `data` was encoded from, where the caller has it: it spares parsing it again. It must not change any more. */
  readonly object?: any
}

/** Writes that happen together or not at all, with adjacent revisions in the order given. */
export interface WriteGroup {
  readonly writes: readonly Write[]
  /** The user who asked for it; kept in the history. */
  readonly actor: string
}

/** What a committed group got. `objects[i]` is the state after `writes[i]` (for a delete: the last state at its delete revision). */
export interface CommitResult {
  readonly revision: Revision
  readonly objects: readonly StoredObject[]
}

/** An object as the cache holds it: its bytes, and the little that selects it. Immutable. */
export interface StoredObject {
  readonly key: StoredKey
  readonly uid: string
  readonly revision: Revision
  readonly createdRevision: Revision
  /** The object as JSON with `metadata.resourceVersion` in it, as clients receive it in the storage version. Made anew at each reading. */
  readonly text: string
  /** {@link text} in UTF-8. */
  readonly bytes: Buffer
  /** About how many bytes it takes. */
  readonly size: number
  readonly labels: Readonly<Record<string, string>>
  /** uids of all owners; the controller's first. */
  readonly ownerUids: readonly string[]
  /** Values of the fields that {@link StoreOptions.fieldsOf} extracts, e.g. `spec.nodeName`. */
  readonly fields: Readonly<Record<string, string>>
  /** The parsed object. Shared and cached for a while: callers must not change it. */
  parse(): any
}

/** One change, as the feed delivers it. */
export interface Change {
  readonly revision: Revision
  readonly kind: 'create' | 'update' | 'delete'
  /** State after the change; for a delete the last state, carrying the delete's revision as its resourceVersion. */
  readonly object: StoredObject
  /** State before; undefined for a create. */
  readonly previous: StoredObject | undefined
  /** `Date.now()` when the commit was acknowledged or seen here. */
  readonly seenAtMs: number
}

/** Which objects of one resource are meant. */
export interface Scope {
  readonly resource: string
  /** undefined: all namespaces. */
  readonly namespace?: string | undefined
}

/** A consistent view of one scope at one revision, in key order (namespace, then name, by code point). */
export interface Snapshot {
  readonly revision: Revision
  readonly objects: readonly StoredObject[]
}

/** A page of a scope at a past or present revision. */
export interface PageRequest {
  readonly revision: Revision
  /** Start after this key. */
  readonly after?: ObjectKey | undefined
  readonly limit: number
  /** Only objects for which it holds count towards the limit. */
  readonly matches?: ((object: StoredObject) => boolean) | undefined
}

/** Takes changes in revision order. Called synchronously; must be quick and must not throw. */
export interface ChangeListener {
  /** All changes of one commit batch, in order, that fall into the scope. */
  onChanges(changes: readonly Change[]): void
  /** The cache has reached this revision (called after every batch, also when nothing in scope changed). */
  onProgress?(revision: Revision): void
}

/** A running subscription to changes. */
export interface ChangeSubscription {
  close(): void
}

/** The store. All reads are from the local cache unless they say otherwise. */
export interface Store {
  /** Commits the group. @throws KeyExists | KeyMissing | RevisionMismatch | StoreUnavailable; after an error nothing of the group is written. */
  commit(group: WriteGroup): Promise<CommitResult>

  /** The revision that the cache holds. */
  readonly cachedRevision: Revision
  /** The oldest revision that `pageAt`, `getAt` and `subscribe` can serve; grows with compaction. */
  readonly horizon: Revision
  /** Asks Postgres for the current revision (one query shared by all that wait at that moment) and resolves once the cache has reached it. */
  linearize(): Promise<Revision>
  /** Resolves once the cache has reached `revision`. @throws FutureRevision after `timeoutMs`. */
  waitFor(revision: Revision, timeoutMs: number): Promise<void>

  get(key: StoredKey): StoredObject | undefined
  list(scope: Scope): Snapshot
  /**
   * The JSON of all objects of a scope, comma-separated, in cached segments: for lists that need no selection.
   * The segments together are the inside of `"items":[…]`.
   */
  segments(scope: Scope): { readonly revision: Revision; readonly count: number; readonly segments: readonly Buffer[] }
  /** Objects that have this uid among their owners. */
  ownedBy(uid: string): readonly StoredObject[]
  byUid(uid: string): StoredObject | undefined
  /** Objects of a resource whose extracted field has this value (indexed), e.g. pods by `spec.nodeName`. */
  byField(resource: string, field: string, value: string): readonly StoredObject[]
  /** How many objects a scope holds. */
  count(scope: Scope): number
  /** Namespaced resources that hold objects in the namespace. */
  resourcesIn(namespace: string): readonly string[]

  /** The object as it was at a revision, from memory where possible, else from Postgres. @throws Compacted below the horizon. */
  getAt(key: StoredKey, revision: Revision): Promise<StoredObject | undefined>
  /** One page of the scope as it was at a revision. @throws Compacted below the horizon. */
  pageAt(
    scope: Scope,
    page: PageRequest,
  ): Promise<{ readonly objects: readonly StoredObject[]; readonly more: boolean; readonly remaining: number }>
  /**
   * Every change of the scope after `since`, exactly once, in order, then live. Resolves when the backlog is delivered up to
   * the cache's revision and the live feed is attached without a gap. @throws Compacted below the horizon.
   */
  subscribe(scope: Scope | 'everything', since: Revision, listener: ChangeListener): Promise<ChangeSubscription>
  /** Attaches at the cache's present revision, synchronously: what `list` returns in the same tick plus this is gapless. */
  attach(scope: Scope | 'everything', listener: ChangeListener): ChangeSubscription

  /** Removes history up to the revision (or by the retention rules when undefined) and raises the horizon. */
  compact(upTo?: Revision): Promise<Revision>
  /** Resolves when Postgres answers; rejects with StoreUnavailable. */
  ping(): Promise<void>
  close(): Promise<void>
}

/** How to open a store. */
export interface StoreOptions {
  readonly url: string
  /**
   * Extracts the values of a resource's selectable fields (other than name and namespace) from a parsed object; also says
   * which of them are indexed. Given by the caller because the store knows no kind.
   */
  readonly fieldsOf?: (resource: string) => FieldExtraction | undefined
  /** History kept at least this long; default one hour. */
  readonly retentionMs?: number
  /** Resources whose history is kept only briefly (heartbeats), e.g. `leases.coordination.k8s.io`, `events`. */
  readonly briefResources?: readonly string[]
  /** Bytes of recent changes kept in memory for resuming watchers. */
  readonly recentChangesBytesMax?: number
  readonly log?: (level: 'info' | 'warn' | 'error', message: string, fields?: Record<string, unknown>) => void
}

/** Field values of one resource. */
export interface FieldExtraction {
  readonly indexed: readonly string[]
  extract(object: any): Record<string, string>
}
