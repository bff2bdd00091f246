import { additionalSchema, isJsonObject, type JsonObject, type JsonSchema } from './json-schema.ts'

/**
 * A kind's schema as OpenAPI documents have it (apiextensions-apiserver `controller/openapi`): with metadata, and for version 2, which knows less,
 * without what kubectl would misunderstand. References to metadata are made by `reference`.
 */

const objectMeta = 'io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta'
const apiVersion = {
  type: 'string',
  description:
    'APIVersion defines the versioned schema of this representation of an object. Servers should convert recognized schemas to the latest internal value, and may reject unrecognized values. More info: https://git.k8s.io/community/contributors/devel/sig-architecture/api-conventions.md#resources',
}
const kind = {
  type: 'string',
  description:
    'Kind is a string value representing the REST resource this object represents. Servers may infer this from the endpoint the client submits requests to. Cannot be updated. In CamelCase. More info: https://git.k8s.io/community/contributors/devel/sig-architecture/api-conventions.md#types-kinds',
}

/** Makes the address of a schema that the document has by its name. */
export type SchemaReference = (name: string) => string

/** The schema of a kind for a document of version 3. */
export function publishedV3(schema: JsonSchema, reference: SchemaReference): JsonObject {
  const metadata = metadataOf(reference, true)
  const published = embedded(schema, metadata, true) as JsonObject
  const properties = { ...(published['properties'] as JsonObject | undefined), apiVersion, kind, metadata }
  return { ...published, properties }
}

/** The schema of a kind for a document of version 2. */
export function publishedV2(schema: JsonSchema, reference: SchemaReference): JsonObject {
  // kubectl would refuse every other field if any were named.
  if (schema['x-kubernetes-preserve-unknown-fields'] === true) return { type: 'object' }
  const metadata = metadataOf(reference, false)
  const published = embedded(simplified(schema), metadata, false) as JsonObject
  const properties = { ...(published['properties'] as JsonObject | undefined), apiVersion, kind, metadata }
  return { ...published, properties }
}

// In OpenAPI 3.0 nothing may stand beside $ref.
function metadataOf(reference: SchemaReference, v3: boolean): JsonObject {
  const description =
    "Standard object's metadata. More info: https://git.k8s.io/community/contributors/devel/sig-architecture/api-conventions.md#metadata"
  const $ref = reference(objectMeta)
  return v3 ? { description, allOf: [{ $ref }] } : { description, $ref }
}

/** The schema with apiVersion, kind and metadata in every embedded resource. */
function embedded(schema: JsonSchema, metadata: JsonObject, v3: boolean): JsonSchema {
  const inner = (part: JsonSchema): JsonSchema => embedded(part, metadata, v3)
  const result = { ...mapStructure(schema, inner), ...(v3 ? intOrString(schema) : {}) } as JsonObject
  const leavesOpen = schema['x-kubernetes-preserve-unknown-fields'] === true && !v3
  if (schema['x-kubernetes-embedded-resource'] !== true || leavesOpen) return result
  const required = [...new Set([...(schema.required ?? []), 'apiVersion', 'kind'])]
  const properties = { ...(result['properties'] as JsonObject | undefined), apiVersion, kind, metadata }
  return { ...result, properties, required } as JsonSchema
}

// Said in the words that clients know.
function intOrString(schema: JsonSchema): JsonObject {
  const isPlain =
    schema['x-kubernetes-int-or-string'] === true && schema.anyOf === undefined && schema.allOf === undefined
  return isPlain ? { anyOf: [{ type: 'integer' }, { type: 'string' }] } : {}
}

/** What version 2 has no words for is left out. */
function simplified(schema: JsonSchema): JsonSchema {
  const { allOf: _all, anyOf: _any, oneOf: _one, not: _not, nullable, ...rest } = mapStructure(schema, simplified)
  const result: JsonObject = { ...rest }
  const keepsUnknown = schema['x-kubernetes-preserve-unknown-fields'] === true
  if (nullable === true) delete result['type']
  if (nullable === true || keepsUnknown) {
    delete result['items']
    delete result['properties']
  }
  if ((result['type'] === 'array' && result['items'] === undefined) || (keepsUnknown && result['type'] === 'object'))
    delete result['type']
  const nullables = Object.entries(schema.properties ?? {}).filter(([, property]) => property.nullable === true)
  const names = nullables.map(([name]) => name)
  const required = (schema.required ?? []).filter((name) => !names.includes(name))
  if (required.length > 0 && additionalSchema(schema)?.nullable !== true) result['required'] = required
  else delete result['required']
  return result as JsonSchema
}

function mapStructure(schema: JsonSchema, change: (part: JsonSchema) => JsonSchema): JsonSchema {
  const { properties, additionalProperties, items } = schema
  return {
    ...schema,
    ...(properties === undefined
      ? {}
      : { properties: Object.fromEntries(Object.entries(properties).map(([name, part]) => [name, change(part)])) }),
    ...(isJsonObject(additionalProperties) ? { additionalProperties: change(additionalProperties as JsonSchema) } : {}),
    ...(isJsonObject(items) ? { items: change(items as JsonSchema) } : {}),
  }
}
