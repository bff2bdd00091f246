import { formatKey, keyOf } from '@binnacle/apimachinery'
import { podGroups } from '@binnacle/resources'
import type {
  ClusterEvent,
  Cycle,
  PermitPlugin,
  Placement,
  PluginDefinition,
  PostBindPlugin,
  PreEnqueuePlugin,
  ReservePlugin,
  SchedulerHandle,
  Wait,
} from '../framework.ts'
import { nodeChange } from '../node-table.ts'
import { groupKeyOf, PodGroups } from '../pod-groups.ts'
import type { PodShape } from '../pod-shape.ts'
import type { SchedulablePod } from '../scheduled-objects.ts'

const name = 'GangScheduling'
/** How long pods wait for the others of their gang before their nodes are given back. */
const permitWaitMs = 5 * 60_000

/**
 * Pods of a PodGroup with a gang policy get their nodes all at once, or none does: they are not tried before `minCount` of them exist, and not bound
 * before as many have a node; then their bindings are one write.
 */
export const gangScheduling: PluginDefinition = {
  name,
  reads: [podGroups],
  create(handle) {
    const gangs = new Gangs(handle)
    return {
      name,
      preEnqueue: {
        name,
        preEnqueue: (pod) => gangs.notReady(pod),
        helpedBy: ['PodGroup', 'Pod'],
        mayHelp: isOfGroup,
      } satisfies PreEnqueuePlugin,
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

class Gangs implements ReservePlugin, PermitPlugin, PostBindPlugin {
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

  reserve({ pod, shape }: Cycle): undefined {
    const key = groupKeyOf(shape)
    if (key !== undefined) this.#groups.reserve(key, uidOf(pod))
  }

  unreserve({ pod, shape }: Placement): void {
    const key = groupKeyOf(shape)
    if (key !== undefined) this.#groups.unreserve(key, uidOf(pod))
  }

  permit({ shape }: Cycle): 'allow' | Wait {
    const key = groupKeyOf(shape)
    const minCount = key === undefined ? undefined : this.#groups.minCount(key)
    if (key === undefined || minCount === undefined || this.#groups.placedCountOf(key) >= minCount) return 'allow'
    return { waitMs: permitWaitMs, message: 'waiting for minCount pods from a gang to be waiting on permit' }
  }

  together({ shape }: Placement): string | undefined {
    const key = groupKeyOf(shape)
    const minCount = key === undefined ? undefined : this.#groups.minCount(key)
    if (key === undefined || minCount === undefined) return undefined
    return this.#groups.boundCountOf(key) < minCount ? key : undefined
  }

  postBind({ pod, shape }: Placement): void {
    const key = groupKeyOf(shape)
    if (key === undefined) return
    this.#groups.bound(key, uidOf(pod))
    const minCount = this.#groups.minCount(key) ?? 0
    if (this.#groups.placedCountOf(key) < minCount) return
    for (const uid of this.#groups.reservedOf(key)) this.#handle.waitingPods.allow(uid, name)
  }

  /** Besides what concerns the group: room that others make. What the group itself gives back makes none. */
  mayHelp(event: ClusterEvent, shape: PodShape): boolean {
    if (event.type === 'node') return (event.change & (nodeChange.added | nodeChange.allocatable)) !== 0
    if (event.type === 'podRemoved') return groupKeyOf(event.pod.shape) !== groupKeyOf(shape)
    if (event.type === 'podPlaced') return groupKeyOf(event.pod.shape) === groupKeyOf(shape) && !event.pod.isAssumed
    return isOfGroup(event, shape)
  }
}
