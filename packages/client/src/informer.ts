import { formatKey, hasReason, type KubernetesObject, keyOf, type ObjectKey } from '@binnacle/apimachinery'
import type { ResourceDefinition } from '@binnacle/resources'
import type { Client, ListOptions, Watch, WatchEvent } from './client.ts'

/** Told of changes of the cache, after the cache has them. `old` is the state before. */
export interface InformerHandler<T> {
  onAdd?(object: T): void
  onUpdate?(object: T, old: T): void
  onDelete?(object: T): void
  /** After each batch of changes, once the handlers above have been called for all of them. */
  onBatch?(): void
}

/** Gives the index values of an object; it is found under each of them. */
export type IndexFunction<T> = (object: T) => readonly string[]

const relistMsMin = 200
const relistMsMax = 10_000
const namespaceIndex = 'namespace'
const ownerIndex = 'owner'

/**
 * A local copy of the objects of a resource, kept current by a watch: list, watch from there, list again when the watch's revision is gone. Objects
 * are shared and never to be changed. They come without their managed fields, which are half of a pod in memory (4 of 8 KB) and nothing to a control
 * loop; an update that does not speak of them leaves them as they are.
 *
 *     stopped ──start──▶ listing ──▶ watching ──ended──▶ watching (from the last revision) ──410──▶ listing
 */
export class Informer<T extends KubernetesObject> {
  readonly resource: ResourceDefinition<T>
  readonly #client: Client
  readonly #options: ListOptions
  readonly #objects = new Map<string, T>()
  readonly #indexes = new Map<string, { values: IndexFunction<T>; entries: Map<string, Set<T>> }>()
  readonly #handlers = new Set<InformerHandler<T>>()
  readonly #synced = Promise.withResolvers<void>()
  readonly #onError: (error: unknown) => void
  #watch: Watch | undefined
  #revision = ''
  #timer: NodeJS.Timeout | undefined
  #delayMs = relistMsMin
  #hasSynced = false
  #stopped = true

  constructor(
    client: Client,
    resource: ResourceDefinition<T>,
    options: ListOptions = {},
    onError: (error: unknown) => void = () => undefined,
  ) {
    this.#client = client
    this.resource = resource
    this.#options = options
    this.#onError = onError
    this.addIndex(namespaceIndex, (object) => [object.metadata.namespace ?? ''])
    this.addIndex(ownerIndex, (object) => (object.metadata.ownerReferences ?? []).map((owner) => owner.uid))
  }

  /** Resolves when the first list is in the cache. */
  get synced(): Promise<void> {
    return this.#synced.promise
  }

  get hasSynced(): boolean {
    return this.#hasSynced
  }

  get size(): number {
    return this.#objects.size
  }

