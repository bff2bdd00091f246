import {
  dns1123SubdomainProblems,
  type FieldError,
  invalidValue,
  maskTrailingDash,
  notSupported,
  required,
} from '@binnacle/apimachinery'
import type { CronJob, CronJobSpec } from '../generated/types.ts'
import type { Strategy } from '../resource-definition.ts'
import { cronScheduleProblem } from './cron-schedule.ts'
import { nonNegative, oneOf } from './field-checks.ts'
import { applyFailurePolicyDefaults, jobSpecErrors } from './job-strategy.ts'
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
    applyFailurePolicyDefaults(spec.jobTemplate?.spec)
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
    }
    errors.push(
      ...nonNegative('spec.startingDeadlineSeconds', spec.startingDeadlineSeconds),
      ...oneOf('spec.concurrencyPolicy', spec.concurrencyPolicy, ['Allow', 'Forbid', 'Replace']),
      ...templateErrors(job),
      ...nonNegative('spec.successfulJobsHistoryLimit', spec.successfulJobsHistoryLimit),
      ...nonNegative('spec.failedJobsHistoryLimit', spec.failedJobsHistoryLimit),
    )
    return errors
  },
  validateCreate: ({ spec }) => [...zoneInScheduleErrors(spec, undefined), ...timeZoneErrors(spec?.timeZone)],
  // What an old object has may stay: a zone that is known no more, or one within the schedule.
  validateUpdate: ({ spec }, { spec: old }) => [
    ...zoneInScheduleErrors(spec, old),
    ...(spec?.timeZone === old?.timeZone ? [] : timeZoneErrors(spec?.timeZone)),
  ],
  validateName(name, isPrefix) {
    const problems = dns1123SubdomainProblems(isPrefix ? maskTrailingDash(name) : name)
    if (!isPrefix && name.length > nameCharactersMax)
      problems.push(`must be no more than ${nameCharactersMax} characters`)
    return problems
  },
}

function zoneInScheduleErrors(spec: CronJobSpec | undefined, old: CronJobSpec | undefined): FieldError[] {
  if (spec?.schedule?.includes('TZ') !== true) return []
  const detail =
    old?.schedule.includes('TZ') !== true
      ? 'cannot use TZ or CRON_TZ in schedule, use timeZone field instead'
      : spec.timeZone === undefined
        ? undefined
        : 'cannot use both timeZone field and TZ or CRON_TZ in schedule'
  return detail === undefined ? [] : [invalidValue('spec.schedule', spec.schedule, detail)]
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
  const isName = (part: string): boolean => /^[A-Za-z._0-9+][A-Za-z._\-0-9+]{0,13}$/.test(part) && !/^\.\.?$/.test(part)
  if (!zone.split('/').every(isName)) return [invalidValue(field, zone, `unknown time zone ${zone}`)]
  if (zone.toLowerCase() === 'local')
    return [
      invalidValue(field, zone, 'timeZone must be an explicit time zone as defined in https://www.iana.org/time-zones'),
    ]
  try {
    // Intl takes offsets for zones; there is none of that name.
    if (/^[+\d]/.test(zone)) throw new RangeError(zone)
    new Intl.DateTimeFormat('en', { timeZone: zone }).format(0)
    return []
  } catch {
    return [invalidValue(field, zone, `unknown time zone ${zone}`)]
  }
}
