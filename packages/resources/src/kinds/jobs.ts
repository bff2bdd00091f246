import { humanDuration, isConditionTrue, parseTime, selectorFromLabelSelector } from '@binnacle/apimachinery'
import { ageColumn, column, workloadWideColumns } from '../columns.ts'
import { defineResource } from '../define-resource.ts'
import type { ResourceDefinition } from '../resource-definition.ts'
import type { Job } from '../generated/types.ts'
import { cronJobs } from './cron-jobs.ts'
import { pods } from './pods.ts'
import { jobStrategy } from './job-strategy.ts'

/** Pods that run to completion. */
export const jobs: ResourceDefinition<Job> = defineResource<Job>('batch', 'v1', 'jobs', {
  categories: ['all'],
  selectableFields: ['status.successful'],
  columns: [
    column('Status', statusText),
    column('Completions', completionsText),
    column('Duration', durationText),
    ageColumn,
    ...workloadWideColumns<Job>(
      (job) => job.spec?.template.spec?.containers,
      (job) => selectorFromLabelSelector(job.spec?.selector).toString(),
    ),
  ],
  edges: { pods: { to: () => pods, by: 'controlledBy' }, cronJob: { to: () => cronJobs, by: 'controller' } },
  strategy: jobStrategy,
})

function statusText(job: Job): string {
  for (const [type, text] of [
    ['Complete', 'Complete'],
    ['Failed', 'Failed'],
  ] as const)
    if (isConditionTrue(job.status?.conditions, type)) return text
  if (job.metadata.deletionTimestamp !== undefined) return 'Terminating'
  for (const [type, text] of [
    ['Suspended', 'Suspended'],
    ['FailureTarget', 'FailureTarget'],
    ['SuccessCriteriaMet', 'SuccessCriteriaMet'],
  ] as const)
    if (isConditionTrue(job.status?.conditions, type)) return text
  return 'Running'
}

function completionsText(job: Job): string {
  const succeeded = job.status?.succeeded ?? 0
  if (job.spec?.completions !== undefined) return `${succeeded}/${job.spec.completions}`
  const parallelism = job.spec?.parallelism ?? 0
  return parallelism > 1 ? `${succeeded}/1 of ${parallelism}` : `${succeeded}/1`
}

function durationText(job: Job, nowMs: number): string {
  const started = parseTime(job.status?.startTime)
  if (Number.isNaN(started)) return ''
  const completed = parseTime(job.status?.completionTime)
  return humanDuration((Number.isNaN(completed) ? nowMs : completed) - started)
}
