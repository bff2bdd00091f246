import type { FilterPlugin } from '../framework.ts'
import { nodeChange } from '../node-table.ts'

/** A pod that names its node fits no other. */
export const nodeName: FilterPlugin = {
  name: 'NodeName',
  looksAt: 'nothing',
  preFilter: ({ pod }) => (pod.spec.nodeName === undefined || pod.spec.nodeName === '' ? 'skip' : 'filter'),
  filter({ cluster, pod }, slots, count) {
    const wanted = cluster.table.slotOf(pod.spec.nodeName ?? '')
    for (let i = 0; i < count; i++) {
      if (slots[i] !== wanted) continue
      slots[0] = wanted
      return 1
    }
    return 0
  },
  reasons: () => ["node(s) didn't match the requested node name"],
  mayYield: () => false,
  mayHelp: (event) => event.type === 'node' && (event.change & nodeChange.added) !== 0,
}
