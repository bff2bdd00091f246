import { findCondition, parseTime } from '@binnacle/apimachinery'
import type { ContainerStatus, Pod } from '@binnacle/resources'

const firstBackOffMs = 10_000
const backOffMsMax = 600_000

/** How a job's pods have failed lately: what its back-off comes from. */
export interface FailureRecord {
  /** Pods that have failed since the last one succeeded. */
  readonly failures: number
  readonly lastFailureMs: number
}

/** No pod has failed since the last success. */
export const noFailures: FailureRecord = { failures: 0, lastFailureMs: Number.NEGATIVE_INFINITY }

/** The record with pods that have ended since (kube-controller-manager `backoff_utils.go`). */
export function withEndedPods(record: FailureRecord, succeeded: readonly Pod[], failed: readonly Pod[]): FailureRecord {
  if (succeeded.length === 0 && failed.length === 0) return record
  const failedAt = failed.map(endedAtMs)
  if (succeeded.length === 0) return { failures: record.failures + failed.length, lastFailureMs: Math.max(...failedAt) }
  // Failures from before the last success are made good by it.
  const lastSuccessMs = Math.max(...succeeded.map(endedAtMs))
  const after = failedAt.filter((atMs) => atMs > lastSuccessMs)
  return after.length === 0 ? noFailures : { failures: after.length, lastFailureMs: Math.max(...after) }
}

/** How long to wait before the next pod: 10 s after one failure, twice as long after each further one, ten minutes at the most. */
export function backOffLeftMs({ failures, lastFailureMs }: FailureRecord, nowMs: number): number {
  if (failures === 0) return 0
  const backOffMs = Math.min(firstBackOffMs * 2 ** (failures - 1), backOffMsMax)
  return Math.max(0, lastFailureMs + backOffMs - nowMs)
}

/**
 * When the pod ended: its last container's end; else when it stopped being ready; else when its deletion was asked for; else its creation. In
 * milliseconds since 1970.
 */
export function endedAtMs(pod: Pod): number {
  const ended = containersEndedAtMs(pod)
  if (ended !== undefined) return ended
  const ready = findCondition(pod.status?.conditions, 'Ready')
  if (ready?.status === 'False' && ready.lastTransitionTime !== undefined) return parseTime(ready.lastTransitionTime)
  const { deletionTimestamp, deletionGracePeriodSeconds = 0, creationTimestamp } = pod.metadata
  if (deletionTimestamp !== undefined) return parseTime(deletionTimestamp) - deletionGracePeriodSeconds * 1000
  return parseTime(creationTimestamp)
}

// Sidecars outlast the other containers, so they count too; plain init containers do not.
function containersEndedAtMs(pod: Pod): number | undefined {
  const sidecars = new Set(
    (pod.spec?.initContainers ?? []).filter(({ restartPolicy }) => restartPolicy === 'Always').map(({ name }) => name),
  )
  const statuses: readonly ContainerStatus[] = [
    ...(pod.status?.containerStatuses ?? []),
    ...(pod.status?.initContainerStatuses ?? []).filter(({ name }) => sidecars.has(name)),
  ]
  const times = statuses.map(({ state }) => parseTime(state?.terminated?.finishedAt))
  return times.length === 0 || times.some(Number.isNaN) ? undefined : Math.max(...times)
}
