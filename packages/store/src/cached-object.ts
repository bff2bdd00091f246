import { withRevision } from './encode.ts'
import type { FieldExtraction, Revision, StoredKey, StoredObject } from './store.ts'

const noFields: Readonly<Record<string, string>> = Object.freeze({})
const noOwners: readonly string[] = Object.freeze([])
const noLabels: Readonly<Record<string, string>> = Object.freeze({})

/** How many parsed objects are kept, of all that the cache holds as bytes. A parsed pod takes about twice its bytes. */
const parsedMax = 4096

/** The parsed objects in use, oldest thrown out first: parsing again costs microseconds, keeping all would double the memory. */
const parsedRing: (CachedObject | undefined)[] = Array.from({ length: parsedMax })
let parsedNext = 0

/** What a CachedObject is made from. */
export interface CachedObjectParts {
  readonly key: StoredKey
  readonly uid: string
  readonly revision: Revision
  readonly createdRevision: Revision
  readonly data: string
  /** The parsed object where the caller has it, to spare parsing; it must equal `data` and never change. */
  readonly parsed?: any
  readonly extraction: FieldExtraction | undefined
}

/** The cache's form of a {@link StoredObject}. */
export class CachedObject implements StoredObject {
  readonly key: StoredKey
  readonly uid: string
  readonly revision: Revision
  readonly createdRevision: Revision
  readonly labels: Readonly<Record<string, string>>
  readonly ownerUids: readonly string[]
  readonly fields: Readonly<Record<string, string>>
  // Text, not bytes: it comes as text and most of it is never sent, and a buffer of its own for each object keeps the collector busy.
  readonly #data: string
  #parsed: any

  constructor({ key, uid, revision, createdRevision, data, parsed, extraction }: CachedObjectParts) {
    const object = parsed ?? JSON.parse(data)
    this.key = key
    this.uid = uid
    this.revision = revision
    this.createdRevision = createdRevision
    this.#data = data
    this.labels = internLabels(object.metadata?.labels)
    this.ownerUids = ownersOf(object)
    this.fields = extraction === undefined ? noFields : extraction.extract(object)
    if (parsed !== undefined)
      this.#keep({ ...parsed, metadata: { ...parsed.metadata, resourceVersion: String(revision) } })
  }

  get text(): string {
    return withRevision(this.#data, this.revision)
  }

  get bytes(): Buffer {
    return Buffer.from(this.text)
  }

  get size(): number {
    return this.#data.length + 32
  }

  parse(): any {
    if (this.#parsed === undefined) this.#keep(JSON.parse(this.text))
    return this.#parsed
  }

  #keep(parsed: any): void {
    const evicted = parsedRing[parsedNext]
    if (evicted !== undefined && evicted !== this) evicted.#parsed = undefined
    parsedRing[parsedNext] = this
    parsedNext = (parsedNext + 1) % parsedMax
    this.#parsed = parsed
  }
}

function ownersOf(object: any): readonly string[] {
  const references = object.metadata?.ownerReferences as { uid: string; controller?: boolean }[] | undefined
  if (references === undefined || references.length === 0) return noOwners
  if (references.length === 1) return [(references[0] as { uid: string }).uid]
  return references
    .toSorted((a, b) => Number(b.controller === true) - Number(a.controller === true))
    .map((reference) => reference.uid)
}

// The pods of one ReplicaSet carry the same labels: they share one map.
const labelsByText = new Map<string, Readonly<Record<string, string>>>()
const labelsByTextMax = 10_000

function internLabels(labels: Record<string, string> | undefined): Readonly<Record<string, string>> {
  if (labels === undefined) return noLabels
  const text = JSON.stringify(labels)
  let shared = labelsByText.get(text)
  if (shared === undefined) {
    shared = labels
    if (labelsByText.size >= labelsByTextMax) labelsByText.clear()
    labelsByText.set(text, shared)
  }
  return shared
}
