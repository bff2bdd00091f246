import type { Change, FieldExtraction, Scope, StoredKey, StoredObject } from './store.ts'
import { SortedObjects } from './sorted-objects.ts'

const empty: readonly StoredObject[] = Object.freeze([])

interface ResourceObjects {
  readonly byKey: Map<string, StoredObject>
  readonly sorted: SortedObjects
  /** field → value → objects, for the indexed fields. */
  readonly byField: Map<string, Map<string, Set<StoredObject>>>
  /** How many objects each namespace holds. */
  readonly perNamespace: Map<string, number>
}

/** Every current object of the cluster in memory, with the indexes that reads need. */
export class ObjectCache {
  readonly #resources = new Map<string, ResourceObjects>()
  readonly #byUid = new Map<string, StoredObject>()
  readonly #byOwner = new Map<string, Set<StoredObject>>()
  readonly #fieldsOf: (resource: string) => FieldExtraction | undefined

  constructor(fieldsOf: (resource: string) => FieldExtraction | undefined) {
    this.#fieldsOf = fieldsOf
  }

  get(key: StoredKey): StoredObject | undefined {
    return this.#resources.get(key.resource)?.byKey.get(keyText(key))
  }

  byUid(uid: string): StoredObject | undefined {
    return this.#byUid.get(uid)
  }

  ownedBy(uid: string): readonly StoredObject[] {
    const owned = this.#byOwner.get(uid)
    return owned === undefined ? empty : [...owned]
  }

  byField(resource: string, field: string, value: string): readonly StoredObject[] {
    const found = this.#resources.get(resource)?.byField.get(field)?.get(value)
    return found === undefined ? empty : [...found]
  }

  sorted(resource: string): SortedObjects | undefined {
    return this.#resources.get(resource)?.sorted
  }

  list({ resource, namespace }: Scope): StoredObject[] {
    return this.#resources.get(resource)?.sorted.list(namespace) ?? []
  }

  count({ resource, namespace }: Scope): number {
    const objects = this.#resources.get(resource)
    if (objects === undefined) return 0
    return namespace === undefined ? objects.sorted.count : (objects.perNamespace.get(namespace) ?? 0)
  }

  resourcesIn(namespace: string): readonly string[] {
    return [...this.#resources]
      .filter(([, objects]) => (objects.perNamespace.get(namespace) ?? 0) > 0)
      .map(([resource]) => resource)
  }

  /** Brings the cache to the state after the change. */
  apply(change: Pick<Change, 'kind' | 'object'>): void {
    const { object } = change
    const resource = this.#resource(object.key.resource)
    const text = keyText(object.key)
    const old = resource.byKey.get(text)
    if (old !== undefined) this.#unlink(resource, old)
    if (change.kind === 'delete') {
      resource.byKey.delete(text)
      resource.sorted.delete(object.key)
      if (old !== undefined) addTo(resource.perNamespace, object.key.namespace, -1)
      return
    }
    resource.byKey.set(text, object)
    resource.sorted.set(object)
    if (old === undefined) addTo(resource.perNamespace, object.key.namespace, 1)
    this.#link(resource, object)
  }

  #resource(name: string): ResourceObjects {
    let resource = this.#resources.get(name)
    if (resource === undefined) {
      const indexed = this.#fieldsOf(name)?.indexed ?? []
      resource = {
        byKey: new Map(),
        sorted: new SortedObjects(),
        byField: new Map(indexed.map((field) => [field, new Map()])),
        perNamespace: new Map(),
      }
      this.#resources.set(name, resource)
    }
    return resource
  }

  #link(resource: ResourceObjects, object: StoredObject): void {
    this.#byUid.set(object.uid, object)
    for (const uid of object.ownerUids) addMember(this.#byOwner, uid, object)
    for (const [field, values] of resource.byField) addMember(values, object.fields[field] ?? '', object)
  }

  #unlink(resource: ResourceObjects, object: StoredObject): void {
    if (this.#byUid.get(object.uid) === object) this.#byUid.delete(object.uid)
    for (const uid of object.ownerUids) removeMember(this.#byOwner, uid, object)
    for (const [field, values] of resource.byField) removeMember(values, object.fields[field] ?? '', object)
  }
}

function keyText(key: StoredKey): string {
  return key.namespace === '' ? key.name : `${key.namespace}/${key.name}`
}

function addTo(counts: Map<string, number>, key: string, by: number): void {
  const count = (counts.get(key) ?? 0) + by
  if (count === 0) counts.delete(key)
  else counts.set(key, count)
}

function addMember(sets: Map<string, Set<StoredObject>>, key: string, object: StoredObject): void {
  const set = sets.get(key)
  if (set === undefined) sets.set(key, new Set([object]))
  else set.add(object)
}

function removeMember(sets: Map<string, Set<StoredObject>>, key: string, object: StoredObject): void {
  const set = sets.get(key)
  set?.delete(object)
  if (set?.size === 0) sets.delete(key)
}
