import { normalize, type FilterPlugin, type ScorePlugin } from '../framework.ts'
import { nodeChange } from '../node-table.ts'
import { breaks } from '../placement-rules.ts'
import { ruleFilter } from './node-rules.ts'

/** Node selector and required node affinity. Pods that name their nodes (a DaemonSet's) are tried on those alone. */
export const nodeAffinityFilter: FilterPlugin = ruleFilter({
  name: 'NodeAffinity',
  broken: breaks.affinity,
  changes: nodeChange.labels,
  reason: () => "node(s) didn't match Pod's node affinity/selector",
  preFilter({ shape: { rules } }) {
    if (rules.admitsAll) return 'skip'
    if (rules.nodeNames === undefined) return 'filter'
    return rules.nodeNames.size === 0 ? { rejection: 'pod affinity terms conflict' } : { nodeNames: rules.nodeNames }
  },
})

/** Preferred node affinity: the more weight matches, the better. */
export const nodeAffinityScore: ScorePlugin = {
  name: 'NodeAffinity',
  preScore: ({ shape }) => (shape.rules.preferredTerms.length > 0 ? 'score' : 'skip'),
  score({ shape }, slots, count, scores) {
    const { affinityWeights } = shape.rules
    for (let i = 0; i < count; i++) scores[i] = affinityWeights[slots[i] as number] as number
    normalize(scores, count, false)
  },
}
