import { normalize, type Cycle, type FilterPlugin, type Plugin, type ScorePlugin } from '../framework.ts'
import { nodeChange } from '../node-table.ts'
import { breaks, PlacementRules } from '../placement-rules.ts'
import type { NodeAffinityArgs } from '../plugin-args.ts'
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
  saysNothing: ({ shape }) => shape.rules.preferredTerms.length === 0,
  preScore: ({ shape }) => (shape.rules.preferredTerms.length > 0 ? 'score' : 'skip'),
  score({ shape }, slots, count, scores) {
    const { affinityWeights } = shape.rules
    for (let i = 0; i < count; i++) scores[i] = affinityWeights[slots[i] as number] as number
    normalize(scores, count, false)
  },
}

/** The plugin; with `addedAffinity`, nodes must suit that as well as the pod's own. */
export function createNodeAffinity({ addedAffinity }: NodeAffinityArgs): Required<Pick<Plugin, 'filter' | 'score'>> {
  if (addedAffinity === undefined) return { filter: nodeAffinityFilter, score: nodeAffinityScore }
  const added = new PlacementRules({ spec: { containers: [], affinity: { nodeAffinity: addedAffinity } } })
  return { filter: withRequired(added), score: withPreferred(added) }
}

const isEnforced = (added: PlacementRules, slot: number): boolean =>
  ((added.verdicts[slot] as number) & breaks.affinity) === 0

function withRequired(added: PlacementRules): FilterPlugin {
  if (added.admitsAll) return nodeAffinityFilter
  const probe = new Int32Array(1)
  return {
    ...nodeAffinityFilter,
    isSlotwise: false,
    preFilter(cycle) {
      const own = nodeAffinityFilter.preFilter(cycle)
      return own === 'skip' ? 'filter' : own
    },
    filter(cycle, slots, count) {
      added.refresh(cycle.cluster.table, slots, count)
      let kept = 0
      for (let i = 0; i < count; i++) {
        const slot = slots[i] as number
        if (isEnforced(added, slot)) slots[kept++] = slot
      }
      return nodeAffinityFilter.filter(cycle, slots, kept)
    },
    reasons: (cycle, slot) =>
      isEnforced(added, slot)
        ? nodeAffinityFilter.reasons(cycle, slot)
        : ["node(s) didn't match scheduler-enforced node affinity"],
    mayHelp(event, shape, cluster) {
      if (!nodeAffinityFilter.mayHelp(event, shape, cluster)) return false
      if (event.type !== 'node') return true
      probe[0] = event.slot
      added.refresh(cluster.table, probe, 1)
      return isEnforced(added, event.slot)
    },
  }
}

function withPreferred(added: PlacementRules): ScorePlugin {
  if (added.preferredTerms.length === 0) return nodeAffinityScore
  return {
    name: nodeAffinityScore.name,
    preScore: () => 'score',
    score({ cluster: { table }, shape }: Cycle, slots, count, scores) {
      added.refresh(table, slots, count)
      const own = shape.rules.affinityWeights
      for (let i = 0; i < count; i++) {
        const slot = slots[i] as number
        scores[i] = (own[slot] as number) + (added.affinityWeights[slot] as number)
      }
      normalize(scores, count, false)
    },
  }
}
