import { isNamespaceTerminating, isNotFound, type ObjectKey } from '@binnacle/apimachinery'
import type { BatchResult, BatchWrite } from '@binnacle/client'
import { type Job, type Pod, pods } from '@binnacle/resources'
import type { ReconcileContext } from '../../controller.ts'
import type { JobMemory } from './job-memory.ts'
import { isTracked, trackingFinalizer } from './job-pods.ts'
import { newJobPod } from './new-pod.ts'
import type { NewPod } from './plan.ts'

/** The writes to pods on behalf of one job. */
export interface PodWriter {
  readonly job: Job
  readonly key: string
  readonly context: ReconcileContext
  readonly memory: JobMemory
}

/** How many pods were written, and the first error where there was one. */
export interface Written<T> {
  readonly done: readonly T[]
  readonly error: Error | undefined
}

const nothing: Written<never> = { done: [], error: undefined }

/** Creates pods, one first and then twice as many each time: where every create is refused (a quota, a bad template), few are tried. */
export async function createPods(writer: PodWriter, planned: readonly NewPod[]): Promise<Written<NewPod>> {
  const { job, key, context, memory } = writer
  const done: NewPod[] = []
  for (let size = 1; done.length < planned.length; size *= 2) {
    const batch = planned.slice(done.length, done.length + size)
    memory.expectations.expectCreates(key, batch.length, context.nowMs())
    const results = await writeAll(
      context,
      batch.map((pod) => ({ verb: 'create', resource: pods, object: newJobPod(job, pod) })),
    )
    let error: Error | undefined
    for (const [at, result] of results.entries()) {
      if ('object' in result) {
        done.push(batch[at] as NewPod)
        context.events.record(job, 'Normal', 'SuccessfulCreate', `Created pod: ${result.object.metadata.name}`)
        continue
      }
      memory.expectations.createSeen(key)
      error ??= result.error
    }
    if (error === undefined) continue
    // Nothing can be created any more where the namespace is going.
    if (isNamespaceTerminating(error)) return { done, error: undefined }
    context.events.record(job, 'Warning', 'FailedCreate', `Error creating: ${error.message}`)
    return { done, error }
  }
  return { done, error: undefined }
}

/** Deletes pods that the job needs no more: they are not to be counted, so their finalizer goes first. */
export async function discardPods(writer: PodWriter, victims: readonly Pod[]): Promise<Written<Pod>> {
  const { key, context, memory } = writer
  if (victims.length === 0) return nothing
  memory.expectations.expectDeletes(key, victims.map(uidOf), context.nowMs())
  const released = await releasePods(writer, victims.filter(isTracked))
  const failed = new Set(victims.filter(isTracked).filter((pod) => !released.done.includes(pod)))
  for (const pod of failed) memory.expectations.deleteSeen(key, uidOf(pod))
  const deleted = await deletePods(
    writer,
    victims.filter((pod) => !failed.has(pod)),
  )
  return { done: deleted.done, error: released.error ?? deleted.error }
}

/** Marks pods for deletion; those that have a finalizer stay until they are counted. A pod that is gone already counts as deleted. */
export async function deletePods(writer: PodWriter, victims: readonly Pod[]): Promise<Written<Pod>> {
  const { job, key, context, memory } = writer
  const writes = victims.map((pod): BatchWrite => ({
    verb: 'delete',
    resource: pods,
    key: keyIn(pod),
    options: { preconditions: { uid: uidOf(pod) } },
  }))
  const done: Pod[] = []
  let error: Error | undefined
  for (const [at, result] of (await writeAll(context, writes)).entries()) {
    const pod = victims[at] as Pod
    if ('object' in result)
      context.events.record(job, 'Normal', 'SuccessfulDelete', `Deleted pod: ${pod.metadata.name}`)
    else {
      memory.expectations.deleteSeen(key, uidOf(pod))
      if (!isNotFound(result.error)) {
        error ??= result.error
        context.events.record(job, 'Warning', 'FailedDelete', `Error deleting: ${result.error.message}`)
        continue
      }
    }
    done.push(pod)
  }
  return { done, error }
}

/** Takes the tracking finalizer off pods; one that is gone already counts as done. */
export async function releasePods(writer: PodWriter, tracked: readonly Pod[]): Promise<Written<Pod>> {
  const { key, context, memory } = writer
  if (tracked.length === 0) return nothing
  memory.expectRelease(key, tracked.map(uidOf))
  const done: Pod[] = []
  let error: Error | undefined
  const results = await writeAll(
    context,
    tracked.map((pod) => releaseWrite(pod)),
  )
  for (const [at, result] of results.entries()) {
    const pod = tracked[at] as Pod
    if ('error' in result) {
      memory.releaseSeen(key, uidOf(pod))
      if (!isNotFound(result.error)) {
        error ??= result.error
        continue
      }
    }
    done.push(pod)
  }
  return { done, error }
}

/** The write that takes the tracking finalizer off this very pod. `resourceVersion`: only while it is as it was seen. */
export function releaseWrite(pod: Pod, resourceVersion?: string): BatchWrite {
  const metadata = {
    uid: uidOf(pod),
    ...(resourceVersion === undefined ? {} : { resourceVersion }),
    '$deleteFromPrimitiveList/finalizers': [trackingFinalizer],
  }
  return { verb: 'patch', resource: pods, key: keyIn(pod), patch: { type: 'strategic', body: { metadata } } }
}

async function writeAll(context: ReconcileContext, writes: readonly BatchWrite[]): Promise<readonly BatchResult[]> {
  if (writes.length === 0) return []
  return await context.client.writeAll(writes, { atomic: false }).catch((error: Error) => writes.map(() => ({ error })))
}

function uidOf(pod: Pod): string {
  return pod.metadata.uid ?? ''
}

function keyIn(pod: Pod): ObjectKey {
  return { namespace: pod.metadata.namespace ?? '', name: pod.metadata.name }
}
