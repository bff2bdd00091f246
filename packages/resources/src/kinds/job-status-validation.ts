import {
  duplicate,
  type FieldError,
  invalidValue,
  isConditionTrue,
  jsonEqual,
  parseTime,
  required,
} from '@binnacle/apimachinery'
import type { Job, JobStatus } from '../generated/types.ts'
import { nonNegative } from './field-checks.ts'
import { countIndexes } from './job-policy-validation.ts'

/**
 * Rules of an update of a job's status (kube-apiserver `batch/validation`, `getStatusValidationOptions`): they keep any controller from ending a job
 * in a way that others would not understand. A rule is applied where one of the fields that it is about changes.
 */
export function jobStatusUpdateErrors(job: Job, old: Job): FieldError[] {
  const [now, before] = [job.status ?? {}, old.status ?? {}]
  return [
    ...(['active', 'succeeded', 'failed', 'ready', 'terminating'] as const).flatMap((field) =>
      nonNegative(`status.${field}`, now[field]),
    ),
    ...uncountedErrors(now),
    ...conditionErrors(now),
    ...endErrors(now, before),
    ...(isEnded(now) ? leftoverErrors(now, before) : []),
    ...indexErrors(job, now, before),
    ...historyErrors(job, now, before),
  ]
}

const has = ({ conditions }: JobStatus, type: string): boolean => isConditionTrue(conditions, type)
const isEnded = (status: JobStatus): boolean => has(status, 'Complete') || has(status, 'Failed')
const changes = (now: JobStatus, before: JobStatus, ...fields: (keyof JobStatus)[]): boolean =>
  fields.some((field) => !jsonEqual(now[field], before[field]))
const wrongConditions = (detail: string): FieldError => ({
  type: 'FieldValueInvalid',
  field: 'status.conditions',
  message: `Invalid value: ${detail}`,
})

function uncountedErrors({ uncountedTerminatedPods: uncounted }: JobStatus): FieldError[] {
  const errors: FieldError[] = []
  const seen = new Set<string>()
  for (const list of ['succeeded', 'failed'] as const)
    for (const [index, uid] of (uncounted?.[list] ?? []).entries()) {
      const field = `status.uncountedTerminatedPods.${list}[${index}]`
      if (uid === '') errors.push(invalidValue(field, uid, 'must not be empty'))
      else if (seen.has(uid)) errors.push(duplicate(field, uid))
      seen.add(uid)
    }
  return errors
}

// Which conditions exclude each other, and which need another.
function conditionErrors(status: JobStatus): FieldError[] {
  const errors: FieldError[] = []
  const [complete, failed, failing, succeeding] = ['Complete', 'Failed', 'FailureTarget', 'SuccessCriteriaMet'].map(
    (type) => has(status, type),
  )
  if (complete && failed) errors.push(wrongConditions('cannot set Complete=True and Failed=true conditions'))
  if (complete && failing) errors.push(wrongConditions('cannot set Complete=True and FailureTarget=true conditions'))
  if (failed && !failing)
    errors.push(wrongConditions('cannot set Failed=True condition without the FailureTarget=true condition'))
  if (complete && !succeeding)
    errors.push(wrongConditions('cannot set Complete=True condition without the SuccessCriteriaMet=true condition'))
  if (succeeding && failed)
    errors.push(wrongConditions('cannot set SuccessCriteriaMet=True and Failed=true conditions'))
  if (succeeding && failing)
    errors.push(wrongConditions('cannot set SuccessCriteriaMet=True and FailureTarget=true conditions'))
  return errors
}

function endErrors(now: JobStatus, before: JobStatus): FieldError[] {
  const errors: FieldError[] = []
  const { completionTime, startTime } = now
  const isComplete = has(now, 'Complete')
  const field = 'status.completionTime'
  if (isComplete !== has(before, 'Complete') || changes(now, before, 'completionTime')) {
    if (completionTime !== undefined && !isComplete)
      errors.push(
        invalidValue(field, completionTime, 'cannot set completionTime when there is no Complete=True condition'),
      )
    if (completionTime === undefined && isComplete)
      errors.push(required(field, 'completionTime is required for Complete jobs'))
  }
  if (changes(now, before, 'startTime', 'completionTime') && parseTime(completionTime) < parseTime(startTime))
    errors.push(invalidValue(field, completionTime, 'completionTime cannot be set before startTime'))
  if (changes(now, before, 'ready', 'active') && (now.ready ?? 0) > (now.active ?? 0))
    errors.push(invalidValue('status.ready', now.ready, 'cannot set more ready pods than active'))
  return errors
}

