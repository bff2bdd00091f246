import type { FieldSchema, ObjectSchema, SchemaLookup, TypeRef } from './schema.ts'
import { badRequest } from './status-error.ts'
import { jsonEqual } from './deep-equal.ts'
import { applyMergePatch } from './merge-patch.ts'

/**
 * Strategic merge patch, as apimachinery's `strategicpatch`: like a merge patch, but lists that have a merge key are merged by element.
 * Directives in the patch: `$patch: replace|delete|merge`, `$retainKeys`, `$setElementOrder/<list>`, `$deleteFromPrimitiveList/<list>`.
 */

type Json = Record<string, unknown>

const orderPrefix = '$setElementOrder/'
const deletePrefix = '$deleteFromPrimitiveList/'

/**
 * Applies a strategic merge patch to an object of the given schema; neither is changed.
 * @throws StatusError BadRequest for directives that make no sense.
 */
export function applyStrategicMergePatch(
  document: unknown,
  patch: unknown,
  schema: ObjectSchema,
  lookup: SchemaLookup,
): unknown {
  return mergeMap(asMap(document), asMap(patch), schema, lookup)
}

function isMap(value: unknown): value is Json {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function asMap(value: unknown): Json {
  if (!isMap(value)) throw badRequest('the patch must be an object')
  return value
}

function mergeMap(original: Json, patch: Json, schema: ObjectSchema | undefined, lookup: SchemaLookup): Json {
  const directive = patch['$patch']
  if (directive !== undefined) {
    if (directive === 'replace') return withoutDirectives(patch)
    if (directive === 'delete') return {}
    if (directive !== 'merge')
      throw badRequest(`Unknown patch type: "${String(directive)}" in map: ${JSON.stringify(patch)}`)
  }
  const result = retained(original, patch)
  for (const [key, value] of Object.entries(patch)) {
    if (key === '$patch' || key === '$retainKeys' || key.startsWith(orderPrefix)) continue
    if (key.startsWith(deletePrefix)) {
      deletePrimitives(result, key.slice(deletePrefix.length), value)
    } else if (value === null) {
      delete result[key]
    } else {
      result[key] = mergeField(result[key], value, schema?.byName.get(key), lookup)
    }
  }
  for (const [key, order] of Object.entries(patch)) {
    if (key.startsWith(orderPrefix)) reorder(result, original, patch, key.slice(orderPrefix.length), order, schema)
  }
  return result
}

function retained(original: Json, patch: Json): Json {
  const keep = patch['$retainKeys']
  if (keep === undefined) return { ...original }
  if (!Array.isArray(keep)) throw badRequest('invalid patch format of retainKeys: not a list')
  for (const key of Object.keys(patch)) {
    if (patch[key] !== null && !key.startsWith('$') && !keep.includes(key))
      throw badRequest(`$retainKeys directive must contain all the keys that are present in the patch: "${key}"`)
  }
  return Object.fromEntries(Object.entries(original).filter(([key]) => keep.includes(key)))
}

function withoutDirectives(patch: Json): Json {
  return Object.fromEntries(Object.entries(patch).filter(([key]) => key !== '$patch'))
}

function deletePrimitives(result: Json, key: string, values: unknown): void {
  const list = result[key]
  if (!Array.isArray(values)) throw badRequest(`invalid value of ${deletePrefix}${key}: not a list`)
  if (Array.isArray(list)) result[key] = list.filter((item) => !values.some((value) => jsonEqual(item, value)))
}

function mergeField(original: unknown, patch: unknown, field: FieldSchema | undefined, lookup: SchemaLookup): unknown {
  if (Array.isArray(patch)) return mergeList(Array.isArray(original) ? original : [], patch, field, lookup)
  if (!isMap(patch)) return patch
  if (field?.patchStrategy?.includes('replace') === true && patch['$patch'] === undefined) return patch
  const base = isMap(original) ? original : {}
  // A map of free-form values has no schema to follow: it is merged as in a plain merge patch, directives aside.
  if (field !== undefined && field.type.kind === 'scalar') return applyMergePatch(base, patch)
  return mergeMap(base, patch, schemaOf(field?.type, lookup), lookup)
}

function schemaOf(type: TypeRef | undefined, lookup: SchemaLookup): ObjectSchema | undefined {
  return type?.kind === 'object' ? lookup(type.name) : undefined
}

function mergeList(
  original: readonly unknown[],
  patch: readonly unknown[],
  field: FieldSchema | undefined,
  lookup: SchemaLookup,
): unknown[] {
  if (field?.patchStrategy?.includes('merge') !== true) return patch.filter((item) => !isReplaceMarker(item))
  const element = field.type.kind === 'list' ? schemaOf(field.type.of, lookup) : undefined
  if (element === undefined) return mergePrimitives(original, patch)
  return mergeElements(original, patch, field.patchMergeKey ?? 'name', element, lookup)
}

const isReplaceMarker = (item: unknown): boolean =>
  isMap(item) && Object.keys(item).length === 1 && item['$patch'] === 'replace'

function mergePrimitives(original: readonly unknown[], patch: readonly unknown[]): unknown[] {
  const result = [...original]
  for (const item of patch) if (!result.some((existing) => jsonEqual(existing, item))) result.push(item)
  return result
}

function mergeElements(
  original: readonly unknown[],
  patch: readonly unknown[],
  key: string,
  element: ObjectSchema,
  lookup: SchemaLookup,
): unknown[] {
  if (patch.some(isReplaceMarker)) return patch.filter((item) => !isReplaceMarker(item))
  let result = [...original]
  for (const item of patch) {
    if (!isMap(item)) throw badRequest(`expected an object with the merge key "${key}" in a list`)
    const id = item[key]
    if (id === undefined) throw badRequest(`map: ${JSON.stringify(item)} does not contain declared merge key: ${key}`)
    const same = (candidate: unknown): boolean => isMap(candidate) && jsonEqual(candidate[key], id)
    if (item['$patch'] === 'delete') {
      result = result.filter((candidate) => !same(candidate))
      continue
    }
    const index = result.findIndex(same)
    if (index < 0) result.push(mergeMap({}, item, element, lookup))
    else result[index] = mergeMap(item['$patch'] === 'replace' ? {} : (result[index] as Json), item, element, lookup)
  }
  return result
}

/**
 * Puts the elements that the patch's author knows into the order that the patch names; those that only the server has keep their place relative
 * to the known element before which they stood.
 */
function reorder(
  result: Json,
  original: Json,
  patch: Json,
  key: string,
  order: unknown,
  schema: ObjectSchema | undefined,
): void {
  const list = result[key]
  if (!Array.isArray(order)) throw badRequest(`invalid value of ${orderPrefix}${key}: not a list`)
  if (!Array.isArray(list)) return
  const mergeKey = schema?.byName.get(key)?.patchMergeKey
  const idOf = (item: unknown): string => JSON.stringify(mergeKey !== undefined && isMap(item) ? item[mergeKey] : item)
  const wanted = new Map(order.map((item, index) => [idOf(item), index]))
  checkOrderCoversPatch(patch[key], wanted, idOf, key)
  const before = Array.isArray(original[key]) ? (original[key] as unknown[]).map(idOf) : []
  const known = list
    .filter((item) => wanted.has(idOf(item)))
    .sort((a, b) => (wanted.get(idOf(a)) as number) - (wanted.get(idOf(b)) as number))
  const serverOnly = list.filter((item) => !wanted.has(idOf(item)))
  result[key] = mergeByOriginalOrder(known, serverOnly, before, idOf)
}

function checkOrderCoversPatch(
  patched: unknown,
  wanted: ReadonlyMap<string, number>,
  idOf: (item: unknown) => string,
  key: string,
): void {
  if (!Array.isArray(patched)) return
  const missing = patched.find((item) => !(isMap(item) && item['$patch'] !== undefined) && !wanted.has(idOf(item)))
  if (missing !== undefined)
    throw badRequest(`The order in patch list:\n${JSON.stringify(patched)}\n doesn't match ${orderPrefix}${key} list`)
}

// Both lists keep their own order; a server-only element goes before the first known element that stood behind it originally.
function mergeByOriginalOrder(
  known: readonly unknown[],
  serverOnly: readonly unknown[],
  before: readonly string[],
  idOf: (item: unknown) => string,
): unknown[] {
  const result: unknown[] = []
  let k = 0
  let s = 0
  while (k < known.length || s < serverOnly.length) {
    if (s >= serverOnly.length) result.push(known[k++])
    else if (k >= known.length) result.push(serverOnly[s++])
    else {
      const knownAt = before.indexOf(idOf(known[k]))
      const serverAt = before.indexOf(idOf(serverOnly[s]))
      result.push(knownAt >= 0 && knownAt < serverAt ? known[k++] : knownAt < 0 ? known[k++] : serverOnly[s++])
    }
  }
  return result
}
