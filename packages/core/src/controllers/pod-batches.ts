import {
  controllerOf,
  formatKey,
  isNamespaceTerminating,
  isNotFound,
  type KubernetesObject,
  keyOf,
} from '@binnacle/apimachinery'
import type { BatchWrite } from '@binnacle/client'
import { type Pod, pods } from '@binnacle/resources'
import type { ReconcileContext } from '../controller.ts'
import type { Expectations } from '../expectations.ts'

/** How controllers of many alike pods create and delete them: in batches, expected until the cache shows them (`RealPodControl`, `slowStartBatch`). */

/** What a controller works with. */
export interface PodWork {
  readonly context: ReconcileContext
  readonly expectations: Expectations
}

/** Why not all was done; the reason is that of the event. */
export interface PodFailure {
  readonly reason: string
  readonly message: string
}

/** Ticks expectations off as the cache sees pods of owners of this kind. */
export function observePods(ownerKind: string, { context, expectations }: PodWork): void {
  const ownerKey = (pod: Pod): string | undefined => {
    const owner = controllerOf(pod)
    return owner?.kind === ownerKind
      ? formatKey({ namespace: pod.metadata.namespace ?? '', name: owner.name })
      : undefined
  }
  const seen = (pod: Pod): void => {
    const key = ownerKey(pod)
    if (key !== undefined && pod.metadata.uid !== undefined) expectations.deleteSeen(key, pod.metadata.uid)
  }
  context.informer(pods).addHandler({
    onAdd: (pod) => {
      const key = ownerKey(pod)
      if (key !== undefined) expectations.createSeen(key)
    },
    // A pod that is marked for deletion no longer counts, so that is what is waited for.
    onUpdate: (pod, old) => {
      if (pod.metadata.deletionTimestamp !== undefined && old.metadata.deletionTimestamp === undefined) seen(pod)
    },
    onDelete: seen,
  })
}

/** Creates the pods in batches that double: where every create is refused (a quota, a bad template), few are tried. */
export async function createPods(
  owner: KubernetesObject,
  wanted: readonly Pod[],
  { context, expectations }: PodWork,
): Promise<PodFailure | undefined> {
  const key = formatKey(keyOf(owner))
  let batch = 1
  for (let created = 0; created < wanted.length; created += batch, batch *= 2) {
    const writes = wanted
      .slice(created, created + batch)
      .map((object): BatchWrite => ({ verb: 'create', resource: pods, object }))
    expectations.expectCreates(key, writes.length, context.nowMs())
    const results = await context.client
      .writeAll(writes, { atomic: false })
      .catch((error: Error) => writes.map(() => ({ error })))
    let failed: Error | undefined
    for (const result of results) {
      if ('object' in result)
        context.events.record(owner, 'Normal', 'SuccessfulCreate', `Created pod: ${result.object.metadata.name}`)
      else {
        expectations.createSeen(key)
        failed = result.error
      }
    }
    if (failed === undefined) continue
    if (isNamespaceTerminating(failed)) return undefined
    context.events.record(owner, 'Warning', 'FailedCreate', `Error creating: ${failed.message}`)
    return { reason: 'FailedCreate', message: failed.message }
  }
  return undefined
}

/** Deletes these very pods; those that are gone count as deleted. */
export async function deletePods(
  owner: KubernetesObject,
  victims: readonly Pod[],
  { context, expectations }: PodWork,
): Promise<PodFailure | undefined> {
  const key = formatKey(keyOf(owner))
  expectations.expectDeletes(
    key,
    victims.map((pod) => pod.metadata.uid ?? ''),
    context.nowMs(),
  )
  const writes = victims.map((pod): BatchWrite => ({
    verb: 'delete',
    resource: pods,
    key: keyOf(pod),
    options: { preconditions: { uid: pod.metadata.uid ?? '' } },
  }))
  const results = await context.client
    .writeAll(writes, { atomic: false })
    .catch((error: Error) => writes.map(() => ({ error })))
  let failed: Error | undefined
  for (const [index, result] of results.entries()) {
    const pod = victims[index] as Pod
    if ('object' in result)
      context.events.record(owner, 'Normal', 'SuccessfulDelete', `Deleted pod: ${pod.metadata.name}`)
    else {
      expectations.deleteSeen(key, pod.metadata.uid ?? '')
      if (!isNotFound(result.error)) failed = result.error
    }
  }
  if (failed === undefined) return undefined
  context.events.record(owner, 'Warning', 'FailedDelete', `Error deleting: ${failed.message}`)
  return { reason: 'FailedDelete', message: failed.message }
}