  /** Adds an index; objects that are there already are indexed at once. */
  addIndex(name: string, values: IndexFunction<T>): void {
    const entries = new Map<string, Set<T>>()
    this.#indexes.set(name, { values, entries })
    for (const object of this.#objects.values()) for (const value of values(object)) member(entries, value).add(object)
  }

  addHandler(handler: InformerHandler<T>): void {
    this.#handlers.add(handler)
    for (const object of this.#objects.values()) handler.onAdd?.(object)
    if (this.#objects.size > 0) handler.onBatch?.()
  }

  get(key: ObjectKey): T | undefined {
    return this.#objects.get(formatKey(key))
  }

  all(): IterableIterator<T> {
    return this.#objects.values()
  }

  inNamespace(namespace: string): readonly T[] {
    return this.byIndex(namespaceIndex, namespace)
  }

  /** Objects that name this uid among their owners. */
  ownedBy(uid: string): readonly T[] {
    return this.byIndex(ownerIndex, uid)
  }

  byIndex(index: string, value: string): readonly T[] {
    const found = this.#indexes.get(index)?.entries.get(value)
    return found === undefined ? [] : [...found]
  }

  start(): void {
    if (!this.#stopped) return
    this.#stopped = false
    void this.#list()
  }

  stop(): void {
    this.#stopped = true
    clearTimeout(this.#timer)
    this.#watch?.stop()
    this.#watch = undefined
  }

  async #list(): Promise<void> {
    try {
      const { items, resourceVersion } = await this.#client.list(this.resource, this.#options)
      if (this.#stopped) return
      this.#replace(items)
      this.#revision = resourceVersion
      this.#delayMs = relistMsMin
      this.#hasSynced = true
      this.#synced.resolve()
      this.#startWatch()
    } catch (error) {
      this.#onError(error)
      this.#later(() => void this.#list())
    }
  }

  #later(action: () => void): void {
    if (this.#stopped) return
    this.#timer = setTimeout(action, this.#delayMs * (0.75 + Math.random() / 2))
    this.#delayMs = Math.min(this.#delayMs * 2, relistMsMax)
  }

  #startWatch(): void {
    this.#watch = this.#client.watch(
      this.resource,
      { ...this.#options, resourceVersion: this.#revision },
      {
        onEvents: (events) => this.#receive(events),
        onEnd: (error) => {
          this.#watch = undefined
          if (this.#stopped) return
          if (hasReason(error, 'Expired') || hasReason(error, 'Gone')) void this.#list()
          else if (error === undefined) this.#startWatch()
          else {
            this.#onError(error)
            this.#later(() => this.#startWatch())
          }
        },
      },
    )
  }

  #receive(events: readonly WatchEvent<T>[]): void {
    if (this.#stopped) return
    let changed = false
    for (const event of events) {
      if (event.type === 'BOOKMARK') {
        this.#revision = event.resourceVersion
        continue
      }
      this.#revision = event.object.metadata.resourceVersion ?? this.#revision
      if (event.type === 'DELETED') this.#remove(event.object)
      else this.#put(event.object)
      changed = true
    }
    this.#delayMs = relistMsMin
    if (changed) for (const handler of this.#handlers) handler.onBatch?.()
  }

  // What a new list no longer has was deleted while nobody looked.
  #replace(items: readonly T[]): void {
    const kept = new Set(items.map((object) => formatKey(keyOf(object))))
    for (const [text, object] of this.#objects) if (!kept.has(text)) this.#remove(object)
    for (const object of items)
      if (this.#objects.get(formatKey(keyOf(object)))?.metadata.resourceVersion !== object.metadata.resourceVersion)
        this.#put(object)
    for (const handler of this.#handlers) handler.onBatch?.()
  }

  #put(received: T): void {
    const object = withoutManagedFields(received)
    const text = formatKey(keyOf(object))
    const old = this.#objects.get(text)
    if (old !== undefined) this.#unindex(old)
    this.#objects.set(text, object)
    for (const { values, entries } of this.#indexes.values())
      for (const value of values(object)) member(entries, value).add(object)
    for (const handler of this.#handlers) {
      if (old === undefined) handler.onAdd?.(object)
      else handler.onUpdate?.(object, old)
    }
  }

  #remove(object: T): void {
    const text = formatKey(keyOf(object))
    const old = this.#objects.get(text)
    if (old === undefined) return
    this.#unindex(old)
    this.#objects.delete(text)
    for (const handler of this.#handlers) handler.onDelete?.(object)
  }

  #unindex(object: T): void {
    for (const { values, entries } of this.#indexes.values()) {
      for (const value of values(object)) {
        const set = entries.get(value)
        set?.delete(object)
        if (set?.size === 0) entries.delete(value)
      }
    }
  }
}

function withoutManagedFields<T extends KubernetesObject>(object: T): T {
  if (object.metadata.managedFields === undefined) return object
  const { managedFields: _managedFields, ...metadata } = object.metadata
  return { ...object, metadata }
}

function member<T>(entries: Map<string, Set<T>>, value: string): Set<T> {
  let set = entries.get(value)
  if (set === undefined) entries.set(value, (set = new Set()))
  return set
}
