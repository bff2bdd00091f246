import { additionalSchema, isJsonObject, type JsonObject, type JsonSchema, memberSchema } from './json-schema.ts'

/**
 * What structural schemas do to values besides validating them: what is not specified is pruned, what is missing gets its default, nulls that mean
 * nothing are dropped (apiextensions-apiserver `schema/pruning` and `schema/defaulting`). Values are never changed: where something differs, a copy is
 * given, and otherwise the very value.
 */

const metaFields = new Set(['apiVersion', 'kind', 'metadata'])

/** Where a walk stands, for the paths of what it drops. */
interface Walk {
  readonly path: (string | number)[]
  readonly unknown: string[]
}

/** An object without the fields that its schema does not specify. `unknown` takes their paths. `apiVersion`, `kind` and `metadata` stay. */
export function prune(root: JsonObject, schema: JsonSchema, unknown: string[] = []): JsonObject {
  return pruned(root, { ...schema, 'x-kubernetes-embedded-resource': true }, { path: [], unknown }) as JsonObject
}

function pruned(value: unknown, schema: JsonSchema | undefined, walk: Walk): unknown {
  const keepsUnknown = schema?.['x-kubernetes-preserve-unknown-fields'] === true
  if (Array.isArray(value)) {
    const items = schema?.items
    // A list that keeps what is unknown is pruned only below a schema that is given.
    return items === undefined && keepsUnknown ? value : mapList(value, (item, i) => below(item, i, items, walk))
  }
  if (!isJsonObject(value)) return value
  const isEmbedded = schema?.['x-kubernetes-embedded-resource'] === true
  return mapMembers(value, (member, name) => {
    if (isEmbedded && metaFields.has(name)) return member
    if (schema !== undefined && isSpecified(schema, name)) return below(member, name, memberSchema(schema, name), walk)
    if (keepsUnknown) return member
    walk.unknown.push(pathText([...walk.path, name]))
    return undefined
  })
}

function below(value: unknown, step: string | number, schema: JsonSchema | undefined, walk: Walk): unknown {
  walk.path.push(step)
  const result = pruned(value, schema, walk)
  walk.path.pop()
  return result
}

function isSpecified(schema: JsonSchema, name: string): boolean {
  const { properties, additionalProperties } = schema
  if (properties !== undefined && Object.hasOwn(properties, name)) return true
  return additionalProperties !== undefined && additionalProperties !== false
}

/** A path as kube-apiserver names it: `spec.list[0].name`. */
function pathText(path: readonly (string | number)[]): string {
  let text = ''
  for (const step of path) text += typeof step === 'number' ? `[${step}]` : `${text === '' ? '' : '.'}${step}`
  return text
}

/** A value with the defaults of its schema: for what is absent, and for nulls where null is no value. */
export function withDefaults(value: unknown, schema: JsonSchema | undefined): unknown {
  if (schema === undefined) return value
  if (Array.isArray(value)) return mapList(value, (item) => defaulted(item, schema.items))
  if (!isJsonObject(value)) return value
  let result = value
  for (const [name, property] of Object.entries(schema.properties ?? {})) {
    if (property.default === undefined) continue
    const isThere = Object.hasOwn(value, name) && !isMeaninglessNull(value[name], property)
    if (isThere) continue
    if (result === value) result = { ...value }
    setMember(result, name, structuredClone(property.default))
  }
  return mapMembers(result, (member, name) => defaulted(member, memberSchema(schema, name)))
}

function defaulted(value: unknown, schema: JsonSchema | undefined): unknown {
  const present =
    isMeaninglessNull(value, schema) && schema?.default !== undefined ? structuredClone(schema.default) : value
  return withDefaults(present, schema)
}

const isMeaninglessNull = (value: unknown, schema: JsonSchema | undefined): boolean =>
  value === null && schema !== undefined && schema.nullable !== true

/** A value without the nulls that are no values of their fields. Those in lists stay, and are found by validation. */
export function withoutNulls(value: unknown, schema: JsonSchema | undefined): unknown {
  if (Array.isArray(value)) return mapList(value, (item) => withoutNulls(item, schema?.items))
  if (!isJsonObject(value)) return value
  return mapMembers(value, (member, name) => {
    const inner = schema === undefined ? undefined : memberSchema(schema, name)
    return isMeaninglessNull(member, inner) && inner?.default === undefined ? undefined : withoutNulls(member, inner)
  })
}

/** True when a schema has a default anywhere in its structure. */
export function hasDefaults(schema: JsonSchema | undefined): boolean {
  if (schema === undefined) return false
  return (
    schema.default !== undefined ||
    hasDefaults(schema.items) ||
    hasDefaults(additionalSchema(schema)) ||
    Object.values(schema.properties ?? {}).some(hasDefaults)
  )
}

function mapList(list: readonly unknown[], change: (item: unknown, index: number) => unknown): readonly unknown[] {
  let result: unknown[] | undefined
  for (let i = 0; i < list.length; i++) {
    const next = change(list[i], i)
    if (next !== list[i]) (result ??= [...list])[i] = next
  }
  return result ?? list
}

// A member for which undefined is given is left out.
function mapMembers(object: JsonObject, change: (member: unknown, name: string) => unknown): JsonObject {
  let result: JsonObject | undefined
  for (const name of Object.keys(object)) {
    const next = change(object[name], name)
    if (next === object[name]) continue
    result ??= { ...object }
    if (next === undefined) delete result[name]
    else setMember(result, name, next)
  }
  return result ?? object
}

// A field may be called __proto__: what is stored is data from outside.
function setMember(object: JsonObject, name: string, value: unknown): void {
  if (name === '__proto__')
    Object.defineProperty(object, name, { value, enumerable: true, configurable: true, writable: true })
  else object[name] = value
}
