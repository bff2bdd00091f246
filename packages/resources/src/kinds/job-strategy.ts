import {
  dns1123LabelProblems,
  type FieldError,
  invalidValue,
  notSupported,
  required,
  selectorFromLabelSelector,
  semanticEqual,
} from '@binnacle/apimachinery'
import type { Job, JobSpec, PodTemplateSpec } from '../generated/types.ts'
import type { Strategy } from '../resource-definition.ts'
import { immutable, labelSelectorErrors, nonNegative } from './field-checks.ts'
import { applyPodTemplateDefaults } from './pod-spec-defaults.ts'
import { podTemplateErrors } from './workload-validation.ts'

const controllerUid = 'batch.kubernetes.io/controller-uid'
const jobName = 'batch.kubernetes.io/job-name'
// Both the labels of today and the ones from before they had a prefix.
const uidLabels = [controllerUid, 'controller-uid']
const nameLabels = [jobName, 'job-name']
const indexedParallelismMax = 100_000
const backoffLimitDefault = 6
const noBackoffLimit = 2_147_483_647

/** Defaults and rules of Jobs. */
export const jobStrategy: Strategy<Job> = {
  applyDefaults(job) {
    if (job.spec !== undefined) applyJobSpecDefaults(job.spec)
  },
  prepareForCreate(job) {
    job.status = {}
    if (job.spec !== undefined && job.spec.manualSelector !== true) generateSelector(job, job.spec)
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
    // A job that has not begun may still be sent elsewhere.
    const mayMove = before.suspend === true && old.status?.startTime === undefined
    const same = mayMove
      ? semanticEqual(unplaced(now.template), unplaced(before.template))
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
  validateStatusUpdate: (job) =>
    (['active', 'succeeded', 'failed', 'ready', 'terminating'] as const).flatMap((field) =>
      nonNegative(`status.${field}`, job.status?.[field]),
    ),
}

/** The defaults of a job's spec, of jobs themselves; templates in CronJobs get those of their pod template only. */
function applyJobSpecDefaults(spec: JobSpec): void {
  if (spec.completions === undefined && spec.parallelism === undefined) spec.completions = 1
  spec.parallelism ??= 1
  spec.backoffLimit ??= spec.backoffLimitPerIndex === undefined ? backoffLimitDefault : noBackoffLimit
  spec.completionMode ??= 'NonIndexed'
  spec.suspend ??= false
  spec.podReplacementPolicy ??= spec.podFailurePolicy === undefined ? 'TerminatingOrFailed' : 'Failed'
  spec.manualSelector ??= false
  applyPodTemplateDefaults(spec.template)
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
  errors.push(...completionModeErrors(spec, path), ...podTemplateErrors(spec.template, `${path}.template`))
  const restart = spec.template.spec?.restartPolicy
  const field = `${path}.template.spec.restartPolicy`
  if (restart !== 'OnFailure' && restart !== 'Never') errors.push(required(field, 'valid values: "OnFailure", "Never"'))
  if (spec.podFailurePolicy !== undefined && restart !== 'Never')
    errors.push(invalidValue(field, restart ?? '', 'only "Never" is supported when podFailurePolicy is specified'))
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
  if (spec.maxFailedIndexes !== undefined && spec.maxFailedIndexes > (spec.completions ?? 0))
    errors.push(
      invalidValue(`${path}.maxFailedIndexes`, spec.maxFailedIndexes, 'must be less than or equal to completions'),
    )
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
  if (now.completionMode !== 'Indexed' || now.completions === undefined || before.completions === undefined)
    return immutable('spec.completions', now.completions, before.completions)
  const inTandem = before.completions === before.parallelism && now.completions === now.parallelism
  return inTandem
    ? []
    : [invalidValue('spec.completions', now.completions, 'can only be modified in tandem with spec.parallelism')]
}

// The template without what decides where its pods go.
function unplaced(template: PodTemplateSpec): unknown {
  const { labels: _labels, annotations: _annotations, ...metadata } = template.metadata ?? {}
  const {
    nodeSelector: _selector,
    affinity: _affinity,
    tolerations: _tolerations,
    schedulingGates: _gates,
    ...spec
  } = template.spec ?? {}
  return { ...template, metadata, spec }
}
