import { randomUUID } from 'node:crypto'
import {
  alreadyExists,
  applyJsonPatch,
  applyMergePatch,
  applyStrategicMergePatch,
  type Condition,
  conflict,
  expired,
  forbidden,
  formatKey,
  formatTime,
  generatedName,
  invalid,
  jsonEqual,
  type KubernetesObject,
  keyOf,
  labelSelectorOf,
  notFound,
  type ObjectKey,
  parseFieldSelector,
  StatusError,
  withCondition,
} from '@binnacle/apimachinery'
import type {
  BatchResult,
  BatchWrite,
  Client,
  DeleteOptions,
  ListOptions,
  ObjectList,
  Patch,
  Watch,
  WatchEvent,
  WatchHandler,
  WriteOptions,
} from '@binnacle/client'
import {
  events,
  namespaces,
  type Pod,
  pods,
  type ResourceDefinition,
  type Scale,
  scaleOf,
  scalePaths,
  schemaOf,
  withReplicas,
} from '@binnacle/resources'

/** How a fake cluster behaves. */
export interface FakeClusterOptions {
  /** Tells the time; a FakeClock fits. */
  readonly clock: { nowMs(): number }
  /** True: watch events wait until {@link FakeCluster.deliver} is called, so that a test decides how stale each view is. Default: delivered at once. */
  readonly holdWatches?: boolean
}

/** A write that was carried out, for tests that count them. */
export interface RecordedWrite {
  readonly verb: 'create' | 'update' | 'delete'
  readonly resource: string
  readonly key: string
  readonly subresource?: string
}

/** Decides whether a write fails: the error to answer with, or undefined. */
export type Refusal = (write: RecordedWrite) => Error | undefined

interface Logged {
  readonly revision: number
  readonly resource: string
  readonly type: 'ADDED' | 'MODIFIED' | 'DELETED'
  readonly object: KubernetesObject
  readonly old: KubernetesObject | undefined
}

interface RunningWatch {
  readonly resource: string
  readonly select: (object: KubernetesObject) => boolean
  readonly handler: WatchHandler<any>
  readonly waiting: WatchEvent<any>[]
}

interface WriteTarget {
  readonly resource: ResourceDefinition<any>
  readonly subresource?: string | undefined
}

/**
 * A cluster in memory behind the Client interface: optimistic concurrency, finalizers, grace periods, generated names, generations, watches with
 * history. It applies the defaults and rules of each kind, so that what a controller writes is checked. No control loop runs in it.
 */
export class FakeCluster implements Client {
  /** Every write that changed something, in order. */
  readonly writes: RecordedWrite[] = []
  readonly #clock: { nowMs(): number }
  readonly #holds: boolean
  readonly #objects = new Map<string, Map<string, KubernetesObject>>()
  readonly #log: Logged[] = []
  readonly #watches = new Set<RunningWatch>()
  readonly #refusals: Refusal[] = []
  #revision = 1
  #compacted = 0
  #delivering = false
  #writesLeft = Number.POSITIVE_INFINITY
  /** What an atomic group under way has done so far. */
  #group: Logged[] | undefined

  constructor({ clock, holdWatches = false }: FakeClusterOptions) {
    this.#clock = clock
    this.#holds = holdWatches
  }

  /** Lets every write that the function names fail. */
  refuse(refusal: Refusal): void {
    this.#refusals.push(refusal)
  }

  /** Takes all refusals away. */
  acceptAll(): void {
    this.#refusals.length = 0
  }

  /** After so many more writes, Events not counted, every call fails: as for a process that is killed right after that write. Until {@link reconnect}. */
  cutOffAfter(writes: number): void {
    this.#writesLeft = writes
  }

  /** True once the writes of {@link cutOffAfter} are used up. */
  get isCutOff(): boolean {
    return this.#writesLeft <= 0
  }

  /** Ends what {@link cutOffAfter} began: calls reach the cluster again. */
  reconnect(): void {
    this.#writesLeft = Number.POSITIVE_INFINITY
  }

  /** Forgets history: watches from before end with 410. */
  compact(): void {
    this.#compacted = this.#revision
    this.#log.length = 0
  }

