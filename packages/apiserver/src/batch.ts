import { badRequest, type KubernetesObject, StatusError } from '@binnacle/apimachinery'
import type { BatchResult, BatchWrite, Patch } from '@binnacle/client'
import { apiVersionOf, pods, type ResourceDefinition, type ResourceRegistry } from '@binnacle/resources'
import type { ApiServer, RequestContext } from './api-server.ts'
import { writeAtomically } from './atomic-batch.ts'
import { cloneJson } from './clone-json.ts'
import { type BindingRequest, bindPod } from './subresources/binding.ts'
import { inVersion } from './in-version.ts'
import { type WriteEnvironment } from './write-path.ts'

interface Batch {
  readonly server: ApiServer
  readonly env: WriteEnvironment
  readonly request: RequestContext
}

/**
 * Several writes in one go. Separate ones are handed to the store in the same tick, so that they share its batch; atomic ones are one group:
 * all or nothing, under adjacent revisions.
 */
export async function writeBatch(
  batch: Batch,
  writes: readonly BatchWrite[],
  { atomic }: { atomic: boolean },
): Promise<readonly BatchResult[]> {
  if (atomic) return await writeAtomically(batch.env, batch.request, writes)
  return await Promise.all(
    writes.map(async (write): Promise<BatchResult> => {
      try {
        return { object: await writeOne(batch, write) }
      } catch (error) {
        return { error: error as Error }
      }
    }),
  )
}

async function writeOne({ server, env, request }: Batch, write: BatchWrite): Promise<KubernetesObject> {
  switch (write.verb) {
    case 'create': {
      const { object } = await server.create(
        request,
        write.resource,
        write.object.metadata.namespace ?? '',
        cloneJson(write.object),
        trusted,
      )
      return inVersion(write.resource, object)
    }
    case 'update': {
      const { object } = await server.update(request, write.resource, keyIn(write.object), write.object, {
        ...trusted,
        subresource: write.subresource,
      })
      return inVersion(write.resource, object)
    }
    case 'patch': {
      const { object } = await server.patch(request, write.resource, write.key, write.patch, {
        ...trusted,
        subresource: write.subresource,
      })
      return inVersion(write.resource, object)
    }
    case 'delete': {
      const { object } = await server.delete(request, write.resource, write.key, write.options ?? {})
      return inVersion(write.resource, object)
    }
    case 'bind': {
      return inVersion(pods, await bindPod(env, request, write.pod, bindingOf(write)))
    }
  }
}

// What the in-process clients send is made by programs of ours: nothing unknown is in it that a warning would help with.
const trusted = { fieldValidation: 'Ignore' } as const

const keyIn = (object: KubernetesObject) => ({ namespace: object.metadata.namespace ?? '', name: object.metadata.name })

function bindingOf({ nodeName, podUID }: Extract<BatchWrite, { verb: 'bind' }>): BindingRequest {
  if (nodeName === '') throw badRequest('nodeName: Required value')
  return { nodeName, podUID }
}

/** A batch as `POST /apis/binnacle.dev/v1/writes` receives it. @throws StatusError BadRequest */
export function decodeBatch(
  registry: ResourceRegistry,
  body: unknown,
): { writes: readonly BatchWrite[]; atomic: boolean } {
  const { writes, atomic } = (body ?? {}) as { writes?: unknown; atomic?: unknown }
  if (!Array.isArray(writes)) throw badRequest('writes: Required value: must be a list')
  return {
    atomic: atomic === true,
    writes: writes.map((write: unknown, index) => decodeWrite(registry, write, `writes[${index}]`)),
  }
}

// The body is JSON of unknown shape: what is not checked here is checked where the write is carried out.
function decodeWrite(registry: ResourceRegistry, given: unknown, path: string): BatchWrite {
  if (typeof given !== 'object' || given === null || Array.isArray(given)) {
    throw badRequest(`${path}: Invalid value: ${JSON.stringify(given)}: must be an object`)
  }
  const write = given as Record<string, any>
  const { verb, podUID, nodeName } = write
  const key = { namespace: String(write['namespace'] ?? ''), name: String(write['name'] ?? '') }
  if (verb === 'bind') {
    if (!nodeName) throw badRequest(`${path}.nodeName: Required value`)
    const uid = podUID === undefined ? {} : { podUID: String(podUID) }
    return { verb, pod: key, nodeName: String(nodeName), ...uid }
  }
  if (!['create', 'update', 'patch', 'delete'].includes(verb)) {
    const supported = '"bind", "create", "delete", "patch", "update"'
    throw badRequest(`${path}.verb: Unsupported value: ${JSON.stringify(verb ?? null)}: supported values: ${supported}`)
  }
  const resource = resourceOf(registry, write, path)
  const subresource = write['subresource'] === 'status' ? { subresource: 'status' as const } : {}
  switch (verb as 'create' | 'update' | 'patch' | 'delete') {
    case 'create':
      return { verb, resource, object: bodyOf(write, key.namespace, path) }
    case 'update':
      return { verb, resource, object: bodyOf(write, key.namespace, path), ...subresource }
    case 'patch':
      return { verb, resource, key, patch: patchOf(write, path), ...subresource }
    case 'delete':
      return { verb, resource, key, ...(write['options'] === undefined ? {} : { options: write['options'] }) }
  }
}

function resourceOf(registry: ResourceRegistry, write: Record<string, unknown>, path: string): ResourceDefinition {
  const [group, version] = [String(write['group'] ?? ''), String(write['version'] ?? 'v1')]
  const plural = String(write['resource'] ?? '')
  const resource = registry.byResource(group, version, plural)
  if (resource !== undefined && resource.virtual !== true && resource.view === undefined) return resource
  throw badRequest(`${path}.resource: Not found: ${JSON.stringify(plural)} in ${apiVersionOf({ group, version })}`)
}

function bodyOf({ object }: Record<string, any>, namespace: string, path: string): KubernetesObject {
  if (typeof object !== 'object' || object === null) throw badRequest(`${path}.object: Required value`)
  const metadata = typeof object.metadata === 'object' && object.metadata !== null ? object.metadata : {}
  const place = namespace === '' || metadata.namespace ? {} : { namespace }
  return { ...object, metadata: { ...metadata, ...place } } as KubernetesObject
}

function patchOf({ patch }: Record<string, any>, path: string): Patch {
  if (typeof patch !== 'object' || patch === null) throw badRequest(`${path}.patch: Required value`)
  if (patch.type === 'json' && Array.isArray(patch.operations)) return patch as Patch
  if ((patch.type === 'merge' || patch.type === 'strategic') && typeof patch.body === 'object') return patch as Patch
  throw badRequest(`${path}.patch: Invalid value: must have type and operations (json) or body (merge, strategic)`)
}

/** The answer to a batch. */
export function encodeBatchResults(results: readonly BatchResult[]): object {
  return {
    results: results.map((result) =>
      'object' in result
        ? result
        : {
            status:
              result.error instanceof StatusError
                ? result.error.status
                : new StatusError('InternalError', result.error.message).status,
          },
    ),
  }
}
