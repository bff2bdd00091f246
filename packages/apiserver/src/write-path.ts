import { randomUUID } from 'node:crypto'
import {
  alreadyExists,
  badRequest,
  conflict,
  formatTime,
  generatedName,
  invalid,
  jsonEqual,
  type KubernetesObject,
  type ObjectKey,
  qualifiedResource,
  StatusError,
} from '@binnacle/apimachinery'
import { apiVersionOf, type ResourceDefinition, type ResourceRegistry, services } from '@binnacle/resources'
import { encodeObject, KeyExists, type Store, type StoredObject, type Write } from '@binnacle/store'
import { admitCreate, admitUpdate, type Admission, validateAdmission, validateDelete } from './admission/admission.ts'
import { type Chargeable, chargeable, chargesOf, commitCharged } from './admission/quota-charges.ts'
import type { DeleteAnswer, DeleteRequest, RequestContext, WriteAnswer } from './api-server.ts'
import { authorize } from './auth/authorize.ts'
import { certificateErrors } from './certificate-errors.ts'
import { cloneJson } from './clone-json.ts'
import { decodeBody } from './decode-body.ts'
import { planDelete } from './delete-plan.ts'
import { managedWrite, type OwnershipOptions, setManagedFields } from './managed-fields.ts'
import { addEmptyStatus } from './empty-status.ts'
import { inVersion } from './in-version.ts'
import { fillMetadata, validateMetadata, validateMetadataUpdate } from './object-meta.ts'
import { isCurrent, type KeyTurns, Overtaken, writeOptimistically } from './optimistic-write.ts'
import { asStatusError } from './store-translation.ts'
import { transientObject } from './transient-object.ts'

/**
 * The way of every write: authorize → decode → default → admit → validate → commit. REST, GraphQL and the in-process client all come through here.
 */

/** Objects larger than this are refused, as etcd and kube-apiserver do. */
const objectBytesMax = 1.5 * 1024 * 1024
const createTriesMax = 8

/** What writes need. */
export interface WriteEnvironment {
  readonly registry: ResourceRegistry
  readonly store: Store
  readonly admission: Admission
  readonly turns: KeyTurns
  nowMs(): number
}

/** A write that has passed every rule and only has to be committed. The first of `writes` is the object's own. */
export interface PreparedWrite {
  readonly definition: ResourceDefinition
  readonly key: ObjectKey
  readonly writes: readonly Write[]
  /** What quotas are asked about when it is committed. */
  readonly charges?: readonly Chargeable[]
  /** Set when nothing has to be written: the object is as it was. */
  readonly unchanged?: StoredObject
  /** The object as it will be. */
  readonly object: KubernetesObject
}

/** A POST. The body is taken over. */
export async function createObject(
  env: WriteEnvironment,
  request: RequestContext,
  definition: ResourceDefinition,
  namespace: string,
  body: unknown,
  options: OwnershipOptions,
): Promise<WriteAnswer> {
  const generates = isGenerated(body)
  // A Service that lost its address to another one begins anew, with what it was asked for.
  const original = definition.storageName === services.storageName ? cloneJson(body) : undefined
  let given = body
  for (let tries = 1; ; tries++) {
    const prepared = await prepareCreate(env, request, definition, namespace, given, options)
    try {
      return { object: await commitPrepared(env, request, prepared, options.dryRun === true), created: true }
    } catch (error) {
      if (!(error instanceof KeyExists)) throw asStatusError(error, definition, prepared.key.name)
      const isOwn = error.key === undefined || error.key.resource === definition.storageName
      if (isOwn && !generates) throw alreadyExists(definition, prepared.key.name)
      if (tries >= createTriesMax) throw isOwn ? noNameLeft(definition, prepared.key.name) : error
      given = original === undefined ? withoutName(prepared.object) : cloneJson(original)
    }
  }
}

function withoutName(object: KubernetesObject): KubernetesObject {
  const { name: _name, resourceVersion: _resourceVersion, ...metadata } = object.metadata
  return { ...object, metadata: metadata as KubernetesObject['metadata'] }
}

