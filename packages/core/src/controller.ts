import type { KubernetesObject, ObjectKey } from '@binnacle/apimachinery'
import type { Client, EventRecorder, Informer } from '@binnacle/client'
import type { ResourceDefinition } from '@binnacle/resources'

/** What a reconcile says of its key. */
export interface Result {
  /** Come back after this time, in milliseconds; for known times only. Absent: when something changes. */
  readonly requeueAfterMs?: number
}

/** Nothing more to do until something changes. */
export const done: Result = {}

/** An error that trying again cannot mend: the key waits for its next change. */
export class TerminalError extends Error {}

/** A log line: a constant message and its values. */
export type Log = (
  level: 'debug' | 'info' | 'warn' | 'error',
  message: string,
  fields?: Readonly<Record<string, unknown>>,
) => void

/** What a control loop works with: nothing else of the world is in reach. */
export interface ReconcileContext {
  readonly client: Client
  readonly events: EventRecorder
  /** The shared informer of a resource that the controller has named in `reconciles`, `owns` or `watches`. */
  informer<T extends KubernetesObject>(resource: ResourceDefinition<T>): Informer<T>
  nowMs(): number
  readonly log: Log
  readonly signal: AbortSignal
}

/** Maps a changed object to the keys that it concerns. `old` is its state before, where there was one. */
export interface WatchSpec<T extends KubernetesObject = any> {
  readonly resource: ResourceDefinition<T>
  keysOf(object: T, context: ReconcileContext, old: T | undefined): Iterable<ObjectKey>
}

/**
 * A control loop. `reconcile` is told a key and nothing else: it looks at what is, decides what to do, does it, and reports. It is level-based: it
 * may be called at any time, must do nothing when nothing is to be done, and is never run twice at once for one key.
 */
export interface Controller {
  readonly name: string
  /** Whom its events name as their source; by default its name and `-controller`. */
  readonly component?: string
  readonly reconciles: ResourceDefinition<any>
  /** Which of the reconciled objects call their own key when they change; all of them where it is absent. */
  concerns?(object: any): boolean
  /** Objects whose controller is of the reconciled kind: a change calls their controller's key. */
  readonly owns?: readonly ResourceDefinition<any>[]
  readonly watches?: readonly WatchSpec[]
  /** What it watches of a custom kind: asked for each that comes while it runs. */
  watchOf?(resource: ResourceDefinition<any>): WatchSpec
  /** Resources that are only read: their informers run, their changes call nobody. */
  readonly reads?: readonly ResourceDefinition<any>[]
  /** Keys worked on at once. */
  readonly concurrency?: number
  /** Called once, before anything is watched: for indexes. */
  prepare?(context: ReconcileContext): void
  reconcile(key: ObjectKey, context: ReconcileContext): Promise<Result>
}

/** Something else that runs under the manager's leadership: the scheduler, the garbage collector. */
export interface Runnable {
  readonly name: string
  /** Resources whose shared informers it uses. */
  readonly reads: readonly ResourceDefinition<any>[]
  start(context: ReconcileContext): Promise<void>
  /** A custom kind is there: called after the start for each, and later for those that come. */
  addKind?(resource: ResourceDefinition<any>): void
  /** It is gone, with all its objects. */
  removeKind?(resource: ResourceDefinition<any>): void
  stop(): Promise<void>
}
