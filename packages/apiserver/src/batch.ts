import { type KubernetesObject, StatusError } from '@binnacle/apimachinery'
import type { BatchResult, BatchWrite } from '@binnacle/client'
import { apiVersionOf, type Pod, pods, type ResourceDefinition, type ResourceRegistry } from '@binnacle/resources'
import type { ApiServer, RequestContext } from './api-server.ts'
import { applyPatch } from './patch.ts'
import { asStatusError } from './store-translation.ts'
import { type BindingRequest, bindPod, boundPod } from './subresources/binding.ts'
import { cloneJson } from './clone-json.ts'
import { currentObject } from './optimistic-write.ts'
import type { Write } from '@binnacle/store'
import {
  inVersion,
  prepareChange,
  prepareCreate,
  prepareDelete,
  prepareUpdate,
  type WriteEnvironment,
} from './write-path.ts'

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
  if (atomic) return await writeAtomically(batch, writes)
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
  if (nodeName === '') throw new StatusError('BadRequest', 'nodeName: Required value')
  return { nodeName, podUID }
}

async function writeAtomically(batch: Batch, writes: readonly BatchWrite[]): Promise<readonly BatchResult[]> {
  const prepared: {
    definition: ResourceDefinition
    name: string
    writes: readonly Write[]
    unchanged?: KubernetesObject
  }[] = []
  for (const write of writes) prepared.push(await prepare(batch, write))
  const group = prepared.flatMap((entry) => entry.writes)
  if (group.length === 0) return prepared.map((entry) => ({ object: entry.unchanged as KubernetesObject }))
  try {
    const { objects } = await batch.env.store.commit({ writes: group, actor: batch.request.user.name })
    let at = 0
    return prepared.map((entry) => {
      const own = objects[at]
      at += entry.writes.length
      return {
        object:
          entry.writes.length === 0 || own === undefined
            ? (entry.unchanged as KubernetesObject)
            : inVersion(entry.definition, own),
      }
    })
  } catch (error) {
    const key = (error as { key?: { resource: string; name: string } }).key
    const failed =
      prepared.find((entry) => entry.definition.storageName === key?.resource && entry.name === key.name) ?? prepared[0]
    throw asStatusError(error, failed?.definition as ResourceDefinition, failed?.name ?? '')
  }
}

async function prepare(
  { env, request }: Batch,
  write: BatchWrite,
): Promise<{ definition: ResourceDefinition; name: string; writes: readonly Write[]; unchanged?: KubernetesObject }> {
  switch (write.verb) {
    case 'create': {
      const prepared = await prepareCreate(
        env,
        request,
        write.resource,
        write.object.metadata.namespace ?? '',
        cloneJson(write.object),
        trusted,
      )
      return { definition: write.resource, name: prepared.key.name, writes: prepared.writes }
    }
    case 'update':
    case 'patch': {
      const key = write.verb === 'update' ? keyIn(write.object) : write.key
      const current = await currentObject(env, write.resource, key)
      const next = (old: KubernetesObject): unknown =>
        write.verb === 'update'
          ? cloneJson(write.object)
          : applyPatch(old, write.patch, write.resource.schema, env.registry.schemas)
      const prepared = await prepareUpdate(env, request, write.resource, {
        key,
        current,
        next,
        options: { ...trusted, subresource: write.subresource },
      })
      return {
        definition: write.resource,
        name: key.name,
        writes: prepared.writes,
        unchanged: inVersion(write.resource, current),
      }
    }
    case 'delete': {
      const current = await currentObject(env, write.resource, write.key)
      const { writes } = prepareDelete(env, write.resource, current, write.options ?? {})
      const unchanged = inVersion(write.resource, current)
      return { definition: write.resource, name: write.key.name, writes, unchanged }
    }
    case 'bind': {
      const current = await currentObject(env, pods, write.pod)
      const binding = bindingOf(write)
      const own = prepareChange(pods, current, (old) => boundPod(old as Pod, binding, env.nowMs()))
      return { definition: pods, name: write.pod.name, writes: [own] }
    }
  }
}

/** A batch as `POST /apis/binnacle.dev/v1/writes` receives it. @throws StatusError BadRequest */
export function decodeBatch(
  registry: ResourceRegistry,
  body: unknown,
): { writes: readonly BatchWrite[]; atomic: boolean } {
  const { writes, atomic = false } = (body ?? {}) as { writes?: unknown; atomic?: unknown }
  if (!Array.isArray(writes)) throw new StatusError('BadRequest', 'writes: a list is needed')
  return {
    atomic: atomic === true,
    writes: writes.map((write, index) => decodeWrite(registry, write as Record<string, any>, `writes[${index}]`)),
  }
}

function decodeWrite(registry: ResourceRegistry, write: Record<string, any>, path: string): BatchWrite {
  const key = { namespace: String(write['namespace'] ?? ''), name: String(write['name'] ?? '') }
  if (write['verb'] === 'bind')
    return {
      verb: 'bind',
      pod: key,
      nodeName: String(write['nodeName'] ?? ''),
      ...(write['podUID'] === undefined ? {} : { podUID: String(write['podUID']) }),
    }
  const [group, version, plural] = [
    String(write['group'] ?? ''),
    String(write['version'] ?? 'v1'),
    String(write['resource'] ?? ''),
  ]
  const resource = registry.byResource(group, version, plural)
  if (resource === undefined)
    throw new StatusError(
      'BadRequest',
      `${path}: there is no resource ${plural} in ${apiVersionOf({ group, version })}`,
    )
  const subresource = write['subresource'] === 'status' ? { subresource: 'status' as const } : {}
  switch (write['verb']) {
    case 'create':
      return { verb: 'create', resource, object: write['object'] as KubernetesObject }
    case 'update':
      return { verb: 'update', resource, object: write['object'] as KubernetesObject, ...subresource }
    case 'patch':
      return { verb: 'patch', resource, key, patch: write['patch'], ...subresource }
    case 'delete':
      return { verb: 'delete', resource, key, ...(write['options'] === undefined ? {} : { options: write['options'] }) }
    default:
      throw new StatusError('BadRequest', `${path}.verb: Unsupported value: "${String(write['verb'])}"`)
  }
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
