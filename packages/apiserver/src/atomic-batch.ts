import { isConflict, type KubernetesObject, type ObjectKey } from '@binnacle/apimachinery'
import type { BatchResult, BatchWrite } from '@binnacle/client'
import { type Pod, pods, type ResourceDefinition } from '@binnacle/resources'
import { KeyExists, RevisionMismatch, type StoredKey, type Write } from '@binnacle/store'
import { validateDelete } from './admission/admission.ts'
import { type Chargeable, commitCharged } from './admission/quota-charges.ts'
import type { RequestContext } from './api-server.ts'
import { authorize } from './auth/authorize.ts'
import { cloneJson } from './clone-json.ts'
import { currentObject } from './optimistic-write.ts'
import { applyPatch, checkPatchType, isPinned } from './patch.ts'
import { inVersion } from './in-version.ts'
import { asStatusError } from './store-translation.ts'
import { boundPod, withTopologyLabels } from './subresources/binding.ts'
import { prepareChange, prepareCreate, prepareDelete, prepareUpdate, type WriteEnvironment } from './write-path.ts'

const triesMax = 5

/** One write of a batch, ready to be committed with the others. The first of `writes` is the object's own; none: it stays as it is. */
interface PreparedEntry {
  readonly definition: ResourceDefinition
  readonly key: ObjectKey
  /** The caller named the state that it must have. */
  readonly pinned: boolean
  readonly writes: readonly Write[]
  readonly charges?: readonly Chargeable[] | undefined
  readonly unchanged?: KubernetesObject
}

/**
 * Several writes as one group: all of them under adjacent revisions, or none. Those that name no resourceVersion are decided again when somebody
 * else was faster. @throws StatusError the first refusal
 */
export async function writeAtomically(
  env: WriteEnvironment,
  request: RequestContext,
  batch: readonly BatchWrite[],
): Promise<readonly BatchResult[]> {
  for (let tries = 1; ; tries++) {
    const entries: PreparedEntry[] = []
    try {
      for (const write of batch) entries.push(await prepare(env, request, write))
      return await commit(env, request, entries)
    } catch (error) {
      const failed = entryOf(entries, (error as { key?: StoredKey }).key)
      if (tries >= triesMax || !isWorthAnother(error, failed, tries)) {
        const { definition, key } = failed ?? (entries[0] as PreparedEntry | undefined) ?? nothing
        throw asStatusError(error, definition, key.name)
      }
      await env.store.linearize()
    }
  }
}

const nothing = { definition: pods as ResourceDefinition<any>, key: { namespace: '', name: '' } }

function entryOf(entries: readonly PreparedEntry[], key: StoredKey | undefined): PreparedEntry | undefined {
  return entries.find(
    (entry) =>
      key !== undefined &&
      entry.definition.storageName === key.resource &&
      entry.key.namespace === key.namespace &&
      entry.key.name === key.name,
  )
}

function isWorthAnother(error: unknown, failed: PreparedEntry | undefined, tries: number): boolean {
  // Without an entry it was about something written along, such as a Service's address: another one will do.
  if (error instanceof KeyExists) return error.key !== undefined && failed?.pinned !== true
  if (error instanceof RevisionMismatch) return failed?.pinned !== true
  // A refusal from the cache may be older than what the caller knows.
  return isConflict(error) && tries === 1
}

async function commit(
  env: WriteEnvironment,
  request: RequestContext,
  entries: readonly PreparedEntry[],
): Promise<readonly BatchResult[]> {
  const writes = entries.flatMap((entry) => entry.writes)
  const charges = entries.flatMap((entry) => entry.charges ?? [])
  const { objects } =
    writes.length === 0 ? { objects: [] } : await commitCharged(env, { writes, actor: request.user.name }, charges)
  let at = 0
  return entries.map(({ definition, writes: own, unchanged }) => {
    const object = own.length === 0 ? undefined : objects[at]
    at += own.length
    return { object: object === undefined ? (unchanged as KubernetesObject) : inVersion(definition, object) }
  })
}

// What programs of ours send has nothing unknown in it that a warning would help with.
const trusted = { fieldValidation: 'Ignore' } as const

async function prepare(env: WriteEnvironment, request: RequestContext, write: BatchWrite): Promise<PreparedEntry> {
  switch (write.verb) {
    case 'create': {
      const { resource: definition, object } = write
      const namespace = object.metadata.namespace ?? ''
      const body = cloneJson(object)
      const { key, writes, charges } = await prepareCreate(env, request, definition, namespace, body, trusted)
      // A name that was made up may be made up again.
      return { definition, key, pinned: Boolean(object.metadata.name), writes, charges }
    }
    case 'update':
    case 'patch':
      return await prepareChanged(env, request, write)
    case 'delete': {
      const { resource: definition, key, options = {} } = write
      authorize(request, 'delete', definition, key)
      const current = await currentObject(env, definition, key)
      validateDelete(env, request, definition, inVersion(definition, current), false)
      const { writes } = prepareDelete(env, definition, current, options)
      const pinned = options.preconditions?.resourceVersion !== undefined
      return { definition, key, pinned, writes, unchanged: inVersion(definition, current) }
    }
    case 'bind': {
      const { pod: key, nodeName, podUID } = write
      authorize(request, 'create', { ...pods, plural: 'pods/binding' }, key)
      const current = await currentObject(env, pods, key)
      const binding = withTopologyLabels(env.store, { nodeName, podUID })
      const bind = (old: KubernetesObject): Pod => boundPod(old as Pod, binding, env.nowMs())
      return { definition: pods, key, pinned: false, writes: [prepareChange(pods, current, bind)] }
    }
  }
}

async function prepareChanged(
  env: WriteEnvironment,
  request: RequestContext,
  write: Extract<BatchWrite, { verb: 'update' | 'patch' }>,
): Promise<PreparedEntry> {
  const { resource: definition, subresource } = write
  const isUpdate = write.verb === 'update'
  const { metadata } = isUpdate ? write.object : { metadata: undefined }
  const key = isUpdate ? { namespace: metadata?.namespace ?? '', name: metadata?.name ?? '' } : write.key
  authorize(request, write.verb, definition, key)
  if (!isUpdate) checkPatchType(definition, write.patch)
  const current = await currentObject(env, definition, key)
  const next = (old: KubernetesObject): unknown =>
    isUpdate ? cloneJson(write.object) : applyPatch(old, write.patch, definition.schema, env.registry.schemas)
  const options = { ...trusted, subresource }
  const { writes, charges } = await prepareUpdate(env, request, definition, { key, current, next, options })
  const pinned = isUpdate ? Boolean(metadata?.resourceVersion) : isPinned(write.patch)
  return { definition, key, pinned, writes, charges, unchanged: inVersion(definition, current) }
}
