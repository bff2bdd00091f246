import { semanticEqual } from '@binnacle/apimachinery'
import type { Client } from '@binnacle/client'
import {
  type CSIDriver,
  type CSIStorageCapacity,
  type Node,
  type PersistentVolume,
  type PersistentVolumeClaim,
  persistentVolumeClaims,
  persistentVolumes,
  type StorageClass,
} from '@binnacle/resources'
import { selectedNodeAnnotation } from '../../volumes/volume-annotations.ts'
import { volumeBoundTo } from '../../volumes/volume-binding.ts'
import { admitsNode } from '../../volumes/volume-topology.ts'
import type {
  ClusterEvent,
  Cycle,
  FilterPlugin,
  Placement,
  PluginDefinition,
  PreBindPlugin,
  PreFilterResult,
  Rejection,
  ReservePlugin,
  SchedulerHandle,
} from '../framework.ts'
import { nodeChange } from '../node-table.ts'
import type { PodShape } from '../pod-shape.ts'
import type { SchedulableNode } from '../scheduled-objects.ts'
import { volumeResources, type VolumeState, volumeStateOf } from '../volume-state.ts'
import { type ClaimsToPlace, claimsToPlace, isFullyBound, placeOnNode } from './volume-binding-decision.ts'
import { keyOfObject } from './volume-restrictions.ts'

const name = 'VolumeBinding'

/**
 * Sees to it that a pod's volumes can be reached from its node, and that claims which wait for the pod get their volumes there. What is
 * decided for a pod is assumed at once, written before the pod is bound, and waited for until the binder has done its part.
 */
export const volumeBinding: PluginDefinition = {
  name,
  reads: volumeResources,
  create(handle, { VolumeBinding: { bindTimeoutSeconds } }) {
    const state = volumeStateOf(handle)
    const binder = new VolumeBinder(handle, state, bindTimeoutSeconds * 1000)
    return { name, filter: new VolumeBindingFilter(state), reserve: binder, preBind: binder }
  },
}

class VolumeBindingFilter implements FilterPlugin {
  readonly name = name
  readonly #state: VolumeState
  #claims: ClaimsToPlace = { bound: [], waiting: [] }

  constructor(state: VolumeState) {
    this.#state = state
  }

