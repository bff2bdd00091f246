import type { ObjectSchema, SchemaLookup } from '../schema.ts'
import { type FieldSet, isMember } from './field-set.ts'
import { isParts, itemElement, itemsByElement, memberOf, type Shape, shapeOf, valueElement } from './typed-fields.ts'

/** The two halves of applying a configuration: merging it into the live object, and pruning what its applier has given up. Neither changes its arguments. */

type Parts = Record<string, unknown>

/** The live object with everything that the configuration sets. */
export function mergeConfiguration(live: Parts, config: Parts, schema: ObjectSchema, schemas: SchemaLookup): Parts {
  return mergeValues({ kind: 'object', schema }, live, config, schemas) as Parts
}

function mergeValues(given: Shape, live: unknown, config: unknown, schemas: SchemaLookup): unknown {
  if (config === undefined) return live
  const shape = shapeOf(given, live, config)
  if (live === undefined || shape.kind === 'leaf') return config
  if (shape.kind === 'list' || shape.kind === 'set') return mergeLists(shape, live, config, schemas)
  if (!isParts(live) || !isParts(config)) return config
  const merged: Parts = { ...live }
  for (const name in config) {
    const member = memberOf(shape, name, schemas)
    if (member !== undefined) merged[name] = mergeValues(member.shape, live[name], config[name], schemas)
  }
  return merged
}

/**
 * Items that both have in the order of the configuration; those of the live list only stay behind the items that they followed
 * (structured-merge-diff `visitListItems`).
 */
function mergeLists(
  shape: Shape & { kind: 'list' | 'set' },
  live: unknown,
  config: unknown,
  schemas: SchemaLookup,
): unknown {
  if (!Array.isArray(live) || !Array.isArray(config)) return config
  const elementOf = (item: unknown): string =>
    shape.kind === 'set' ? valueElement(item) : itemElement(shape.keys, item)
  const old = live.map((item: unknown) => ({ element: elementOf(item), item }))
  const own = config.map((item: unknown) => ({ element: elementOf(item), item }))
  const oldByElement = new Map(old.map(({ element, item }) => [element, item]))
  const ownElements = new Set(own.map(({ element }) => element))
  const shared = own.filter(({ element }) => oldByElement.has(element)).map(({ element }) => element)
  const merged: unknown[] = []
  let [at, nextShared] = [0, 0]
  const takeLive = (): void => {
    for (; at < old.length && old[at]?.element !== shared[nextShared]; at++) {
      const candidate = old[at] as { element: string; item: unknown }
      if (!ownElements.has(candidate.element)) merged.push(candidate.item)
    }
  }
  for (const { element, item } of own) {
    takeLive()
    if (element === shared[nextShared]) {
      if (old[at]?.element === element) at++
      nextShared++
    }
    merged.push(shape.kind === 'set' ? item : mergeValues(shape.items, oldByElement.get(element), item, schemas))
  }
  takeLive()
  return merged
}

/** What decides about pruning. */
export interface Ownership {
  /** What the applier owned before. */
  readonly last: FieldSet
  /** What anybody owns now, the applier's new configuration included. */
  readonly owned: FieldSet | undefined
}

/** The object without what its applier owned and nobody owns any more. */
export function pruneAbandoned(
  object: Parts,
  { last, owned }: Ownership,
  schema: ObjectSchema,
  schemas: SchemaLookup,
): Parts {
  return (prune({ kind: 'object', schema }, object, last, owned, schemas) as Parts | undefined) ?? {}
}

// Undefined when nothing is left.
function prune(
  given: Shape,
  value: unknown,
  last: FieldSet,
  owned: FieldSet | undefined,
  schemas: SchemaLookup,
): unknown {
  const shape = shapeOf(given, value)
  if ((shape.kind === 'object' || shape.kind === 'map') && isParts(value)) {
    const result: Parts = { ...value }
    for (const element in last) {
      const name = element.slice(2)
      const member = element.startsWith('f:') ? memberOf(shape, name, schemas)?.shape : undefined
      if (member === undefined || result[name] === undefined) continue
      const inner = shapeOf(member, result[name])
      const node = last[element] as FieldSet
      const isOwn = inner.kind === 'leaf' || shape.kind === 'map' || isEmpty(result[name])
      const kept =
        isOwn && isAbandoned(node, owned?.[element])
          ? undefined
          : prune(inner, result[name], node, owned?.[element], schemas)
      if (kept === undefined) delete result[name]
      else result[name] = kept
    }
    return isEmpty(result) && !isEmpty(value) ? undefined : result
  }
  if (shape.kind === 'list' && Array.isArray(value)) {
    const result: unknown[] = []
    for (const [element, item] of itemsByElement(shape, value)) {
      const node = last[element]
      if (node === undefined) result.push(item)
      else if (!isAbandoned(node, owned?.[element]))
        result.push(prune(shape.items, item, node, owned?.[element], schemas) ?? item)
    }
    return result.length === 0 && value.length > 0 ? undefined : result
  }
  if (shape.kind === 'set' && Array.isArray(value)) {
    const result = value.filter((item: unknown) => {
      const element = valueElement(item)
      return last[element] === undefined || owned?.[element] !== undefined
    })
    return result.length === 0 && value.length > 0 ? undefined : result
  }
  return value
}

function isAbandoned(last: FieldSet, owned: FieldSet | undefined): boolean {
  return isMember(last) && (owned === undefined || !isMember(owned))
}

function isEmpty(value: unknown): boolean {
  return typeof value === 'object' && value !== null && Object.keys(value).length === 0
}
