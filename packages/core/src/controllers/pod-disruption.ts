import { findCondition, isConflict, isNotFound, keyOf, withCondition } from '@binnacle/apimachinery'
import type { BatchWrite } from '@binnacle/client'
import { type Pod, pods } from '@binnacle/resources'
import type { ReconcileContext } from '../controller.ts'
import { isPodTerminal } from '../pod-state.ts'

const batchMax = 500

/** Why and how pods are taken away from above. */
export interface Disruption {
  /** Of the condition DisruptionTarget; without a reason none is set. */
  readonly reason?: string
  readonly message?: string
  /** True: nobody is left who would end the pod: it is marked as failed, and goes without a grace period. */
  readonly forced?: boolean
}

/**
 * Deletes pods, having said in their status why: whoever owns them can tell a disruption from a failure. Pods that are gone already, or were replaced
 * by others of their names, are passed over.
 * @throws the first other error
 */
export async function disruptPods(
  context: ReconcileContext,
  victims: readonly Pod[],
  disruption: Disruption,
): Promise<void> {
  const marked = await write(context, victims, (pod) => statusWrite(pod, disruption, context.nowMs()))
  const deleted = await write(context, marked.passed, (pod) => ({
    verb: 'delete',
    resource: pods,
    key: keyOf(pod),
    options: {
      preconditions: { uid: pod.metadata.uid ?? '' },
      ...(disruption.forced === true ? { gracePeriodSeconds: 0 } : {}),
    },
  }))
  const failure = marked.failure ?? deleted.failure
  if (failure !== undefined) throw failure
}

// One pod that cannot be written keeps no other from going.
async function write(
  context: ReconcileContext,
  victims: readonly Pod[],
  writeOf: (pod: Pod) => BatchWrite | undefined,
): Promise<{ passed: Pod[]; failure: Error | undefined }> {
  const passed: Pod[] = []
  const waiting: { pod: Pod; write: BatchWrite }[] = []
  for (const pod of victims) {
    const needed = writeOf(pod)
    if (needed === undefined) passed.push(pod)
    else waiting.push({ pod, write: needed })
  }
  let failure: Error | undefined
  for (let from = 0; from < waiting.length; from += batchMax) {
    const batch = waiting.slice(from, from + batchMax)
    const results = await context.client.writeAll(
      batch.map((entry) => entry.write),
      { atomic: false },
    )
    for (const [index, result] of results.entries()) {
      if ('object' in result) passed.push((batch[index] as { pod: Pod }).pod)
      else if (!isNotFound(result.error) && !isConflict(result.error)) failure ??= result.error
    }
  }
  return { passed, failure }
}

function statusWrite(pod: Pod, { reason, message, forced }: Disruption, nowMs: number): BatchWrite | undefined {
  const status: NonNullable<Pod['status']> = {}
  if (forced === true && !isPodTerminal(pod)) status.phase = 'Failed'
  if (reason !== undefined) {
    const { generation } = pod.metadata
    const condition = {
      type: 'DisruptionTarget',
      status: 'True',
      reason,
      message: message ?? '',
      ...(generation === undefined ? {} : { observedGeneration: generation }),
    }
    const conditions = withCondition(pod.status?.conditions, condition, nowMs)
    const next = findCondition(conditions, condition.type)
    if (next !== undefined && conditions !== pod.status?.conditions) status.conditions = [next]
  }
  if (Object.keys(status).length === 0) return undefined
  const patch = { type: 'strategic', body: { metadata: { uid: pod.metadata.uid }, status } } as const
  return { verb: 'patch', resource: pods, key: keyOf(pod), patch, subresource: 'status' }
}