  preFilter({ pod, shape }: Cycle): PreFilterResult {
    if (shape.volumes === undefined || shape.volumes.claims.length === 0) return 'skip'
    const claims = claimsToPlace(pod, this.#state)
    if ('rejection' in claims) return claims
    this.#claims = claims
    return 'filter'
  }

  filter({ cluster: { table } }: Cycle, slots: Int32Array, count: number): number {
    let kept = 0
    for (let i = 0; i < count; i++) {
      const slot = slots[i] as number
      if (!('reasons' in placeOnNode(this.#claims, table.nodes[slot] as SchedulableNode, this.#state)))
        slots[kept++] = slot
    }
    return kept
  }

  reasons({ cluster: { table } }: Cycle, slot: number): readonly string[] {
    const found = placeOnNode(this.#claims, table.nodes[slot] as SchedulableNode, this.#state)
    return 'reasons' in found ? found.reasons : []
  }

  mayYield(): boolean {
    return false
  }

  mayHelp(event: ClusterEvent, { volumes }: PodShape): boolean {
    if (event.type === 'node') return (event.change & (nodeChange.added | nodeChange.labels)) !== 0
    if (event.type !== 'object' || event.change === 'delete') return false
    const { object, old } = event
    switch (event.kind) {
      case 'PersistentVolumeClaim':
        return volumes?.claims.includes(keyOfObject(event)) === true
      case 'PersistentVolume':
        return true
      case 'StorageClass':
        return old === undefined || !semanticEqual(topologies(object), topologies(old))
      case 'CSIStorageCapacity':
        return old === undefined || !semanticEqual(limitOf(object), limitOf(old))
      case 'CSIDriver':
        return old !== undefined && tellsCapacity(old) && !tellsCapacity(object)
      default:
        return false
    }
  }
}

const topologies = (object: object) => (object as StorageClass).allowedTopologies ?? []
const tellsCapacity = (object: object) => (object as CSIDriver).spec?.storageCapacity === true
function limitOf(object: object): string | undefined {
  const { maximumVolumeSize, capacity } = object as CSIStorageCapacity
  return maximumVolumeSize ?? capacity
}

/** What has been decided for a pod: the objects as they are to be, and once written as they are. */
interface Decided {
  readonly volumes: PersistentVolume[]
  /** The claims that the volumes are for, in the same order. */
  readonly claims: readonly PersistentVolumeClaim[]
  readonly provisions: PersistentVolumeClaim[]
}

class VolumeBinder implements ReservePlugin, PreBindPlugin {
  readonly name = name
  readonly #handle: SchedulerHandle
  readonly #client: Client
  readonly #state: VolumeState
  readonly #bindTimeoutMs: number
  readonly #decided = new Map<string, Decided>()

  /** `bindTimeoutMs`: how long a pod waits for its volumes before it is tried again. */
  constructor(handle: SchedulerHandle, state: VolumeState, bindTimeoutMs: number) {
    this.#handle = handle
    this.#bindTimeoutMs = bindTimeoutMs
    this.#client = handle.client
    this.#state = state
  }

  reserve({ pod, shape, cluster }: Cycle, slot: number): Rejection | undefined {
    if (shape.volumes === undefined || shape.volumes.claims.length === 0) return undefined
    const claims = claimsToPlace(pod, this.#state)
    if ('rejection' in claims) return { kind: 'unschedulable', message: claims.rejection }
    if (claims.waiting.length === 0) return undefined
    const node = cluster.table.nodes[slot] as SchedulableNode
    const found = placeOnNode(claims, node, this.#state)
    if ('reasons' in found) return { kind: 'unschedulable', message: found.reasons.join(', ') }
    const decided: Decided = {
      volumes: found.bindings.map(({ volume, claim }) => volumeBoundTo(volume, claim) ?? volume),
      claims: found.bindings.map(({ claim }) => claim),
      provisions: found.provisions.map((claim) => withSelectedNode(claim, node.metadata.name)),
    }
    for (const volume of decided.volumes) this.#state.assumeVolume(volume)
    for (const claim of decided.provisions) this.#state.assumeClaim(claim)
    this.#decided.set(pod.metadata.uid ?? '', decided)
    return undefined
  }

  unreserve({ pod }: Placement): void {
    const uid = pod.metadata.uid ?? ''
    const decided = this.#decided.get(uid)
    this.#decided.delete(uid)
    for (const volume of decided?.volumes ?? []) this.#state.forgetVolume(volume)
    for (const claim of decided?.provisions ?? []) this.#state.forgetClaim(claim)
  }

  needsPreBind({ pod }: Placement): boolean {
    return this.#decided.has(pod.metadata.uid ?? '')
  }

  async preBind({ pod, nodeName }: Placement, signal: AbortSignal): Promise<void> {
    const uid = pod.metadata.uid ?? ''
    const decided = this.#decided.get(uid)
    if (decided === undefined) return
    await this.#write(decided)
    await this.#untilBound(decided, nodeName, signal)
    // From here on the objects themselves say it.
    this.#decided.delete(uid)
  }

  async #write({ volumes, provisions }: Decided): Promise<void> {
    for (const [index, volume] of volumes.entries())
      volumes[index] = await this.#client.update(persistentVolumes, volume)
    for (const [index, claim] of provisions.entries())
      provisions[index] = await this.#client.update(persistentVolumeClaims, claim)
  }

  #untilBound(decided: Decided, nodeName: string, signal: AbortSignal): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<void>()
    const check = (): void => {
      try {
        if (this.#isBound(decided, nodeName)) resolve()
      } catch (error) {
        reject(error as Error)
      }
    }
    const giveUp = (): void => reject(signal.reason as Error)
    const stopListening = this.#state.onChange(check)
    const stopTimer = this.#handle.setTimer(
      () => reject(new Error('binding volumes: context deadline exceeded')),
      this.#bindTimeoutMs,
    )
    signal.addEventListener('abort', giveUp, { once: true })
    if (signal.aborted) giveUp()
    check()
    return promise.finally(() => {
      stopListening()
      stopTimer()
      signal.removeEventListener('abort', giveUp)
    })
  }

  /** True when all is bound. @throws Error when it will not be: the pod has to be tried again */
  #isBound({ volumes, claims, provisions }: Decided, nodeName: string): boolean {
    const { table } = this.#handle.cluster
    const node = table.nodes[table.slotOf(nodeName)]
    if (node === undefined) throw new Error(`binding volumes: failed to get node "${nodeName}"`)
    for (const [index, volume] of volumes.entries()) {
      const actual = this.#state.actualVolume(volume.metadata.name)
      const claim = this.#state.actualClaim(keyOfObject({ object: claims[index] as PersistentVolumeClaim }))
      if (actual === undefined || claim === undefined)
        throw new Error(`binding volumes: failed to check binding: pv "${volume.metadata.name}" or its claim is gone`)
      if (isOlder(actual, volume)) return false
      this.#mustReach(actual, node)
      if (!actual.spec?.claimRef?.uid)
        throw new Error(`binding volumes: ClaimRef got reset for pv "${volume.metadata.name}"`)
      if (!isFullyBound(claim)) return false
    }
    return provisions.every((claim) => this.#isProvisioned(claim, node))
  }

  #isProvisioned(written: PersistentVolumeClaim, node: Node): boolean {
    const { name: claimName } = written.metadata
    const claim = this.#state.actualClaim(keyOfObject({ object: written }))
    if (claim === undefined)
      throw new Error(`binding volumes: failed to check provisioning pvc: "${claimName}" is gone`)
    if (isOlder(claim, written)) return false
    // A provisioner that cannot make the volume takes the node back, so that another is chosen.
    if (claim.metadata.annotations?.[selectedNodeAnnotation] !== node.metadata.name)
      throw new Error(`binding volumes: provisioning failed for PVC "${claimName}"`)
    const volume = claim.spec?.volumeName ? this.#state.actualVolume(claim.spec.volumeName) : undefined
    if (volume !== undefined) this.#mustReach(volume, node)
    return volume !== undefined && isFullyBound(claim)
  }

  #mustReach(volume: PersistentVolume, node: Node): void {
    if (admitsNode(volume, node)) return
    throw new Error(
      `binding volumes: pv "${volume.metadata.name}" node affinity doesn't match node "${node.metadata.name}"`,
    )
  }
}

function withSelectedNode(claim: PersistentVolumeClaim, nodeName: string): PersistentVolumeClaim {
  const annotations = { ...claim.metadata.annotations, [selectedNodeAnnotation]: nodeName }
  return { ...claim, metadata: { ...claim.metadata, annotations } }
}

interface Versioned {
  readonly metadata: { readonly resourceVersion?: string }
}

// The news of what was written has not come yet.
function isOlder(actual: Versioned, written: Versioned): boolean {
  return Number(actual.metadata.resourceVersion) < Number(written.metadata.resourceVersion)
}
