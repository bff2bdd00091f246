import { conflict, formatTime, type KubernetesObject, parseTime, StatusError } from '@binnacle/apimachinery'
import type { ResourceDefinition } from '@binnacle/resources'
import type { DeleteRequest } from './api-server.ts'

/** What a delete does: remove the object now, mark it, or nothing because it is being deleted already. `object` is its state after that. */
export interface DeletePlan {
  readonly action: 'remove' | 'mark' | 'none'
  readonly object: KubernetesObject
}

const orphanFinalizer = 'orphan'
const foregroundFinalizer = 'foregroundDeletion'
const protectedNamespaces = new Set(['default', 'kube-system', 'kube-public'])

/** Decides (apiserver `registry/rest/delete.go` BeforeDelete, `store.go` deletionFinalizersForGarbageCollection). */
export function planDelete(
  definition: ResourceDefinition,
  stored: KubernetesObject,
  options: DeleteRequest,
  nowMs: number,
): DeletePlan {
  checkPreconditions(definition, stored, options)
  const isFirst = stored.metadata.deletionTimestamp === undefined
  const old = (isFirst ? definition.strategy.prepareForDelete?.(stored, nowMs) : undefined) ?? stored
  if (definition.storageName === 'namespaces' && protectedNamespaces.has(old.metadata.name)) {
    throw new StatusError(
      'Forbidden',
      `namespaces "${old.metadata.name}" is forbidden: this namespace may not be deleted`,
      { name: old.metadata.name, kind: 'namespaces' },
    )
  }
  const finalizers = finalizersFor(old, options)
  const graceSeconds = definition.strategy.gracePeriodSeconds?.(old, options.gracePeriodSeconds) ?? 0
  const waits = finalizers.length > 0 || namespaceFinalizers(old).length > 0
  const pending = old.metadata.deletionTimestamp !== undefined
  if (pending) return planAgain(old, { finalizers, graceSeconds, waits })
  if (graceSeconds === 0 && !waits) return { action: 'remove', object: old }
  return { action: 'mark', object: mark(old, finalizers, graceSeconds, nowMs) }
}

function checkPreconditions(
  definition: ResourceDefinition,
  old: KubernetesObject,
  { preconditions }: DeleteRequest,
): void {
  const { uid, resourceVersion } = preconditions ?? {}
  if (uid !== undefined && uid !== old.metadata.uid)
    throw conflict(
      definition,
      old.metadata.name,
      `Precondition failed: UID in precondition: ${uid}, UID in object meta: ${old.metadata.uid}`,
    )
  if (resourceVersion !== undefined && resourceVersion !== old.metadata.resourceVersion) {
    throw conflict(
      definition,
      old.metadata.name,
      `Precondition failed: ResourceVersion in precondition: ${resourceVersion}, ResourceVersion in object meta: ${old.metadata.resourceVersion}`,
    )
  }
}

function namespaceFinalizers(object: KubernetesObject): readonly string[] {
  return object.kind === 'Namespace'
    ? ((object as KubernetesObject & { spec?: { finalizers?: string[] } }).spec?.finalizers ?? [])
    : []
}

// The garbage collector's finalizers follow the propagation policy; without one they stay as they are.
function finalizersFor(
  old: KubernetesObject,
  { propagationPolicy, orphanDependents }: DeleteRequest,
): readonly string[] {
  const present = old.metadata.finalizers ?? []
  const policy =
    propagationPolicy ?? (orphanDependents === undefined ? undefined : orphanDependents ? 'Orphan' : 'Background')
  if (policy === undefined) return present
  const others = present.filter((finalizer) => finalizer !== orphanFinalizer && finalizer !== foregroundFinalizer)
  if (policy === 'Orphan') return [...others, orphanFinalizer]
  return policy === 'Foreground' ? [...others, foregroundFinalizer] : others
}

function mark(
  old: KubernetesObject,
  finalizers: readonly string[],
  graceSeconds: number,
  nowMs: number,
): KubernetesObject {
  const metadata = {
    ...old.metadata,
    deletionTimestamp: formatTime(nowMs + graceSeconds * 1000),
    deletionGracePeriodSeconds: graceSeconds,
    finalizers: [...finalizers],
  }
  if (finalizers.length === 0) delete (metadata as { finalizers?: string[] }).finalizers
  if (metadata.generation !== undefined) metadata.generation++
  const object = { ...old, metadata }
  return old.kind === 'Namespace'
    ? ({ ...object, status: { ...(old as { status?: object }).status, phase: 'Terminating' } } as KubernetesObject)
    : object
}

// An object that is being deleted already: a shorter grace period takes effect, a longer one does not.
function planAgain(
  old: KubernetesObject,
  { finalizers, graceSeconds, waits }: { finalizers: readonly string[]; graceSeconds: number; waits: boolean },
): DeletePlan {
  const period = old.metadata.deletionGracePeriodSeconds ?? 0
  if (graceSeconds === 0 && !waits) {
    return { action: 'remove', object: { ...old, metadata: { ...old.metadata, deletionGracePeriodSeconds: 0 } } }
  }
  const sameFinalizers =
    finalizers.length === (old.metadata.finalizers ?? []).length &&
    finalizers.every((finalizer) => old.metadata.finalizers?.includes(finalizer) === true)
  if (graceSeconds >= period && sameFinalizers) return { action: 'none', object: old }
  const shorter = Math.min(graceSeconds, period)
  const deletionTimestamp = formatTime(parseTime(old.metadata.deletionTimestamp) - (period - shorter) * 1000)
  const metadata = {
    ...old.metadata,
    deletionTimestamp,
    deletionGracePeriodSeconds: shorter,
    ...(finalizers.length === 0 ? {} : { finalizers: [...finalizers] }),
  }
  return { action: 'mark', object: { ...old, metadata } }
}
