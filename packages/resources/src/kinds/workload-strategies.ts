import {
  type FieldError,
  forbiddenField,
  invalidValue,
  notSupported,
  required,
  semanticEqual,
} from '@binnacle/apimachinery'
import type { ClusterRoleBinding, CronJob, DaemonSet, Job, RoleBinding, StatefulSet } from '../generated/types.ts'
import type { Strategy } from '../resource-definition.ts'
import { nonNegative } from './field-checks.ts'
import { applyPodTemplateDefaults } from './pod-spec-defaults.ts'
import { validatePodSpec } from './pod-spec-validation.ts'
import { immutableSelector, selectorErrors, templateErrors } from './workload-validation.ts'

/** Defaults and rules of StatefulSets. */
export const statefulSetStrategy: Strategy<StatefulSet> = {
  applyDefaults(set) {
    const { spec } = set
    if (spec === undefined) return
    spec.podManagementPolicy ??= 'OrderedReady'
    spec.updateStrategy ??= {}
    spec.updateStrategy.type ??= 'RollingUpdate'
    if (spec.updateStrategy.type === 'RollingUpdate') {
      spec.updateStrategy.rollingUpdate ??= {}
      spec.updateStrategy.rollingUpdate.partition ??= 0
    }
    spec.persistentVolumeClaimRetentionPolicy ??= {}
    spec.persistentVolumeClaimRetentionPolicy.whenDeleted ??= 'Retain'
    spec.persistentVolumeClaimRetentionPolicy.whenScaled ??= 'Retain'
    spec.replicas ??= 1
    spec.revisionHistoryLimit ??= 10
    applyPodTemplateDefaults(spec.template)
  },
  prepareForCreate(set) {
    set.status = { replicas: 0 }
  },
  validate(set) {
    const { spec } = set
    if (spec === undefined) return [required('spec.selector'), required('spec.template')]
    return [
      ...nonNegative('spec.replicas', spec.replicas),
      ...selectorErrors(spec.selector, spec.template, 'statefulset'),
      ...templateErrors(spec.template),
    ]
  },
  validateUpdate(set, old) {
    const changeable = [
      'replicas',
      'ordinals',
      'template',
      'updateStrategy',
      'revisionHistoryLimit',
      'persistentVolumeClaimRetentionPolicy',
      'minReadySeconds',
    ]
    const rest = (spec: object | undefined) =>
      Object.fromEntries(Object.entries(spec ?? {}).filter(([key]) => !changeable.includes(key)))
    if (semanticEqual(rest(set.spec), rest(old.spec))) return []
    return [
      forbiddenField(
        'spec',
        "updates to statefulset spec for fields other than 'replicas', 'ordinals', 'template', 'updateStrategy', 'revisionHistoryLimit', 'persistentVolumeClaimRetentionPolicy' and 'minReadySeconds' are forbidden",
      ),
    ]
  },
}

/** Defaults and rules of DaemonSets. */
export const daemonSetStrategy: Strategy<DaemonSet> = {
  applyDefaults(set) {
    const { spec } = set
    if (spec === undefined) return
    spec.updateStrategy ??= {}
    spec.updateStrategy.type ??= 'RollingUpdate'
    if (spec.updateStrategy.type === 'RollingUpdate') {
      spec.updateStrategy.rollingUpdate ??= {}
      spec.updateStrategy.rollingUpdate.maxUnavailable ??= 1
      spec.updateStrategy.rollingUpdate.maxSurge ??= 0
    }
    spec.revisionHistoryLimit ??= 10
    applyPodTemplateDefaults(spec.template)
  },
  prepareForCreate(set) {
    set.status = { currentNumberScheduled: 0, desiredNumberScheduled: 0, numberMisscheduled: 0, numberReady: 0 }
  },
  validate(set) {
    const { spec } = set
    if (spec === undefined) return [required('spec.selector'), required('spec.template')]
    return [...selectorErrors(spec.selector, spec.template, 'daemonset'), ...templateErrors(spec.template)]
  },
  validateUpdate: (set, old) => immutableSelector(set.spec?.selector, old.spec?.selector),
}

const controllerUid = 'batch.kubernetes.io/controller-uid'