  /** Ends every watch with an error, or as a server does that closes the connection. */
  cutWatches(error?: Error): void {
    for (const watch of [...this.#watches]) {
      this.#watches.delete(watch)
      watch.handler.onEnd(error)
    }
  }

  /** Events that wait to be delivered. */
  get waitingEvents(): number {
    return [...this.#watches].reduce((sum, watch) => sum + watch.waiting.length, 0)
  }

  /** Delivers held events: all, or those that `pick` chooses, which is given the number waiting and says how many of them, for each watch. */
  deliver(pick: (waiting: number) => number = (waiting) => waiting): void {
    for (const watch of [...this.#watches]) {
      const count = watch.waiting.length === 0 ? 0 : pick(watch.waiting.length)
      if (count > 0) watch.handler.onEvents(watch.waiting.splice(0, count))
    }
  }

  /** The objects of a resource as they are now, by key. */
  all<T extends KubernetesObject>(resource: ResourceDefinition<T>): T[] {
    return [...this.#of(resource).values()] as T[]
  }

  /** Puts an object as it is, defaults filled in, status and all: for the state a test starts from. */
  seed<T extends KubernetesObject>(resource: ResourceDefinition<T>, object: T): T {
    const copy = structuredClone(object)
    this.#fillMetadata(resource, copy)
    resource.strategy.applyDefaults?.(copy)
    return this.#store(resource, copy, 'ADDED')
  }

  /** Changes an object as some other component would, without any rule. */
  change<T extends KubernetesObject>(resource: ResourceDefinition<T>, key: ObjectKey, change: (object: T) => void): T {
    const copy = structuredClone(this.#must(resource, key))
    change(copy)
    return this.#store(resource, copy, 'MODIFIED')
  }

  /** Takes an object away at once, whatever holds it. */
  remove(resource: ResourceDefinition<any>, key: ObjectKey): void {
    const old = this.#must(resource, key)
    this.#drop(resource, old)
  }

  async get<T extends KubernetesObject>(resource: ResourceDefinition<T>, key: ObjectKey): Promise<T> {
    this.#reach()
    return this.#must(resource, key)
  }

  async list<T extends KubernetesObject>(
    resource: ResourceDefinition<T>,
    options: ListOptions = {},
  ): Promise<ObjectList<T>> {
    this.#reach()
    const select = selection(options)
    return { items: this.all(resource).filter(select), resourceVersion: String(this.#revision) }
  }

  watch<T extends KubernetesObject>(
    resource: ResourceDefinition<T>,
    options: ListOptions & { resourceVersion: string },
    handler: WatchHandler<T>,
  ): Watch {
    const watch: RunningWatch = {
      resource: resource.storageName,
      select: selection(options),
      handler,
      waiting: [],
    }
    const from = Number(options.resourceVersion)
    if (from < this.#compacted) queueMicrotask(() => handler.onEnd(expired('too old resource version')))
    else {
      this.#watches.add(watch)
      for (const logged of this.#log) if (logged.revision > from) this.#enqueue(watch, logged)
      this.#flush()
    }
    return { stop: () => void this.#watches.delete(watch) }
  }

  async create<T extends KubernetesObject>(
    resource: ResourceDefinition<T>,
    object: T,
    options: WriteOptions = {},
  ): Promise<T> {
    return this.#create(resource, object, options)
  }

  #create<T extends KubernetesObject>(resource: ResourceDefinition<T>, object: T, options: WriteOptions): T {
    const copy = structuredClone(object)
    if (!copy.metadata.name && copy.metadata.generateName)
      copy.metadata.name = generatedName(copy.metadata.generateName)
    this.#check({ verb: 'create', resource: resource.storageName, key: formatKey(keyOf(copy)) })
    if (this.#of(resource).has(formatKey(keyOf(copy)))) throw alreadyExists(resource, copy.metadata.name)
    this.#checkNamespace(resource, copy)
    delete copy.metadata.uid
    this.#fillMetadata(resource, copy)
    resource.strategy.applyDefaults?.(copy)
    if (resource.subresources.status === true) delete (copy as { status?: unknown }).status
    resource.strategy.prepareForCreate?.(copy)
    const errors = [...(resource.strategy.validate?.(copy) ?? []), ...(resource.strategy.validateCreate?.(copy) ?? [])]
    if (errors.length > 0) throw invalid(resource, copy.metadata.name, errors)
    if (options.dryRun === true) return copy
    this.#record('create', { resource }, copy)
    return this.#store(resource, copy, 'ADDED')
  }

  async update<T extends KubernetesObject>(
    resource: ResourceDefinition<T>,
    object: T,
    options: WriteOptions = {},
  ): Promise<T> {
    return this.#update({ resource, subresource: options.subresource }, object, options) as T
  }

  async updateStatus<T extends KubernetesObject>(
    resource: ResourceDefinition<T>,
    object: T,
    options: WriteOptions = {},
  ): Promise<T> {
    return this.#update({ resource, subresource: 'status' }, object, options) as T
  }

  async patch<T extends KubernetesObject>(
    resource: ResourceDefinition<T>,
    key: ObjectKey,
    patch: Patch,
    options: WriteOptions = {},
  ): Promise<T> {
    return this.#patch({ resource, subresource: options.subresource }, key, patch, options) as T
  }

  #patch(target: WriteTarget, key: ObjectKey, patch: Patch, options: WriteOptions): KubernetesObject {
    this.#reach()
    const old = this.#must(target.resource, key)
    const patched = structuredClone(applied(target.resource, old, patch)) as KubernetesObject
    return this.#update(target, patched, options)
  }

  async delete(resource: ResourceDefinition<any>, key: ObjectKey, options: DeleteOptions = {}): Promise<void> {
    this.#delete(resource, key, options)
  }

  #delete(resource: ResourceDefinition<any>, key: ObjectKey, options: DeleteOptions): void {
    this.#reach()
    const stored = this.#must(resource, key)
    const isFirst = stored.metadata.deletionTimestamp === undefined
    const old = (isFirst ? resource.strategy.prepareForDelete?.(stored, this.#clock.nowMs()) : undefined) ?? stored
    this.#check({ verb: 'delete', resource: resource.storageName, key: formatKey(key) })
    const { uid, resourceVersion } = options.preconditions ?? {}
    if (uid !== undefined && uid !== old.metadata.uid)
      throw conflict(resource, key.name, `Precondition failed: UID in precondition: ${uid}`)
    if (resourceVersion !== undefined && resourceVersion !== old.metadata.resourceVersion)
      throw conflict(resource, key.name, `Precondition failed: ResourceVersion in precondition: ${resourceVersion}`)
    if (options.dryRun === true) return
    const finalizers = finalizersAfter(old, options.propagationPolicy)
    const graceSeconds = resource.strategy.gracePeriodSeconds?.(old, options.gracePeriodSeconds) ?? 0
    if (graceSeconds === 0 && !isHeld(old, finalizers)) {
      this.#record('delete', { resource }, old)
      return this.#drop(resource, old)
    }
    if (old.metadata.deletionTimestamp !== undefined && jsonEqual(finalizers, old.metadata.finalizers ?? [])) return
    this.#record('delete', { resource }, old)
    this.#mark(resource, old, finalizers, graceSeconds)
  }

  async getScale(resource: ResourceDefinition<any>, key: ObjectKey): Promise<Scale> {
    scalePaths(resource)
    return scaleOf(resource, this.#must(resource, key))
  }

  async updateScale(resource: ResourceDefinition<any>, scale: Scale): Promise<Scale> {
    const old = this.#must(resource, keyOf(scale))
    const next = withReplicas(resource, old, scale)
    return scaleOf(resource, this.#update({ resource, subresource: undefined }, next, {}))
  }

  async writeAll(writes: readonly BatchWrite[], { atomic }: { atomic: boolean }): Promise<readonly BatchResult[]> {
    this.#reach()
    if (!atomic) return writes.map((write) => this.#writeOne(write))
    const before = new Map([...this.#objects].map(([name, objects]) => [name, new Map(objects)]))
    const [recorded, writesLeft] = [this.writes.length, this.#writesLeft]
    // Nobody can be cut off in the middle, and nobody hears of a group before it is complete.
    this.reconnect()
    const group: Logged[] = (this.#group = [])
    const results = writes.map((write) => this.#writeOne(write))
    this.#group = undefined
    const failed = results.find((result) => 'error' in result)
    if (failed !== undefined) {
      for (const name of this.#objects.keys()) this.#objects.set(name, before.get(name) ?? new Map())
      this.writes.length = recorded
      this.#writesLeft = writesLeft
      throw failed.error
    }
    for (const logged of group) this.#append(logged)
    this.#writesLeft = writesLeft - this.writes.slice(recorded).filter(counts).length
    return results
  }

  async close(): Promise<void> {
    this.#watches.clear()
  }

  #writeOne(write: BatchWrite): BatchResult {
    try {
      switch (write.verb) {
        case 'create':
          return { object: this.#create(write.resource, write.object, {}) }
        case 'update':
          return { object: this.#update(write, write.object, {}) }
        case 'patch':
          return { object: this.#patch(write, write.key, write.patch, {}) }
        case 'delete': {
          const object = this.#must(write.resource, write.key)
          this.#delete(write.resource, write.key, write.options ?? {})
          return { object }
        }
        case 'bind':
          return { object: this.#bind(write.pod, write.nodeName) }
      }
    } catch (error) {
      return { error: error as Error }
    }
  }

  #bind(key: ObjectKey, nodeName: string): Pod {
    this.#check({ verb: 'update', resource: pods.storageName, key: formatKey(key), subresource: 'binding' })
    const old = this.#must(pods, key)
    if (old.spec?.nodeName) throw conflict(pods, key.name, `pod ${key.name} is already assigned to node`)
    this.#record('update', { resource: pods, subresource: 'binding' }, old)
    return this.change(pods, key, (pod) => {
      pod.spec = { ...pod.spec, nodeName } as NonNullable<Pod['spec']>
      const scheduled = { type: 'PodScheduled', status: 'True' } as const
      const conditions = withCondition(
        pod.status?.conditions as readonly Condition[] | undefined,
        scheduled,
        this.#clock.nowMs(),
      )
      pod.status = { ...pod.status, conditions: [...conditions] as NonNullable<Pod['status']>['conditions'] & object }
    })
  }

  #update({ resource, subresource }: WriteTarget, object: KubernetesObject, options: WriteOptions): KubernetesObject {
    const key = keyOf(object)
    const old = this.#must(resource, key)
    const recorded = { verb: 'update' as const, resource: resource.storageName, key: formatKey(key) }
    this.#check(subresource === undefined ? recorded : { ...recorded, subresource })
    const { resourceVersion, uid } = object.metadata
    if (resourceVersion !== undefined && resourceVersion !== old.metadata.resourceVersion)
      throw conflict(resource, key.name)
    if (uid !== undefined && uid !== old.metadata.uid)
      throw conflict(resource, key.name, `Precondition failed: UID in precondition: ${uid}`)
    const copy = structuredClone(object)
    keepServerFields(copy, old)
    dropEmptyLists(copy)
    keepOtherPart(resource, copy, old, subresource)
    resource.strategy.applyDefaults?.(copy)
    if (subresource === undefined) resource.strategy.prepareForUpdate?.(copy, old)
    else if (subresource === 'status') resource.strategy.prepareForStatusUpdate?.(copy, old)
    if (resource.hasGeneration && !jsonEqual(desired(copy), desired(old)))
      copy.metadata.generation = (old.metadata.generation ?? 0) + 1
    const { strategy } = resource
    const errors =
      subresource === undefined
        ? [...(strategy.validate?.(copy) ?? []), ...(strategy.validateUpdate?.(copy, old) ?? [])]
        : subresource === 'status'
          ? (strategy.validateStatusUpdate?.(copy, old) ?? [])
          : []
    if (errors.length > 0) throw invalid(resource, key.name, errors)
    if (options.dryRun === true || jsonEqual(copy, old)) return old
    this.#record('update', { resource, subresource }, copy)
    const isDone = old.metadata.deletionTimestamp !== undefined && !isHeld(copy, copy.metadata.finalizers ?? [])
    if (!isDone || (old.metadata.deletionGracePeriodSeconds ?? 0) > 0) return this.#store(resource, copy, 'MODIFIED')
    this.#drop(resource, copy)
    return copy
  }

  #mark(resource: ResourceDefinition<any>, old: KubernetesObject, finalizers: string[], graceSeconds: number): void {
    const copy = structuredClone(old)
    copy.metadata.deletionTimestamp ??= formatTime(this.#clock.nowMs() + graceSeconds * 1000)
    copy.metadata.deletionGracePeriodSeconds = graceSeconds
    if (copy.metadata.generation !== undefined) copy.metadata.generation++
    if (finalizers.length > 0) copy.metadata.finalizers = finalizers
    else delete copy.metadata.finalizers
    if (copy.kind === 'Namespace') Object.assign(copy, { status: { phase: 'Terminating' } })
    this.#store(resource, copy, 'MODIFIED')
  }

  #fillMetadata(resource: ResourceDefinition<any>, object: KubernetesObject): void {
    object.metadata.uid ??= randomUUID()
    object.metadata.creationTimestamp ??= formatTime(this.#clock.nowMs())
    if (resource.hasGeneration) object.metadata.generation ??= 1
  }

  #store<T extends KubernetesObject>(resource: ResourceDefinition<T>, object: T, type: 'ADDED' | 'MODIFIED'): T {
    const text = formatKey(keyOf(object))
    const old = this.#of(resource).get(text)
    object.metadata.resourceVersion = String(++this.#revision)
    this.#of(resource).set(text, object)
    this.#append({ revision: this.#revision, resource: resource.storageName, type, object, old })
    return object
  }

  #drop(resource: ResourceDefinition<any>, old: KubernetesObject): void {
    this.#of(resource).delete(formatKey(keyOf(old)))
    const metadata = { ...old.metadata, resourceVersion: String(++this.#revision) }
    const object = { ...old, metadata }
    this.#append({ revision: this.#revision, resource: resource.storageName, type: 'DELETED', object, old })
  }

  #append(logged: Logged): void {
    if (this.#group !== undefined) {
      this.#group.push(logged)
      return
    }
    this.#log.push(logged)
    for (const watch of this.#watches) if (watch.resource === logged.resource) this.#enqueue(watch, logged)
    this.#flush()
  }

  #enqueue(watch: RunningWatch, { resource, type, object, old }: Logged): void {
    if (watch.resource !== resource) return
    const [is, was] = [type !== 'DELETED' && watch.select(object), old !== undefined && watch.select(old)]
    if (!is && !was) return
    watch.waiting.push({ type: is ? (was ? 'MODIFIED' : 'ADDED') : 'DELETED', object })
  }

  #flush(): void {
    if (this.#holds || this.#delivering) return
    this.#delivering = true
    queueMicrotask(() => {
      this.#delivering = false
      this.deliver()
    })
  }

  #reach(): void {
    if (this.isCutOff) throw new Error('cut off from the cluster')
  }

  #check(write: RecordedWrite): void {
    this.#reach()
    for (const refusal of this.#refusals) {
      const error = refusal(write)
      if (error !== undefined) throw error
    }
  }

  // Namespaces that nobody has seeded are taken to be there; nothing is created in one that is being deleted.
  #checkNamespace(resource: ResourceDefinition<any>, { metadata }: KubernetesObject): void {
    const { namespace = '' } = metadata
    const found = this.#of(namespaces).get(formatKey({ namespace: '', name: namespace }))
    if (found?.metadata.deletionTimestamp === undefined) return
    const why = `unable to create new content in namespace ${namespace} because it is being terminated`
    const { status } = forbidden(resource, metadata.name, why)
    const cause = { reason: 'NamespaceTerminating', message: `namespace ${namespace} is being terminated` }
    throw new StatusError('Forbidden', status.message ?? '', {
      ...status.details,
      causes: [{ ...cause, field: 'metadata.namespace' }],
    })
  }

  #record(verb: RecordedWrite['verb'], { resource, subresource }: WriteTarget, object: KubernetesObject): void {
    const write = { verb, resource: resource.storageName, key: formatKey(keyOf(object)) }
    this.writes.push(subresource === undefined ? write : { ...write, subresource })
    if (counts(write)) this.#writesLeft--
  }

  #of(resource: ResourceDefinition<any>): Map<string, KubernetesObject> {
    let objects = this.#objects.get(resource.storageName)
    if (objects === undefined) this.#objects.set(resource.storageName, (objects = new Map()))
    return objects
  }

  #must<T extends KubernetesObject>(resource: ResourceDefinition<T>, key: ObjectKey): T {
    const object = this.#of(resource).get(formatKey(key))
    if (object === undefined) throw notFound(resource, key.name)
    return object as T
  }
}

const counts = (write: RecordedWrite): boolean => write.resource !== events.storageName

function desired(object: KubernetesObject): unknown {
  const { metadata: _metadata, status: _status, ...rest } = object as KubernetesObject & { status?: unknown }
  return rest
}

function keepServerFields({ metadata }: KubernetesObject, { metadata: old }: KubernetesObject): void {
  const fields = ['uid', 'creationTimestamp', 'deletionTimestamp', 'deletionGracePeriodSeconds', 'generation'] as const
  for (const field of [...fields, 'resourceVersion'] as const) {
    if (old[field] === undefined) delete metadata[field]
    else Object.assign(metadata, { [field]: old[field] })
  }
}

// As objects are when they have been written and read again.
function dropEmptyLists({ metadata }: KubernetesObject): void {
  if (metadata.finalizers?.length === 0) delete metadata.finalizers
  if (metadata.ownerReferences?.length === 0) delete metadata.ownerReferences
}

// The main resource keeps status; a subresource keeps everything else.
function keepOtherPart(
  resource: ResourceDefinition<any>,
  object: KubernetesObject,
  old: KubernetesObject,
  subresource: string | undefined,
): void {
  const [now, before] = [object as unknown as Record<string, unknown>, old as unknown as Record<string, unknown>]
  const own = subresource === 'finalize' ? 'spec' : 'status'
  const keeps = (field: string): boolean =>
    subresource === undefined
      ? field === 'status' && resource.subresources.status === true
      : field !== own && field !== 'metadata'
  for (const field of new Set([...Object.keys(now), ...Object.keys(before)])) {
    if (!keeps(field)) continue
    if (before[field] === undefined) delete now[field]
    else now[field] = before[field]
  }
}

function finalizersAfter(old: KubernetesObject, policy: DeleteOptions['propagationPolicy']): string[] {
  const present = old.metadata.finalizers ?? []
  if (policy === undefined) return [...present]
  const others = present.filter((finalizer) => finalizer !== 'orphan' && finalizer !== 'foregroundDeletion')
  if (policy === 'Background') return others
  return [...others, policy === 'Orphan' ? 'orphan' : 'foregroundDeletion']
}

function isHeld(object: KubernetesObject, finalizers: readonly string[]): boolean {
  const own = (object as { spec?: { finalizers?: string[] } }).spec?.finalizers ?? []
  return finalizers.length > 0 || (object.kind === 'Namespace' && own.length > 0)
}

function applied(resource: ResourceDefinition<any>, old: KubernetesObject, patch: Patch): unknown {
  if (patch.type === 'json') return applyJsonPatch(old, patch.operations)
  return patch.type === 'merge'
    ? applyMergePatch(old, patch.body)
    : applyStrategicMergePatch(old, patch.body, resource.schema, schemaOf)
}

function selection(options: ListOptions): (object: KubernetesObject) => boolean {
  const labels = labelSelectorOf(options.labelSelector ?? '')
  const fields = parseFieldSelector(options.fieldSelector ?? '')
  return (object) =>
    (!options.namespace || object.metadata.namespace === options.namespace) &&
    labels.matches(object.metadata.labels) &&
    fields.matches((path) => valueAt(object, path))
}

function valueAt(object: KubernetesObject, path: string): string {
  let value: unknown = object
  for (const field of path.split('.')) value = (value as Record<string, unknown> | undefined)?.[field]
  return value === undefined || value === null ? '' : String(value)
}
