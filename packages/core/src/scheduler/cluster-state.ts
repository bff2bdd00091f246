import type { Labels } from '@binnacle/apimachinery'
import { CarriedTerms } from './carried-terms.ts'
import { HostPortUse } from './host-ports.ts'
import { Nominations } from './nominations.ts'
import { NodeTable } from './node-table.ts'
import { PodCounts } from './pod-counts.ts'
import { PodShapes, type PodShape } from './pod-shape.ts'
import { VolumeUse } from './pod-volumes.ts'
import type { SchedulablePod } from './scheduled-objects.ts'

/** A pod counted on a node: bound, or assumed to be while its binding is being written. */
export interface PlacedPod {
  readonly uid: string
  /** As last told. */
  pod: SchedulablePod
  readonly priority: number
  readonly shape: PodShape
  readonly slot: number
  readonly nodeName: string
  readonly isTerminating: boolean
  readonly isAssumed: boolean
}

/**
 * What decisions read: the nodes, and what the pods placed on them take. Changed only by events and by the scheduler's own
 * assumptions, in place, between two decisions; so a decision sees one consistent state without a copy.
 */
export class ClusterState {
  readonly table = new NodeTable()
  readonly shapes = new PodShapes(this.table)
  /** Labels of the namespaces, by name. */
  readonly namespaces: ReadonlyMap<string, Labels>
  /** All placed pods, for pod affinity. */
  readonly pods = new PodCounts(this.table)
  /** Placed pods that are not terminating, for spreading. */
  readonly runningPods = new PodCounts(this.table)
  readonly carriedTerms: CarriedTerms
  readonly hostPorts = new HostPortUse()
  readonly nominations = new Nominations(this.table)
  readonly volumeUse = new VolumeUse()
  readonly #placed = new Map<string, PlacedPod>()
  readonly #bySlot = new Map<number, Set<PlacedPod>>()
  readonly #namespaces = new Map<string, Labels>()

  constructor() {
    this.namespaces = this.#namespaces
    this.carriedTerms = new CarriedTerms(this.table, this.namespaces)
  }

  /** Takes over a namespace's labels; undefined: it is gone. */
  setNamespace(name: string, labels: Labels | undefined): void {
    const before = this.#namespaces.get(name)
    if (labels === undefined) this.#namespaces.delete(name)
    else this.#namespaces.set(name, labels)
    if (JSON.stringify(before) === JSON.stringify(labels)) return
    this.pods.reset()
    this.carriedTerms.reset()
  }

  /** Pods placed, assumed ones included. */
  get placedCount(): number {
    return this.#placed.size
  }

  /** The pod as it is counted. */
  placedPod(uid: string): PlacedPod | undefined {
    return this.#placed.get(uid)
  }

  /**
   * Counts a pod on a node, or corrects how it is counted. Replaces an assumption about the same pod. Returns the pod as it was
   * counted before.
   */
  place(pod: SchedulablePod, nodeName: string, options: { assumed: boolean }): PlacedPod | undefined {
    const uid = pod.metadata.uid ?? ''
    const shape = this.shapes.shapeOf(pod)
    const isTerminating = pod.metadata.deletionTimestamp !== undefined
    const before = this.#placed.get(uid)
    const isSame = before?.shape === shape && before.nodeName === nodeName && before.isTerminating === isTerminating
    const priority = pod.spec.priority ?? 0
    if (isSame && before.isAssumed === options.assumed && before.priority === priority) {
      // Preemption remembers who is more important by how long they have run.
      if (before.pod.status?.startTime !== pod.status?.startTime) this.table.touchUsage(before.slot)
      before.pod = pod
      return before
    }
    const slot = isSame ? before.slot : this.table.reserve(nodeName)
    const placed: PlacedPod = { uid, pod, priority, shape, slot, nodeName, isTerminating, isAssumed: options.assumed }
    // Counted in before the old is counted out, so that a slot in use is never given back in between.
    this.table.touchUsage(slot)
    if (!isSame) this.#count(placed, 1)
    if (!isSame && before !== undefined) {
      this.table.touchUsage(before.slot)
      this.#count(before, -1)
    }
    if (before !== undefined) this.#leaveSlot(before)
    this.#placed.set(uid, placed)
    const others = this.#bySlot.get(slot)
    if (others === undefined) this.#bySlot.set(slot, new Set([placed]))
    else others.add(placed)
    return before
  }

  /** Takes a pod off its node. Returns it as it was counted; undefined when it was not. */
  unplace(uid: string): PlacedPod | undefined {
    const placed = this.#placed.get(uid)
    if (placed === undefined) return undefined
    this.#placed.delete(uid)
    this.#leaveSlot(placed)
    this.table.touchUsage(placed.slot)
    this.#count(placed, -1)
    return placed
  }

  /** The pods counted on a slot. */
  podsOn(slot: number): Iterable<PlacedPod> {
    return this.#bySlot.get(slot) ?? []
  }

  /**
   * Counts a placed pod out (-1) or in again (1), to see what the filters would say without it; it stays placed. What is remembered of the slot
   * still holds, as all is counted as before in the end.
   */
  countPlaced(pod: PlacedPod, by: 1 | -1): void {
    this.#count(pod, by)
  }

  /** Counts a pod that is not placed in (1), to see what the filters would say with it, or out again (-1). */
  countShape(shape: PodShape, slot: number, by: 1 | -1): void {
    this.#count({ shape, slot, isTerminating: false }, by)
  }

  #leaveSlot(placed: PlacedPod): void {
    const others = this.#bySlot.get(placed.slot)
    others?.delete(placed)
    if (others?.size === 0) this.#bySlot.delete(placed.slot)
  }

  #count(pod: Pick<PlacedPod, 'shape' | 'slot' | 'isTerminating'>, by: 1 | -1): void {
    const { table } = this
    const { slot, shape } = pod
    table.podCount[slot] = (table.podCount[slot] as number) + by
    table.nonZeroCpu[slot] = (table.nonZeroCpu[slot] as number) + by * shape.nonZeroCpu
    table.nonZeroMemory[slot] = (table.nonZeroMemory[slot] as number) + by * shape.nonZeroMemory
    for (let i = 0; i < shape.requestColumns.length; i++) {
      const column = table.requested[shape.requestColumns[i] as number] as Float64Array
      column[slot] = (column[slot] as number) + by * (shape.requestAmounts[i] as number)
    }
    if (by === 1) this.hostPorts.take(slot, shape.hostPorts)
    else this.hostPorts.release(slot, shape.hostPorts)
    if (by === 1) this.volumeUse.take(slot, shape.volumes)
    else this.volumeUse.release(slot, shape.volumes)
    this.pods.count(shape, slot, by)
    if (!pod.isTerminating) this.runningPods.count(shape, slot, by)
    this.carriedTerms.count(shape, slot, by)
    if (by === -1) table.releaseIfUnused(slot)
  }
}
