import { formatTime } from './time.ts'

/** What all conditions have in common. */
export interface Condition {
  type: string
  status: string
  reason?: string
  message?: string
  lastTransitionTime?: string
  observedGeneration?: number
}

/** The condition of a type. */
export function findCondition<C extends Condition>(conditions: readonly C[] | undefined, type: string): C | undefined {
  return conditions?.find((condition) => condition.type === type)
}

/** True when the condition is there and its status is "True". */
export function isConditionTrue(conditions: readonly Condition[] | undefined, type: string): boolean {
  return findCondition(conditions, type)?.status === 'True'
}

/** The list with this condition set; its transition time moves only when the status does. The list itself when nothing changes. */
export function withCondition<C extends Condition>(
  conditions: readonly C[] | undefined,
  condition: C,
  nowMs: number,
): readonly C[] {
  const list = conditions ?? []
  const old = findCondition(list, condition.type)
  if (
    old !== undefined &&
    old.status === condition.status &&
    old.reason === condition.reason &&
    old.message === condition.message &&
    old.observedGeneration === condition.observedGeneration
  )
    return list
  const lastTransitionTime =
    old !== undefined && old.status === condition.status
      ? old.lastTransitionTime
      : (condition.lastTransitionTime ?? formatTime(nowMs))
  const next = { ...condition, ...(lastTransitionTime === undefined ? {} : { lastTransitionTime }) }
  return old === undefined ? [...list, next] : list.map((entry) => (entry === old ? next : entry))
}
