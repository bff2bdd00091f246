import type { Volume } from '@binnacle/resources'
import type { Cycle, FilterPlugin, PluginDefinition, PreFilterResult } from '../framework.ts'
import { volumeResources, type VolumeState, volumeStateOf } from '../volume-state.ts'

const name = 'VolumeRestrictions'
const diskReason = 'node(s) had no available disk'
const singlePodReason = 'node has pod using PersistentVolumeClaim with the same name and ReadWriteOncePod access mode'

/** Keeps pods apart that cannot have one disk at once, and gives a claim of ReadWriteOncePod to one pod only. */
export const volumeRestrictions: PluginDefinition = {
  name,
  reads: volumeResources,
  create: (handle) => ({ name, filter: new VolumeRestrictionsFilter(volumeStateOf(handle)) }),
}

class VolumeRestrictionsFilter implements FilterPlugin {
  readonly name = name
  readonly #state: VolumeState
  #singlePodClaims: readonly string[] = []

  constructor(state: VolumeState) {
    this.#state = state
  }

  preFilter({ shape }: Cycle): PreFilterResult {
    const { volumes } = shape
    if (volumes === undefined) return 'skip'
    const singlePodClaims: string[] = []
    for (const key of volumes.claims) {
      const claim = this.#state.claim(key)
      if (claim === undefined) return { rejection: claimNotFound(key) }
      if (claim.spec?.accessModes?.includes('ReadWriteOncePod') === true) singlePodClaims.push(key)
    }
    this.#singlePodClaims = singlePodClaims
    return volumes.disks.length === 0 && singlePodClaims.length === 0 ? 'skip' : 'filter'
  }

  filter(cycle: Cycle, slots: Int32Array, count: number): number {
    if (this.#isClaimTaken(cycle)) return 0
    const { disks } = cycle.shape.volumes ?? { disks: [] }
    if (disks.length === 0) return count
    let kept = 0
    for (let i = 0; i < count; i++) {
      const slot = slots[i] as number
      if (!hasConflict(disks, cycle.cluster.volumeUse.disksOn(slot))) slots[kept++] = slot
    }
    return kept
  }

  reasons({ cluster, shape }: Cycle, slot: number): readonly string[] {
    return hasConflict(shape.volumes?.disks ?? [], cluster.volumeUse.disksOn(slot)) ? [diskReason] : [singlePodReason]
  }

  mayYield(): boolean {
    return true
  }

  mayHelp(...[event, shape]: Parameters<FilterPlugin['mayHelp']>): boolean {
    const { volumes } = shape
    if (volumes === undefined) return false
    if (event.type === 'object')
      return (
        event.kind === 'PersistentVolumeClaim' &&
        event.change !== 'delete' &&
        volumes.claims.includes(keyOfObject(event))
      )
    if (event.type === 'node') return volumes.disks.length > 0
    if (event.type !== 'podRemoved') return false
    const freed = event.pod.shape.volumes
    return (
      freed !== undefined &&
      (freed.claims.some((claim) => volumes.claims.includes(claim)) || hasConflict(volumes.disks, freed.disks))
    )
  }

  // Counted when asked, not in preFilter: preemption takes pods away in between.
  #isClaimTaken({ cluster }: Cycle): boolean {
    return this.#singlePodClaims.some((key) => cluster.volumeUse.podsWith(key) > 0)
  }
}

/** The text for a claim that a pod names and that is not there; `key` is `namespace/name`. */
export function claimNotFound(key: string): string {
  return `persistentvolumeclaim "${key.slice(key.indexOf('/') + 1)}" not found`
}

/** `namespace/name` of the object that an event is about. */
export function keyOfObject({ object }: { object: { metadata: { namespace?: string; name: string } } }): string {
  return `${object.metadata.namespace ?? ''}/${object.metadata.name}`
}

function hasConflict(wanted: readonly Volume[], used: readonly Volume[]): boolean {
  return wanted.some((disk) => used.some((other) => conflicts(disk, other)))
}

/** True when two pods of one node cannot have both (kube-scheduler `isVolumeConflict`). */
function conflicts(a: Volume, b: Volume): boolean {
  const [gce, aws, iscsi, rbd] = [a.gcePersistentDisk, a.awsElasticBlockStore, a.iscsi, a.rbd]
  if (gce !== undefined && gce.pdName === b.gcePersistentDisk?.pdName)
    return !(gce.readOnly === true && b.gcePersistentDisk.readOnly === true)
  if (aws !== undefined && aws.volumeID === b.awsElasticBlockStore?.volumeID) return true
  if (iscsi !== undefined && iscsi.iqn === b.iscsi?.iqn) return !(iscsi.readOnly === true && b.iscsi.readOnly === true)
  if (rbd === undefined || b.rbd === undefined) return false
  const isSame =
    rbd.monitors.some((monitor) => b.rbd?.monitors.includes(monitor)) &&
    (rbd.pool ?? 'rbd') === (b.rbd.pool ?? 'rbd') &&
    rbd.image === b.rbd.image
  return isSame && !(rbd.readOnly === true && b.rbd.readOnly === true)
}
