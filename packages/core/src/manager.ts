import { controllerOf, formatKey, type KubernetesObject, parseKey } from '@binnacle/apimachinery'
import { BatchedEventRecorder, type Client, Informer, WorkQueue, type WorkQueueFigures } from '@binnacle/client'
import {
  CustomKinds,
  customResourceDefinitions,
  type ExtensibleRegistry,
  type ResourceDefinition,
} from '@binnacle/resources'
import {
  type Controller,
  type Log,
  type ReconcileContext,
  type Runnable,
  TerminalError,
  type WatchSpec,
} from './controller.ts'

/** What a manager runs, and with what. */
export interface ManagerOptions {
  readonly client: Client
  readonly log: Log
  readonly controllers: readonly Controller[]
  readonly runnables?: readonly Runnable[]
  /** Where there is one, it gets the custom kinds that the cluster defines, and the loops hear of them. */
  readonly registry?: ExtensibleRegistry
  nowMs?(): number
}

/** How the loops are doing, by name. */
export interface ManagerFigures {
  readonly [controller: string]: WorkQueueFigures & { readonly reconciled: number; readonly failed: number }
}

const concurrencyDefault = 8

/**
 * Runs control loops: one shared informer a resource, one work queue a controller, several keys at once. A standby may sync its informers ahead
 * (`sync`) and only acts once it leads (`start`).
 */
export class Manager {
  readonly #options: ManagerOptions
  readonly #informers = new Map<string, Informer<any>>()
  readonly #loops: ControllerLoop[]
  readonly #abort = new AbortController()
  readonly #recorders: BatchedEventRecorder[] = []
  readonly #kinds = new Map<string, ResourceDefinition>()
  #running: readonly Runnable[] = []
  #syncing = false
  #started = false
  #unfollow: () => void = () => undefined

  constructor(options: ManagerOptions) {
    this.#options = options
    if (options.registry !== undefined) this.#follow(options.registry)
    for (const controller of options.controllers) {
      for (const resource of [
        controller.reconciles,
        ...(controller.owns ?? []),
        ...(controller.reads ?? []),
        ...(controller.watches ?? []).map((watch) => watch.resource),
      ])
        this.#informer(resource)
    }
    for (const runnable of options.runnables ?? []) for (const resource of runnable.reads) this.#informer(resource)
    this.#loops = options.controllers.map(
      (controller) =>
        new ControllerLoop(controller, this.#context(controller.component ?? `${controller.name}-controller`)),
    )
  }

