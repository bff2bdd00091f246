import {
  dns1123SubdomainProblems,
  type FieldError,
  invalidValue,
  maskTrailingDash,
  notSupported,
  required,
} from '@binnacle/apimachinery'
import type { CronJob } from '../generated/types.ts'
import type { Strategy } from '../resource-definition.ts'
import { cronScheduleProblem } from './cron-schedule.ts'
import { nonNegative, oneOf } from './field-checks.ts'
import { jobSpecErrors } from './job-strategy.ts'
import { applyPodTemplateDefaults } from './pod-spec-defaults.ts'

// Jobs get eleven characters more: a dash and the time in minutes.
const nameCharactersMax = 52

/** Defaults and rules of CronJobs. */
export const cronJobStrategy: Strategy<CronJob> = {
  applyDefaults(job) {
    const { spec } = job
    if (spec === undefined) return
    spec.concurrencyPolicy ||= 'Allow'
    spec.suspend ??= false
    spec.successfulJobsHistoryLimit ??= 3
    spec.failedJobsHistoryLimit ??= 1
    applyPodTemplateDefaults(spec.jobTemplate?.spec?.template)
  },
  prepareForCreate(job) {
    job.status = {}
  },
  validate(job) {
    const { spec } = job
    if (spec === undefined) return [required('spec.schedule')]
    const errors: FieldError[] = []
    if (!spec.schedule) errors.push(required('spec.schedule'))
    else {
      const problem = cronScheduleProblem(spec.schedule)
      if (problem !== undefined) errors.push(invalidValue('spec.schedule', spec.schedule, problem))
      if (spec.schedule.includes('TZ'))
        errors.push(
          invalidValue(
            'spec.schedule',
            spec.schedule,
            'cannot use TZ or CRON_TZ in schedule, use timeZone field instead',
          ),
        )
    }
    errors.push(
      ...nonNegative('spec.startingDeadlineSeconds', spec.startingDeadlineSeconds),
      ...timeZoneErrors(spec.timeZone),
      ...oneOf('spec.concurrencyPolicy', spec.concurrencyPolicy, ['Allow', 'Forbid', 'Replace']),
      ...templateErrors(job),
      ...nonNegative('spec.successfulJobsHistoryLimit', spec.successfulJobsHistoryLimit),
      ...nonNegative('spec.failedJobsHistoryLimit', spec.failedJobsHistoryLimit),
    )
    return errors
  },
  validateName(name, isPrefix) {
    const problems = dns1123SubdomainProblems(isPrefix ? maskTrailingDash(name) : name)
    if (!isPrefix && name.length > nameCharactersMax)
      problems.push(`must be no more than ${nameCharactersMax} characters`)
    return problems
  },
}

function templateErrors(job: CronJob): FieldError[] {
  const path = 'spec.jobTemplate.spec'
  const spec = job.spec?.jobTemplate?.spec
  if (spec === undefined) return [required(`${path}.template.spec.containers`)]
  const errors = jobSpecErrors(spec, path)
  if (spec.selector !== undefined)
    errors.push(invalidValue(`${path}.selector`, spec.selector, '`selector` will be auto-generated'))
  if (spec.manualSelector === true) errors.push(notSupported(`${path}.manualSelector`, true, ['nil', 'false']))
  return errors
}

function timeZoneErrors(zone: string | undefined): FieldError[] {
  if (zone === undefined) return []
  const field = 'spec.timeZone'
  if (zone === '') return [invalidValue(field, zone, 'timeZone must be nil or non-empty string')]
  if (zone.toLowerCase() === 'local')
    return [
      invalidValue(field, zone, 'timeZone must be an explicit time zone as defined in https://www.iana.org/time-zones'),
    ]
  try {
    new Intl.DateTimeFormat('en', { timeZone: zone }).format(0)
    return []
  } catch {
    return [invalidValue(field, zone, `unknown time zone ${zone}`)]
  }
}
