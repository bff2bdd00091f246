import type { Labels } from '@binnacle/apimachinery'
import { claimKeysOf } from './devices/pod-claims.ts'
import { affinityTermsOf, type PodAffinityTerms } from './affinity-terms.ts'
import { hostPortsOf, type HostPort } from './host-ports.ts'
import type { NodeTable } from './node-table.ts'
import { PlacementRules } from './placement-rules.ts'
import { imagesOf } from './node-images.ts'
import { podRequests } from './pod-requests.ts'
import { type PodVolumes, podVolumesOf } from './pod-volumes.ts'
import type { SchedulablePod, TopologySpreadConstraint } from './scheduled-objects.ts'

/** The controller of a pod, as far as default spreading looks it up. */
export interface ControllerRef {
  readonly apiVersion: string
  readonly kind: string
  readonly name: string
}

/**
 * Everything that decides where a pod can go, compiled once: pods from one template share one shape, and so share what is
 * remembered per shape. Immutable.
 */
export interface PodShape {
  readonly namespace: string
  readonly labels: Labels | undefined
  /** The same for the same labels. */
  readonly labelsKey: string
  readonly schedulerName: string
  /** The name of the PodGroup that the pod belongs to. */
  readonly schedulingGroup: string | undefined
  readonly controller: ControllerRef | undefined
  readonly rules: PlacementRules
  /** Undefined where the pod has no inter-pod affinity. */
  readonly affinity: PodAffinityTerms | undefined
  /** Images of the containers and image volumes, with their tags. */
  readonly images: readonly string[]
  readonly spreadConstraints: readonly TopologySpreadConstraint[]
  readonly hostPorts: readonly HostPort[]
  /** Undefined for pods without claims and disks. */
  readonly volumes: PodVolumes | undefined
  /** `namespace/name` of the resource claims, '' for those still to be made; undefined for pods without. */
  readonly claims: readonly string[] | undefined
  /** Columns of the node table that the pod takes something of, and how much. */
  readonly requestColumns: Int32Array
  readonly requestAmounts: Float64Array
  readonly nonZeroCpu: number
  readonly nonZeroMemory: number
}

/** How much pods of the shape take of a resource column. */
export function requestOf(shape: PodShape, column: number): number {
  const index = shape.requestColumns.indexOf(column)
  return index < 0 ? 0 : (shape.requestAmounts[index] as number)
}

/** Shapes and rules remembered; a cluster has about one per workload. */
const shapesMax = 20_000

/** Finds the shape of a pod. Forgetting a shape costs only the work of compiling it again. */
export class PodShapes {
  readonly #table: NodeTable
  readonly #shapes = new Map<string, PodShape>()
  readonly #rules = new Map<string, PlacementRules>()

  constructor(table: NodeTable) {
    this.#table = table
  }

  /** The shape of the pod, shared with every pod that is alike in what scheduling reads. */
  shapeOf(pod: SchedulablePod): PodShape {
    const key = shapeKey(pod)
    let shape = this.#shapes.get(key)
    if (shape === undefined) {
      if (this.#shapes.size >= shapesMax) this.#shapes.clear()
      shape = this.#compile(pod)
      this.#shapes.set(key, shape)
    }
    return shape
  }

  #compile(pod: SchedulablePod): PodShape {
    const { requests, nonZeroCpu, nonZeroMemory } = podRequests(pod)
    // In the order of the columns, cpu and memory first: the order in which shortages are told.
    const asked = [...requests]
      .filter(([, amount]) => amount > 0)
      .map(([resource, amount]) => ({ column: this.#table.resourceColumn(resource), amount }))
      .sort((a, b) => a.column - b.column)
    const controller = pod.metadata.ownerReferences?.find((o) => o.controller === true)
    return {
      namespace: pod.metadata.namespace ?? '',
      labels: pod.metadata.labels,
      labelsKey: JSON.stringify(pod.metadata.labels ?? {}),
      schedulerName: pod.spec.schedulerName ?? 'default-scheduler',
      schedulingGroup: pod.spec.schedulingGroup?.podGroupName,
      controller: controller && { apiVersion: controller.apiVersion, kind: controller.kind, name: controller.name },
      rules: this.#rulesOf(pod),
      affinity: affinityTermsOf(pod),
      images: imagesOf(pod),
      spreadConstraints: pod.spec.topologySpreadConstraints ?? [],
      hostPorts: hostPortsOf(pod),
      volumes: podVolumesOf(pod),
      claims: claimKeysOf(pod),
      requestColumns: Int32Array.from(asked, (a) => a.column),
      requestAmounts: Float64Array.from(asked, (a) => a.amount),
      nonZeroCpu,
      nonZeroMemory,
    }
  }

  #rulesOf(pod: SchedulablePod): PlacementRules {
    const key = JSON.stringify([pod.spec.nodeSelector, pod.spec.affinity?.nodeAffinity, pod.spec.tolerations])
    let rules = this.#rules.get(key)
    if (rules === undefined) {
      if (this.#rules.size >= shapesMax) this.#rules.clear()
      rules = new PlacementRules(pod)
      this.#rules.set(key, rules)
    }
    return rules
  }
}

function shapeKey(pod: SchedulablePod): string {
  const { metadata, spec, status } = pod
  const controller = metadata.ownerReferences?.find((o) => o.controller === true)
  const resized = [...(status?.containerStatuses ?? []), ...(status?.initContainerStatuses ?? [])]
    .filter((c) => c.allocatedResources !== undefined || c.resources?.requests !== undefined)
    .map((c) => [c.name, c.allocatedResources, c.resources?.requests])
  return JSON.stringify([
    metadata.namespace,
    metadata.labels,
    controller === undefined ? 0 : [controller.apiVersion, controller.kind, controller.name],
    spec.schedulerName,
    spec.schedulingGroup?.podGroupName,
    spec.containers.map((c) => [c.name, c.resources?.requests, c.ports]),
    spec.initContainers?.map((c) => [c.name, c.resources?.requests, c.ports, c.restartPolicy]),
    spec.overhead,
    spec.resources?.requests,
    spec.nodeSelector,
    spec.affinity,
    spec.tolerations,
    imagesOf(pod),
    spec.topologySpreadConstraints,
    podVolumesOf(pod),
    claimKeysOf(pod),
    resized.length === 0 ? 0 : [resized, status?.conditions?.find((c) => c.type === 'PodResizePending')?.reason],
  ])
}
