import {
  alreadyExists,
  applyMergePatch,
  applyStrategicMergePatch,
  formatKey,
  keyOf,
  type KubernetesObject,
  notFound,
  type ObjectKey,
} from '@binnacle/apimachinery'
import type { BatchResult, BatchWrite, Client } from '@binnacle/client'
import { pods, type ResourceDefinition, schemaOf } from '@binnacle/resources'

/** Just enough of a cluster for the tests of simulated nodes: it keeps objects, applies batches of writes, and tells of pods. */
export class MemoryCluster {
  readonly #objects = new Map<string, KubernetesObject>()
  /** Every write that was made, as `patch pods web`. */
  readonly log: string[] = []
  /** Told of each pod's change, as a watch would. */
  onPod: (pod: any, isDeleted: boolean) => void = () => {}
  #uids = 0

  /** The part of the client that simulated nodes use. */
  readonly client = {
    list: async (resource: ResourceDefinition) => ({ items: this.all(resource), resourceVersion: '1' }),
    get: async (resource: ResourceDefinition, key: ObjectKey) => this.#existing(resource, key),
    writeAll: async (writes: readonly BatchWrite[]) => writes.map((write) => this.#result(write)),
  } as unknown as Client

  /** The objects of a resource. */
  all(resource: ResourceDefinition<any>): any[] {
    const prefix = `${resource.plural}/`
    return [...this.#objects].filter(([text]) => text.startsWith(prefix)).map(([, object]) => object)
  }

  /** The object of that name; undefined when there is none. */
  find(resource: ResourceDefinition<any>, key: ObjectKey): any {
    return this.#objects.get(`${resource.plural}/${formatKey(key)}`)
  }

  /** Puts an object there as somebody else would. */
  put(resource: ResourceDefinition<any>, object: KubernetesObject): void {
    const { uid = `uid-${++this.#uids}` } = object.metadata
    const stored = { ...object, metadata: { ...object.metadata, uid } }
    this.#objects.set(`${resource.plural}/${formatKey(keyOf(object))}`, stored)
    if (resource === pods) this.onPod(stored, false)
  }

  #result(write: BatchWrite): BatchResult {
    if (write.verb === 'bind') throw new Error('nodes bind no pods')
    const key = write.verb === 'create' || write.verb === 'update' ? keyOf(write.object) : write.key
    this.log.push(`${write.verb} ${write.resource.plural} ${key.name}`)
    try {
      return { object: this.#apply(write, key) }
    } catch (error) {
      return { error: error as Error }
    }
  }

  #apply(write: Exclude<BatchWrite, { verb: 'bind' }>, key: ObjectKey): KubernetesObject {
    const { resource } = write
    if (write.verb === 'create') {
      if (this.find(resource, key) !== undefined) throw alreadyExists(resource, key.name)
      this.put(resource, write.object)
    } else {
      const old = this.#existing(resource, key)
      if (write.verb === 'delete') {
        this.#objects.delete(`${resource.plural}/${formatKey(key)}`)
        if (resource === pods) this.onPod(old, true)
        return old
      }
      if (write.verb !== 'patch' || write.patch.type === 'json')
        throw new Error(`nodes make no such write: ${write.verb}`)
      const { type, body } = write.patch
      const merged =
        type === 'merge' ? applyMergePatch(old, body) : applyStrategicMergePatch(old, body, resource.schema, schemaOf)
      this.put(resource, merged as KubernetesObject)
    }
    return this.#existing(resource, key)
  }

  #existing(resource: ResourceDefinition<any>, key: ObjectKey): KubernetesObject {
    const object = this.find(resource, key)
    if (object === undefined) throw notFound(resource, key.name)
    return object
  }
}
