import { duplicate, type FieldError, invalidValue } from '@binnacle/apimachinery'
import { isJsonObject, type JsonObject, type JsonSchema, memberSchema } from './json-schema.ts'

/** Lists that are sets or maps: no element, or no combination of keys, may be there twice (apiextensions-apiserver `schema/listtype`). */

/** The problems of every such list in an object. */
export function listTypeErrors(schema: JsonSchema, object: JsonObject): FieldError[] {
  return memberErrors(schema, object, '')
}

function memberErrors(schema: JsonSchema, object: JsonObject, path: string): FieldError[] {
  return Object.keys(object).flatMap((name) => {
    const inner = memberSchema(schema, name)
    if (inner === undefined) return []
    const isProperty = Object.hasOwn(schema.properties ?? {}, name)
    const at = isProperty ? `${path === '' ? '' : `${path}.`}${name}` : `${path}[${name}]`
    return valueErrors(inner, object[name], at)
  })
}

function valueErrors(schema: JsonSchema, value: unknown, path: string): FieldError[] {
  if (isJsonObject(value)) return memberErrors(schema, value, path)
  if (!Array.isArray(value)) return []
  const { items } = schema
  const below =
    items === undefined ? [] : value.flatMap((item: unknown, i) => valueErrors(items, item, `${path}[${i}]`))
  return [...ownErrors(schema, value, path), ...below]
}

function ownErrors(schema: JsonSchema, list: readonly unknown[], path: string): FieldError[] {
  switch (schema['x-kubernetes-list-type']) {
    case 'set':
      return repeated(list).map((i) => duplicate(`${path}[${i}]`, list[i]))
    case 'map': {
      const wrong = list.findIndex((item) => item !== null && !isJsonObject(item))
      if (wrong >= 0)
        return [invalidValue(`${path}[${wrong}]`, list[wrong], 'must be an object for an array of list-type map')]
      const keys = list.map((item) => keysOf(item, schema['x-kubernetes-list-map-keys'] ?? []))
      return repeated(keys).map((i) => duplicate(`${path}[${i}]`, keys[i]))
    }
    default:
      return []
  }
}

function keysOf(item: unknown, names: readonly string[]): JsonObject {
  if (!isJsonObject(item)) return {}
  return Object.fromEntries(names.filter((name) => Object.hasOwn(item, name)).map((name) => [name, item[name]]))
}

// Of those that are there more than once, the second.
function repeated(list: readonly unknown[]): number[] {
  const counts = new Map<string, number>()
  const found: number[] = []
  list.forEach((item, i) => {
    const text = JSON.stringify(item)
    const count = (counts.get(text) ?? 0) + 1
    counts.set(text, count)
    if (count === 2) found.push(i)
  })
  return found
}

/** Items by the values of their keys, as text; of several with the same keys the last. */
export function itemsByKeys(list: readonly unknown[], names: readonly string[]): Map<string, unknown> {
  return new Map(list.map((item) => [JSON.stringify(keysOf(item, names)), item]))
}
