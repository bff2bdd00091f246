import { formatKey, keyOf } from '@binnacle/apimachinery'
import { podGroups } from '@binnacle/resources'
import type {
  ClusterEvent,
  Cycle,
  PermitPlugin,
  Placement,
  PluginDefinition,
  PostBindPlugin,
  PostFilterPlugin,
  PreEnqueuePlugin,
  Rejection,
  ReservePlugin,
  SchedulerHandle,
} from '../framework.ts'
import { nodeChange } from '../node-table.ts'
import { groupKeyOf, PodGroups } from '../pod-groups.ts'
import type { PodShape } from '../pod-shape.ts'
import type { SchedulablePod } from '../scheduled-objects.ts'

const name = 'GangScheduling'
/** How long pods wait for the others of their gang before their nodes are given back. */
const permitWaitMs = 5 * 60_000

/**
 * Pods of a PodGroup with a gang policy get their nodes all at once, or none does: they are not tried before `minCount` of them exist, they wait at
 * permit until as many have a node, and then their bindings are one write. When one of them fits nowhere and too few others are left, those that
 * wait give their nodes back, so that of two gangs that compete one gets all.
 */
export const gangScheduling: PluginDefinition = {
  name,
  reads: [podGroups],
  create(handle) {
    const gangs = new Gangs(handle)
    return {
      name,
      preEnqueue: { name, preEnqueue: (pod) => gangs.notReady(pod), mayHelp: isOfGroup } satisfies PreEnqueuePlugin,
      postFilter: gangs,
      reserve: gangs,
      permit: gangs,
      postBind: gangs,
    }
  },
}

/** The event is about the shape's group, or a pod that has come to it. */
function isOfGroup(event: ClusterEvent, shape: PodShape): boolean {
  const key = groupKeyOf(shape)
  if (key === undefined || event.type !== 'object' || event.change === 'delete') return false
  if (event.kind === 'PodGroup') return formatKey(keyOf(event.object)) === key
  return event.kind === 'Pod' && groupOf(event.object as SchedulablePod) === key
}

function groupOf({ metadata, spec }: SchedulablePod): string | undefined {
  const group = spec.schedulingGroup?.podGroupName
  return group === undefined ? undefined : formatKey({ namespace: metadata.namespace ?? '', name: group })
}

const uidOf = (pod: SchedulablePod): string => pod.metadata.uid ?? ''

class Gangs implements PostFilterPlugin, ReservePlugin, PermitPlugin, PostBindPlugin {
  readonly name = name
  readonly #handle: SchedulerHandle
  readonly #groups: PodGroups

  constructor(handle: SchedulerHandle) {
    this.#handle = handle
    this.#groups = new PodGroups(handle)
  }

  /** Why a pod must not be tried yet. */
  notReady(pod: SchedulablePod): string | undefined {
    const key = groupOf(pod)
    if (key === undefined) return undefined
    if (this.#groups.get(key) === undefined)
      return `waiting for pod's pod group "${pod.spec.schedulingGroup?.podGroupName}" to appear in scheduling queue`
    const minCount = this.#groups.minCount(key)
    if (minCount === undefined || this.#groups.countOf(key) >= minCount) return undefined
    return 'waiting for minCount pods from a gang to appear in scheduling queue'
  }

  postFilter({ pod, shape }: Cycle): Record<string, never> {
    const key = groupKeyOf(shape)
    const rejection = key === undefined ? undefined : this.#hopeless(key, uidOf(pod))
    if (rejection !== undefined) this.#giveBack(key as string, rejection)
    return {}
  }

  reserve({ pod, shape }: Cycle): undefined {
    const key = groupKeyOf(shape)
    if (key !== undefined) this.#groups.reserve(key, uidOf(pod))
  }

  unreserve({ pod, shape }: Placement): void {
    const key = groupKeyOf(shape)
    if (key !== undefined) this.#groups.unreserve(key, uidOf(pod))
  }

  permit({ pod, shape }: Cycle): 'allow' | Rejection | { readonly waitMs: number } {
    const key = groupKeyOf(shape)
    const minCount = key === undefined ? undefined : this.#groups.minCount(key)
    if (key === undefined || minCount === undefined) return 'allow'
    if (this.#groups.placedCountOf(key) >= minCount) {
      for (const uid of this.#groups.reservedOf(key)) this.#handle.waitingPods.allow(uid, name)
      return 'allow'
    }
    const rejection = this.#hopeless(key, uidOf(pod))
    if (rejection === undefined) return { waitMs: permitWaitMs }
    this.#giveBack(key, rejection)
    return rejection
  }

  together({ shape }: Placement): string | undefined {
    const key = groupKeyOf(shape)
    const minCount = key === undefined ? undefined : this.#groups.minCount(key)
    if (key === undefined || minCount === undefined) return undefined
    return this.#groups.boundCountOf(key) < minCount ? key : undefined
  }

  postBind({ pod, shape }: Placement): void {
    const key = groupKeyOf(shape)
    if (key !== undefined) this.#groups.bound(key, uidOf(pod))
  }

  /** Besides what concerns the group: room that others make. What the group itself gives back makes none. */
  mayHelp(event: ClusterEvent, shape: PodShape): boolean {
    if (event.type === 'node') return (event.change & (nodeChange.added | nodeChange.allocatable)) !== 0
    if (event.type === 'podRemoved') return groupKeyOf(event.pod.shape) !== groupKeyOf(shape)
    if (event.type === 'podPlaced') return groupKeyOf(event.pod.shape) === groupKeyOf(shape) && !event.pod.isAssumed
    return isOfGroup(event, shape)
  }

  /** Why the gang cannot come together now, without the pod that fits nowhere; undefined while it can. */
  #hopeless(key: string, uid: string): Rejection | undefined {
    const minCount = this.#groups.minCount(key)
    const placed = this.#groups.placedCountOf(key)
    const remaining = this.#groups.comingCountOf(key, uid)
    if (minCount === undefined || placed >= minCount || placed + remaining >= minCount) return undefined
    const message = `minCount (${minCount}) cannot be satisfied: ${placed} scheduled, ${remaining} remaining`
    return { kind: 'unschedulable', message }
  }

  #giveBack(key: string, rejection: Rejection): void {
    for (const uid of this.#groups.reservedOf(key)) this.#handle.waitingPods.reject(uid, rejection)
  }
}
