import type { NodeAffinity, TopologySpreadConstraint } from './scheduled-objects.ts'

/** A resource and how much it counts. */
export interface ResourceSpec {
  readonly name: string
  /** From 1 to 100. */
  readonly weight: number
}

/** The score that a node gets at a share of its resource: both in whole numbers, the share in per cent, the score from 0 to 10. */
export interface UtilizationShapePoint {
  readonly utilization: number
  readonly score: number
}

/** How NodeResourcesFit scores (kube-scheduler `ScoringStrategy`). */
export interface ScoringStrategy {
  readonly type: 'LeastAllocated' | 'MostAllocated' | 'RequestedToCapacityRatio'
  readonly resources: readonly ResourceSpec[]
  /** Only with type RequestedToCapacityRatio. Points with rising utilization. */
  readonly requestedToCapacityRatio?: { readonly shape: readonly UtilizationShapePoint[] }
}

/** kube-scheduler `NodeResourcesFitArgs`. */
export interface NodeResourcesFitArgs {
  /** Extended resources that the filter does not look at: an extender manages them. */
  readonly ignoredResources: readonly string[]
  /** As ignoredResources, by what stands before the slash. */
  readonly ignoredResourceGroups: readonly string[]
  readonly scoringStrategy: ScoringStrategy
}

/** kube-scheduler `NodeResourcesBalancedAllocationArgs`. */
export interface NodeResourcesBalancedAllocationArgs {
  readonly resources: readonly ResourceSpec[]
}

/** kube-scheduler `NodeAffinityArgs`. */
export interface NodeAffinityArgs {
  /** Holds for every pod of the profile besides the pod's own. */
  readonly addedAffinity?: NodeAffinity | undefined
}

/** kube-scheduler `InterPodAffinityArgs`. */
export interface InterPodAffinityArgs {
  /** What a placed pod's required affinity for the incoming pod counts in scores. */
  readonly hardPodAffinityWeight: number
  /** Leaves preferences of placed pods out of the scores of pods that have none. */
  readonly ignorePreferredTermsOfExistingPods: boolean
}

/** kube-scheduler `PodTopologySpreadArgs`. */
export interface PodTopologySpreadArgs {
  /** Of pods without constraints of their own; they have no selector, as the pod's Services and controller give it. */
  readonly defaultConstraints: readonly TopologySpreadConstraint[]
  /** System: over hosts (skew 3) and zones (skew 5), where it can be had; List: the constraints above. */
  readonly defaultingType: 'System' | 'List'
}

/** kube-scheduler `DefaultPreemptionArgs`: of how many nodes the victims are worked out before one is chosen. */
export interface DefaultPreemptionArgs {
  readonly minCandidateNodesPercentage: number
  readonly minCandidateNodesAbsolute: number
}

/** kube-scheduler `VolumeBindingArgs`. */
export interface VolumeBindingArgs {
  /** How long a pod waits for its volumes before it is tried again. */
  readonly bindTimeoutSeconds: number
}

/** The arguments of every plugin that takes some, by the plugin's name. */
export interface PluginArgs {
  readonly DefaultPreemption: DefaultPreemptionArgs
  readonly InterPodAffinity: InterPodAffinityArgs
  readonly NodeAffinity: NodeAffinityArgs
  readonly NodeResourcesBalancedAllocation: NodeResourcesBalancedAllocationArgs
  readonly NodeResourcesFit: NodeResourcesFitArgs
  readonly PodTopologySpread: PodTopologySpreadArgs
  readonly VolumeBinding: VolumeBindingArgs
}

/** What scoring looks at when nothing else is said. */
const cpuAndMemory: readonly ResourceSpec[] = [
  { name: 'cpu', weight: 1 },
  { name: 'memory', weight: 1 },
]

/** The arguments when a configuration says nothing (kube-scheduler `apis/config/v1/defaults.go`). */
export const pluginArgsDefaults: PluginArgs = {
  DefaultPreemption: { minCandidateNodesPercentage: 10, minCandidateNodesAbsolute: 100 },
  InterPodAffinity: { hardPodAffinityWeight: 1, ignorePreferredTermsOfExistingPods: false },
  NodeAffinity: {},
  NodeResourcesBalancedAllocation: { resources: cpuAndMemory },
  NodeResourcesFit: {
    ignoredResources: [],
    ignoredResourceGroups: [],
    scoringStrategy: { type: 'LeastAllocated', resources: cpuAndMemory },
  },
  PodTopologySpread: { defaultConstraints: [], defaultingType: 'System' },
  VolumeBinding: { bindTimeoutSeconds: 600 },
}

/** True when exactly cpu and memory count, and alike. */
export function isCpuAndMemory(resources: readonly ResourceSpec[]): boolean {
  return (
    resources.length === 2 &&
    resources.every((r) => r.weight === resources[0]?.weight) &&
    cpuAndMemory.every(({ name }) => resources.some((r) => r.name === name))
  )
}
