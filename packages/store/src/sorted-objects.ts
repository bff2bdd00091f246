import type { ObjectKey } from '@binnacle/apimachinery'
import type { StoredObject } from './store.ts'

/** Objects of a segment; a list of 10,000 is then some forty buffers, and a change spoils one of them. */
const segmentObjectsMax = 512

interface Segment {
  objects: StoredObject[]
  /** The JSON of all objects, a comma before each, so that segments follow each other as they are; undefined after a change. */
  joined: Buffer | undefined
}

/** Orders keys by namespace, then name, by code unit (names are ASCII). */
export function compareKeys(a: ObjectKey, b: ObjectKey): number {
  if (a.namespace !== b.namespace) return a.namespace < b.namespace ? -1 : 1
  return a.name === b.name ? 0 : a.name < b.name ? -1 : 1
}

/** The objects of one resource in key order, in segments, so that inserting is cheap and lists are sent from ready-made buffers. */
export class SortedObjects {
  #segments: Segment[] = []
  #count = 0

  get count(): number {
    return this.#count
  }

  /** Adds an object, or replaces the one of the same key. */
  set(object: StoredObject): void {
    if (this.#segments.length === 0) this.#segments.push({ objects: [], joined: undefined })
    const index = this.#segmentOf(object.key)
    const segment = this.#segments[index] as Segment
    const at = position(segment.objects, object.key)
    segment.joined = undefined
    if (segment.objects[at] !== undefined && compareKeys(segment.objects[at].key, object.key) === 0) {
      segment.objects[at] = object
      return
    }
    segment.objects.splice(at, 0, object)
    this.#count++
    if (segment.objects.length > segmentObjectsMax) this.#split(index)
  }

  /** Removes the object of that key, if there is one. */
  delete(key: ObjectKey): void {
    if (this.#segments.length === 0) return
    const index = this.#segmentOf(key)
    const segment = this.#segments[index] as Segment
    const at = position(segment.objects, key)
    const found = segment.objects[at]
    if (found === undefined || compareKeys(found.key, key) !== 0) return
    segment.objects.splice(at, 1)
    segment.joined = undefined
    this.#count--
    if (segment.objects.length === 0) this.#segments.splice(index, 1)
  }

  /** The objects of a namespace (undefined: all), after a key, in order. */
  *from(namespace: string | undefined, after?: ObjectKey): Generator<StoredObject> {
    const start = after ?? (namespace === undefined ? undefined : { namespace, name: '' })
    for (let s = start === undefined ? 0 : this.#segmentOf(start); s < this.#segments.length; s++) {
      const { objects } = this.#segments[s] as Segment
      for (let i = start === undefined ? 0 : position(objects, start); i < objects.length; i++) {
        const object = objects[i] as StoredObject
        if (namespace !== undefined && object.key.namespace !== namespace) {
          if (object.key.namespace > namespace) return
          continue
        }
        if (after === undefined || compareKeys(object.key, after) > 0) yield object
      }
    }
  }

  /** All objects of a namespace (undefined: all), in order. */
  list(namespace: string | undefined): StoredObject[] {
    if (namespace !== undefined) return [...this.from(namespace)]
    const all: StoredObject[] = []
    for (const segment of this.#segments) for (const object of segment.objects) all.push(object)
    return all
  }

  /** The objects' JSON in few buffers, commas between and within them. */
  joined(namespace: string | undefined): { count: number; segments: Buffer[] } {
    const segments: Buffer[] = []
    let count = 0
    const start =
      namespace === undefined ? 0 : this.#segments.length === 0 ? 0 : this.#segmentOf({ namespace, name: '' })
    for (let s = start; s < this.#segments.length; s++) {
      const segment = this.#segments[s] as Segment
      const { objects } = segment
      if (namespace !== undefined && (objects[0] as StoredObject).key.namespace > namespace) break
      const whole =
        namespace === undefined ||
        ((objects[0] as StoredObject).key.namespace === namespace &&
          (objects.at(-1) as StoredObject).key.namespace === namespace)
      const chosen = whole ? objects : objects.filter((object) => object.key.namespace === namespace)
      if (chosen.length === 0) continue
      const buffer = whole ? (segment.joined ??= join(objects)) : join(chosen)
      segments.push(count > 0 ? buffer : buffer.subarray(1))
      count += chosen.length
    }
    return { count, segments }
  }

  #split(index: number): void {
    const segment = this.#segments[index] as Segment
    // Keys that only grow (generated names do not, but numbered ones do) would leave half-empty segments behind: split off little at the end.
    const at = index === this.#segments.length - 1 ? segment.objects.length - 64 : segment.objects.length >> 1
    this.#segments.splice(index + 1, 0, { objects: segment.objects.splice(at), joined: undefined })
  }

  // The segment whose range holds the key: the last one that begins at or before it.
  #segmentOf(key: ObjectKey): number {
    let low = 0
    let high = this.#segments.length - 1
    while (low < high) {
      const middle = (low + high + 1) >> 1
      const first = (this.#segments[middle] as Segment).objects[0] as StoredObject
      if (compareKeys(first.key, key) <= 0) low = middle
      else high = middle - 1
    }
    return low
  }
}

function position(objects: readonly StoredObject[], key: ObjectKey): number {
  let low = 0
  let high = objects.length
  while (low < high) {
    const middle = (low + high) >> 1
    if (compareKeys((objects[middle] as StoredObject).key, key) < 0) low = middle + 1
    else high = middle
  }
  return low
}

function join(objects: readonly StoredObject[]): Buffer {
  return Buffer.from(objects.map((object) => `,${object.text}`).join(''))
}
