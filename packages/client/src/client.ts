import type { KubernetesObject, ObjectKey } from '@binnacle/apimachinery'
import type { ResourceDefinition, Scale } from '@binnacle/resources'

/**
 * What control loops, node agents and tools see of a cluster. Two implementations: over HTTP (this package) and in-process
 * over the store (package apiserver); callers cannot tell which. Every call may throw a StatusError.
 */

/** Which objects a list or watch covers. */
export interface ListOptions {
  /** undefined or '': all namespaces. */
  namespace?: string | undefined
  labelSelector?: string | undefined
  fieldSelector?: string | undefined
}

/** What a list returned; objects are shared with the cache in-process, so never change them. */
export interface ObjectList<T> {
  readonly items: readonly T[]
  readonly resourceVersion: string
}

/** One event of a watch. BOOKMARK carries only kind, apiVersion and metadata.resourceVersion. */
export type WatchEvent<T> =
  | { readonly type: 'ADDED' | 'MODIFIED' | 'DELETED'; readonly object: T }
  | { readonly type: 'BOOKMARK'; readonly resourceVersion: string }

/** Receives a watch. `onEvents` gets what arrived together, in order; `onEnd` is called once, with the error if there was one (410: list again). */
export interface WatchHandler<T> {
  onEvents(events: readonly WatchEvent<T>[]): void
  onEnd(error: unknown): void
}

/** A running watch. */
export interface Watch {
  stop(): void
}

/** Options of a write. */
export interface WriteOptions {
  dryRun?: boolean
  fieldManager?: string
  /** The part that is written, where it is not the object itself. */
  subresource?: 'status' | 'finalize' | 'approval'
}

/** Options of a delete; `metav1.DeleteOptions`. */
export interface DeleteOptions {
  gracePeriodSeconds?: number
  propagationPolicy?: 'Orphan' | 'Background' | 'Foreground'
  preconditions?: { uid?: string; resourceVersion?: string }
  dryRun?: boolean
}

/** A patch body of one of the three types. */
export type Patch =
  | { readonly type: 'json'; readonly operations: readonly unknown[] }
  | { readonly type: 'merge' | 'strategic'; readonly body: Record<string, unknown> }

/** One write within {@link Client.writeAll}. An `update`'s resourceVersion, when set, must match. */
export type BatchWrite =
  | { readonly verb: 'create'; readonly resource: ResourceDefinition<any>; readonly object: KubernetesObject }
  | {
      readonly verb: 'update'
      readonly resource: ResourceDefinition<any>
      readonly object: KubernetesObject
      readonly subresource?: 'status'
    }
  | {
      readonly verb: 'patch'
      readonly resource: ResourceDefinition<any>
      readonly key: ObjectKey
      readonly patch: Patch
      readonly subresource?: 'status'
    }
  | {
      readonly verb: 'delete'
      readonly resource: ResourceDefinition<any>
      readonly key: ObjectKey
      readonly options?: DeleteOptions
    }
  /** Sets spec.nodeName of a pod that has none, as POST pods/binding does. */
  | { readonly verb: 'bind'; readonly pod: ObjectKey; readonly podUID?: string; readonly nodeName: string }

/** The outcome of one write of a batch: the object as written, or the error. */
export type BatchResult = { readonly object: KubernetesObject } | { readonly error: Error }

/** A connection to a cluster, acting as one user. */
export interface Client {
  get<T extends KubernetesObject>(resource: ResourceDefinition<T>, key: ObjectKey): Promise<T>
  list<T extends KubernetesObject>(resource: ResourceDefinition<T>, options?: ListOptions): Promise<ObjectList<T>>
  /** Watches from `resourceVersion` on (exclusive). */
  watch<T extends KubernetesObject>(
    resource: ResourceDefinition<T>,
    options: ListOptions & { resourceVersion: string },
    handler: WatchHandler<T>,
  ): Watch
  create<T extends KubernetesObject>(resource: ResourceDefinition<T>, object: T, options?: WriteOptions): Promise<T>
  update<T extends KubernetesObject>(resource: ResourceDefinition<T>, object: T, options?: WriteOptions): Promise<T>
  updateStatus<T extends KubernetesObject>(
    resource: ResourceDefinition<T>,
    object: T,
    options?: WriteOptions,
  ): Promise<T>
  patch<T extends KubernetesObject>(
    resource: ResourceDefinition<T>,
    key: ObjectKey,
    patch: Patch,
    options?: WriteOptions,
  ): Promise<T>
  /** Resolves once the delete is accepted; the object may stay until its finalizers and grace period are done. */
  delete(resource: ResourceDefinition<any>, key: ObjectKey, options?: DeleteOptions): Promise<void>
  /** The subresource `scale`. NotFound when the object or the subresource is not there. */
  getScale(resource: ResourceDefinition<any>, key: ObjectKey): Promise<Scale>
  /** Sets the replicas of the object that the Scale names; its resourceVersion, when set, must match. */
  updateScale(resource: ResourceDefinition<any>, scale: Scale): Promise<Scale>
  /**
   * Several writes in one go. `atomic: true`: all or nothing under adjacent revisions, the first error is thrown.
   * Otherwise each has its own outcome, in the order given.
   */
  writeAll(writes: readonly BatchWrite[], options: { atomic: boolean }): Promise<readonly BatchResult[]>
  close(): Promise<void>
}