// What a job that has ended may not have.
function leftoverErrors(now: JobStatus, before: JobStatus): FieldError[] {
  const errors: FieldError[] = []
  const hasEnded = !isEnded(before)
  const concerns = (field: keyof JobStatus): boolean => hasEnded || changes(now, before, field)
  if (concerns('active') && (now.active ?? 0) > 0)
    errors.push(invalidValue('status.active', now.active, 'active>0 is invalid for finished job'))
  if (concerns('startTime') && now.startTime === undefined)
    errors.push(required('status.startTime', 'startTime is required for finished job'))
  const { uncountedTerminatedPods: uncounted } = now
  if (concerns('uncountedTerminatedPods') && (uncounted?.succeeded ?? []).length + (uncounted?.failed ?? []).length > 0)
    errors.push(
      invalidValue(
        'status.uncountedTerminatedPods',
        uncounted,
        'uncountedTerminatedPods needs to be empty for finished job',
      ),
    )
  if (concerns('terminating') && (now.terminating ?? 0) > 0)
    errors.push(invalidValue('status.terminating', now.terminating, 'terminating>0 is invalid for finished job'))
  return errors
}

function indexErrors({ spec }: Job, now: JobStatus, before: JobStatus): FieldError[] {
  const errors: FieldError[] = []
  for (const field of ['completedIndexes', 'failedIndexes'] as const) {
    if (!changes(now, before, field) || spec?.completions === undefined) continue
    const problem = countIndexes(now[field] ?? '', spec.completions)
    if (typeof problem === 'string')
      errors.push(invalidValue(`status.${field}`, now[field], `error parsing ${field}: ${problem}`))
  }
  if (changes(now, before, 'completedIndexes') && now.completedIndexes && spec?.completionMode !== 'Indexed')
    errors.push(
      invalidValue(
        'status.completedIndexes',
        now.completedIndexes,
        'cannot set non-empty completedIndexes when non-indexed completion mode',
      ),
    )
  if (
    changes(now, before, 'failedIndexes') &&
    now.failedIndexes !== undefined &&
    spec?.backoffLimitPerIndex === undefined
  )
    errors.push(
      invalidValue(
        'status.failedIndexes',
        now.failedIndexes,
        'cannot set non-null failedIndexes when backoffLimitPerIndex is null',
      ),
    )
  return errors
}

// What was said once may not be taken back.
function historyErrors({ spec }: Job, now: JobStatus, before: JobStatus): FieldError[] {
  const errors: FieldError[] = []
  for (const type of ['Failed', 'Complete', 'FailureTarget'])
    if (has(before, type) && !has(now, type))
      errors.push(wrongConditions(`cannot disable the terminal ${type}=True condition`))
  if (has(before, 'SuccessCriteriaMet') && !has(now, 'SuccessCriteriaMet'))
    errors.push(wrongConditions('cannot disable the SuccessCriteriaMet=True condition'))
  if ((now.failed ?? 0) < (before.failed ?? 0))
    errors.push(invalidValue('status.failed', now.failed ?? 0, 'cannot decrease the failed counter'))
  // An Indexed job may be made smaller.
  const isElastic = spec?.completionMode === 'Indexed' && spec.completions === spec.parallelism
  if (!isElastic && (now.succeeded ?? 0) < (before.succeeded ?? 0))
    errors.push(invalidValue('status.succeeded', now.succeeded ?? 0, 'cannot decrease the succeeded counter'))
  const { completionTime } = now
  if (completionTime !== undefined && before.completionTime !== undefined && completionTime !== before.completionTime)
    errors.push(invalidValue('status.completionTime', completionTime, 'completionTime cannot be mutated'))
  if (before.startTime !== undefined && before.startTime !== now.startTime && spec?.suspend !== true)
    errors.push(required('status.startTime', 'startTime cannot be removed for unsuspended job'))
  return errors
}
