import { podDisruptionBudgets } from '@binnacle/resources'
import type { Plugin, PluginDefinition } from '../framework.ts'
import { defaultBinder } from './default-binder.ts'
import { DefaultPreemption } from './default-preemption.ts'
import { evictVictims } from './evict-victims.ts'
import { dynamicResources } from './dynamic-resources.ts'
import { ImageLocality } from './image-locality.ts'
import { createNodeAffinity } from './node-affinity.ts'
import { nodeName } from './node-name.ts'
import { nodePorts } from './node-ports.ts'
import { nodeUnschedulable } from './node-rules.ts'
import { nodeVolumeLimits } from './node-volume-limits.ts'
import { createPodTopologySpread } from './pod-topology-spread.ts'
import { prioritySort } from './priority-sort.ts'
import { InterPodAffinityFilter, InterPodAffinityScore } from './inter-pod-affinity.ts'
import { balancedScore, resourcesFitFilter, resourcesFitScore } from './resource-strategies.ts'
import { schedulingGates } from './scheduling-gates.ts'
import { taintFilter, taintScore } from './taint-toleration.ts'
import { volumeBinding } from './volume-binding.ts'
import { volumeRestrictions } from './volume-restrictions.ts'
import { volumeZone } from './volume-zone.ts'

/** A plugin without state or arguments. */
function stateless(name: string, points: Omit<Plugin, 'name'>): PluginDefinition {
  const plugin = { name, ...points }
  return { name, create: () => plugin }
}

const nodeAffinity: PluginDefinition = {
  name: 'NodeAffinity',
  create: (_, args) => ({ name: 'NodeAffinity', ...createNodeAffinity(args.NodeAffinity) }),
}

const nodeResourcesFit: PluginDefinition = {
  name: 'NodeResourcesFit',
  create: ({ cluster: { table } }, { NodeResourcesFit: args }) => ({
    name: 'NodeResourcesFit',
    filter: resourcesFitFilter(table, args),
    score: resourcesFitScore(table, args),
  }),
}

const balancedAllocation: PluginDefinition = {
  name: 'NodeResourcesBalancedAllocation',
  create: ({ cluster: { table } }, args) => ({
    name: 'NodeResourcesBalancedAllocation',
    score: balancedScore(table, args.NodeResourcesBalancedAllocation),
  }),
}

const podTopologySpread: PluginDefinition = {
  name: 'PodTopologySpread',
  create: ({ defaults }, args) => ({
    name: 'PodTopologySpread',
    ...createPodTopologySpread(defaults, args.PodTopologySpread),
  }),
}

const interPodAffinity: PluginDefinition = {
  name: 'InterPodAffinity',
  create: (_, args) => ({
    name: 'InterPodAffinity',
    filter: new InterPodAffinityFilter(),
    score: new InterPodAffinityScore(args.InterPodAffinity),
  }),
}

const defaultPreemption: PluginDefinition = {
  name: 'DefaultPreemption',
  reads: [podDisruptionBudgets],
  create(handle, args) {
    const actions = {
      budgets: () => handle.informer(podDisruptionBudgets).all(),
      random: Math.random,
      evict: evictVictims(handle),
    }
    return { name: 'DefaultPreemption', postFilter: new DefaultPreemption(args.DefaultPreemption, actions) }
  },
}

/** Every plugin, in the order in which kube-scheduler's default configuration has them, with its weight. */
export const inTreePlugins: readonly { readonly definition: PluginDefinition; readonly weight: number }[] = [
  { definition: stateless('SchedulingGates', { preEnqueue: schedulingGates }), weight: 1 },
  { definition: stateless('PrioritySort', { queueSort: prioritySort }), weight: 1 },
  { definition: stateless('NodeUnschedulable', { filter: nodeUnschedulable }), weight: 1 },
  { definition: stateless('NodeName', { filter: nodeName }), weight: 1 },
  { definition: stateless('TaintToleration', { filter: taintFilter, score: taintScore }), weight: 3 },
  { definition: nodeAffinity, weight: 2 },
  { definition: stateless('NodePorts', { filter: nodePorts }), weight: 1 },
  { definition: nodeResourcesFit, weight: 1 },
  { definition: volumeRestrictions, weight: 1 },
  { definition: nodeVolumeLimits, weight: 1 },
  { definition: volumeBinding, weight: 1 },
  { definition: volumeZone, weight: 1 },
  { definition: podTopologySpread, weight: 2 },
  { definition: interPodAffinity, weight: 2 },
  // Before preemption: rather an idle claim loses its devices than a pod its node.
  { definition: dynamicResources, weight: 1 },
  { definition: defaultPreemption, weight: 1 },
  { definition: balancedAllocation, weight: 1 },
  {
    definition: { name: 'ImageLocality', create: () => ({ name: 'ImageLocality', score: new ImageLocality() }) },
    weight: 1,
  },
  { definition: stateless('DefaultBinder', { bind: defaultBinder }), weight: 1 },
]
