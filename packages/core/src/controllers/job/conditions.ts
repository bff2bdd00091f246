import { formatTime, isConditionTrue } from '@binnacle/apimachinery'
import type { Job, JobCondition } from '@binnacle/resources'

/** The condition with which a job has ended for good; undefined while it has not. */
export function endOf(job: Job): JobCondition | undefined {
  return job.status?.conditions?.find(
    ({ type, status }) => (type === 'Complete' || type === 'Failed') && status === 'True',
  )
}

/** The job waits for `spec.suspend` to be taken away. */
export function isSuspended(job: Job): boolean {
  return job.spec?.suspend === true
}

/**
 * The conditions with this one in its state (kube-controller-manager `ensureJobConditionStatus`): any change of it is a transition, and one that
 * never was is not added as False. The list itself when nothing changes.
 */
export function withJobCondition(
  conditions: readonly JobCondition[],
  { type, status, reason, message }: Required<Pick<JobCondition, 'type' | 'status' | 'reason' | 'message'>>,
  nowMs: number,
): readonly JobCondition[] {
  const time = formatTime(nowMs)
  const next: JobCondition = { type, status, lastProbeTime: time, lastTransitionTime: time, reason, message }
  const old = conditions.find((condition) => condition.type === type)
  if (old === undefined) return status === 'False' ? conditions : [...conditions, next]
  if (old.status === status && (old.reason ?? '') === reason && (old.message ?? '') === message) return conditions
  return conditions.map((condition) => (condition === old ? next : condition))
}

/** The condition is there and true. */
export function hasCondition(job: Job, type: string): boolean {
  return isConditionTrue(job.status?.conditions, type)
}
