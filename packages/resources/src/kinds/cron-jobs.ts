import { ageOf } from '@binnacle/apimachinery'
import { ageColumn, column, integerColumn, workloadWideColumns } from '../columns.ts'
import { defineResource } from '../define-resource.ts'
import type { ResourceDefinition } from '../resource-definition.ts'
import type { CronJob } from '../generated/types.ts'
import { jobs } from './jobs.ts'
import { cronJobStrategy } from './cron-job-strategy.ts'

/** Jobs on a schedule. */
export const cronJobs: ResourceDefinition<CronJob> = defineResource<CronJob>('batch', 'v1', 'cronjobs', {
  shortNames: ['cj'],
  categories: ['all'],
  columns: [
    column('Schedule', (job: CronJob) => job.spec?.schedule ?? ''),
    column('Timezone', (job: CronJob) => job.spec?.timeZone ?? '<none>'),
    column('Suspend', (job: CronJob) => (job.spec?.suspend === true ? 'True' : 'False')),
    integerColumn('Active', (job: CronJob) => job.status?.active?.length),
    column('Last Schedule', (job: CronJob, nowMs) =>
      job.status?.lastScheduleTime === undefined ? '<none>' : ageOf(job.status.lastScheduleTime, nowMs),
    ),
    ageColumn,
    ...workloadWideColumns<CronJob>(
      (job) => job.spec?.jobTemplate.spec?.template.spec?.containers,
      () => '<none>',
    ),
  ],
  edges: { jobs: { to: () => jobs, by: 'controlledBy' } },
  strategy: cronJobStrategy,
})
