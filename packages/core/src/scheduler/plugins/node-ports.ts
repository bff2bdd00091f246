import type { FilterPlugin } from '../framework.ts'
import { portsClash } from '../host-ports.ts'
import { nodeChange } from '../node-table.ts'

/** Host ports that the pod wants must be free. */
export const nodePorts: FilterPlugin = {
  name: 'NodePorts',
  isSlotwise: true,
  preFilter: ({ shape }) => (shape.hostPorts.length === 0 ? 'skip' : 'filter'),
  filter({ cluster, shape }, slots, count) {
    let kept = 0
    for (let i = 0; i < count; i++) {
      const slot = slots[i] as number
      if (cluster.hostPorts.areFree(slot, shape.hostPorts)) slots[kept++] = slot
    }
    return kept
  },
  reasons: () => ["node(s) didn't have free ports for the requested pod ports"],
  mayYield: () => true,
  mayHelp(event, shape) {
    if (event.type === 'node') return (event.change & nodeChange.added) !== 0
    if (event.type !== 'podRemoved') return false
    return event.pod.shape.hostPorts.some((freed) => shape.hostPorts.some((wanted) => portsClash(freed, wanted)))
  },
}
