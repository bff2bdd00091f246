import type { DefaultSelectors } from './default-selector.ts'
import type { Profile } from './framework.ts'
import { balancedAllocationScore } from './plugins/balanced-allocation.ts'
import { nodeAffinityFilter, nodeAffinityScore } from './plugins/node-affinity.ts'
import { nodeName } from './plugins/node-name.ts'
import { nodePorts } from './plugins/node-ports.ts'
import { nodeUnschedulable } from './plugins/node-rules.ts'
import { createPodTopologySpread } from './plugins/pod-topology-spread.ts'
import { leastAllocatedScore, resourcesFit } from './plugins/resources-fit.ts'
import { schedulingGates } from './plugins/scheduling-gates.ts'
import { taintFilter, taintScore } from './plugins/taint-toleration.ts'

/** The scheduler that pods get which name none. */
export const defaultSchedulerName = 'default-scheduler'

/** kube-scheduler's default plugins in its order and with its weights. */
export function defaultProfile(defaults: DefaultSelectors, schedulerName = defaultSchedulerName): Profile {
  const spread = createPodTopologySpread(defaults)
  return {
    schedulerName,
    preEnqueue: [schedulingGates],
    filters: [nodeUnschedulable, nodeName, taintFilter, nodeAffinityFilter, nodePorts, resourcesFit, spread.filter],
    scores: [
      { plugin: taintScore, weight: 3 },
      { plugin: nodeAffinityScore, weight: 2 },
      { plugin: leastAllocatedScore, weight: 1 },
      { plugin: spread.score, weight: 2 },
      { plugin: balancedAllocationScore, weight: 1 },
    ],
  }
}
