import type { PersistentVolumeClaim } from '@binnacle/resources'
import { storageClassNameOf } from '../../volumes/volume-annotations.ts'
import type { Cycle, FilterPlugin, PluginDefinition, PreFilterResult } from '../framework.ts'
import { nodeChange } from '../node-table.ts'
import type { SchedulableNode } from '../scheduled-objects.ts'
import { volumeResources, type VolumeState, volumeStateOf } from '../volume-state.ts'
import { claimNotFound, keyOfObject } from './volume-restrictions.ts'

const name = 'VolumeZone'
const reason = 'node(s) had no available volume zone'

/** Labels of volumes and nodes that say where they are: the name in use by the name of old. */
const topologyLabels: Readonly<Record<string, string>> = {
  'topology.kubernetes.io/zone': 'failure-domain.beta.kubernetes.io/zone',
  'topology.kubernetes.io/region': 'failure-domain.beta.kubernetes.io/region',
}
const pairs = Object.entries(topologyLabels).flatMap(([now, before]) => [
  { label: now, other: before },
  { label: before, other: now },
])

/** A label that a volume demands of the node, with the values that will do. */
interface Demand {
  readonly label: string
  readonly other: string
  readonly values: ReadonlySet<string>
}

/** Keeps pods to the zones and regions that their volumes' labels name. */
export const volumeZone: PluginDefinition = {
  name,
  reads: volumeResources,
  create: (handle) => ({ name, filter: new VolumeZoneFilter(volumeStateOf(handle)) }),
}

class VolumeZoneFilter implements FilterPlugin {
  readonly name = name
  readonly #state: VolumeState
  #demands: readonly Demand[] = []

  constructor(state: VolumeState) {
    this.#state = state
  }

  preFilter({ pod }: Cycle): PreFilterResult {
    const demands: Demand[] = []
    for (const { persistentVolumeClaim } of pod.spec.volumes ?? []) {
      if (persistentVolumeClaim === undefined) continue
      const key = `${pod.metadata.namespace ?? ''}/${persistentVolumeClaim.claimName}`
      const claim = this.#state.claim(key)
      if (claim === undefined) return { rejection: claimNotFound(key) }
      const found = this.#demandsOf(claim)
      if ('rejection' in found) return found
      demands.push(...found)
    }
    this.#demands = demands
    return demands.length === 0 ? 'skip' : 'filter'
  }

  filter({ cluster: { table } }: Cycle, slots: Int32Array, count: number): number {
    let kept = 0
    for (let i = 0; i < count; i++) {
      const slot = slots[i] as number
      if (meets(table.nodes[slot] as SchedulableNode, this.#demands)) slots[kept++] = slot
    }
    return kept
  }

  reasons(): readonly string[] {
    return [reason]
  }

  mayYield(): boolean {
    return false
  }

  mayHelp(...[event, { volumes }]: Parameters<FilterPlugin['mayHelp']>): boolean {
    if (event.type === 'node') return (event.change & (nodeChange.added | nodeChange.labels)) !== 0
    if (event.type !== 'object' || event.change === 'delete') return false
    if (event.kind === 'PersistentVolumeClaim') return volumes?.claims.includes(keyOfObject(event)) === true
    return event.kind === 'PersistentVolume' || (event.kind === 'StorageClass' && event.change === 'add')
  }

  #demandsOf(claim: PersistentVolumeClaim): Demand[] | { rejection: string } {
    const volumeName = claim.spec?.volumeName
    if (!volumeName) return this.#unbound(claim)
    const volume = this.#state.volume(volumeName)
    if (volume === undefined) return { rejection: `persistentvolume "${volumeName}" not found` }
    const labels = volume.metadata.labels ?? {}
    return pairs
      .filter(({ label }) => Object.hasOwn(labels, label))
      .map((pair) => ({ ...pair, values: new Set((labels[pair.label] as string).split('__')) }))
  }

  // A claim that waits for this very pod has no place yet.
  #unbound(claim: PersistentVolumeClaim): Demand[] | { rejection: string } {
    const className = storageClassNameOf(claim)
    if (className === '') return { rejection: 'PersistentVolumeClaim had no pv name and storageClass name' }
    const storageClass = this.#state.storageClass(className)
    if (storageClass === undefined) return { rejection: `storageclass.storage.k8s.io "${className}" not found` }
    if (storageClass.volumeBindingMode === 'WaitForFirstConsumer') return []
    return { rejection: 'PersistentVolume had no name' }
  }
}

// A node that says nothing of where it is takes any volume.
function meets(node: SchedulableNode, demands: readonly Demand[]): boolean {
  const labels = node.metadata.labels ?? {}
  if (!pairs.some(({ label }) => Object.hasOwn(labels, label))) return true
  return demands.every(({ label, other, values }) => {
    const value = labels[label] ?? labels[other]
    return value !== undefined && values.has(value)
  })
}
