import type { NodeTable } from './node-table.ts'
import type { PodShape } from './pod-shape.ts'
import type { SchedulablePod } from './scheduled-objects.ts'

/** A pod without a node that has been promised one: room is being made for it there. */
export interface NominatedPod {
  readonly uid: string
  readonly pod: SchedulablePod
  readonly shape: PodShape
  readonly nodeName: string
  readonly priority: number
}

const none: readonly NominatedPod[] = []

/** Pods and the nodes that they are promised (kube-scheduler's nominator): pods of the same or lower priority must leave them the room. */
export class Nominations {
  readonly #table: NodeTable
  readonly #byUid = new Map<string, NominatedPod>()
  readonly #byNode = new Map<string, Set<NominatedPod>>()

  /** Each promise, and the end of one, counts as a change of what can be taken of the node in the table. */
  constructor(table: NodeTable) {
    this.#table = table
  }

  /** How many pods are promised a node. */
  get size(): number {
    return this.#byUid.size
  }

  /** The promise to a pod. */
  get(uid: string): NominatedPod | undefined {
    return this.#byUid.get(uid)
  }

  /** Promises the pod that node, and no other. */
  set(pod: SchedulablePod, shape: PodShape, nodeName: string): void {
    const uid = pod.metadata.uid ?? ''
    const nominated = { uid, pod, shape, nodeName, priority: pod.spec.priority ?? 0 }
    const before = this.#byUid.get(uid)
    const isSame = before?.nodeName === nodeName && before.shape === shape && before.priority === nominated.priority
    if (before !== undefined) this.#remove(before)
    this.#byUid.set(uid, nominated)
    const others = this.#byNode.get(nodeName)
    if (others === undefined) this.#byNode.set(nodeName, new Set([nominated]))
    else others.add(nominated)
    if (isSame) return
    if (before !== undefined) this.#touch(before)
    this.#touch(nominated)
  }

  /** Takes a promise back. */
  delete(uid: string): void {
    const nominated = this.#byUid.get(uid)
    if (nominated === undefined) return
    this.#remove(nominated)
    this.#touch(nominated)
  }

  #remove(nominated: NominatedPod): void {
    this.#byUid.delete(nominated.uid)
    const others = this.#byNode.get(nominated.nodeName)
    others?.delete(nominated)
    if (others?.size === 0) this.#byNode.delete(nominated.nodeName)
  }

  #touch({ nodeName }: NominatedPod): void {
    const slot = this.#table.slotOf(nodeName)
    if (slot >= 0) this.#table.touchUsage(slot)
  }

  /** The pods that are promised the node. */
  on(nodeName: string): Iterable<NominatedPod> {
    return this.#byNode.get(nodeName) ?? none
  }

  /** Those promised the node that the pod has to leave room for. */
  before(pod: SchedulablePod, nodeName: string): readonly NominatedPod[] {
    const promised = this.#byNode.get(nodeName)
    if (promised === undefined) return none
    const priority = pod.spec.priority ?? 0
    return [...promised].filter((n) => n.priority >= priority && n.uid !== pod.metadata.uid)
  }
}
