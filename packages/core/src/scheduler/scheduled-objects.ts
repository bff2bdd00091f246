import type { KubernetesObject, LabelSelector, ObjectMeta } from '@binnacle/apimachinery'

/**
 * The parts of core/v1 objects that decisions depend on, every field optional as it is on the wire. The generated kinds fit
 * them; tests can write them by hand.
 */

/** A quantity as JSON carries it. */
export type QuantityText = string | number

/** Amounts by resource name: `{ cpu: '100m' }`. */
export type ResourceList = Readonly<Record<string, QuantityText>>

/** What scheduling reads of a container, init containers included. */
export interface ContainerSpec {
  readonly name: string
  readonly image?: string
  readonly resources?: { readonly requests?: ResourceList; readonly limits?: ResourceList }
  readonly ports?: readonly ContainerPortSpec[]
  /** `Always` on an init container makes it a sidecar. */
  readonly restartPolicy?: string
}

/** A container's port; scheduling reads only those with a hostPort. */
export interface ContainerPortSpec {
  readonly hostPort?: number
  readonly hostIP?: string
  readonly protocol?: string
}

/** One requirement of a node selector term. */
export interface SelectorRequirement {
  readonly key: string
  readonly operator: string
  readonly values?: readonly string[]
}

/** `v1.NodeSelectorTerm`: all of its requirements must hold; an empty term matches nothing. */
export interface NodeSelectorTerm {
  readonly matchExpressions?: readonly SelectorRequirement[]
  readonly matchFields?: readonly SelectorRequirement[]
}

/** `v1.NodeAffinity`. */
export interface NodeAffinity {
  readonly requiredDuringSchedulingIgnoredDuringExecution?: { readonly nodeSelectorTerms: readonly NodeSelectorTerm[] }
  readonly preferredDuringSchedulingIgnoredDuringExecution?: readonly {
    readonly weight: number
    readonly preference: NodeSelectorTerm
  }[]
}

/** `v1.Toleration`. */
export interface Toleration {
  readonly key?: string
  readonly operator?: string
  readonly value?: string
  readonly effect?: string
  readonly tolerationSeconds?: number
}

/** `v1.Taint`. */
export interface Taint {
  readonly key: string
  readonly value?: string
  readonly effect: string
}

/** `v1.TopologySpreadConstraint`. */
export interface TopologySpreadConstraint {
  readonly maxSkew: number
  readonly topologyKey: string
  readonly whenUnsatisfiable: string
  readonly labelSelector?: LabelSelector
  readonly minDomains?: number
  readonly nodeAffinityPolicy?: string
  readonly nodeTaintsPolicy?: string
  readonly matchLabelKeys?: readonly string[]
}

/** `v1.PodCondition`. */
export interface PodConditionView {
  readonly type: string
  readonly status: string
  readonly reason?: string
  readonly message?: string
  readonly lastTransitionTime?: string | null
}

/** What scheduling reads of a container's status: the resources that the kubelet has set aside during an in-place resize. */
export interface ContainerStatusView {
  readonly name: string
  readonly resources?: { readonly requests?: ResourceList }
  readonly allocatedResources?: ResourceList
}

/** A pod as the scheduler sees it. */
export interface SchedulablePod extends KubernetesObject {
  metadata: ObjectMeta
  readonly spec: {
    readonly nodeName?: string
    readonly schedulerName?: string
    readonly priority?: number
    readonly containers: readonly ContainerSpec[]
    readonly initContainers?: readonly ContainerSpec[]
    readonly overhead?: ResourceList
    readonly resources?: { readonly requests?: ResourceList }
    readonly nodeSelector?: Readonly<Record<string, string>>
    readonly affinity?: { readonly nodeAffinity?: NodeAffinity }
    readonly tolerations?: readonly Toleration[]
    readonly topologySpreadConstraints?: readonly TopologySpreadConstraint[]
    readonly schedulingGates?: readonly { readonly name: string }[]
  }
  readonly status?: {
    readonly phase?: string
    readonly conditions?: readonly PodConditionView[]
    readonly containerStatuses?: readonly ContainerStatusView[]
    readonly initContainerStatuses?: readonly ContainerStatusView[]
    readonly nominatedNodeName?: string
  }
}

/** A node as the scheduler sees it. */
export interface SchedulableNode extends KubernetesObject {
  metadata: ObjectMeta
  readonly spec?: { readonly unschedulable?: boolean; readonly taints?: readonly Taint[] }
  readonly status?: { readonly allocatable?: ResourceList; readonly capacity?: ResourceList }
}
