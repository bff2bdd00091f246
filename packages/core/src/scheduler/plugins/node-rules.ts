import type { ClusterState } from '../cluster-state.ts'
import type { ClusterEvent, Cycle, FilterPlugin, PreFilterResult } from '../framework.ts'
import { nodeChange } from '../node-table.ts'
import { breaks } from '../placement-rules.ts'
import type { PodShape } from '../pod-shape.ts'

/** What a filter over one bit of the placement verdicts adds to the loop. */
export interface RuleFilterOptions {
  readonly name: string
  /** The bit of {@link breaks}. */
  readonly broken: number
  /** The nodeChange bits after which the verdict can be another. */
  readonly changes: number
  reason(cycle: Cycle, slot: number): string
  preFilter?(cycle: Cycle): PreFilterResult
}

/** A filter whose verdict per node is remembered in the pod's placement rules. */
export function ruleFilter({ name, broken, changes, reason, preFilter }: RuleFilterOptions): FilterPlugin {
  const probe = new Int32Array(1)
  return {
    name,
    looksAt: 'nothing',
    isSlotwise: true,
    preFilter: preFilter ?? (() => 'filter'),
    filter({ shape }, slots, count) {
      const { verdicts, brokenSomewhere } = shape.rules
      if ((brokenSomewhere & broken) === 0) return count
      let kept = 0
      for (let i = 0; i < count; i++) {
        const slot = slots[i] as number
        if (((verdicts[slot] as number) & broken) === 0) slots[kept++] = slot
      }
      return kept
    },
    reasons: (cycle, slot) => [reason(cycle, slot)],
    mayYield: () => false,
    mayHelp(event: ClusterEvent, shape: PodShape, cluster: ClusterState) {
      if (event.type === 'podUpdated') return event.before.rules !== shape.rules
      if (event.type !== 'node' || (event.change & (changes | nodeChange.added)) === 0) return false
      probe[0] = event.slot
      shape.rules.refresh(cluster.table, probe, 1)
      return ((shape.rules.verdicts[event.slot] as number) & broken) === 0
    },
  }
}

/** Cordoned nodes take only pods that tolerate it. */
export const nodeUnschedulable: FilterPlugin = ruleFilter({
  name: 'NodeUnschedulable',
  broken: breaks.schedulable,
  changes: nodeChange.unschedulable,
  reason: () => 'node(s) were unschedulable',
})
