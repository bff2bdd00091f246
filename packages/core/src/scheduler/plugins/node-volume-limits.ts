import type { VolumeAttachment } from '@binnacle/resources'
import { storageClassNameOf } from '../../volumes/volume-annotations.ts'
import { claimsOfPod, whyNotForPod } from '../../volumes/pod-claims.ts'
import type { ClusterState } from '../cluster-state.ts'
import type { Cycle, FilterPlugin, PluginDefinition, PreFilterResult } from '../framework.ts'
import { volumeResources, type VolumeState, volumeStateOf } from '../volume-state.ts'
import { claimNotFound, keyOfObject } from './volume-restrictions.ts'

const name = 'NodeVolumeLimits'
const reason = 'node(s) exceed max volume count'

/** Lets no node have more volumes of a storage driver than the driver says of it (CSINode). */
export const nodeVolumeLimits: PluginDefinition = {
  name,
  reads: volumeResources,
  create: (handle) => ({ name, filter: new NodeVolumeLimitsFilter(volumeStateOf(handle)) }),
}

/** Volumes by a name that is the driver's, each with the driver. */
type AttachedVolumes = Map<string, string>

class NodeVolumeLimitsFilter implements FilterPlugin {
  readonly name = name
  readonly #state: VolumeState
  #wanted: AttachedVolumes = new Map()

  constructor(state: VolumeState) {
    this.#state = state
  }

  preFilter({ pod, shape }: Cycle): PreFilterResult {
    if (shape.volumes === undefined || shape.volumes.claims.length === 0) return 'skip'
    for (const { claimName, isEphemeral } of claimsOfPod(pod)) {
      const key = `${shape.namespace}/${claimName}`
      const claim = this.#state.claim(key)
      if (claim === undefined) return { rejection: claimNotFound(key) }
      const problem = isEphemeral ? whyNotForPod(pod, claim) : undefined
      if (problem !== undefined) return { rejection: problem }
    }
    this.#wanted = this.#attachedBy(shape.volumes.claims)
    return this.#wanted.size === 0 ? 'skip' : 'filter'
  }

  filter({ cluster }: Cycle, slots: Int32Array, count: number): number {
    let kept = 0
    for (let i = 0; i < count; i++) {
      const slot = slots[i] as number
      if (this.#hasRoom(cluster, slot)) slots[kept++] = slot
    }
    return kept
  }

  reasons(): readonly string[] {
    return [reason]
  }

  mayYield(): boolean {
    return true
  }

  mayHelp(...[event, { volumes }]: Parameters<FilterPlugin['mayHelp']>): boolean {
    if (event.type === 'podRemoved') return (event.pod.shape.volumes?.claims.length ?? 0) > 0
    if (event.type === 'node') return true
    if (event.type !== 'object') return false
    if (event.kind === 'VolumeAttachment') {
      const { attacher } = (event.object as VolumeAttachment).spec ?? {}
      return event.change === 'delete' && [...this.#attachedBy(volumes?.claims ?? []).values()].includes(attacher ?? '')
    }
    if (event.change === 'delete') return false
    if (event.kind === 'PersistentVolumeClaim') return volumes?.claims.includes(keyOfObject(event)) === true
    return event.kind === 'CSINode'
  }

  #hasRoom(cluster: ClusterState, slot: number): boolean {
    const limits = new Map<string, number>()
    for (const { name: driver, allocatable } of this.#state.csiNode(cluster.table.names[slot] as string)?.spec
      ?.drivers ?? [])
      if (allocatable?.count !== undefined) limits.set(driver, allocatable.count)
    if (limits.size === 0) return true
    const attached = this.#attachedBy(cluster.volumeUse.claimsOn(slot))
    for (const [volume, driver] of this.#attachedTo(cluster.table.names[slot] as string)) attached.set(volume, driver)
    const counts = new Map<string, number>()
    for (const driver of attached.values()) counts.set(driver, (counts.get(driver) ?? 0) + 1)
    for (const [volume, driver] of this.#wanted) {
      if (attached.has(volume)) continue
      const count = (counts.get(driver) ?? 0) + 1
      if (count > (limits.get(driver) ?? Number.POSITIVE_INFINITY)) return false
      counts.set(driver, count)
    }
    return true
  }

  /** What is attached to the node though no pod there uses it, or not any more. */
  *#attachedTo(nodeName: string): Iterable<[volume: string, driver: string]> {
    for (const { spec } of this.#state.attachmentsTo(nodeName)) {
      const volume = this.#state.volume(spec?.source.persistentVolumeName ?? '')
      const handle = volume?.spec?.csi?.volumeHandle
      if (spec !== undefined && handle !== undefined) yield [`${spec.attacher}/${handle}`, spec.attacher]
    }
  }

  /** A claim without a volume counts for the driver that will make it one, and as a volume of its own. */
  #attachedBy(claims: Iterable<string>): AttachedVolumes {
    const attached: AttachedVolumes = new Map()
    for (const key of claims) {
      const claim = this.#state.claim(key)
      if (claim === undefined) continue
      const volume = claim.spec?.volumeName ? this.#state.volume(claim.spec.volumeName) : undefined
      if (volume !== undefined) {
        const { csi } = volume.spec ?? {}
        if (csi !== undefined) attached.set(`${csi.driver}/${csi.volumeHandle}`, csi.driver)
        continue
      }
      const driver = this.#state.storageClass(storageClassNameOf(claim))?.provisioner
      if (driver !== undefined) attached.set(`${driver}/claim of ${key}`, driver)
    }
    return attached
  }
}
