import { type FieldError, forbiddenField, invalidValue, jsonEqual, required } from '@binnacle/apimachinery'
import { additionalSchema, isJsonObject, type JsonSchema } from './json-schema.ts'
import { compilePattern } from './re2-pattern.ts'

/**
 * What makes a schema structural: every value has its type outside of `allOf`, `anyOf`, `oneOf` and `not`, and those only restrict it
 * (apiextensions-apiserver `schema/validation.go`).
 */

type Level = 'root' | 'item' | 'field'

/** The problems of a schema, sorted as kube-apiserver sorts them. */
export function structuralErrors(schema: JsonSchema, path: string): FieldError[] {
  const errors = [...invariants(schema, 'root', path), ...completeness(schema, { structure: schema, at: path }, path)]
  const textOf = ({ field, message }: FieldError): string => `${field}: ${message}`
  return errors.sort((a, b) => (textOf(a) < textOf(b) ? -1 : 1))
}

function invariants(schema: JsonSchema, level: Level, path: string): FieldError[] {
  const { items, properties = {}, additionalProperties } = schema
  const errors: FieldError[] = []
  if (schema.type === 'array' && items === undefined) errors.push(required(`${path}.items`, 'must be specified'))
  if (isJsonObject(items)) errors.push(...invariants(items as JsonSchema, 'item', `${path}.items`))
  for (const [name, property] of Object.entries(properties))
    errors.push(...invariants(property, 'field', `${path}.properties[${name}]`))
  if (additionalProperties !== undefined && level === 'root')
    errors.push(forbiddenField(`${path}.additionalProperties`, 'must not be used at the root'))
  const additional = additionalSchema(schema)
  if (additional !== undefined) errors.push(...invariants(additional, 'field', `${path}.additionalProperties`))
  return [
    ...errors,
    ...extensionErrors(schema, path),
    ...junctorErrors(schema, path, isIntOrString(schema.anyOf), isIntOrString(schema.allOf?.[0]?.anyOf)),
    ...typeErrors(schema, level, path),
    ...metaErrors(schema, level, path),
  ]
}

const isIntOrString = (anyOf: readonly JsonSchema[] | undefined): boolean =>
  jsonEqual(anyOf, [{ type: 'integer' }, { type: 'string' }])

function extensionErrors(schema: JsonSchema, path: string): FieldError[] {
  if (schema['x-kubernetes-int-or-string'] !== true) return []
  const names = ['x-kubernetes-preserve-unknown-fields', 'x-kubernetes-embedded-resource'] as const
  return names
    .filter((name) => schema[name] === true)
    .map((name) => invalidValue(`${path}.${name}`, true, 'must be false if x-kubernetes-int-or-string is true'))
}

function typeErrors(schema: JsonSchema, level: Level, path: string): FieldError[] {
  const { type = '' } = schema
  const field = `${path}.type`
  const isEmbedded = schema['x-kubernetes-embedded-resource'] === true
  const keepsUnknown = schema['x-kubernetes-preserve-unknown-fields'] === true
  const errors: FieldError[] = []
  if (isEmbedded && type !== 'object') {
    const detail = 'must be object if x-kubernetes-embedded-resource is true'
    errors.push(type === '' ? required(field, detail) : invalidValue(field, type, detail))
  } else if (type === '' && schema['x-kubernetes-int-or-string'] !== true && !keepsUnknown) {
    errors.push(required(field, `must not be empty ${untypedPlaces[level]}`))
  }
  if (isEmbedded && schema.additionalProperties !== undefined)
    errors.push(
      forbiddenField(`${path}.additionalProperties`, 'must not be used if x-kubernetes-embedded-resource is set'),
    )
  if (level === 'root' && type !== '' && type !== 'object')
    errors.push(invalidValue(field, type, 'must be object at the root'))
  if (isEmbedded && !keepsUnknown && Object.keys(schema.properties ?? {}).length === 0)
    errors.push(
      required(
        `${path}.properties`,
        'must not be empty if x-kubernetes-embedded-resource is true without x-kubernetes-preserve-unknown-fields',
      ),
    )
  return errors
}

const untypedPlaces: Record<Level, string> = {
  root: 'at the root',
  item: 'for specified array items',
  field: 'for specified object fields',
}

// Metadata has a structure of its own: a schema may only restrict names.
function metaErrors(schema: JsonSchema, level: Level, path: string): FieldError[] {
  if (level !== 'root' && schema['x-kubernetes-embedded-resource'] !== true) return []
  const { kind, apiVersion, metadata } = schema.properties ?? {}
  const errors: FieldError[] = []
  for (const [name, property] of Object.entries({ kind, apiVersion }))
    if (property !== undefined && property.type !== 'string')
      errors.push(invalidValue(`${path}.properties[${name}].type`, property.type ?? '', 'must be string'))
  if (metadata === undefined) return errors
  const field = `${path}.properties[metadata]`
  if (metadata.type !== 'object') errors.push(invalidValue(`${field}.type`, metadata.type ?? '', 'must be object'))
  if (level === 'root' && !restrictsNamesOnly(metadata))
    errors.push(
      forbiddenField(
        field,
        'must not specify anything other than name and generateName, but metadata is implicitly specified',
      ),
    )
  return errors
}