function noNameLeft(definition: ResourceDefinition, name: string): StatusError {
  const why = 'the server was not able to generate a unique name for the object'
  return new StatusError('AlreadyExists', `${qualifiedResource(definition)} "${name}" already exists, ${why}`, {
    name,
    ...(definition.group === '' ? {} : { group: definition.group }),
    kind: definition.plural,
    retryAfterSeconds: 1,
  })
}

function isGenerated(body: unknown): boolean {
  const metadata = (body as { metadata?: { name?: string; generateName?: string } } | null)?.metadata
  return !metadata?.name && Boolean(metadata?.generateName)
}

/** Everything of a create but the commit. */
export async function prepareCreate(
  env: WriteEnvironment,
  request: RequestContext,
  definition: ResourceDefinition,
  namespace: string,
  body: unknown,
  options: OwnershipOptions,
): Promise<PreparedWrite> {
  authorize(request, 'create', definition, { namespace })
  checkTerminating(definition)
  const object = decodeBody(request, definition, env.registry.schemas, body, options)
  const { metadata } = object
  placeInNamespace(definition, metadata, namespace)
  if (metadata.resourceVersion) throw badRequest('resourceVersion should not be set on objects to be created')
  delete metadata.resourceVersion
  if (!metadata.name && metadata.generateName) metadata.name = generatedName(metadata.generateName)
  fillMetadata(object, formatTime(env.nowMs()), randomUUID(), definition.hasGeneration)
  definition.strategy.applyDefaults?.(object)
  // What admission adds is nobody's.
  const ownership = { given: undefined, applied: options.applied }
  setManagedFields(managedWrite(env, request, definition, options), object, undefined, ownership)
  const key = { namespace: definition.scope === 'Namespaced' ? namespace : '', name: metadata.name ?? '' }
  const related = await admitCreate(env, request, definition, object)
  if (definition.subresources.status === true && definition.strategy.prepareForCreate === undefined)
    delete (object as { status?: unknown }).status
  definition.strategy.prepareForCreate?.(object)
  addEmptyStatus(definition, object, env.registry.schemas)
  const errors = [
    ...validateMetadata(definition, metadata),
    ...(definition.strategy.validate?.(object) ?? []),
    ...(definition.strategy.validateCreate?.(object) ?? []),
    ...certificateErrors(definition, object),
  ]
  if (errors.length > 0) throw invalid(definition, metadata.name ?? '', errors)
  validateAdmission(env, request, definition, object, undefined, options.dryRun)
  for (const text of definition.strategy.warnings?.(object) ?? []) request.warn(text)
  const writes = [ownWrite(definition, key, object, 'create', 0), ...related]
  return { definition, key, object, writes, charges: chargeable(definition, object) }
}

// A kind that is going away with all its objects gets no new ones.
function checkTerminating({ custom }: ResourceDefinition): void {
  if (custom?.terminating === true)
    throw new StatusError('MethodNotAllowed', 'create not allowed while custom resource definition is terminating')
}

function placeInNamespace(
  definition: ResourceDefinition,
  metadata: KubernetesObject['metadata'],
  namespace: string,
): void {
  if (definition.scope === 'Cluster') {
    if (metadata.namespace)
      throw badRequest('the namespace of the provided object does not match the namespace sent on the request')
    delete metadata.namespace
    return
  }
  if (namespace === '') throw badRequest('an empty namespace may not be set during creation')
  if (metadata.namespace && metadata.namespace !== namespace)
    throw badRequest('the namespace of the provided object does not match the namespace sent on the request')
  metadata.namespace = namespace
}

/** The write of the object itself, in its stored version. */
function ownWrite(
  definition: ResourceDefinition,
  key: ObjectKey,
  object: KubernetesObject,
  kind: Write['kind'],
  expectedRevision: number,
): Write {
  const stored = toStorage(definition, object)
  const data = encodeObject(stored)
  // Counting bytes is for those that may be too long: a character has three at most.
  if (data.length * 3 > objectBytesMax && Buffer.byteLength(data) > objectBytesMax)
    throw new StatusError(
      'RequestEntityTooLarge',
      `Request entity too large: limit is ${objectBytesMax} bytes, the object has ${Buffer.byteLength(data)}`,
    )
  return {
    key: { resource: definition.storageName, namespace: key.namespace, name: key.name },
    kind,
    uid: object.metadata.uid ?? '',
    expectedRevision,
    data,
    object: stored,
  }
}

