import { formatTime, withCondition } from '@binnacle/apimachinery'
import type { BatchWrite, Informer } from '@binnacle/client'
import { type PodGroup, podGroups } from '@binnacle/resources'
import type { GroupVerdict } from './group-cycle.ts'
import type { PodShape } from './pod-shape.ts'

const type = 'PodGroupScheduled'
const reasons = { bound: 'Scheduled', unschedulable: 'Unschedulable', error: 'SchedulerError' } as const

/** Says in the group's status what came of trying it; undefined where it says so already, or says that it was scheduled before, which stays true. */
export function groupStatusWrite(
  informer: Informer<PodGroup>,
  { namespace, schedulingGroup = '' }: PodShape,
  { kind, message }: GroupVerdict,
  nowMs: number,
): BatchWrite | undefined {
  const key = { namespace, name: schedulingGroup }
  const group = informer.get(key)
  if (group === undefined) return undefined
  const before = group.status?.conditions ?? []
  const status = kind === 'bound' ? 'True' : 'False'
  if (status === 'False' && before.some((c) => c.type === type && c.status === 'True')) return undefined
  const conditions = withCondition(
    before,
    {
      type,
      status,
      reason: reasons[kind],
      message,
      lastTransitionTime: formatTime(nowMs),
      observedGeneration: group.metadata.generation ?? 0,
    },
    nowMs,
  )
  if (conditions === before) return undefined
  const { uid } = group.metadata
  return {
    verb: 'patch',
    resource: podGroups,
    key,
    patch: { type: 'merge', body: { metadata: { uid }, status: { conditions } } },
    subresource: 'status',
  }
}
