import {
  dns1123LabelProblems,
  type FieldError,
  invalidValue,
  isConditionTrue,
  notSupported,
  required,
  selectorFromLabelSelector,
  semanticEqual,
  valueTooLong,
} from '@binnacle/apimachinery'
import type { Container, Job, JobSpec, PodTemplateSpec } from '../generated/types.ts'
import type { Strategy } from '../resource-definition.ts'
import { immutable, labelSelectorErrors, nonNegative, subdomainErrors } from './field-checks.ts'
import { podFailurePolicyErrors, podReplacementPolicyErrors, successPolicyErrors } from './job-policy-validation.ts'
import { jobStatusUpdateErrors } from './job-status-validation.ts'
import { applyPodTemplateDefaults } from './pod-spec-defaults.ts'
import { podTemplateErrors } from './workload-validation.ts'

const controllerUid = 'batch.kubernetes.io/controller-uid'
const jobName = 'batch.kubernetes.io/job-name'
// Both the labels of today and the ones from before they had a prefix.
const uidLabels = [controllerUid, 'controller-uid']
const nameLabels = [jobName, 'job-name']
const indexedParallelismMax = 100_000
const failedIndexesMax = 100_000
const manyCompletions = 100_000
const manyCompletionsPartMax = 10_000
const managedByLengthMax = 63
const backoffLimitDefault = 6
const noBackoffLimit = 2_147_483_647

/** Defaults and rules of Jobs. */
export const jobStrategy: Strategy<Job> = {
  applyDefaults(job) {
    if (job.spec === undefined) return
    applyJobSpecDefaults(job.spec)
    applyDefaultLabels(job, job.spec)
  },
  prepareForCreate(job) {
    job.status = {}
    if (job.spec === undefined || job.spec.manualSelector === true) return
    generateSelector(job, job.spec)
    applyDefaultLabels(job, job.spec)
  },
  validate(job) {
    const { spec } = job
    if (spec === undefined) return [required('spec.selector'), required('spec.template.spec.containers')]
    const errors = [...generatedSelectorErrors(job, spec), ...jobSpecErrors(spec, 'spec')]
    if (spec.selector === undefined) errors.push(required('spec.selector'))
    else errors.push(...labelSelectorErrors('spec.selector', spec.selector))
    const labels = spec.template.metadata?.labels
    if (!selectorFromLabelSelector(spec.selector).matches(labels))
      errors.push(
        invalidValue('spec.template.metadata.labels', labels ?? null, '`selector` does not match template `labels`'),
      )
    return [...errors, ...hostnameErrors(job, spec)]
  },
  validateUpdate(job, old) {
    const [now, before] = [job.spec, old.spec]
    if (now === undefined || before === undefined) return []
    const errors = completionsErrors(now, before)
    errors.push(...immutable('spec.selector', now.selector, before.selector))
    const same = mayMove(old)
      ? semanticEqual(now.template, moved(before.template, now.template))
      : semanticEqual(now.template, before.template)
    if (!same) errors.push(invalidValue('spec.template', now.template, 'field is immutable'))
    for (const field of [
      'completionMode',
      'podFailurePolicy',
      'backoffLimitPerIndex',
      'managedBy',
      'successPolicy',
    ] as const)
      errors.push(...immutable(`spec.${field}`, now[field], before[field]))
    return errors
  },
  validateStatusUpdate: jobStatusUpdateErrors,
  warnings: ({ metadata, spec }) => [
    ...dns1123LabelProblems(metadata.name)
      .slice(0, 1)
      .map((problem) => nameWarning(problem)),
    ...(spec?.completionMode === 'Indexed' &&
    (spec.completions ?? 0) > manyCompletions &&
    (spec.parallelism ?? 0) > manyCompletionsPartMax
      ? [manyIndexesWarning]
      : []),
  ],
}

const nameWarning = (problem: string): string =>
  `metadata.name: this is used in Pod names and hostnames, which can result in surprising behavior; a DNS label is recommended: [${problem}]`
const manyIndexesWarning =
  'spec.completions: In Indexed Jobs with a number of completions higher than 10^5 and a parallelism higher than 10^4, Kubernetes might not be able to track completedIndexes when a big number of indexes fail'

/** The defaults of a job's spec, of jobs themselves; templates in CronJobs get those of their pod template only. */
function applyJobSpecDefaults(spec: JobSpec): void {
  if (spec.completions === undefined && spec.parallelism === undefined) spec.completions = 1
  spec.parallelism ??= 1
  spec.backoffLimit ??= spec.backoffLimitPerIndex === undefined ? backoffLimitDefault : noBackoffLimit
  spec.completionMode ??= 'NonIndexed'
  spec.suspend ??= false
  spec.podReplacementPolicy ??= spec.podFailurePolicy === undefined ? 'TerminatingOrFailed' : 'Failed'
  spec.manualSelector ??= false
  applyFailurePolicyDefaults(spec)
  applyPodTemplateDefaults(spec.template)
}

