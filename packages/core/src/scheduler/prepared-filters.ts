import type { Cycle, FilterPlugin } from './framework.ts'
import { common } from './placement-rules.ts'

/** What the filters of a profile say of a pod before they look at nodes. */
export interface PreparedFilters {
  /** Indices of the filters that have something to say about this pod. */
  readonly active: readonly number[]
  readonly nodeNames: ReadonlySet<string> | undefined
  /** Bits of the filters that allow only some nodes from the start. */
  readonly restrictors: number
}

/** Prepares the filters for a decision on the cluster as it is counted now. */
export function prepareFilters(
  cycle: Cycle,
  filters: readonly FilterPlugin[],
): PreparedFilters | { rejection: string; rejectors: number } {
  const active: number[] = []
  let nodeNames: ReadonlySet<string> | undefined
  let restrictors = 0
  for (let i = 0; i < filters.length; i++) {
    const result = (filters[i] as FilterPlugin).preFilter(cycle)
    if (result === 'skip') continue
    active.push(i)
    if (result === 'filter') continue
    if ('rejection' in result) return { rejection: result.rejection, rejectors: 1 << i }
    nodeNames = nodeNames === undefined ? result.nodeNames : common(nodeNames, result.nodeNames)
    restrictors |= 1 << i
  }
  return { active, nodeNames, restrictors }
}
