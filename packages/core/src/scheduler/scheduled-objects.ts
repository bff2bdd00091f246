import type { Container, Node, Pod, PodSpec } from '@binnacle/resources'

/** A pod as the scheduler sees it: one that the API server admitted has a spec. */
export type SchedulablePod = Pod & { spec: PodSpec }

/** A node as the scheduler sees it. */
export type SchedulableNode = Node

/** A container, init containers included. */
export type ContainerSpec = Container

/** Amounts by resource name, as objects carry them: `{ cpu: '100m' }`. */
export type ResourceList = Readonly<Record<string, string>>

export type {
  ContainerStatus as ContainerStatusView,
  NodeAffinity,
  NodeSelectorRequirement as SelectorRequirement,
  NodeSelectorTerm,
  Taint,
  Toleration,
  TopologySpreadConstraint,
} from '@binnacle/resources'