/** A condition that a pod failure policy names is meant to be true. */
export function applyFailurePolicyDefaults(spec: JobSpec | undefined): void {
  for (const rule of spec?.podFailurePolicy?.rules ?? [])
    for (const pattern of rule.onPodConditions ?? []) pattern.status ||= 'True'
}

// A job without labels takes those of its pods.
function applyDefaultLabels(job: Job, { template }: JobSpec): void {
  const { labels } = template?.metadata ?? {}
  if (labels !== undefined && Object.keys(job.metadata.labels ?? {}).length === 0) job.metadata.labels = { ...labels }
}

// The selector is made unique by the job's own uid, so that it can never match another's pods. What the user set stays: validation refuses it
// where it differs.
function generateSelector(job: Job, spec: JobSpec): void {
  const uid = job.metadata.uid ?? ''
  const generated = Object.fromEntries([
    ...uidLabels.map((label) => [label, uid]),
    ...nameLabels.map((label) => [label, job.metadata.name]),
  ]) as Record<string, string>
  spec.template.metadata = {
    ...spec.template.metadata,
    labels: { ...generated, ...spec.template.metadata?.labels },
  } as NonNullable<PodTemplateSpec['metadata']>
  spec.selector = {
    ...spec.selector,
    matchLabels: { [controllerUid]: uid, ...spec.selector?.matchLabels },
  }
}

function generatedSelectorErrors(job: Job, spec: JobSpec): FieldError[] {
  if (spec.manualSelector === true || spec.selector === undefined) return []
  const errors: FieldError[] = []
  const { uid = '', name } = job.metadata
  if (uid === '') errors.push(required('metadata.uid'))
  const labels = spec.template.metadata?.labels ?? {}
  const expected: Record<string, string> = {}
  for (const label of uidLabels) expected[label] = uid
  for (const label of nameLabels) expected[label] = name
  for (const [label, value] of Object.entries(expected)) {
    const field = `spec.template.metadata.labels[${label}]`
    if (labels[label] === undefined) errors.push(required(field, `must be '${value}'`))
    else if (labels[label] !== value) errors.push(invalidValue(field, labels, `must be '${value}'`))
  }
  if (!selectorFromLabelSelector(spec.selector).matches(expected))
    errors.push(invalidValue('spec.selector', spec.selector, '`selector` not auto-generated'))
  return errors
}

/** Problems of a job's spec but for its selector, in a Job and in a CronJob's template. */
export function jobSpecErrors(spec: JobSpec, path: string): FieldError[] {
  const errors = (
    [
      'parallelism',
      'completions',
      'activeDeadlineSeconds',
      'backoffLimit',
      'ttlSecondsAfterFinished',
      'backoffLimitPerIndex',
      'maxFailedIndexes',
    ] as const
  ).flatMap((field) => nonNegative(`${path}.${field}`, spec[field]))
  if (spec.maxFailedIndexes !== undefined && spec.backoffLimitPerIndex === undefined)
    errors.push(required(`${path}.backoffLimitPerIndex`, 'when maxFailedIndexes is specified'))
  errors.push(...managedByErrors(spec.managedBy, `${path}.managedBy`), ...completionModeErrors(spec, path))
  if (spec.podFailurePolicy !== undefined) errors.push(...podFailurePolicyErrors(spec, `${path}.podFailurePolicy`))
  if (spec.successPolicy !== undefined) errors.push(...successPolicyErrors(spec, `${path}.successPolicy`))
  errors.push(
    ...podReplacementPolicyErrors(spec, `${path}.podReplacementPolicy`),
    ...podTemplateErrors(spec.template, `${path}.template`),
    ...restartPolicyErrors(spec, `${path}.template.spec.restartPolicy`),
  )
  return errors
}

function restartPolicyErrors(spec: JobSpec, field: string): FieldError[] {
  const restart = spec.template.spec?.restartPolicy ?? ''
  if (restart === '' || restart === 'Always') return [required(field, 'valid values: "OnFailure", "Never"')]
  if (restart !== 'OnFailure' && restart !== 'Never') return [notSupported(field, restart, ['OnFailure', 'Never'])]
  return spec.podFailurePolicy !== undefined && restart !== 'Never'
    ? [invalidValue(field, restart, 'only "Never" is supported when podFailurePolicy is specified')]
    : []
}