  /** Fills the informers; nothing is changed yet. */
  async sync(): Promise<void> {
    this.#syncing = true
    for (const informer of this.#informers.values()) informer.start()
    // Those of custom kinds come while the definitions are read.
    for (let known = 0; known < this.#informers.size;) {
      known = this.#informers.size
      await Promise.all([...this.#informers.values()].map((informer) => informer.synced))
    }
  }

  /** Begins to act. */
  async start(): Promise<void> {
    await this.sync()
    for (const loop of this.#loops) loop.start()
    const runnables = this.#options.runnables ?? []
    this.#running = runnables
    await Promise.all(runnables.map((runnable) => runnable.start(this.#context(runnable.name))))
    for (const definition of this.#kinds.values()) for (const runnable of runnables) runnable.addKind?.(definition)
    this.#started = true
  }

  /** Stops taking keys, lets those at work finish, writes the events that wait. */
  async stop(): Promise<void> {
    this.#abort.abort()
    this.#unfollow()
    await Promise.all([...this.#loops.map((loop) => loop.stop()), ...this.#running.map((runnable) => runnable.stop())])
    for (const informer of this.#informers.values()) informer.stop()
    await Promise.all(this.#recorders.map((recorder) => recorder.flush().catch(() => undefined)))
  }

  get figures(): ManagerFigures {
    return Object.fromEntries(this.#loops.map((loop) => [loop.name, loop.figures]))
  }

  // The registry gets what the definitions say, and the loops what the registry then has.
  #follow(registry: ExtensibleRegistry): void {
    const definitions = this.#informer(customResourceDefinitions)
    const kinds = new CustomKinds(registry)
    definitions.addHandler({ onBatch: () => kinds.replace(definitions.all()) })
    this.#unfollow = registry.onChange(() => this.#refreshKinds(registry))
  }

  // Each stored kind once, in its first version. A definition stays the same object for as long as it stands for the same.
  #refreshKinds(registry: ExtensibleRegistry): void {
    const served = new Set(registry.served)
    for (const [name, definition] of this.#kinds) if (!served.has(definition)) this.#removeKind(name, definition)
    for (const definition of registry.served)
      if (definition.custom !== undefined && !this.#kinds.has(definition.storageName)) this.#addKind(definition)
  }

  #addKind(definition: ResourceDefinition): void {
    this.#kinds.set(definition.storageName, definition)
    for (const loop of this.#loops) loop.addKind(definition)
    // A standby has read it before it leads.
    if (this.#options.runnables?.some((runnable) => runnable.addKind !== undefined)) this.#informer(definition)
    if (this.#started) for (const runnable of this.#running) runnable.addKind?.(definition)
  }

  #removeKind(name: string, definition: ResourceDefinition): void {
    this.#kinds.delete(name)
    this.#informers.get(informerKey(definition))?.stop()
    this.#informers.delete(informerKey(definition))
    if (this.#started) for (const runnable of this.#running) runnable.removeKind?.(definition)
  }

  #context(component: string): ReconcileContext {
    const { client, log } = this.#options
    const events = new BatchedEventRecorder(client, { component })
    this.#recorders.push(events)
    return {
      client,
      events,
      informer: <T extends KubernetesObject>(resource: ResourceDefinition<T>) => this.#informer(resource),
      nowMs: () => this.#options.nowMs?.() ?? Date.now(),
      log: (level, message, fields) => log(level, message, { controller: component, ...fields }),
      signal: this.#abort.signal,
    }
  }

  #informer<T extends KubernetesObject>(resource: ResourceDefinition<T>): Informer<T> {
    const key = informerKey(resource)
    let informer = this.#informers.get(key) as Informer<T> | undefined
    if (informer === undefined) {
      informer = new Informer(this.#options.client, resource, {}, (error) =>
        this.#options.log('warn', 'watch interrupted', { resource: resource.plural, error: (error as Error).message }),
      )
      this.#informers.set(key, informer)
      if (this.#syncing) informer.start()
    }
    return informer
  }
}

// A custom kind that was defined anew is another one.
function informerKey({ storageName, custom }: ResourceDefinition<any>): string {
  return custom === undefined ? storageName : `${storageName}/${custom.uid}`
}

class ControllerLoop {
  readonly name: string
  readonly #controller: Controller
  readonly #context: ReconcileContext
  readonly #queue: WorkQueue
  #active = 0
  #started = false
  #reconciled = 0
  #failed = 0
  #idle: () => void = () => undefined

  constructor(controller: Controller, context: ReconcileContext) {
    this.name = controller.name
    this.#controller = controller
    this.#context = context
    this.#queue = new WorkQueue(() => this.#pump())
    controller.prepare?.(context)
    this.#watchOwn()
    for (const owned of controller.owns ?? []) this.#watchOwned(owned)
    for (const watch of controller.watches ?? []) this.#watch(watch)
  }

  /** A custom kind is there. */
  addKind(resource: ResourceDefinition): void {
    const watch = this.#controller.watchOf?.(resource)
    if (watch !== undefined) this.#watch(watch)
  }

  get figures(): ManagerFigures[string] {
    return { ...this.#queue.figures, reconciled: this.#reconciled, failed: this.#failed }
  }

  start(): void {
    this.#started = true
    this.#pump()
  }

  async stop(): Promise<void> {
    this.#queue.close()
    this.#started = false
    if (this.#active > 0) await new Promise<void>((resolve) => (this.#idle = resolve))
  }

  #watch({ resource, keysOf }: WatchSpec): void {
    const enqueue = (object: KubernetesObject, old?: KubernetesObject): void => {
      for (const key of keysOf(object, this.#context, old)) this.#queue.add(formatKey(key))
    }
    this.#context.informer(resource).addHandler({ onAdd: enqueue, onUpdate: enqueue, onDelete: enqueue })
  }

  #watchOwn(): void {
    const { concerns } = this.#controller
    const enqueue = (object: KubernetesObject): void => {
      if (concerns?.(object) === false) return
      this.#queue.add(formatKey({ namespace: object.metadata.namespace ?? '', name: object.metadata.name }))
    }
    this.#context
      .informer(this.#controller.reconciles)
      .addHandler({ onAdd: enqueue, onUpdate: enqueue, onDelete: enqueue })
  }

  #watchOwned(owned: ResourceDefinition<any>): void {
    const { group, kind } = this.#controller.reconciles
    const enqueueOwner = (object: KubernetesObject): void => {
      const owner = controllerOf(object)
      if (
        owner?.kind !== kind ||
        (owner.apiVersion.includes('/') ? (owner.apiVersion.split('/')[0] as string) : '') !== group
      )
        return
      this.#queue.add(formatKey({ namespace: object.metadata.namespace ?? '', name: owner.name }))
    }
    this.#context.informer(owned).addHandler({
      onAdd: enqueueOwner,
      // An object that changes hands concerns both.
      onUpdate: (object, old) => {
        enqueueOwner(object)
        enqueueOwner(old)
      },
      onDelete: enqueueOwner,
    })
  }

  #pump(): void {
    while (this.#started && this.#active < (this.#controller.concurrency ?? concurrencyDefault)) {
      const key = this.#queue.take()
      if (key === undefined) return
      this.#active++
      void this.#work(key)
    }
  }

  async #work(key: string): Promise<void> {
    try {
      const { requeueAfterMs } = await this.#controller.reconcile(parseKey(key), this.#context)
      this.#reconciled++
      this.#queue.forget(key)
      if (requeueAfterMs !== undefined) this.#queue.addAfter(key, Math.max(requeueAfterMs, 1))
    } catch (error) {
      this.#failed++
      const level = this.#queue.failuresOf(key) > 4 ? 'warn' : 'debug'
      this.#context.log(level, 'reconcile failed', { key, error: (error as Error).message })
      if (!(error instanceof TerminalError)) this.#queue.addRateLimited(key)
    }
    this.#queue.done(key)
    this.#active--
    if (this.#active === 0) this.#idle()
    this.#pump()
  }
}
