import { jsonEqual } from './deep-equal.ts'
import { applyMergePatch } from './merge-patch.ts'
import type { FieldSchema, ObjectSchema, SchemaLookup, TypeRef } from './schema.ts'
import { badRequest, StatusError } from './status-error.ts'

/**
 * Strategic merge patch, as apimachinery's `strategicpatch`: like a merge patch, but lists that have a merge key are merged by element.
 * Directives in the patch: `$patch: replace|delete`, `$retainKeys`, `$setElementOrder/<list>`, `$deleteFromPrimitiveList/<list>`.
 */

type Json = Record<string, unknown>
type List = readonly unknown[]

/** Where a merge stands: the fields of an object, the element type of a map, or nothing known. */
interface Shape {
  readonly schema: ObjectSchema | undefined
  readonly element: TypeRef | undefined
  readonly lookup: SchemaLookup
}

const directiveKey = '$patch'
const retainKey = '$retainKeys'
const orderPrefix = '$setElementOrder/'
const deletePrefix = '$deleteFromPrimitiveList/'

/**
 * Applies a strategic merge patch to an object of the given schema; neither is changed.
 * @throws StatusError BadRequest for directives that make no sense, Invalid for lists of lists.
 */
export function applyStrategicMergePatch(
  document: unknown,
  patch: unknown,
  schema: ObjectSchema,
  lookup: SchemaLookup,
): unknown {
  if (!isMap(document) || !isMap(patch)) throw badRequest('invalid JSON document')
  return mergeMap(document, patch, { schema, element: undefined, lookup })
}

