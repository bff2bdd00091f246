import {
  applyConfiguration,
  badRequest,
  checkConfiguration,
  conflict,
  invalid,
  isAlreadyExists,
  isNotFound,
  type KubernetesObject,
  type ManagedFieldsEntry,
  type ObjectKey,
  required,
} from '@binnacle/apimachinery'
import { apiVersionOf, type ResourceDefinition } from '@binnacle/resources'
import type { ApplyRequest, RequestContext, WriteAnswer } from './api-server.ts'
import { cloneJson } from './clone-json.ts'
import { decodeBody, decodeObject } from './decode-body.ts'
import { managedWrite } from './managed-fields.ts'
import { currentObject } from './optimistic-write.ts'
import { createObject, updateObject, type WriteEnvironment } from './write-path.ts'

/**
 * Server-side apply: the configuration is merged into the object, what the applier has given up is pruned, and the outcome goes the way of every
 * write. An object that is not there is created.
 */
export async function applyObject(
  env: WriteEnvironment,
  request: RequestContext,
  definition: ResourceDefinition,
  key: ObjectKey,
  body: unknown,
  options: ApplyRequest,
): Promise<WriteAnswer> {
  if (!options.fieldManager)
    throw invalid({ group: 'meta.k8s.io', plural: 'patchoptions', kind: 'PatchOptions' }, '', [
      required('fieldManager', 'is required for apply patch'),
    ])
  const config = decodeConfiguration(env, request, definition, key, body)
  try {
    return await applyToExisting(env, request, definition, { key, config, options })
  } catch (error) {
    if (!isNotFound(error) || options.subresource !== undefined || (await exists(env, definition, key))) throw error
  }
  try {
    return await applyAsNew(env, request, definition, { key, config, options })
  } catch (error) {
    // Somebody else was faster.
    if (!isAlreadyExists(error)) throw error
    return await applyToExisting(env, request, definition, { key, config, options })
  }
}

interface Application {
  readonly key: ObjectKey
  readonly config: KubernetesObject
  readonly options: ApplyRequest
}

async function exists(env: WriteEnvironment, definition: ResourceDefinition, key: ObjectKey): Promise<boolean> {
  return await currentObject(env, definition, key).then(
    () => true,
    () => false,
  )
}

function decodeConfiguration(
  env: WriteEnvironment,
  request: RequestContext,
  definition: ResourceDefinition,
  key: ObjectKey,
  body: unknown,
): KubernetesObject {
  const { kind, apiVersion } = (body ?? {}) as Partial<KubernetesObject>
  if (!kind) throw badRequest(`Object 'Kind' is missing in '${JSON.stringify(body)?.slice(0, 200)}'`)
  if (!apiVersion) throw badRequest(`Object 'apiVersion' is missing in '${JSON.stringify(body)?.slice(0, 200)}'`)
  const config = decodeBody(request, definition, env.registry.schemas, cloneJson(body), {
    fieldValidation: 'Ignore',
    isConfiguration: true,
  })
  const { unknownFields } = decodeObject(definition, env.registry.schemas, body as Record<string, unknown>, true)
  const where = `${key.namespace}/${key.name}; ${apiVersionOf(definition)}, Kind=${definition.kind}`
  checkConfiguration(config, unknownFields, where)
  config.metadata.name ??= key.name
  return config
}

async function applyToExisting(
  env: WriteEnvironment,
  request: RequestContext,
  definition: ResourceDefinition,
  { key, config, options }: Application,
): Promise<WriteAnswer> {
  let entries: ManagedFieldsEntry[] | undefined
  const write = managedWrite(env, request, definition, options)
  const next = (old: KubernetesObject): unknown => {
    const applied = applyConfiguration(write, old, config, options.force === true)
    entries = applied.managedFields
    return cloneJson(applied.object)
  }
  return await updateObject(env, request, definition, key, next, {
    ...options,
    applied: () => entries,
    verb: 'patch',
    pinned: Boolean(config.metadata.resourceVersion),
  })
}

async function applyAsNew(
  env: WriteEnvironment,
  request: RequestContext,
  definition: ResourceDefinition,
  { key, config, options }: Application,
): Promise<WriteAnswer> {
  const { uid } = config.metadata
  if (uid)
    throw conflict(
      definition,
      key.name,
      `uid mismatch: the provided object specified uid ${uid}, and no existing object was found`,
    )
  const { managedFields } = applyConfiguration(
    managedWrite(env, request, definition, options),
    undefined,
    config,
    false,
  )
  return await createObject(env, request, definition, key.namespace, cloneJson(config), {
    ...options,
    applied: () => managedFields,
  })
}
