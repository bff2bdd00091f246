import { jsonEqual } from '@binnacle/apimachinery'
import { amountsField, amountsOf, quotaUsage, type ResourceQuota, sameAmounts } from '@binnacle/resources'

/** What a quota counts, one entry a resource. */
export type Counted = Parameters<typeof quotaUsage>[1]

/** The status that the objects lead to; undefined when it says so already (`resource_quota_controller.go` syncResourceQuota). */
export function planStatus(quota: ResourceQuota, counted: Counted, nowMs: number): ResourceQuota['status'] | undefined {
  const hard = quota.spec?.hard ?? {}
  const used = quotaUsage(quota, counted, nowMs)
  const { status } = quota
  const isRight = status?.used !== undefined && status.hard !== undefined && sameAmounts(used, amountsOf(status.used))
  if (isRight && jsonEqual(status.hard, hard)) return undefined
  return { hard, used: amountsField(used) }
}

/** True when the status does not yet speak of the limits that are wanted. */
export function isOutOfDate({ spec, status }: ResourceQuota): boolean {
  return status?.used === undefined || status.hard === undefined || !jsonEqual(status.hard, spec?.hard ?? {})
}
