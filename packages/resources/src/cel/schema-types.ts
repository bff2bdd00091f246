import { jsonEqual } from '@binnacle/apimachinery'
import { Environment } from '@marcbachmann/cel-js'
import { additionalSchema, isJsonObject, type JsonObject, type JsonSchema } from '../custom/json-schema.ts'

/** How the values of a schema look to CEL (`k8s.io/apiserver/pkg/cel/openapi`). */
export interface SchemaType {
  /** The type's name in declarations. */
  readonly name: string
  /** A value of JSON as one of this type. */
  convert(value: any): unknown
}

const text: SchemaType = { name: 'string', convert: (value: string) => value }
const dynamic: SchemaType = { name: 'dyn', convert: dynamicValue }
const scalars: Readonly<Record<string, SchemaType>> = {
  string: text,
  boolean: { name: 'bool', convert: (value: boolean) => value },
  integer: { name: 'int', convert: (value: number) => BigInt(Math.trunc(value)) },
  number: { name: 'double', convert: (value: number) => value },
}

function dynamicValue(value: unknown): unknown {
  if (typeof value === 'number') return Number.isInteger(value) ? BigInt(value) : value
  if (Array.isArray(value)) return value.map(dynamicValue)
  if (isJsonObject(value)) return new Map(Object.entries(value).map(([name, member]) => [name, dynamicValue(member)]))
  return value
}

// The library gives away no class for durations.
const durationOf = new Environment().registerVariable('text', 'string').parse('duration(text)')

/** Declares a schema's types in an environment. Undefined for what has no type, and is out of reach of rules. */
export class SchemaTypes {
  readonly #environment: Environment
  readonly #names = new Set<string>()
  readonly #known = new Map<JsonSchema, SchemaType | undefined>()

  constructor(environment: Environment) {
    this.#environment = environment
  }

  /** The type of a schema. `name` is what its values are called in messages; `isResource` adds the fields of a whole object. */
  typeOf(schema: JsonSchema, name: string, isResource = false): SchemaType | undefined {
    if (!this.#known.has(schema)) this.#known.set(schema, this.#declare(schema, name, isResource))
    return this.#known.get(schema)
  }

  #declare(schema: JsonSchema, name: string, isResource: boolean): SchemaType | undefined {
    if (schema['x-kubernetes-int-or-string'] === true) return dynamic
    switch (schema.type) {
      case 'array':
        return this.#list(schema, name)
      case 'object':
        return additionalSchema(schema) === undefined && schema.additionalProperties !== true
          ? this.#object(schema, name, isResource || schema['x-kubernetes-embedded-resource'] === true)
          : this.#map(schema, name)
      case 'string':
        return this.#string(schema.format)
      default:
        return scalars[schema.type ?? '']
    }
  }

  // Names of types have letters, digits and dots; each is there once.
  #nameFor(called: string): string {
    const plain = called.replaceAll(/[^\w.]/g, '_')
    let name = plain
    for (let n = 2; this.#names.has(name); n++) name = `${plain}_${n}`
    this.#names.add(name)
    return name
  }

  #string(format: string | undefined): SchemaType {
    switch (format) {
      case 'date':
      case 'date-time':
      case 'datetime':
        return { name: 'google.protobuf.Timestamp', convert: (value: string) => new Date(value) }
      case 'duration':
        return { name: 'google.protobuf.Duration', convert: (value: string) => durationOf({ text: value }) }
      case 'byte':
        return { name: 'bytes', convert: (value: string) => new Uint8Array(Buffer.from(value, 'base64')) }
      default:
        return text
    }
  }

  #list(schema: JsonSchema, name: string): SchemaType | undefined {
    const items = schema.items === undefined ? undefined : this.typeOf(schema.items, `${name}.item`)
    if (items === undefined) return undefined
    return { name: `list<${items.name}>`, convert: (list: unknown[]) => list.map((item) => items.convert(item)) }
  }

  #map(schema: JsonSchema, name: string): SchemaType | undefined {
    const additional = additionalSchema(schema)
    const values = additional === undefined ? dynamic : this.typeOf(additional, `${name}.value`)
    if (values === undefined) return undefined
    const convert = (map: JsonObject) =>
      new Map(Object.entries(map).map(([key, value]) => [key, value === null ? null : values.convert(value)]))
    return { name: `map<string, ${values.name}>`, convert }
  }

  #object(schema: JsonSchema, called: string, isResource: boolean): SchemaType {
    const name = this.#nameFor(called)
    const properties: Record<string, JsonSchema> = {
      ...schema.properties,
      ...(isResource ? { apiVersion: string, kind: string, metadata } : {}),
    }
    const fields = new Map<string, readonly [string, SchemaType]>()
    for (const [property, inner] of Object.entries(properties)) {
      const type = this.typeOf(inner, `${name}.${escaped(property)}`)
      if (type !== undefined) fields.set(property, [escaped(property), type])
    }
    const declared = Object.fromEntries([...fields.values()].map(([field, type]) => [field, type.name]))
    // The library tells types by their classes.
    const ctor = class extends Object {}
    this.#environment
      .registerType(name, { ctor, fields: declared } as never)
      .registerOperator(`${name} == ${name}`, (a: object, b: object) => jsonEqual(jsonOf.get(a), jsonOf.get(b)))
    return { name, convert: (value: JsonObject) => filled(new ctor() as JsonObject, value, fields) }
  }
}

const string: JsonSchema = { type: 'string' }
// No other metadata is in reach of rules.
const metadata: JsonSchema = { type: 'object', properties: { name: string, generateName: string } }

/** What an object was made of: by that two are compared. */
const jsonOf = new WeakMap<object, JsonObject>()

function filled(
  object: JsonObject,
  json: JsonObject,
  fields: ReadonlyMap<string, readonly [string, SchemaType]>,
): JsonObject {
  jsonOf.set(object, json)
  for (const [property, [field, type]] of fields) {
    const value = Object.hasOwn(json, property) ? json[property] : undefined
    // Null is as good as absent.
    if (value !== undefined && value !== null) object[field] = type.convert(value)
  }
  return object
}

const reserved = new Set(
  'true false null in as break const continue else for function if import let loop package namespace return var void while'.split(
    ' ',
  ),
)

/** A property's name as rules write it: `x-prop` is `x__dash__prop`. */
function escaped(property: string): string {
  if (reserved.has(property)) return `__${property}__`
  return property
    .replaceAll('__', '__underscores__')
    .replaceAll('.', '__dot__')
    .replaceAll('-', '__dash__')
    .replaceAll('/', '__slash__')
}
