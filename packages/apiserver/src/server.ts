import { badRequest, type KubernetesObject, type ObjectKey, type Status, StatusError } from '@binnacle/apimachinery'
import type { BatchResult, BatchWrite, Patch } from '@binnacle/client'
import {
  type Binding,
  checkReplicas,
  type ResourceDefinition,
  type ResourceRegistry,
  scaleOf,
  scalePaths,
  withReplicas,
} from '@binnacle/resources'
import { type Store, type StoredObject } from '@binnacle/store'
import type {
  ApiServer,
  ApplyRequest,
  DeleteAnswer,
  DeleteRequest,
  ListAnswer,
  ListRequest,
  RequestContext,
  SelectedEventListener,
  SelectedWatch,
  SelectRequest,
  Table,
  WatchRequest,
  WriteAnswer,
  WriteRequestOptions,
} from './api-server.ts'
import { applyObject } from './apply.ts'
import { ServiceAddresses } from './admission/service-addresses.ts'
import type { Authenticator } from './auth/authenticate.ts'
import { authorize } from './auth/authorize.ts'
import { writeBatch } from './batch.ts'
import { cloneJson } from './clone-json.ts'
import { decodeBody } from './decode-body.ts'
import { KeyTurns } from './optimistic-write.ts'
import { applyPatch, checkPatchType, isPinned } from './patch.ts'
import { attachNow, openWatch, readList, readObject, selected } from './read-path.ts'
import { selectionOf } from './selection.ts'
import { createBinding } from './subresources/binding.ts'
import { postSubresource } from './subresources/post-subresource.ts'
import { answerReview } from './subresources/reviews.ts'
import { tableOf } from './table.ts'
import { Views } from './views.ts'
import { inVersion } from './in-version.ts'
import { createObject, deleteObject, updateObject, type WriteEnvironment } from './write-path.ts'

/** What an ApiServer is made of. */
export interface ApiServerOptions {
  readonly store: Store
  readonly registry: ResourceRegistry
  /** The range of Service addresses, e.g. 10.96.0.0/16. */
  readonly serviceCidr: string
  /** Needed for token requests and reviews. */
  readonly authenticator?: Authenticator
}

/** Makes an ApiServer over a store. */
export function createApiServer(options: ApiServerOptions): ApiServer {
  return new StoreApiServer(options)
}

class StoreApiServer implements ApiServer {
  readonly registry: ResourceRegistry
  readonly store: Store
  readonly #env: WriteEnvironment
  readonly #authenticator: Authenticator | undefined
  readonly #views: Views

