import { decodeStructural, dns1035LabelProblems, type FieldError, invalidValue, required } from '@binnacle/apimachinery'
import { schemaOf } from '../schemas.ts'
import { everySchema, isJsonObject, type JsonObject, type JsonSchema, memberSchema } from './json-schema.ts'

/** Objects within objects (`x-kubernetes-embedded-resource`): they have a type, and metadata of the usual structure (`schema/objectmeta`). */

const objectMeta = 'io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta'

/** True when a schema has embedded objects anywhere. */
export const hasEmbeddedObjects = (schema: JsonSchema): boolean =>
  [...everySchema(schema)].some((part) => part['x-kubernetes-embedded-resource'] === true)

/** Metadata in its structure, with what it does not know left out. `path` is that of the object it belongs to. */
export function decodeMetadata(metadata: unknown, path: string) {
  const decoded = decodeStructural(schemaOf(objectMeta), schemaOf, metadata)
  const prefix = path === '' ? 'metadata' : `${path}.metadata`
  return { ...decoded, unknownFields: decoded.unknownFields.map((field) => `${prefix}.${field}`) }
}

/** A value whose embedded objects have well-formed metadata only. `unknown` takes the paths of what is dropped. */
export function withCleanMetadata(
  value: unknown,
  schema: JsonSchema | undefined,
  unknown: string[],
  path = '',
): unknown {
  if (schema === undefined) return value
  if (Array.isArray(value))
    return value.map((item, i) => withCleanMetadata(item, schema.items, unknown, `${path}[${i}]`))
  if (!isJsonObject(value)) return value
  const isEmbedded = schema['x-kubernetes-embedded-resource'] === true
  const members = Object.entries(value).map(([name, member]): [string, unknown] => {
    if (isEmbedded && name === 'metadata' && isJsonObject(member)) {
      const decoded = decodeMetadata(member, path)
      unknown.push(...decoded.unknownFields)
      return [name, decoded.typeError === undefined ? decoded.value : member]
    }
    return [
      name,
      withCleanMetadata(member, memberSchema(schema, name), unknown, `${path === '' ? '' : `${path}.`}${name}`),
    ]
  })
  return Object.fromEntries(members)
}

/** The problems of all embedded objects. */
export function embeddedObjectErrors(schema: JsonSchema | undefined, value: unknown, path = ''): FieldError[] {
  if (schema === undefined) return []
  if (Array.isArray(value))
    return value.flatMap((item: unknown, i) => embeddedObjectErrors(schema.items, item, `${path}[${i}]`))
  if (!isJsonObject(value)) return []
  const own = schema['x-kubernetes-embedded-resource'] === true ? typeErrors(value, path) : []
  const below = Object.entries(value).flatMap(([name, member]) =>
    embeddedObjectErrors(memberSchema(schema, name), member, `${path === '' ? '' : `${path}.`}${name}`),
  )
  return [...own, ...below]
}

function typeErrors(object: JsonObject, path: string): FieldError[] {
  return [
    ...typeTextErrors(object, 'apiVersion', path, (version) =>
      version.split('/').length > 2 ? [`unexpected GroupVersion string: ${version}`] : [],
    ),
    ...typeTextErrors(object, 'kind', path, (kind) => {
      const problems = dns1035LabelProblems(kind.toLowerCase())
      return problems.length === 0 ? [] : [`may have mixed case, but should otherwise match: ${problems.join(',')}`]
    }),
    ...metadataErrors(object, path),
  ]
}

function typeTextErrors(
  object: JsonObject,
  name: string,
  path: string,
  problemsOf: (text: string) => readonly string[],
): FieldError[] {
  const field = `${path}.${name}`
  const value = object[name]
  if (value === undefined) return [required(field)]
  if (typeof value !== 'string') return [invalidValue(field, value, 'must be a string')]
  if (value === '') return [invalidValue(field, value, 'must not be empty')]
  return problemsOf(value).map((problem) => invalidValue(field, value, problem))
}

function metadataErrors({ metadata }: JsonObject, path: string): FieldError[] {
  if (metadata === undefined) return []
  const { typeError } = decodeMetadata(metadata, path)
  return typeError === undefined ? [] : [invalidValue(`${path}.metadata`, metadata, typeError)]
}
