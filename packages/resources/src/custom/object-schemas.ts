import type { FieldSchema, ObjectSchema, TypeRef } from '@binnacle/apimachinery'
import { additionalSchema, isJsonObject, type JsonSchema } from './json-schema.ts'

/** The structures that a schema comes to, by name, as everything that is not validation sees them: ownership of fields above all. */
export interface ObjectSchemas {
  readonly root: ObjectSchema
  /** Those of the objects within it. */
  readonly inner: ReadonlyMap<string, ObjectSchema>
}

const anything: TypeRef = { kind: 'scalar', scalar: 'json' }
const metadataType: TypeRef = { kind: 'object', name: 'io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta' }
const text: TypeRef = { kind: 'scalar', scalar: 'string' }
const metaFields: readonly FieldSchema[] = [
  {
    name: 'apiVersion',
    type: text,
    description:
      'APIVersion defines the versioned schema of this representation of an object. Servers should convert recognized schemas to the latest internal value, and may reject unrecognized values. More info: https://git.k8s.io/community/contributors/devel/sig-architecture/api-conventions.md#resources',
    required: false,
  },
  {
    name: 'kind',
    type: text,
    description:
      'Kind is a string value representing the REST resource this object represents. Servers may infer this from the endpoint the client submits requests to. Cannot be updated. In CamelCase. More info: https://git.k8s.io/community/contributors/devel/sig-architecture/api-conventions.md#types-kinds',
    required: false,
  },
  {
    name: 'metadata',
    type: metadataType,
    description:
      "Standard object's metadata. More info: https://git.k8s.io/community/contributors/devel/sig-architecture/api-conventions.md#metadata",
    required: false,
  },
]

/** The structure of a kind, and of all objects within it. `name` is what the kind is called in OpenAPI documents. */
export function objectSchemasOf(name: string, schema: JsonSchema): ObjectSchemas {
  const inner = new Map<string, ObjectSchema>()
  const { apiVersion: _version, kind: _kind, metadata: _metadata, ...properties } = schema.properties ?? {}
  const root = objectSchema({ name, inner }, { ...schema, properties }, metaFields)
  return { root, inner }
}

interface Building {
  readonly name: string
  readonly inner: Map<string, ObjectSchema>
}

function objectSchema({ name, inner }: Building, schema: JsonSchema, first: readonly FieldSchema[] = []): ObjectSchema {
  const names = new Set(schema.required)
  const own = Object.entries(schema.properties ?? {}).map(([field, property]): FieldSchema => {
    const base = {
      name: field,
      type: typeOf({ name: `${name}.${field}`, inner }, property),
      description: property.description ?? '',
      required: names.has(field),
      ...(property.default === undefined ? {} : { default: property.default }),
    }
    return { ...base, ...mergeBehaviour(property) }
  })
  const fields = [...first, ...own]
  return {
    name,
    description: schema.description ?? '',
    fields,
    byName: new Map(fields.map((field) => [field.name, field])),
    allOptional: true,
    ...(schema['x-kubernetes-map-type'] === 'atomic' ? { atomic: true as const } : {}),
    ...(schema['x-kubernetes-preserve-unknown-fields'] === true ? { preserveUnknownFields: true } : {}),
  }
}

type MergeBehaviour = Pick<FieldSchema, 'listType' | 'listMapKeys' | 'mapType'>

function mergeBehaviour(schema: JsonSchema): MergeBehaviour {
  const listType = schema['x-kubernetes-list-type'] as FieldSchema['listType']
  const keys = schema['x-kubernetes-list-map-keys']
  const isAtomic = schema['x-kubernetes-map-type'] === 'atomic'
  // What has no structure is told apart as it comes: objects by their members.
  const mapType = isAtomic ? 'atomic' : isUntyped(schema) ? 'granular' : undefined
  return {
    ...(listType === undefined ? {} : { listType }),
    ...(keys === undefined ? {} : { listMapKeys: keys }),
    ...(mapType === undefined ? {} : { mapType }),
  }
}

const isUntyped = (schema: JsonSchema): boolean =>
  schema.type === undefined && schema['x-kubernetes-int-or-string'] !== true

function typeOf(building: Building, schema: JsonSchema): TypeRef {
  if (schema['x-kubernetes-int-or-string'] === true) return { kind: 'scalar', scalar: 'intOrString' }
  switch (schema.type) {
    case 'string':
      return schema.format === 'byte' ? { kind: 'scalar', scalar: 'bytes' } : text
    case 'boolean':
      return { kind: 'scalar', scalar: 'boolean' }
    case 'integer':
      return { kind: 'scalar', scalar: schema.format === 'int32' ? 'int32' : 'int64' }
    case 'number':
      return { kind: 'scalar', scalar: 'double' }
    case 'array':
      return isJsonObject(schema.items)
        ? { kind: 'list', of: typeOf({ ...building, name: `${building.name}.items` }, schema.items) }
        : anything
    case 'object': {
      const values = additionalSchema(schema)
      if (values !== undefined)
        return { kind: 'map', of: typeOf({ ...building, name: `${building.name}.values` }, values) }
      if (schema.additionalProperties === true) return { kind: 'map', of: anything }
      building.inner.set(building.name, objectSchema(building, schema))
      return { kind: 'object', name: building.name }
    }
    default:
      return anything
  }
}