function toStorage(definition: ResourceDefinition, object: KubernetesObject): KubernetesObject {
  if (definition.convert !== undefined) return definition.convert.toStorage(object)
  if (definition.storageVersion === definition.version) return object
  return { ...object, apiVersion: apiVersionOf({ group: definition.group, version: definition.storageVersion }) }
}

/** Commits, or for a dry run gives what would have been. Store errors are passed on untranslated. */
export async function commitPrepared(
  env: WriteEnvironment,
  request: RequestContext,
  prepared: PreparedWrite,
  dryRun: boolean,
): Promise<StoredObject> {
  if (prepared.unchanged !== undefined) return prepared.unchanged
  const own = prepared.writes[0] as Write
  const { writes, charges = [] } = prepared
  if (dryRun) {
    await chargesOf(env, charges)
    const existing = env.store.get(own.key)
    if (own.kind === 'create' && existing !== undefined) {
      const error = new KeyExists('exists')
      error.key = own.key
      throw error
    }
    return transientObject(own, existing?.revision ?? 0)
  }
  const { objects } = await commitCharged(env, { writes, actor: request.user.name }, charges)
  return objects[0] as StoredObject
}

/** How an update gets the new state from the old one; asked again after a conflict. */
export type NextState = (old: KubernetesObject) => unknown

/**
 * A PUT or PATCH: `next` gives the body. It is tried again on conflicts that are not the caller's: when neither the body nor the patch names a
 * resourceVersion.
 */
export async function updateObject(
  env: WriteEnvironment,
  request: RequestContext,
  definition: ResourceDefinition,
  key: ObjectKey,
  next: NextState,
  options: UpdateOptions & { readonly pinned: boolean; readonly verb?: 'update' | 'patch' },
): Promise<WriteAnswer> {
  authorize(request, options.verb ?? 'update', definition, key)
  checkSubresource(definition, options.subresource)
  return await writeOptimistically(env, { definition, key, pinned: options.pinned }, async (current) => {
    const prepared = await prepareUpdate(env, request, definition, { key, current, next, options })
    if (prepared.unchanged !== undefined && !(await isCurrent(env, current))) throw new Overtaken()
    return { object: await commitPrepared(env, request, prepared, options.dryRun === true), created: false }
  })
}

function checkSubresource({ subresources }: ResourceDefinition, name: string | undefined): void {
  if (name === undefined || (name === 'status' && subresources.status === true)) return
  const other = subresources.others.find((candidate) => candidate.name === name)
  if (other?.verbs.includes('update') === true) return
  throw new StatusError('NotFound', 'the server could not find the requested resource')
}

/**
 * Changes an object for reasons of this server's own, such as a binding: none of the checks of an update are needed. `change` is asked again after
 * a conflict; it must not change the object that it is given.
 */
export async function changeObject(
  env: WriteEnvironment,
  request: RequestContext,
  definition: ResourceDefinition,
  key: ObjectKey,
  change: (old: KubernetesObject) => KubernetesObject,
  options: { readonly dryRun?: boolean | undefined } = {},
): Promise<StoredObject> {
  return await writeOptimistically(env, { definition, key, pinned: false }, async (current) => {
    const write = prepareChange(definition, current, change)
    if (options.dryRun === true) return transientObject(write, current.revision)
    const { objects } = await env.store.commit({ writes: [write], actor: request.user.name })
    return objects[0] as StoredObject
  })
}

/** Everything of such a change but the commit. */
export function prepareChange(
  definition: ResourceDefinition,
  current: StoredObject,
  change: (old: KubernetesObject) => KubernetesObject,
): Write {
  return ownWrite(definition, current.key, change(inVersion(definition, current)), 'update', current.revision)
}

/** Options of a PUT or PATCH. */
export type UpdateOptions = OwnershipOptions

interface UpdateRequest {
  readonly key: ObjectKey
  readonly current: StoredObject
  readonly next: NextState
  readonly options: UpdateOptions
}