/** Defaults and rules of Jobs. */
export const jobStrategy: Strategy<Job> = {
  applyDefaults(job) {
    const { spec } = job
    if (spec === undefined) return
    if (spec.completions === undefined && spec.parallelism === undefined) spec.completions = 1
    spec.parallelism ??= 1
    spec.backoffLimit ??= spec.backoffLimitPerIndex === undefined ? 6 : 2_147_483_647
    spec.completionMode ??= 'NonIndexed'
    spec.suspend ??= false
    spec.podReplacementPolicy ??= spec.podFailurePolicy === undefined ? 'TerminatingOrFailed' : 'Failed'
    spec.manualSelector ??= false
    applyPodTemplateDefaults(spec.template)
  },
  prepareForCreate(job) {
    job.status = {}
    const { spec } = job
    if (spec === undefined || spec.manualSelector === true) return
    // The selector is made unique by the job's own uid, so that it can never match another's pods.
    const uid = job.metadata.uid ?? ''
    const labels = {
      [controllerUid]: uid,
      'controller-uid': uid,
      'batch.kubernetes.io/job-name': job.metadata.name,
      'job-name': job.metadata.name,
    }
    spec.template.metadata = {
      ...spec.template.metadata,
      labels: { ...spec.template.metadata?.labels, ...labels },
    } as NonNullable<typeof spec.template.metadata>
    spec.selector = { ...spec.selector, matchLabels: { ...spec.selector?.matchLabels, [controllerUid]: uid } }
  },
  validate(job) {
    const { spec } = job
    if (spec === undefined) return [required('spec.template')]
    return [...jobNumbers(spec, 'spec'), ...jobTemplateErrors(spec.template.spec, 'spec.template.spec')]
  },
  validateUpdate(job, old) {
    const errors: FieldError[] = immutableSelector(job.spec?.selector, old.spec?.selector)
    if (job.spec?.completions !== old.spec?.completions && job.spec?.completionMode !== 'Indexed')
      errors.push(invalidValue('spec.completions', job.spec?.completions ?? null, 'field is immutable'))
    if (!semanticEqual(job.spec?.template, old.spec?.template) && old.spec?.suspend !== true)
      errors.push(invalidValue('spec.template', 'PodTemplateSpec', 'field is immutable'))
    if (job.spec?.completionMode !== old.spec?.completionMode)
      errors.push(invalidValue('spec.completionMode', job.spec?.completionMode, 'field is immutable'))
    return errors
  },
}

function jobNumbers(spec: NonNullable<Job['spec']>, path: string): FieldError[] {
  return (
    ['parallelism', 'completions', 'activeDeadlineSeconds', 'backoffLimit', 'ttlSecondsAfterFinished'] as const
  ).flatMap((name) => nonNegative(`${path}.${name}`, spec[name]))
}

function jobTemplateErrors(spec: NonNullable<Job['spec']>['template']['spec'], path: string): FieldError[] {
  const errors = validatePodSpec(spec, path)
  if (spec?.restartPolicy === 'Always')
    errors.push(required(`${path}.restartPolicy`, 'valid values: "OnFailure", "Never"'))
  return errors
}

const scheduleField = /^[\d*/,\-A-Za-z?]+$/

/** Defaults and rules of CronJobs. */
export const cronJobStrategy: Strategy<CronJob> = {
  applyDefaults(job) {
    const { spec } = job
    if (spec === undefined) return
    spec.concurrencyPolicy ??= 'Allow'
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
    else if (!isSchedule(spec.schedule))
      errors.push(
        invalidValue(
          'spec.schedule',
          spec.schedule,
          `expected exactly 5 fields, found ${spec.schedule.trim().split(/\s+/).length}: [${spec.schedule.trim().split(/\s+/).join(' ')}]`,
        ),
      )
    if (/TZ=/.test(spec.schedule ?? ''))
      errors.push(
        invalidValue(
          'spec.schedule',
          spec.schedule,
          'cannot use TZ or CRON_TZ in schedule, use timeZone field instead',
        ),
      )
    if (!['Allow', 'Forbid', 'Replace'].includes(spec.concurrencyPolicy ?? ''))
      errors.push(notSupported('spec.concurrencyPolicy', spec.concurrencyPolicy, ['Allow', 'Forbid', 'Replace']))
    errors.push(...nonNegative('spec.startingDeadlineSeconds', spec.startingDeadlineSeconds))
    errors.push(...jobTemplateErrors(spec.jobTemplate?.spec?.template.spec, 'spec.jobTemplate.spec.template.spec'))
    return errors
  },
  validateName: (name) => (name.length > 52 ? ['must be no more than 52 characters'] : []),
}

function isSchedule(schedule: string): boolean {
  if (/^@(yearly|annually|monthly|weekly|daily|midnight|hourly|every .+)$/.test(schedule)) return true
  const fields = schedule
    .replace(/^(CRON_)?TZ=\S+\s+/, '')
    .trim()
    .split(/\s+/)
  return fields.length === 5 && fields.every((field) => scheduleField.test(field))
}

/** A binding's role may not change: who has which role would change with it. */
export function roleBindingStrategy<T extends RoleBinding | ClusterRoleBinding>(): Strategy<T> {
  return {
    applyDefaults(binding) {
      binding.roleRef.apiGroup ||= 'rbac.authorization.k8s.io'
      for (const subject of binding.subjects ?? [])
        if (subject.apiGroup === undefined && subject.kind !== 'ServiceAccount')
          subject.apiGroup = 'rbac.authorization.k8s.io'
    },
    validateUpdate: (binding, old) =>
      semanticEqual(binding.roleRef, old.roleRef)
        ? []
        : [invalidValue('roleRef', binding.roleRef, 'cannot change roleRef')],
  }
}
