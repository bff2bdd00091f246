import type { Volume } from '@binnacle/resources'
import { claimsOfPod } from '../volumes/pod-claims.ts'
import type { SchedulablePod } from './scheduled-objects.ts'

/** What a pod's volumes have to do with where it can go. */
export interface PodVolumes {
  /** `namespace/name` of each claim, once. */
  readonly claims: readonly string[]
  /** Volumes of the kinds of disk that not every two pods of a node can have at once. */
  readonly disks: readonly Volume[]
}

/** Finds what scheduling reads of a pod's volumes; undefined when there is nothing, as for most pods. */
export function podVolumesOf(pod: SchedulablePod): PodVolumes | undefined {
  const { volumes } = pod.spec
  if (volumes === undefined || !volumes.some(isRead)) return undefined
  const namespace = pod.metadata.namespace ?? ''
  const claims = new Set(claimsOfPod(pod).map(({ claimName }) => `${namespace}/${claimName}`))
  return { claims: [...claims], disks: volumes.filter(isDisk) }
}

const isDisk = (volume: Volume): boolean =>
  volume.gcePersistentDisk !== undefined ||
  volume.awsElasticBlockStore !== undefined ||
  volume.iscsi !== undefined ||
  volume.rbd !== undefined

const isRead = (volume: Volume): boolean =>
  volume.persistentVolumeClaim !== undefined || volume.ephemeral !== undefined || isDisk(volume)

interface SlotVolumes {
  /** Pods on the slot by claim. */
  readonly podsByClaim: Map<string, number>
  readonly disks: Volume[]
}

/** Claims and disks in use, by node slot; most pods have none. */
export class VolumeUse {
  readonly #bySlot = new Map<number, SlotVolumes>()
  readonly #podsByClaim = new Map<string, number>()

  /** Counts a pod's volumes on a slot. */
  take(slot: number, volumes: PodVolumes | undefined): void {
    if (volumes === undefined) return
    let used = this.#bySlot.get(slot)
    if (used === undefined) this.#bySlot.set(slot, (used = { podsByClaim: new Map(), disks: [] }))
    for (const claim of volumes.claims) {
      add(used.podsByClaim, claim, 1)
      add(this.#podsByClaim, claim, 1)
    }
    used.disks.push(...volumes.disks)
  }

  /** Takes a pod's volumes off a slot. */
  release(slot: number, volumes: PodVolumes | undefined): void {
    const used = volumes === undefined ? undefined : this.#bySlot.get(slot)
    if (used === undefined || volumes === undefined) return
    for (const claim of volumes.claims) {
      add(used.podsByClaim, claim, -1)
      add(this.#podsByClaim, claim, -1)
    }
    for (const disk of volumes.disks) {
      const index = used.disks.indexOf(disk)
      if (index >= 0) used.disks.splice(index, 1)
    }
    if (used.podsByClaim.size === 0 && used.disks.length === 0) this.#bySlot.delete(slot)
  }

  /** How many pods use the claim, on all nodes together. */
  podsWith(claim: string): number {
    return this.#podsByClaim.get(claim) ?? 0
  }

  /** The claims that pods on the slot use. */
  claimsOn(slot: number): Iterable<string> {
    return this.#bySlot.get(slot)?.podsByClaim.keys() ?? []
  }

  /** The disks that pods on the slot use. */
  disksOn(slot: number): readonly Volume[] {
    return this.#bySlot.get(slot)?.disks ?? []
  }
}

function add(counts: Map<string, number>, key: string, by: 1 | -1): void {
  const count = (counts.get(key) ?? 0) + by
  if (count === 0) counts.delete(key)
  else counts.set(key, count)
}