function restrictsNamesOnly({ type: _type, default: _default, properties = {}, ...rest }: JsonSchema): boolean {
  const names = Object.keys(properties)
  return Object.keys(rest).length === 0 && names.every((name) => name === 'name' || name === 'generateName')
}

type Junctors = Pick<JsonSchema, 'anyOf' | 'allOf' | 'oneOf' | 'not' | 'pattern'>

function junctorErrors(schema: Junctors, path: string, skipsAnyOf: boolean, skipsFirstAnyOf: boolean): FieldError[] {
  const errors: FieldError[] = []
  const nested = (part: JsonSchema, at: string, skips = false): void =>
    void errors.push(...nestedErrors(part, at, skips))
  if (!skipsAnyOf) (schema.anyOf ?? []).forEach((part, i) => nested(part, `${path}.anyOf[${i}]`))
  ;(schema.allOf ?? []).forEach((part, i) => nested(part, `${path}.allOf[${i}]`, skipsFirstAnyOf && i === 0))
  ;(schema.oneOf ?? []).forEach((part, i) => nested(part, `${path}.oneOf[${i}]`))
  if (schema.not !== undefined) nested(schema.not, `${path}.not`)
  const problem = patternProblem(schema.pattern)
  if (problem !== undefined)
    errors.push(
      invalidValue(`${path}.pattern`, schema.pattern, `must be a valid regular expression, but isn't: ${problem}`),
    )
  return errors
}

function patternProblem(pattern: string | undefined): string | undefined {
  if (pattern === undefined || pattern === '') return undefined
  try {
    compilePattern(pattern)
    return undefined
  } catch (error) {
    return (error as Error).message
  }
}

const forbiddenInNested: readonly (readonly [keyof JsonSchema, string])[] = [
  ['type', 'must be empty to be structural'],
  ['additionalProperties', 'must be undefined to be structural'],
  ['default', 'must be undefined to be structural'],
  ['title', 'must be empty to be structural'],
  ['description', 'must be empty to be structural'],
  ['nullable', 'must be false to be structural'],
  ['externalDocs', 'must be undefined to be structural'],
  ['x-kubernetes-preserve-unknown-fields', 'must be false to be structural'],
  ['x-kubernetes-embedded-resource', 'must be false to be structural'],
  ['x-kubernetes-int-or-string', 'must be false to be structural'],
  ['x-kubernetes-list-map-keys', 'must be empty to be structural'],
  ['x-kubernetes-list-type', 'must be undefined to be structural'],
  ['x-kubernetes-map-type', 'must be undefined to be structural'],
  ['x-kubernetes-validations', 'must be empty to be structural'],
]

const isSet = (value: unknown): boolean =>
  value !== undefined && value !== false && value !== '' && !(Array.isArray(value) && value.length === 0)

function nestedErrors(schema: JsonSchema, path: string, skipsAnyOf: boolean): FieldError[] {
  const errors = junctorErrors(schema, path, skipsAnyOf, false)
  if (isJsonObject(schema.items)) errors.push(...nestedErrors(schema.items as JsonSchema, `${path}.items`, false))
  for (const [name, property] of Object.entries(schema.properties ?? {}))
    errors.push(...nestedErrors(property, `${path}.properties[${name}]`, false))
  for (const [name, detail] of forbiddenInNested)
    if (isSet(schema[name])) errors.push(forbiddenField(`${path}.${name}`, detail))
  if (schema.properties?.['metadata'] !== undefined)
    errors.push(forbiddenField(`${path}.properties[metadata]`, 'must not be specified in a nested context'))
  return errors
}

/** The part of the structure that a restriction is about, and where it stands. */
interface Counterpart {
  readonly structure: JsonSchema | undefined
  readonly at: string
}

// What is restricted has to be specified.
function completeness(schema: JsonSchema, counterpart: Counterpart, path: string): FieldError[] {
  const parts: [JsonSchema, string][] = [
    ...(schema.not === undefined ? [] : [[schema.not, `${path}.not`] as [JsonSchema, string]]),
    ...(['allOf', 'anyOf', 'oneOf'] as const).flatMap((name) =>
      (schema[name] ?? []).map((part, i): [JsonSchema, string] => [part, `${path}.${name}[${i}]`]),
    ),
  ]
  return parts.flatMap(([part, at]) => nestedCompleteness(part, counterpart, at))
}

function nestedCompleteness(part: JsonSchema, { structure, at }: Counterpart, path: string): FieldError[] {
  if (structure === undefined) return [required(at, `because it is defined in ${path}`)]
  const errors = completeness(part, { structure, at }, path)
  if (isJsonObject(part.items))
    errors.push(...nestedCompleteness(part.items, { structure: structure.items, at: `${at}.items` }, `${path}.items`))
  for (const [name, property] of Object.entries(part.properties ?? {})) {
    const inner = { structure: structure.properties?.[name], at: `${at}.properties[${name}]` }
    errors.push(...nestedCompleteness(property, inner, `${path}.properties[${name}]`))
  }
  return errors
}