/** Everything of an update but the commit. */
export async function prepareUpdate(
  env: WriteEnvironment,
  request: RequestContext,
  definition: ResourceDefinition,
  { key, current, next, options }: UpdateRequest,
): Promise<PreparedWrite> {
  const old = inVersion(definition, current)
  const object = decodeBody(request, definition, env.registry.schemas, next(old), options)
  const { metadata } = object
  if (metadata.name !== undefined && metadata.name !== key.name)
    throw badRequest(`the name of the object (${metadata.name}) does not match the name on the URL (${key.name})`)
  metadata.name = key.name
  if (definition.scope === 'Namespaced') placeInNamespace(definition, metadata, key.namespace)
  if (metadata.resourceVersion && metadata.resourceVersion !== String(current.revision))
    throw conflict(definition, key.name)
  if (metadata.uid && metadata.uid !== old.metadata.uid)
    throw conflict(
      definition,
      key.name,
      `Precondition failed: UID in precondition: ${metadata.uid}, UID in object meta: ${old.metadata.uid}`,
    )
  const given = metadata.managedFields
  keepSystemMetadata(object, old)
  keepOtherParts(definition, object, old, options.subresource)
  definition.strategy.applyDefaults?.(object)
  if (options.subresource === undefined) definition.strategy.prepareForUpdate?.(object, old)
  else if (options.subresource === 'status') definition.strategy.prepareForStatusUpdate?.(object, old)
  const related = await admitUpdate(env, definition, object, { old, subresource: options.subresource })
  bumpGeneration(definition, object, old)
  validateUpdate(definition, object, old, options.subresource)
  const ownership = { given, applied: options.applied }
  setManagedFields(managedWrite(env, request, definition, options), object, old, ownership)
  if (jsonEqual(object, old)) return { definition, key, object, writes: [], unchanged: current }
  validateAdmission(env, request, definition, object, { old, subresource: options.subresource }, options.dryRun)
  // Removing what held a terminating object back ends it.
  const ends = old.metadata.deletionTimestamp !== undefined && !isHeldBack(object)
  const own = ownWrite(definition, key, object, ends ? 'delete' : 'update', current.revision)
  const released = ends ? env.admission.addresses.release(definition, old) : related
  const charges = ends ? [] : chargeable(definition, object, old, options.subresource)
  return { definition, key, object, writes: [own, ...released], charges }
}

function isHeldBack({ metadata, ...rest }: KubernetesObject): boolean {
  const namespaceFinalizers =
    (rest as { kind?: string; spec?: { finalizers?: string[] } }).kind === 'Namespace'
      ? ((rest as { spec?: { finalizers?: string[] } }).spec?.finalizers ?? [])
      : []
  return (
    (metadata.finalizers ?? []).length > 0 ||
    namespaceFinalizers.length > 0 ||
    (metadata.deletionGracePeriodSeconds ?? 0) > 0
  )
}

// What clients send back of these is ignored: they are the server's.
function keepSystemMetadata({ metadata }: KubernetesObject, old: KubernetesObject): void {
  const before = old.metadata
  delete metadata.managedFields
  delete metadata.selfLink
  metadata.resourceVersion = before.resourceVersion ?? ''
  for (const field of [
    'uid',
    'creationTimestamp',
    'deletionTimestamp',
    'deletionGracePeriodSeconds',
    'generation',
    'generateName',
  ] as const) {
    const value = before[field]
    if (value === undefined) delete metadata[field]
    else (metadata as unknown as Record<string, unknown>)[field] = value
  }
}

// The main resource does not change status, and the status subresource changes nothing else of the object but labels and annotations.
function keepOtherParts(
  definition: ResourceDefinition,
  object: KubernetesObject,
  old: KubernetesObject,
  subresource: string | undefined,
): void {
  const [now, before] = [object as unknown as Record<string, unknown>, old as unknown as Record<string, unknown>]
  if (subresource === undefined) {
    if (definition.subresources.status === true) restore(now, before, ['status'])
    return
  }
  const own =
    subresource === 'ephemeralcontainers' || subresource === 'finalize' || subresource === 'resize'
      ? ['spec']
      : ['status']
  const others = new Set(
    [...Object.keys(now), ...Object.keys(before)].filter(
      (field) => !['apiVersion', 'kind', 'metadata', ...own].includes(field),
    ),
  )
  restore(now, before, [...others])
  if (own[0] !== 'spec') restore(now, before, ['spec'])
  if (before['metadata'] !== undefined) {
    const { ownerReferences } = old.metadata
    if (ownerReferences === undefined) delete object.metadata.ownerReferences
    else object.metadata.ownerReferences = ownerReferences
  }
  if (subresource === 'ephemeralcontainers')
    now['spec'] = {
      ...(before['spec'] as object),
      ephemeralContainers: (now['spec'] as { ephemeralContainers?: unknown } | undefined)?.ephemeralContainers,
    }
}

