import type { KubernetesObject, ObjectKey, Status } from '@binnacle/apimachinery'
import type { BatchResult, BatchWrite, Patch } from '@binnacle/client'
import type { ResourceDefinition, ResourceRegistry } from '@binnacle/resources'
import type { Change, Revision, Store, StoredObject } from '@binnacle/store'

/** Who makes a request, as `authentication.k8s.io/v1 UserInfo`. */
export interface UserInfo {
  readonly name: string
  readonly uid?: string
  readonly groups: readonly string[]
  readonly extra?: Readonly<Record<string, readonly string[]>>
}

/** What every call is told of the request it serves. */
export interface RequestContext {
  readonly user: UserInfo
  readonly requestId: string
  /** The default of fieldManager is its first part. */
  readonly userAgent: string
  readonly signal?: AbortSignal
  /** Adds a text for a `Warning: 299` header or GraphQL's `warnings`. */
  warn(text: string): void
}

/** How unknown and duplicate fields are treated; `Warn` unless the request says otherwise. */
export type FieldValidation = 'Strict' | 'Warn' | 'Ignore'

/** Options of a create, update or patch. */
export interface WriteRequestOptions {
  readonly dryRun?: boolean
  readonly fieldManager?: string
  readonly fieldValidation?: FieldValidation
  /** Duplicate-field paths that the body's decoder has found (JSON and YAML parsers drop them silently). */
  readonly duplicateFields?: readonly string[]
}

/** Options of a server-side apply; it needs a field manager. */
export interface ApplyRequest extends WriteRequestOptions {
  readonly subresource?: string | undefined
  /** Takes over what others own. */
  readonly force?: boolean | undefined
}

/** Which objects of a resource are meant. */
export interface SelectRequest {
  readonly namespace?: string | undefined
  readonly labelSelector?: string | undefined
  readonly fieldSelector?: string | undefined
}

/** Options of a list; the rules of `resourceVersion` and `resourceVersionMatch` are those of the Kubernetes API concepts page. */
export interface ListRequest {
  readonly namespace?: string | undefined
  readonly labelSelector?: string | undefined
  readonly fieldSelector?: string | undefined
  readonly limit?: number | undefined
  readonly continue?: string | undefined
  readonly resourceVersion?: string | undefined
  readonly resourceVersionMatch?: 'Exact' | 'NotOlderThan' | undefined
}

/** What a list found. */
export interface ListAnswer {
  readonly revision: Revision
  /** Token for the next page; '' on the last. */
  readonly continue: string
  readonly remainingItemCount?: number
  /** The objects; undefined when `segments` stands for them. */
  readonly objects: readonly StoredObject[]
  /** Present instead of objects when asked for with `wantSegments` and nothing had to be selected: the inside of `"items":[…]`. */
  readonly segments?: readonly Buffer[]
}

/** Options of a watch. */
export interface WatchRequest {
  readonly namespace?: string | undefined
  readonly labelSelector?: string | undefined
  readonly fieldSelector?: string | undefined
  readonly resourceVersion?: string | undefined
  readonly resourceVersionMatch?: string | undefined
  readonly sendInitialEvents?: boolean | undefined
  readonly allowWatchBookmarks?: boolean | undefined
}

/** One event of a watch after selection: an object that enters the selection is ADDED, one that leaves it DELETED (`left`). */
export interface SelectedEvent {
  readonly type: 'ADDED' | 'MODIFIED' | 'DELETED'
  readonly object: StoredObject
  readonly revision: Revision
  /** True for a DELETED whose object still exists but no longer matches. */
  readonly left: boolean
  /** The change behind it; undefined for initial events. */
  readonly change: Change | undefined
}

/** Receives a watch. Calls are synchronous, in order; they must be quick. */
export interface SelectedEventListener {
  onEvents(events: readonly SelectedEvent[]): void
  /** All initial events are out; the state is that of `revision`. Only with sendInitialEvents. */
  onInitialEnd?(revision: Revision): void
  onProgress?(revision: Revision): void
}

/** A running watch. */
export interface SelectedWatch {
  close(): void
}

/** What a write did. */
export interface WriteAnswer {
  /** State after the write; for a dry run what it would have been, at the revision of the object it started from. */
  readonly object: StoredObject
  readonly created: boolean
}

/** What a delete did: the object is gone, or marked (finalizers, grace) and still there. */
export interface DeleteAnswer {
  readonly object: StoredObject
  readonly gone: boolean
}

/** Options of a delete. */
export interface DeleteRequest {
  readonly gracePeriodSeconds?: number | undefined
  readonly propagationPolicy?: 'Orphan' | 'Background' | 'Foreground' | undefined
  readonly orphanDependents?: boolean | undefined
  readonly preconditions?: { readonly uid?: string; readonly resourceVersion?: string } | undefined
  readonly dryRun?: boolean | undefined
}

