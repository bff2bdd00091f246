import { parseTime } from '@binnacle/apimachinery'
import type { Job } from '@binnacle/resources'
import { endOf } from '../job/conditions.ts'

/** When the job has been finished for long enough to go, in milliseconds since 1970. Undefined: not yet, never, or it is going already. */
export function expiryOf(job: Job): number | undefined {
  const ttlSeconds = job.spec?.ttlSecondsAfterFinished
  const endedMs = parseTime(endOf(job)?.lastTransitionTime)
  if (ttlSeconds === undefined || Number.isNaN(endedMs) || job.metadata.deletionTimestamp !== undefined)
    return undefined
  return endedMs + ttlSeconds * 1000
}
