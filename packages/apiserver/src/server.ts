import {
  badRequest,
  formatTime,
  type KubernetesObject,
  type ObjectKey,
  type Status,
  StatusError,
} from '@binnacle/apimachinery'
import type { BatchResult, BatchWrite, Patch } from '@binnacle/client'
import {
  type Binding,
  type Pod,
  pods,
  type ResourceDefinition,
  type ResourceRegistry,
  serviceAccounts,
} from '@binnacle/resources'
import { encodeObject, type Store, type StoredObject } from '@binnacle/store'
import type {
  ApiServer,
  DeleteAnswer,
  DeleteRequest,
  ListAnswer,
  ListRequest,
  RequestContext,
  SelectedEventListener,
  SelectedWatch,
  Table,
  WatchRequest,
  WriteAnswer,
  WriteRequestOptions,
} from './api-server.ts'
import { ServiceAddresses } from './admission/service-addresses.ts'
import type { Authenticator } from './auth/authenticate.ts'
import { authorize } from './auth/authorize.ts'
import { writeBatch } from './batch.ts'
import { decodeBody } from './decode-body.ts'
import { applyPatch, isPinned } from './patch.ts'
import { openWatch, readList, readObject } from './read-path.ts'
import { scaleOf, scalePaths, withReplicas } from './scale.ts'
import { boundPod, created, unknownSubresource } from './subresources/binding.ts'
import { decideEviction } from './subresources/eviction.ts'
import { answerReview } from './subresources/reviews.ts'
import { tableOf } from './table.ts'
import {
  createObject,
  currentObject,
  deleteObject,
  inVersion,
  updateObject,
  type WriteEnvironment,
} from './write-path.ts'

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

const tokenSecondsMin = 600
const tokenSecondsDefault = 3600
const tokenSecondsMax = 2 ** 32

class StoreApiServer implements ApiServer {
  readonly registry: ResourceRegistry
  readonly store: Store
  readonly #env: WriteEnvironment
  readonly #authenticator: Authenticator | undefined