function managedByErrors(managedBy: string | undefined, field: string): FieldError[] {
  if (managedBy === undefined) return []
  const slash = managedBy.indexOf('/')
  const [domain, rest] = [managedBy.slice(0, Math.max(0, slash)), managedBy.slice(slash + 1)]
  const errors: FieldError[] = []
  if (managedBy === '') errors.push(required(field))
  else if (domain === '' || rest === '')
    errors.push(invalidValue(field, managedBy, 'must be a domain-prefixed path (such as "acme.io/foo")'))
  else {
    errors.push(...subdomainErrors(field, domain))
    if (!/^[A-Za-z0-9/\-._~%!$&'()*+,;=:]+$/.test(rest))
      errors.push(
        invalidValue(field, rest, "Invalid path (regex used for validation is '[A-Za-z0-9/\\-._~%!$&'()*+,;=:]+')"),
      )
  }
  if (managedBy.length > managedByLengthMax) errors.push(valueTooLong(field, managedByLengthMax))
  return errors
}

function completionModeErrors(spec: JobSpec, path: string): FieldError[] {
  const { completionMode: mode } = spec
  if (mode === undefined) return []
  if (mode !== 'NonIndexed' && mode !== 'Indexed')
    return [notSupported(`${path}.completionMode`, mode, ['NonIndexed', 'Indexed'])]
  const errors: FieldError[] = []
  if (mode === 'NonIndexed') {
    if (spec.backoffLimitPerIndex !== undefined)
      errors.push(
        invalidValue(`${path}.backoffLimitPerIndex`, spec.backoffLimitPerIndex, 'requires indexed completion mode'),
      )
    if (spec.maxFailedIndexes !== undefined)
      errors.push(invalidValue(`${path}.maxFailedIndexes`, spec.maxFailedIndexes, 'requires indexed completion mode'))
    return errors
  }
  if (spec.completions === undefined) errors.push(required(`${path}.completions`, `when completion mode is ${mode}`))
  if ((spec.parallelism ?? 0) > indexedParallelismMax)
    errors.push(
      invalidValue(
        `${path}.parallelism`,
        spec.parallelism,
        `must be less than or equal to ${indexedParallelismMax} when completion mode is ${mode}`,
      ),
    )
  return [...errors, ...failedIndexesErrors(spec, path)]
}

function failedIndexesErrors(spec: JobSpec, path: string): FieldError[] {
  const errors: FieldError[] = []
  const { completions, maxFailedIndexes: max, parallelism = 0 } = spec
  const field = `${path}.maxFailedIndexes`
  if (completions !== undefined && max !== undefined && max > completions)
    errors.push(invalidValue(field, max, 'must be less than or equal to completions'))
  if (max !== undefined && max > failedIndexesMax)
    errors.push(invalidValue(field, max, `must be less than or equal to ${failedIndexesMax}`))
  if ((completions ?? 0) <= manyCompletions || spec.backoffLimitPerIndex === undefined) return errors
  // The texts of completed and failed indexes have to stay small.
  const limit = `must be less than or equal to ${manyCompletionsPartMax} when completions are above ${manyCompletions} and used with backoff limit per index`
  if (max === undefined) errors.push(required(field, `must be specified when completions is above ${manyCompletions}`))
  if (parallelism > manyCompletionsPartMax) errors.push(invalidValue(`${path}.parallelism`, parallelism, limit))
  if (max !== undefined && max > manyCompletionsPartMax) errors.push(invalidValue(field, max, limit))
  return errors
}

function hostnameErrors(job: Job, spec: JobSpec): FieldError[] {
  if (spec.completionMode !== 'Indexed' || !spec.completions) return []
  const hostname = `${job.metadata.name}-${spec.completions - 1}`
  return dns1123LabelProblems(hostname).length === 0
    ? []
    : [
        invalidValue(
          'metadata.name',
          job.metadata.name,
          `will not able to create pod with invalid DNS label: ${hostname}`,
        ),
      ]
}

function completionsErrors(now: JobSpec, before: JobSpec): FieldError[] {
  if (now.completions === before.completions) return []
  if (now.completionMode !== 'Indexed') return immutable('spec.completions', now.completions, before.completions)
  return now.completions === undefined || now.completions === now.parallelism
    ? []
    : [invalidValue('spec.completions', now.completions, 'can only be modified in tandem with spec.parallelism')]
}

// A job that is suspended, with no pod left, may still be sent elsewhere and be given other resources.
function mayMove({ spec, status }: Job): boolean {
  if (spec?.suspend !== true || (status?.active ?? 0) > 0) return false
  return status?.startTime === undefined || isConditionTrue(status.conditions, 'Suspended')
}

// The old template with what may be changed as the new one has it: of the affinity that is the nodes'.
function moved(old: PodTemplateSpec, now: PodTemplateSpec): PodTemplateSpec {
  const { labels, annotations } = now.metadata ?? {}
  const { nodeSelector, tolerations, schedulingGates, affinity, containers, initContainers } = now.spec ?? {}
  const { podAffinity, podAntiAffinity } = old.spec?.affinity ?? {}
  const kept = { ...affinity, podAffinity, podAntiAffinity }
  const isGone = affinity === undefined && podAffinity === undefined && podAntiAffinity === undefined
  return {
    ...old,
    metadata: { ...old.metadata, labels, annotations },
    spec: {
      ...old.spec,
      ...{ nodeSelector, tolerations, schedulingGates, affinity: isGone ? undefined : kept },
      containers: withResourcesOf(old.spec?.containers, containers),
      initContainers: withResourcesOf(old.spec?.initContainers, initContainers),
    },
  } as PodTemplateSpec
}

function withResourcesOf(old: readonly Container[] | undefined, now: readonly Container[] | undefined): unknown {
  return old?.map((container, index) => ({ ...container, resources: now?.[index]?.resources }))
}