  constructor({ store, registry, serviceCidr, authenticator }: ApiServerOptions) {
    this.registry = registry
    this.store = store
    this.#authenticator = authenticator
    this.#views = new Views(store, () => Date.now())
    this.#env = {
      registry,
      store,
      admission: { addresses: new ServiceAddresses(store, serviceCidr) },
      turns: new KeyTurns(),
      nowMs: () => Date.now(),
    }
  }

  async get(
    request: RequestContext,
    definition: ResourceDefinition,
    key: ObjectKey,
    options: { resourceVersion?: string | undefined } = {},
  ): Promise<StoredObject> {
    authorize(request, 'get', definition, key)
    if (definition.view !== undefined) return await this.#views.get(definition, key)
    return await readObject(this.store, definition, key, options.resourceVersion)
  }

  async list(
    request: RequestContext,
    definition: ResourceDefinition,
    options: ListRequest & { wantSegments?: boolean },
  ): Promise<ListAnswer> {
    authorize(request, 'list', definition, { namespace: options.namespace })
    if (definition.view !== undefined) return await this.#views.list(definition, options)
    // Segments hold the stored version.
    const wantSegments =
      options.wantSegments === true &&
      definition.convert === undefined &&
      definition.version === definition.storageVersion
    return await readList(this.store, definition, { ...options, wantSegments })
  }

  async watch(
    request: RequestContext,
    definition: ResourceDefinition,
    options: WatchRequest,
    listener: SelectedEventListener,
  ): Promise<SelectedWatch> {
    authorize(request, 'watch', definition, { namespace: options.namespace })
    return await openWatch(this.store, definition, options, listener)
  }

  getNow(request: RequestContext, definition: ResourceDefinition, key: ObjectKey): StoredObject | undefined {
    authorize(request, 'get', definition, key)
    if (definition.view !== undefined) return this.#views.getNow(definition, key)
    return this.store.get({ resource: definition.storageName, ...key })
  }

  listNow(request: RequestContext, definition: ResourceDefinition, select: SelectRequest): readonly StoredObject[] {
    authorize(request, 'list', definition, { namespace: select.namespace })
    if (definition.view !== undefined) return this.#views.listNow(definition, select)
    const scope = { resource: definition.storageName, namespace: select.namespace || undefined }
    return selected(this.store, scope, selectionOf(definition, select))
  }

  attach(
    request: RequestContext,
    definition: ResourceDefinition,
    select: SelectRequest,
    listener: SelectedEventListener,
  ): SelectedWatch {
    authorize(request, 'watch', definition, { namespace: select.namespace })
    return attachNow(this.store, definition, select, listener)
  }

  async create(
    request: RequestContext,
    definition: ResourceDefinition,
    namespace: string,
    body: unknown,
    options: WriteRequestOptions = {},
  ): Promise<WriteAnswer> {
    if (definition.virtual === true) throw badRequest(`${definition.kind} is not stored: use createVirtual`)
    return await createObject(this.#env, request, definition, namespace, body, options)
  }

  async createVirtual(
    request: RequestContext,
    definition: ResourceDefinition,
    namespace: string,
    body: unknown,
    options: WriteRequestOptions = {},
  ): Promise<KubernetesObject | Status> {
    authorize(request, 'create', definition, { namespace })
    const object = decodeBody(request, definition, this.registry.schemas, body, options)
    if (definition.kind === 'Binding') {
      const key = { namespace, name: object.metadata.name }
      return await createBinding(this.#env, request, key, object as Binding, { dryRun: options.dryRun === true })
    }
    return await answerReview(request, this.#authenticator, object, namespace)
  }

  async update(
    request: RequestContext,
    definition: ResourceDefinition,
    key: ObjectKey,
    body: unknown,
    options: WriteRequestOptions & { subresource?: string | undefined } = {},
  ): Promise<WriteAnswer> {
    const pinned = Boolean((body as { metadata?: { resourceVersion?: string } } | null)?.metadata?.resourceVersion)
    return await updateObject(this.#env, request, definition, key, () => cloneJson(body), { ...options, pinned })
  }

  async patch(
    request: RequestContext,
    definition: ResourceDefinition,
    key: ObjectKey,
    patch: Patch,
    options: WriteRequestOptions & { subresource?: string | undefined } = {},
  ): Promise<WriteAnswer> {
    checkPatchType(definition, patch)
    const next = (old: KubernetesObject): unknown => applyPatch(old, patch, definition.schema, this.registry.schemas)
    return await updateObject(this.#env, request, definition, key, next, {
      ...options,
      verb: 'patch',
      pinned: isPinned(patch),
    })
  }

  async apply(
    request: RequestContext,
    definition: ResourceDefinition,
    key: ObjectKey,
    config: unknown,
    options: ApplyRequest,
  ): Promise<WriteAnswer> {
    return await applyObject(this.#env, request, definition, key, config, options)
  }

  async delete(
    request: RequestContext,
    definition: ResourceDefinition,
    key: ObjectKey,
    options: DeleteRequest = {},
  ): Promise<DeleteAnswer> {
    return await deleteObject(this.#env, request, definition, key, options)
  }

  async deleteCollection(
    request: RequestContext,
    definition: ResourceDefinition,
    select: ListRequest,
    options: DeleteRequest = {},
  ): Promise<ListAnswer> {
    authorize(request, 'deletecollection', definition, { namespace: select.namespace })
    const list = await readList(this.store, definition, select)
    const deleted = await Promise.all(
      list.objects.map(async (object) => {
        try {
          return [(await deleteObject(this.#env, request, definition, object.key, options)).object]
        } catch (error) {
          // Gone meanwhile, by somebody else's hand: that is what was wanted.
          if (error instanceof StatusError && error.reason === 'NotFound') return []
          throw error
        }
      }),
    )
    return { ...list, objects: deleted.flat() }
  }

  async getScale(request: RequestContext, definition: ResourceDefinition, key: ObjectKey): Promise<KubernetesObject> {
    scalePaths(definition)
    const object = inVersion(definition, await this.get(request, definition, key))
    checkReplicas(definition, object)
    return scaleOf(definition, object)
  }

  async updateScale(
    request: RequestContext,
    definition: ResourceDefinition,
    key: ObjectKey,
    body: unknown,
    options: WriteRequestOptions = {},
  ): Promise<KubernetesObject> {
    const pinned = Boolean((body as { metadata?: { resourceVersion?: string } } | null)?.metadata?.resourceVersion)
    const answer = await updateObject(
      this.#env,
      request,
      definition,
      key,
      (old) => withReplicas(definition, old, body),
      { ...options, ownerSubresource: 'scale', pinned },
    )
    return scaleOf(definition, inVersion(definition, answer.object))
  }

  async patchScale(
    request: RequestContext,
    definition: ResourceDefinition,
    key: ObjectKey,
    patch: Patch,
    options: WriteRequestOptions = {},
  ): Promise<KubernetesObject> {
    checkPatchType(definition, patch)
    const schema = this.registry.schemas('io.k8s.api.autoscaling.v1.Scale')
    const next = (old: KubernetesObject): unknown => {
      const scale = scaleOf(definition, old)
      const patched = applyPatch(scale, patch, schema, this.registry.schemas) as {
        metadata?: { resourceVersion?: string }
      }
      if (!isPinned(patch)) delete patched.metadata?.resourceVersion
      return withReplicas(definition, old, patched)
    }
    const answer = await updateObject(this.#env, request, definition, key, next, {
      ...options,
      ownerSubresource: 'scale',
      pinned: isPinned(patch),
    })
    return scaleOf(definition, inVersion(definition, answer.object))
  }

  async createSubresource(
    request: RequestContext,
    definition: ResourceDefinition,
    key: ObjectKey,
    subresource: string,
    body: unknown,
    options: WriteRequestOptions = {},
  ): Promise<KubernetesObject | Status> {
    authorize(request, 'create', { ...definition, plural: `${definition.plural}/${subresource}` }, key)
    const posted = { request, key, body, options }
    return await postSubresource(this.#env, this.#authenticator, definition, subresource, posted)
  }

  async writeAll(
    request: RequestContext,
    writes: readonly BatchWrite[],
    options: { atomic: boolean },
  ): Promise<readonly BatchResult[]> {
    return await writeBatch({ server: this, env: this.#env, request }, writes, options)
  }

  table(definition: ResourceDefinition, objects: readonly StoredObject[]): Table {
    return tableOf(definition, objects, this.#env.nowMs())
  }

  encode(definition: ResourceDefinition, object: StoredObject): Buffer {
    if (definition.convert === undefined && definition.version === definition.storageVersion) return object.bytes
    const converted = inVersion(definition, object)
    return converted === object.parse() ? object.bytes : Buffer.from(JSON.stringify(converted))
  }
}
