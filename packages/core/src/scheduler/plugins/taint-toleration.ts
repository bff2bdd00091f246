import { normalize, type FilterPlugin, type ScorePlugin } from '../framework.ts'
import { nodeChange } from '../node-table.ts'
import { breaks, untoleratedTaint } from '../placement-rules.ts'
import { ruleFilter } from './node-rules.ts'

/** Nodes with a NoSchedule or NoExecute taint take only pods that tolerate it. */
export const taintFilter: FilterPlugin = ruleFilter({
  name: 'TaintToleration',
  broken: breaks.taints,
  changes: nodeChange.taints,
  reason({ cluster, shape }, slot) {
    const taint = untoleratedTaint(shape.rules.tolerations, cluster.table.nodes[slot]?.spec?.taints)
    return `node(s) had untolerated taint {${taint?.key ?? ''}: ${taint?.value ?? ''}}`
  },
})

/** The fewer PreferNoSchedule taints are not tolerated, the better. */
export const taintScore: ScorePlugin = {
  name: 'TaintToleration',
  saysNothing: ({ shape }) => shape.rules.avoidedSlots === 0,
  preScore({ shape }, slots, count) {
    const { avoidedTaints } = shape.rules
    for (let i = 0; i < count; i++) if (avoidedTaints[slots[i] as number] !== 0) return 'score'
    return 'skip'
  },
  score({ shape }, slots, count, scores) {
    const { avoidedTaints } = shape.rules
    for (let i = 0; i < count; i++) scores[i] = avoidedTaints[slots[i] as number] as number
    normalize(scores, count, true)
  },
}