function restore(now: Record<string, unknown>, before: Record<string, unknown>, fields: readonly string[]): void {
  for (const field of fields) {
    if (before[field] === undefined) delete now[field]
    else now[field] = before[field]
  }
}

function bumpGeneration(definition: ResourceDefinition, object: KubernetesObject, old: KubernetesObject): void {
  if (!definition.hasGeneration) return
  const { metadata: _m, status, ...desired } = object as KubernetesObject & { status?: unknown }
  const { metadata: _om, status: oldStatus, ...before } = old as KubernetesObject & { status?: unknown }
  // Without the subresource the status of a custom kind is a field like any other.
  const hasOwnStatus = definition.custom !== undefined && definition.subresources.status !== true
  if (!jsonEqual(desired, before) || (hasOwnStatus && !jsonEqual(status, oldStatus)))
    object.metadata.generation = (old.metadata.generation ?? 0) + 1
}

function validateUpdate(
  definition: ResourceDefinition,
  object: KubernetesObject,
  old: KubernetesObject,
  subresource: string | undefined,
): void {
  const { strategy } = definition
  const errors = [
    ...validateMetadata(definition, object.metadata),
    ...validateMetadataUpdate(object.metadata, old.metadata),
  ]
  if (subresource === undefined)
    errors.push(...(strategy.validate?.(object) ?? []), ...(strategy.validateUpdate?.(object, old) ?? []))
  else if (subresource === 'status') errors.push(...(strategy.validateStatusUpdate?.(object, old) ?? []))
  else errors.push(...(strategy.validateSubresourceUpdate?.(subresource, object, old) ?? []))
  errors.push(...certificateErrors(definition, object, old))
  if (errors.length > 0) throw invalid(definition, object.metadata.name, errors)
}

/** A DELETE: the object goes at once, or is marked and waits for its finalizers and its grace period. */
export async function deleteObject(
  env: WriteEnvironment,
  request: RequestContext,
  definition: ResourceDefinition,
  key: ObjectKey,
  options: DeleteRequest,
): Promise<DeleteAnswer> {
  authorize(request, 'delete', definition, key)
  const pinned = options.preconditions?.resourceVersion !== undefined
  return await writeOptimistically(env, { definition, key, pinned }, async (current) => {
    validateDelete(env, request, definition, inVersion(definition, current), options.dryRun === true)
    const { gone, writes } = prepareDelete(env, definition, current, options)
    const [own] = writes
    if (own === undefined) return { object: current, gone }
    if (options.dryRun === true) return { object: transientObject(own, current.revision), gone }
    const { objects } = await env.store.commit({ writes, actor: request.user.name })
    return { object: objects[0] as StoredObject, gone }
  })
}

/**
 * Everything of a delete but the commit; no writes when the object is being deleted already. `last` is the object as it should be left, where that is
 * not as it is.
 */
export function prepareDelete(
  env: WriteEnvironment,
  definition: ResourceDefinition,
  current: StoredObject,
  options: DeleteRequest,
  last?: KubernetesObject,
): { readonly gone: boolean; readonly writes: readonly Write[] } {
  const old = last ?? inVersion(definition, current)
  const { action, object } = planDelete(definition, old, options, env.nowMs())
  if (action === 'none') return { gone: false, writes: [] }
  const gone = action === 'remove'
  const own = ownWrite(definition, current.key, object, gone ? 'delete' : 'update', current.revision)
  return { gone, writes: [own, ...(gone ? env.admission.addresses.release(definition, old) : [])] }
}
