import { formatKey } from '@binnacle/apimachinery'
import { type Pod, type PodGroup, podGroups, pods } from '@binnacle/resources'
import type { SchedulerHandle } from './framework.ts'
import type { PodShape } from './pod-shape.ts'
import type { SchedulablePod } from './scheduled-objects.ts'

/** The pods of one group. */
interface Members {
  /** That exist and have not come to their end. */
  readonly all: Set<string>
  /** That have a node. */
  readonly bound: Set<string>
  /** That have been given a node which is not written yet. */
  readonly reserved: Set<string>
}

/** The key of the group that a pod names; undefined where it names none. */
export function groupKeyOf({ namespace, schedulingGroup }: PodShape): string | undefined {
  return schedulingGroup === undefined ? undefined : formatKey({ namespace, name: schedulingGroup })
}

/** Which pods belong to which PodGroup and how far they are (kube-scheduler's `PodGroupManager`). */
export class PodGroups {
  readonly #handle: SchedulerHandle
  readonly #members = new Map<string, Members>()

  constructor(handle: SchedulerHandle) {
    this.#handle = handle
    // What is there already is no news.
    let isNews = false
    const tell = (kind: string, object: Pod | PodGroup, change: 'add' | 'update'): void => {
      if (isNews) handle.announce({ type: 'object', kind, change, object })
    }
    handle.informer(pods).addHandler({
      onAdd: (pod) => {
        if (this.#follow(pod as SchedulablePod)) tell('Pod', pod, 'add')
      },
      onUpdate: (pod, old) => {
        if (old.metadata.uid !== pod.metadata.uid) this.#forget(old as SchedulablePod)
        if (this.#follow(pod as SchedulablePod)) tell('Pod', pod, 'add')
      },
      onDelete: (pod) => this.#forget(pod as SchedulablePod),
    })
    handle.informer(podGroups).addHandler({
      onAdd: (group) => tell('PodGroup', group, 'add'),
      onUpdate: (group) => tell('PodGroup', group, 'update'),
    })
    isNews = true
  }

  /** The group by its key. */
  get(key: string): PodGroup | undefined {
    const slash = key.indexOf('/')
    return this.#handle.informer(podGroups).get({ namespace: key.slice(0, slash), name: key.slice(slash + 1) })
  }

  /** How many pods of the group must have a node before any gets one; undefined: it is no gang. */
  minCount(key: string): number | undefined {
    return this.get(key)?.spec.schedulingPolicy.gang?.minCount
  }

  /** How many pods of the group there are. */
  countOf(key: string): number {
    return this.#members.get(key)?.all.size ?? 0
  }

  /** How many pods of the group are bound. */
  boundCountOf(key: string): number {
    return this.#members.get(key)?.bound.size ?? 0
  }

  /** How many pods of the group have a node, written or not. */
  placedCountOf(key: string): number {
    const { bound, reserved } = this.#members.get(key) ?? { bound: new Set(), reserved: new Set() }
    return bound.size + reserved.size
  }

  /** Pods that have been given a node which is not written yet. */
  reservedOf(key: string): readonly string[] {
    return [...(this.#members.get(key)?.reserved ?? [])]
  }

  /** The pod has been given a node. */
  reserve(key: string, uid: string): void {
    const { bound, reserved } = this.#membersOf(key)
    if (!bound.has(uid)) reserved.add(uid)
  }

  /** The node is taken back. */
  unreserve(key: string, uid: string): void {
    this.#members.get(key)?.reserved.delete(uid)
  }

  /** The binding is written. */
  bound(key: string, uid: string): void {
    const { bound, reserved } = this.#membersOf(key)
    reserved.delete(uid)
    bound.add(uid)
  }

  #membersOf(key: string): Members {
    let members = this.#members.get(key)
    if (members === undefined)
      this.#members.set(key, (members = { all: new Set(), bound: new Set(), reserved: new Set() }))
    return members
  }

  /** True when the pod has just come to a group. */
  #follow(pod: SchedulablePod): boolean {
    const { phase } = pod.status ?? {}
    if (phase === 'Succeeded' || phase === 'Failed') {
      this.#forget(pod)
      return false
    }
    const name = pod.spec.schedulingGroup?.podGroupName
    if (name === undefined) return false
    const uid = pod.metadata.uid ?? ''
    const key = formatKey({ namespace: pod.metadata.namespace ?? '', name })
    const { all, bound, reserved } = this.#membersOf(key)
    const isNew = !all.has(uid)
    all.add(uid)
    if ((pod.spec.nodeName ?? '') !== '') {
      bound.add(uid)
      reserved.delete(uid)
    }
    return isNew
  }

  #forget(pod: SchedulablePod): void {
    const name = pod.spec.schedulingGroup?.podGroupName
    if (name === undefined) return
    const key = formatKey({ namespace: pod.metadata.namespace ?? '', name })
    const members = this.#members.get(key)
    if (members === undefined) return
    const uid = pod.metadata.uid ?? ''
    for (const set of [members.all, members.bound, members.reserved]) set.delete(uid)
    if (members.all.size === 0) this.#members.delete(key)
  }
}
