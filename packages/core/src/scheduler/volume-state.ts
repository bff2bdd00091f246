import { formatKey, type KubernetesObject, keyOf } from '@binnacle/apimachinery'
import type { Informer } from '@binnacle/client'
import {
  type CSIDriver,
  csiDrivers,
  type CSINode,
  csiNodes,
  type CSIStorageCapacity,
  csiStorageCapacities,
  type PersistentVolume,
  type PersistentVolumeClaim,
  persistentVolumeClaims,
  persistentVolumes,
  type ResourceDefinition,
  type StorageClass,
  storageClasses,
  type VolumeAttachment,
  volumeAttachments,
} from '@binnacle/resources'
import { storageClassNameOf } from '../volumes/volume-annotations.ts'
import type { ClusterState } from './cluster-state.ts'
import type { SchedulerHandle } from './framework.ts'

/** The resources that a {@link VolumeState} follows: every plugin that uses it has to name them. */
export const volumeResources: readonly ResourceDefinition<any>[] = [
  persistentVolumeClaims,
  persistentVolumes,
  storageClasses,
  csiNodes,
  csiDrivers,
  csiStorageCapacities,
  volumeAttachments,
]

const classIndex = 'scheduler/class'
const nodeIndex = 'scheduler/node'

/**
 * Claims, volumes and classes as decisions see them: as the cluster has them, and with what the scheduler has decided about them and is
 * about to write (upstream's assume caches). A change of the object itself puts an end to what was assumed about it.
 */
export class VolumeState {
  readonly #claims: AssumedObjects<PersistentVolumeClaim>
  readonly #volumes: AssumedObjects<PersistentVolume>
  readonly #classes: Informer<StorageClass>
  readonly #csiNodes: Informer<CSINode>
  readonly #csiDrivers: Informer<CSIDriver>
  readonly #capacities: Informer<CSIStorageCapacity>
  readonly #attachments: Informer<VolumeAttachment>
  readonly #listeners = new Set<() => void>()

  constructor(handle: SchedulerHandle) {
    this.#claims = new AssumedObjects(handle.informer(persistentVolumeClaims))
    this.#volumes = new AssumedObjects(handle.informer(persistentVolumes))
    this.#classes = handle.informer(storageClasses)
    this.#csiNodes = handle.informer(csiNodes)
    this.#csiDrivers = handle.informer(csiDrivers)
    this.#capacities = handle.informer(csiStorageCapacities)
    this.#attachments = handle.informer(volumeAttachments)
    this.#attachments.addIndex(nodeIndex, ({ spec }) => [spec?.nodeName ?? ''])
    handle.informer(persistentVolumes).addIndex(classIndex, (volume) => [storageClassNameOf(volume)])
    // What is there already is no news.
    let isNews = false
    for (const resource of volumeResources) {
      const { kind } = resource
      const tell = (change: 'add' | 'update' | 'delete', object: KubernetesObject, old?: KubernetesObject): void => {
        if (!isNews) return
        handle.announce({ type: 'object', kind, change, object, old })
        for (const listener of this.#listeners) listener()
      }
      handle.informer(resource).addHandler({
        onAdd: (object) => tell('add', object),
        onUpdate: (object, old) => tell('update', object, old),
        onDelete: (object) => tell('delete', object),
      })
    }
    isNews = true
  }

  /** The claim with what is assumed of it; `key` is `namespace/name`. */
  claim(key: string): PersistentVolumeClaim | undefined {
    return this.#claims.get(key)
  }

  /** The claim as the cluster has it. */
  actualClaim(key: string): PersistentVolumeClaim | undefined {
    return this.#claims.actual(key)
  }

  /** The volume with what is assumed of it. */
  volume(name: string): PersistentVolume | undefined {
    return this.#volumes.get(name)
  }

  /** The volume as the cluster has it. */
  actualVolume(name: string): PersistentVolume | undefined {
    return this.#volumes.actual(name)
  }

  /** The volumes of a class, with what is assumed of them. */
  volumesOfClass(className: string): PersistentVolume[] {
    return this.#volumes.byIndex(classIndex, className)
  }

  /** The storage class of a name. */
  storageClass(name: string): StorageClass | undefined {
    return this.#classes.get({ namespace: '', name })
  }

  /** What a node's storage drivers say of it. */
  csiNode(name: string): CSINode | undefined {
    return this.#csiNodes.get({ namespace: '', name })
  }

  /** The storage driver of a name. */
  csiDriver(name: string): CSIDriver | undefined {
    return this.#csiDrivers.get({ namespace: '', name })
  }

  /** How much storage is left where, as drivers tell. */
  capacities(): Iterable<CSIStorageCapacity> {
    return this.#capacities.all()
  }

  /** The volumes that are attached to a node, or about to be, whether or not a pod there uses them. */
  attachmentsTo(nodeName: string): readonly VolumeAttachment[] {
    return this.#attachments.byIndex(nodeIndex, nodeName)
  }

  /** Takes the claim for what is about to be written. */
  assumeClaim(claim: PersistentVolumeClaim): void {
    this.#claims.assume(claim)
  }

  /** Takes the volume for what is about to be written. */
  assumeVolume(volume: PersistentVolume): void {
    this.#volumes.assume(volume)
  }

  /** Takes the assumption about a claim back. */
  forgetClaim(claim: PersistentVolumeClaim): void {
    this.#claims.forget(claim)
  }

  /** Takes the assumption about a volume back. */
  forgetVolume(volume: PersistentVolume): void {
    this.#volumes.forget(volume)
  }

  /** Calls back after each change of anything here; returns how to end that. */
  onChange(listener: () => void): () => void {
    this.#listeners.add(listener)
    return () => void this.#listeners.delete(listener)
  }
}

/** Objects of an informer under what is assumed of some of them. */
class AssumedObjects<T extends KubernetesObject> {
  readonly #informer: Informer<T>
  readonly #assumed = new Map<string, T>()

  constructor(informer: Informer<T>) {
    this.#informer = informer
  }

  get(key: string): T | undefined {
    return this.#present(key, this.actual(key))
  }

  actual(key: string): T | undefined {
    const slash = key.indexOf('/')
    return this.#informer.get({ namespace: slash < 0 ? '' : key.slice(0, slash), name: key.slice(slash + 1) })
  }

  byIndex(index: string, value: string): T[] {
    return this.#informer.byIndex(index, value).map((object) => this.#present(formatKey(keyOf(object)), object) as T)
  }

  assume(object: T): void {
    this.#assumed.set(formatKey(keyOf(object)), object)
  }

  forget(object: T): void {
    this.#assumed.delete(formatKey(keyOf(object)))
  }

  #present(key: string, actual: T | undefined): T | undefined {
    const assumed = this.#assumed.get(key)
    if (assumed === undefined) return actual
    if (assumed.metadata.resourceVersion === actual?.metadata.resourceVersion) return assumed
    this.#assumed.delete(key)
    return actual
  }
}

const states = new WeakMap<ClusterState, VolumeState>()

/** The volume state of a scheduler: one for all its plugins and profiles. */
export function volumeStateOf(handle: SchedulerHandle): VolumeState {
  let state = states.get(handle.cluster)
  if (state === undefined) states.set(handle.cluster, (state = new VolumeState(handle)))
  return state
}