  constructor({ store, registry, serviceCidr, authenticator }: ApiServerOptions) {
    this.registry = registry
    this.store = store
    this.#authenticator = authenticator
    this.#env = {
      registry,
      store,
      admission: { addresses: new ServiceAddresses(store, serviceCidr) },
      nowMs: () => Date.now(),
    }
  }

  async get(
    request: RequestContext,
    definition: ResourceDefinition,
    key: ObjectKey,
    options: { resourceVersion?: string | undefined } = {},
  ): Promise<StoredObject> {
    authorize(request, 'get', definition)
    return await readObject(this.store, definition, key, options.resourceVersion)
  }

  async list(
    request: RequestContext,
    definition: ResourceDefinition,
    options: ListRequest & { wantSegments?: boolean },
  ): Promise<ListAnswer> {
    authorize(request, 'list', definition)
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
    authorize(request, 'watch', definition)
    return await openWatch(this.store, definition, options, listener)
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
    authorize(request, 'create', definition)
    const object = decodeBody(request, definition, this.registry.schemas, body, options)
    if (definition.kind === 'Binding')
      return await this.#bind(request, { namespace, name: object.metadata.name }, object as Binding, options)
    return await answerReview(request, this.#authenticator, object)
  }

  async update(
    request: RequestContext,
    definition: ResourceDefinition,
    key: ObjectKey,
    body: unknown,
    options: WriteRequestOptions & { subresource?: string | undefined } = {},
  ): Promise<WriteAnswer> {
    const pinned = Boolean((body as { metadata?: { resourceVersion?: string } } | null)?.metadata?.resourceVersion)
    return await updateObject(this.#env, request, definition, key, () => structuredClone(body), { ...options, pinned })
  }

  async patch(
    request: RequestContext,
    definition: ResourceDefinition,
    key: ObjectKey,
    patch: Patch,
    options: WriteRequestOptions & { subresource?: string | undefined } = {},
  ): Promise<WriteAnswer> {
    const next = (old: KubernetesObject): unknown => applyPatch(old, patch, definition.schema, this.registry.schemas)
    return await updateObject(this.#env, request, definition, key, next, { ...options, pinned: isPinned(patch) })
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
    authorize(request, 'deletecollection', definition)
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
    return scaleOf(definition, inVersion(definition, await this.get(request, definition, key)))
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
      { ...options, pinned },
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
    authorize(request, 'create', definition)
    if (definition.storageName === pods.storageName && subresource === 'binding')
      return await this.#bind(request, key, body as Binding, options)
    if (definition.storageName === pods.storageName && subresource === 'eviction')
      return await this.#evict(request, key, body as { deleteOptions?: DeleteRequest }, options)
    if (definition.storageName === serviceAccounts.storageName && subresource === 'token')
      return await this.#token(request, key, body)
    throw unknownSubresource()
  }

  async #bind(
    request: RequestContext,
    key: ObjectKey,
    binding: Binding,
    options: WriteRequestOptions,
  ): Promise<Status> {
    const current = await currentObject(this.#env, pods, key)
    const object = boundPod(current.parse() as KubernetesObject, binding)
    if (options.dryRun !== true) await this.#replace(request, current, object)
    return created as unknown as Status
  }

  // A change that needs none of the checks of an update: its author is this server.
  async #replace(request: RequestContext, current: StoredObject, object: KubernetesObject): Promise<StoredObject> {
    const { objects } = await this.store.commit({
      actor: request.user.name,
      writes: [
        {
          key: current.key,
          kind: 'update',
          uid: current.uid,
          expectedRevision: current.revision,
          data: encodeObject(object),
          object,
        },
      ],
    })
    return objects[0] as StoredObject
  }

  async #evict(
    request: RequestContext,
    key: ObjectKey,
    eviction: { deleteOptions?: DeleteRequest },
    options: WriteRequestOptions,
  ): Promise<Status> {
    const current = await currentObject(this.#env, pods, key)
    const { budget, charged } = decideEviction(this.store, current.parse() as Pod, this.#env.nowMs())
    const dryRun = options.dryRun === true
    if (budget !== undefined && charged !== undefined && !dryRun) await this.#replace(request, budget, charged)
    await deleteObject(this.#env, request, pods, key, { ...eviction?.deleteOptions, dryRun })
    return created as unknown as Status
  }

  async #token(request: RequestContext, key: ObjectKey, body: unknown): Promise<KubernetesObject> {
    const definition = serviceAccounts
    const account = await this.get(request, definition, key)
    const spec = ((body as { spec?: object } | null)?.spec ?? {}) as {
      audiences?: string[]
      expirationSeconds?: number
      boundObjectRef?: { kind?: string; name?: string; uid?: string }
    }
    const seconds = spec.expirationSeconds ?? tokenSecondsDefault
    if (seconds < tokenSecondsMin)
      throw new StatusError(
        'Invalid',
        `spec.expirationSeconds: Invalid value: ${seconds}: may not specify a duration less than 10 minutes`,
      )
    if (seconds > tokenSecondsMax)
      throw new StatusError(
        'Invalid',
        `spec.expirationSeconds: Invalid value: ${seconds}: may not specify a duration larger than 2^32 seconds`,
      )
    const bound = this.#boundObject(key.namespace, spec.boundObjectRef)
    if (this.#authenticator === undefined) throw new StatusError('InternalError', 'this server issues no tokens')
    const audiences = spec.audiences ?? []
    const { token, expiresAtMs } = await this.#authenticator.sign({
      namespace: key.namespace,
      name: key.name,
      uid: account.uid,
      audiences,
      expirationSeconds: seconds,
      bound,
    })
    return {
      apiVersion: 'authentication.k8s.io/v1',
      kind: 'TokenRequest',
      metadata: { name: key.name, namespace: key.namespace, creationTimestamp: formatTime(this.#env.nowMs()) },
      spec: {
        audiences: audiences.length === 0 ? [this.#authenticator.audience] : audiences,
        expirationSeconds: seconds,
        boundObjectRef: spec.boundObjectRef ?? null,
      },
      status: { token, expirationTimestamp: formatTime(expiresAtMs) },
    } as unknown as KubernetesObject
  }

  #boundObject(
    namespace: string,
    reference: { kind?: string; name?: string; uid?: string } | undefined,
  ): { kind: string; name: string; uid: string } | undefined {
    if (reference === undefined || reference === null) return undefined
    const { kind = '', name = '', uid } = reference
    const resource = { Pod: 'pods', Secret: 'secrets' }[kind]
    if (resource === undefined) throw badRequest(`cannot bind token for serviceaccount to object of type "${kind}"`)
    const object = this.store.get({ resource, namespace, name })
    if (object === undefined)
      throw new StatusError('NotFound', `${resource} "${name}" not found`, { name, kind: resource })
    if (uid !== undefined && uid !== object.uid)
      throw new StatusError(
        'Conflict',
        `the UID in the bound object reference (${uid}) does not match the UID in record. The object might have been deleted and then recreated`,
      )
    return { kind, name, uid: object.uid }
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
    return Buffer.from(JSON.stringify(inVersion(definition, object)))
  }
}