function isMap(value: unknown): value is Json {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function mergeMap(original: Json, patch: Json, shape: Shape): Json {
  if (Object.hasOwn(patch, directiveKey)) return replacement(patch)
  const result = retained(original, patch)
  const ordered = mergeOrderedLists(result, patch, shape)
  for (const [key, value] of Object.entries(patch)) {
    if (key === retainKey || key.startsWith(orderPrefix) || ordered.has(key)) continue
    if (key.startsWith(deletePrefix)) deletePrimitives(result, key.slice(deletePrefix.length), value)
    else if (value === null) delete result[key]
    else assign(result, key, mergeMember(result, key, value, shape))
  }
  return result
}

function replacement(patch: Json): Json {
  if (patch[directiveKey] === 'delete') return {}
  if (patch[directiveKey] !== 'replace') throw unknownDirective(patch)
  return Object.fromEntries(Object.entries(patch).filter(([key]) => key !== directiveKey))
}

const unknownDirective = (patch: Json): StatusError =>
  badRequest(`unknown patch type: ${String(patch[directiveKey])} in map: ${JSON.stringify(patch)}`)

// A member may be called __proto__: a patch is data from outside.
function assign(target: Json, key: string, value: unknown): void {
  if (value === undefined) delete target[key]
  else if (key === '__proto__')
    Object.defineProperty(target, key, { value, enumerable: true, configurable: true, writable: true })
  else target[key] = value
}

function retained(original: Json, patch: Json): Json {
  const keep = patch[retainKey]
  if (keep === undefined) return { ...original }
  const names = Array.isArray(keep) ? new Set<unknown>(keep) : undefined
  const stray = Object.entries(patch).some(
    ([key, value]) => value !== null && key !== retainKey && !isParallelList(key) && names?.has(key) !== true,
  )
  if (names === undefined || stray) throw badRequest('invalid patch format of retainKeys')
  return Object.fromEntries(Object.entries(original).filter(([key]) => names.has(key)))
}

const isParallelList = (key: string): boolean => key.startsWith(orderPrefix) || key.startsWith(deletePrefix)

function deletePrimitives(result: Json, key: string, values: unknown): void {
  if (values === null) {
    delete result[key]
    return
  }
  const list = result[key]
  if (!Array.isArray(values)) throw badRequest('invalid patch format of primitive list')
  if (Array.isArray(list)) result[key] = list.filter((item) => !values.some((value) => jsonEqual(item, value)))
}

function mergeMember(result: Json, key: string, value: unknown, shape: Shape): unknown {
  const current = Object.hasOwn(result, key) ? result[key] : undefined
  const field = fieldOf(shape, key)
  if (isMap(current) && isMap(value)) return mergeMapMember(current, value, field, shape.lookup)
  if (Array.isArray(current) && Array.isArray(value)) return mergeListMember(current, value, field, shape.lookup)
  return plain(value)
}

function mergeMapMember(current: Json, value: Json, field: FieldSchema | undefined, lookup: SchemaLookup): Json {
  if (field?.patchStrategy?.includes('replace') === true) return value
  // Free-form values have no structure to follow.
  if (field?.type.kind === 'scalar') return applyMergePatch(current, value) as Json
  return mergeMap(current, value, shapeOf(field?.type, lookup))
}

function mergeListMember(
  current: List,
  value: List,
  field: FieldSchema | undefined,
  lookup: SchemaLookup,
): readonly unknown[] {
  return field?.patchStrategy?.includes('merge') === true ? mergeList(current, value, field, lookup) : value
}

function fieldOf(shape: Shape, key: string): FieldSchema | undefined {
  if (shape.element !== undefined) return { name: key, type: shape.element, description: '', required: false }
  return shape.schema?.byName.get(key)
}

function shapeOf(type: TypeRef | undefined, lookup: SchemaLookup): Shape {
  return {
    schema: type?.kind === 'object' ? lookup(type.name) : undefined,
    element: type?.kind === 'map' ? type.of : undefined,
    lookup,
  }
}

// A value that meets nothing of its kind is taken over, without nulls and without what only directs a merge.
function plain(value: unknown): unknown {
  if (Array.isArray(value)) return value.filter((item) => !isDirective(item)).map(plain)
  if (!isMap(value)) return value
  if (isDirective(value)) return undefined
  const result: Json = {}
  for (const [key, member] of Object.entries(value)) {
    if (member === null || key === retainKey || isParallelList(key)) continue
    assign(result, key, plain(member))
  }
  return result
}

const isDirective = (item: unknown): item is Json => isMap(item) && Object.hasOwn(item, directiveKey)

/** Handles `$setElementOrder/<list>` together with the list's own patch. Gives the lists that are done. */
function mergeOrderedLists(result: Json, patch: Json, shape: Shape): ReadonlySet<string> {
  const done = new Set<string>()
  for (const [directive, order] of Object.entries(patch)) {
    if (!directive.startsWith(orderPrefix)) continue
    const key = directive.slice(orderPrefix.length)
    const [original, change] = [listOrAbsent(result[key]), listOrAbsent(patch[key])]
    if (!Array.isArray(order)) throw badRequest('invalid patch format of setElementOrder list')
    const field = fieldOf(shape, key)
    const mergeKey = field?.patchMergeKey
    checkOrder(change ?? [], order, mergeKey)
    if (original === undefined && change === undefined) continue
    const merged =
      change === undefined
        ? (original as List)
        : original === undefined
          ? (plain(change) as List)
          : mergeListMember(original, change, field, shape.lookup)
    assign(result, key, inOrder(merged, order, original ?? [], mergeKey))
    done.add(key)
  }
  return done
}

function listOrAbsent(value: unknown): List | undefined {
  if (value === undefined || Array.isArray(value)) return value
  throw badRequest(`expected a []interface {}, but received a ${value === null ? '%!s(<nil>)' : goTypeOf(value)}`)
}

function goTypeOf(value: unknown): string {
  if (isMap(value)) return 'map[string]interface {}'
  return typeof value === 'number' ? 'float64' : typeof value === 'boolean' ? 'bool' : typeof value
}

/** The elements of the patch must all be named by the order, in the same order. */
function checkOrder(change: List, order: List, mergeKey: string | undefined): void {
  if (change.length === 0 || order.length === 0) return
  let at = 0
  const kept = mergeKey === undefined ? change : change.filter((item) => !isDirective(item))
  for (const wanted of order) {
    if (at < kept.length && jsonEqual(idOf(kept[at], mergeKey), idOf(wanted, mergeKey))) at++
  }
  if (at < kept.length)
    throw badRequest(
      `The order in patch list:\n${JSON.stringify(change)}\n doesn't match ${orderPrefix.slice(0, -1)} list:\n${JSON.stringify(order)}\n`,
    )
}

function idOf(item: unknown, mergeKey: string | undefined): unknown {
  if (mergeKey === undefined) return item
  if (!isMap(item)) throw badRequest(`expected a map[string]interface {}, but received a ${goTypeOf(item)}`)
  if (!Object.hasOwn(item, mergeKey))
    throw badRequest(`map: ${JSON.stringify(item)} does not contain declared merge key: ${mergeKey}`)
  return item[mergeKey]
}

function mergeList(current: List, change: List, field: FieldSchema, lookup: SchemaLookup): List {
  if (current.length === 0 && change.length === 0) return current
  const sample = current[0] ?? change[0]
  if (Array.isArray(sample)) throw new StatusError('Invalid', 'lists of lists are not supported', {})
  if ([...current, ...change].some((item) => isMap(item) !== isMap(sample)))
    throw badRequest(`list element types are not identical: ${JSON.stringify([current, change])}`)
  if (!isMap(sample)) return inOrder(withoutRepeats([...current, ...change]), change, current, undefined)
  const mergeKey = field.patchMergeKey
  if (mergeKey === undefined) throw badRequest(`cannot merge lists without merge key for ${field.name}`)
  const element = shapeOf(field.type.kind === 'list' ? field.type.of : undefined, lookup)
  return mergeElements(current, change as readonly Json[], mergeKey, element)
}

function withoutRepeats(list: List): List {
  return [...new Set(list)]
}

function mergeElements(current: List, change: readonly Json[], mergeKey: string, element: Shape): List {
  const elements = change.filter((item) => !isDirective(item))
  const directives = change.filter(isDirective)
  const doomed = directives.filter((item) => isDeletion(item)).map((item) => idOf(item, mergeKey))
  if (directives.some((item) => item[directiveKey] === 'replace')) return elements.map(plain)
  const kept = current.filter((item) => !doomed.some((id) => jsonEqual(memberOf(item, mergeKey), id)))
  const merged = [...kept]
  for (const item of elements) {
    const id = idOf(item, mergeKey)
    const index = merged.findIndex((candidate) => jsonEqual(memberOf(candidate, mergeKey), id))
    if (index < 0) merged.push(plain(item))
    else merged[index] = mergeMap(merged[index] as Json, item, element)
  }
  return inOrder(merged, elements, kept, mergeKey)
}

const memberOf = (item: unknown, key: string): unknown => (isMap(item) ? item[key] : undefined)

function isDeletion(item: Json): boolean {
  const directive = item[directiveKey]
  if (directive === 'merge') throw badRequest('merging lists cannot yet be specified in the patch')
  if (directive !== 'delete' && directive !== 'replace') throw unknownDirective(item)
  return directive === 'delete'
}

/**
 * Puts the elements that `order` names into its order. Those that only the server has keep theirs, each before the first named element that
 * stood behind it on the server (`normalizeElementOrder`).
 */
function inOrder(list: List, order: List, before: List, mergeKey: string | undefined): List {
  const textOf = (item: unknown): string => JSON.stringify(idOf(item, mergeKey))
  const positions = (items: List) => new Map(items.map((item, index) => [textOf(item), index] as const))
  const [wanted, stood] = [positions(order), positions(before)]
  const named: unknown[] = []
  const serverOnly: unknown[] = []
  for (const item of list) (wanted.has(textOf(item)) ? named : serverOnly).push(item)
  const by = (places: ReadonlyMap<string, number>) => (a: unknown, b: unknown) =>
    (places.get(textOf(a)) ?? Number.MAX_SAFE_INTEGER) - (places.get(textOf(b)) ?? Number.MAX_SAFE_INTEGER)
  named.sort(by(wanted))
  serverOnly.sort(by(stood))
  const result: unknown[] = []
  let next = 0
  for (const item of named) {
    const place = stood.get(textOf(item)) ?? -1
    const standsBefore = (other: unknown): boolean => (stood.get(textOf(other)) ?? Number.MAX_SAFE_INTEGER) < place
    while (next < serverOnly.length && standsBefore(serverOnly[next])) result.push(serverOnly[next++])
    result.push(item)
  }
  return [...result, ...serverOnly.slice(next)]
}
