import { type KubernetesObject, keyOf, type ObjectKey, StatusError } from '@binnacle/apimachinery'
import { cloneJson } from './clone-json.ts'
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
import type { ResourceDefinition, Scale } from '@binnacle/resources'
import type { ApiServer, RequestContext, SelectedEvent, UserInfo } from './api-server.ts'
import { inVersion } from './in-version.ts'

const bookmarkMs = 60_000

/**
 * A Client within the process of an ApiServer: no encoding, no network. What it gives is shared with the cache and must not be changed.
 */
export function inProcessClient(server: ApiServer, user: UserInfo): Client {
  return new InProcessClient(server, user)
}

class InProcessClient implements Client {
  readonly #server: ApiServer
  readonly #request: RequestContext
  readonly #watches = new Set<Watch>()

  constructor(server: ApiServer, user: UserInfo) {
    this.#server = server
    this.#request = {
      user,
      requestId: 'in-process',
      userAgent: user.name.replace(/^system:/, ''),
      warn: () => undefined,
    }
  }

  async get<T extends KubernetesObject>(resource: ResourceDefinition<T>, key: ObjectKey): Promise<T> {
    return this.#parsed(resource, await this.#server.get(this.#request, resource as ResourceDefinition, key))
  }

  async list<T extends KubernetesObject>(
    resource: ResourceDefinition<T>,
    options: ListOptions = {},
  ): Promise<ObjectList<T>> {
    const { objects, revision } = await this.#server.list(this.#request, resource as ResourceDefinition, options)
    return { items: objects.map((object) => this.#parsed(resource, object)), resourceVersion: String(revision) }
  }

  watch<T extends KubernetesObject>(
    resource: ResourceDefinition<T>,
    options: ListOptions & { resourceVersion: string },
    handler: WatchHandler<T>,
  ): Watch {
    const definition = resource as ResourceDefinition
    let stopped = false
    let close: (() => void) | undefined
    const timer = setInterval(
      () => handler.onEvents([{ type: 'BOOKMARK', resourceVersion: String(this.#server.store.cachedRevision) }]),
      bookmarkMs,
    )
    timer.unref()
    const toEvent = (event: SelectedEvent): WatchEvent<T> => ({
      type: event.type,
      object: this.#parsed(resource, event.object),
    })
    const watch: Watch = {
      stop: () => {
        stopped = true
        clearInterval(timer)
        close?.()
        this.#watches.delete(watch)
      },
    }
    this.#watches.add(watch)
    this.#server
      .watch(this.#request, definition, options, { onEvents: (events) => handler.onEvents(events.map(toEvent)) })
      .then(
        (running) => {
          close = () => running.close()
          if (stopped) close()
        },
        (error: unknown) => {
          watch.stop()
          handler.onEnd(error)
        },
      )
    return watch
  }

  async create<T extends KubernetesObject>(
    resource: ResourceDefinition<T>,
    object: T,
    options: WriteOptions = {},
  ): Promise<T> {
    const definition = resource as ResourceDefinition
    if (definition.virtual === true) {
      const namespace = object.metadata.namespace ?? ''
      return (await this.#server.createVirtual(this.#request, definition, namespace, cloneJson(object), options)) as T
    }
    const { object: created } = await this.#server.create(
      this.#request,
      definition,
      object.metadata.namespace ?? '',
      cloneJson(object),
      options,
    )
    return this.#parsed(resource, created)
  }

  update<T extends KubernetesObject>(
    resource: ResourceDefinition<T>,
    object: T,
    options: WriteOptions = {},
  ): Promise<T> {
    return this.#update(resource, object, options)
  }

  updateStatus<T extends KubernetesObject>(
    resource: ResourceDefinition<T>,
    object: T,
    options: WriteOptions = {},
  ): Promise<T> {
    return this.#update(resource, object, { ...options, subresource: 'status' })
  }

  async #update<T extends KubernetesObject>(
    resource: ResourceDefinition<T>,
    object: T,
    options: WriteOptions,
  ): Promise<T> {
    const key = { namespace: object.metadata.namespace ?? '', name: object.metadata.name }
    const { object: updated } = await this.#server.update(
      this.#request,
      resource as ResourceDefinition,
      key,
      object,
      options,
    )
    return this.#parsed(resource, updated)
  }

  async patch<T extends KubernetesObject>(
    resource: ResourceDefinition<T>,
    key: ObjectKey,
    patch: Patch,
    options: WriteOptions = {},
  ): Promise<T> {
    const { object } = await this.#server.patch(this.#request, resource as ResourceDefinition, key, patch, options)
    return this.#parsed(resource, object)
  }

  async delete(resource: ResourceDefinition<any>, key: ObjectKey, options: DeleteOptions = {}): Promise<void> {
    await this.#server.delete(this.#request, resource, key, options)
  }

  async getScale(resource: ResourceDefinition<any>, key: ObjectKey): Promise<Scale> {
    return (await this.#server.getScale(this.#request, resource, key)) as Scale
  }

  async updateScale(resource: ResourceDefinition<any>, scale: Scale): Promise<Scale> {
    return (await this.#server.updateScale(this.#request, resource, keyOf(scale), scale)) as Scale
  }

  writeAll(writes: readonly BatchWrite[], options: { atomic: boolean }): Promise<readonly BatchResult[]> {
    return this.#server.writeAll(this.#request, writes, options)
  }

  async close(): Promise<void> {
    for (const watch of [...this.#watches]) watch.stop()
    if (this.#watches.size > 0) throw new StatusError('InternalError', 'a watch was opened while closing')
  }

  #parsed<T extends KubernetesObject>(resource: ResourceDefinition<T>, object: Parameters<typeof inVersion>[1]): T {
    return inVersion(resource as ResourceDefinition, object) as T
  }
}
