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

/** Pods and the nodes that they are promised (kube-scheduler's nominator): pods of the same or lower priority must leave them the room. */
export class Nominations {
  readonly #byUid = new Map<string, NominatedPod>()
  readonly #byNode = new Map<string, Set<NominatedPod>>()

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
    this.delete(uid)
    const nominated = { uid, pod, shape, nodeName, priority: pod.spec.priority ?? 0 }
    this.#byUid.set(uid, nominated)
    const others = this.#byNode.get(nodeName)
    if (others === undefined) this.#byNode.set(nodeName, new Set([nominated]))
    else others.add(nominated)
  }

  /** Takes a promise back. */
  delete(uid: string): void {
    const nominated = this.#byUid.get(uid)
    if (nominated === undefined) return
    this.#byUid.delete(uid)
    const others = this.#byNode.get(nominated.nodeName)
    others?.delete(nominated)
    if (others?.size === 0) this.#byNode.delete(nominated.nodeName)
  }

  /** The pods that are promised the node. */
  on(nodeName: string): Iterable<NominatedPod> {
    return this.#byNode.get(nodeName) ?? []
  }

  /** Those promised the node that the pod has to leave room for. */
  before(pod: SchedulablePod, nodeName: string): NominatedPod[] {
    const priority = pod.spec.priority ?? 0
    return [...this.on(nodeName)].filter((n) => n.priority >= priority && n.uid !== pod.metadata.uid)
  }
}