/** `meta.k8s.io/v1 Table`. */
export interface Table {
  readonly columnDefinitions: readonly {
    name: string
    type: string
    format: string
    description: string
    priority: number
  }[]
  readonly rows: readonly { cells: readonly (string | number | boolean | null)[]; object: StoredObject }[]
}

/**
 * The request path without HTTP or GraphQL: authorize → default → admit → validate → commit, and the read path. Both APIs and
 * the in-process client call this and nothing else. Every method throws StatusError for what the caller did wrong.
 * Objects go in and come out in the version of the definition given.
 */
export interface ApiServer {
  readonly registry: ResourceRegistry
  readonly store: Store

  get(
    request: RequestContext,
    definition: ResourceDefinition,
    key: ObjectKey,
    options?: { resourceVersion?: string | undefined },
  ): Promise<StoredObject>
  list(
    request: RequestContext,
    definition: ResourceDefinition,
    options: ListRequest & { wantSegments?: boolean },
  ): Promise<ListAnswer>
  watch(
    request: RequestContext,
    definition: ResourceDefinition,
    options: WatchRequest,
    listener: SelectedEventListener,
  ): Promise<SelectedWatch>

  /**
   * The same reads of the cache's present state, synchronously: all that one caller reads within a tick is of one revision, and what
   * `attach` delivers follows it without a gap. A caller that needs the newest state waits for `store.linearize()` first.
   */
  getNow(request: RequestContext, definition: ResourceDefinition, key: ObjectKey): StoredObject | undefined
  listNow(request: RequestContext, definition: ResourceDefinition, select: SelectRequest): readonly StoredObject[]
  attach(
    request: RequestContext,
    definition: ResourceDefinition,
    select: SelectRequest,
    listener: SelectedEventListener,
  ): SelectedWatch

  create(
    request: RequestContext,
    definition: ResourceDefinition,
    namespace: string,
    body: unknown,
    options?: WriteRequestOptions,
  ): Promise<WriteAnswer>
  /** A POST of a kind that is not stored (reviews, bindings). The answer is what goes on the wire. */
  createVirtual(
    request: RequestContext,
    definition: ResourceDefinition,
    namespace: string,
    body: unknown,
    options?: WriteRequestOptions,
  ): Promise<KubernetesObject | Status>
  /** A PUT. NotFound when absent. */
  update(
    request: RequestContext,
    definition: ResourceDefinition,
    key: ObjectKey,
    body: unknown,
    options?: WriteRequestOptions & { subresource?: string | undefined },
  ): Promise<WriteAnswer>
  patch(
    request: RequestContext,
    definition: ResourceDefinition,
    key: ObjectKey,
    patch: Patch,
    options?: WriteRequestOptions & { subresource?: string | undefined },
  ): Promise<WriteAnswer>
  /** Server-side apply; creates what is not there. @throws StatusError Conflict when others own what would change, unless `force` */
  apply(
    request: RequestContext,
    definition: ResourceDefinition,
    key: ObjectKey,
    config: unknown,
    options: ApplyRequest,
  ): Promise<WriteAnswer>
  delete(
    request: RequestContext,
    definition: ResourceDefinition,
    key: ObjectKey,
    options?: DeleteRequest,
  ): Promise<DeleteAnswer>
  deleteCollection(
    request: RequestContext,
    definition: ResourceDefinition,
    select: ListRequest,
    options?: DeleteRequest,
  ): Promise<ListAnswer>

  /** GET, PUT or PATCH of `scale`: an `autoscaling/v1 Scale`. */
  getScale(request: RequestContext, definition: ResourceDefinition, key: ObjectKey): Promise<KubernetesObject>
  updateScale(
    request: RequestContext,
    definition: ResourceDefinition,
    key: ObjectKey,
    body: unknown,
    options?: WriteRequestOptions,
  ): Promise<KubernetesObject>
  patchScale(
    request: RequestContext,
    definition: ResourceDefinition,
    key: ObjectKey,
    patch: Patch,
    options?: WriteRequestOptions,
  ): Promise<KubernetesObject>

  /** POST to another subresource: pods/binding, pods/eviction, serviceaccounts/token. The answer is what goes on the wire. */
  createSubresource(
    request: RequestContext,
    definition: ResourceDefinition,
    key: ObjectKey,
    subresource: string,
    body: unknown,
    options?: WriteRequestOptions,
  ): Promise<KubernetesObject | Status>

  /** As Client.writeAll. */
  writeAll(
    request: RequestContext,
    writes: readonly BatchWrite[],
    options: { atomic: boolean },
  ): Promise<readonly BatchResult[]>

  /** Columns and cells of objects, in the definition's version. */
  table(definition: ResourceDefinition, objects: readonly StoredObject[]): Table
  /** The object's bytes in the definition's version (the stored bytes themselves where nothing converts). */
  encode(definition: ResourceDefinition, object: StoredObject): Buffer
}
