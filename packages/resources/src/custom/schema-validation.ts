import {
  type FieldError,
  forbiddenField,
  invalidValue,
  jsonEqual,
  notSupported,
  required,
} from '@binnacle/apimachinery'
import { schemaRuleErrors } from '../cel/schema-rules.ts'
import { additionalSchema, isJsonObject, type JsonSchema, type SchemaRule } from './json-schema.ts'
import { structuralErrors } from './structural-rules.ts'
import { prune } from './structural-values.ts'
import { schemaErrors } from './validate-value.ts'

/** The rules for the schema of a version (apiextensions-apiserver `ValidateCustomResourceDefinitionOpenAPISchema`). */

const types = ['array', 'boolean', 'integer', 'number', 'object', 'string']
const allowedAtRoot: Readonly<Record<string, string>> = {
  description: 'Description',
  type: 'Type',
  format: 'Format',
  title: 'Title',
  maximum: 'Maximum',
  exclusiveMaximum: 'ExclusiveMaximum',
  minimum: 'Minimum',
  exclusiveMinimum: 'ExclusiveMinimum',
  maxLength: 'MaxLength',
  minLength: 'MinLength',
  pattern: 'Pattern',
  maxItems: 'MaxItems',
  minItems: 'MinItems',
  uniqueItems: 'UniqueItems',
  multipleOf: 'MultipleOf',
  required: 'Required',
  items: 'Items',
  properties: 'Properties',
  externalDocs: 'ExternalDocs',
  example: 'Example',
  'x-kubernetes-preserve-unknown-fields': 'XPreserveUnknownFields',
  'x-kubernetes-validations': 'XValidations',
}

/** The problems of the schema of a version. */
export function versionSchemaErrors(schema: JsonSchema, path: string, hasStatus: boolean): FieldError[] {
  const errors = hasStatus ? rootErrors(schema, path) : []
  if (schema.nullable === true) errors.push(forbiddenField(`${path}.nullable`, 'nullable cannot be true at the root'))
  const structural = structuralErrors(schema, path)
  errors.push(...(structural.length > 0 ? structural : defaultErrors(schema, path)))
  errors.push(...nodeErrors(schema, path, { isRoot: true, insideMeta: false }))
  // Rules are looked at once the types that they are about are right.
  return errors.length > 0 ? errors : schemaRuleErrors(schema, path)
}

function rootErrors(schema: JsonSchema, path: string): FieldError[] {
  if (schema.type !== undefined && schema.type !== 'object')
    return [
      invalidValue(
        `${path}.type`,
        schema.type,
        'only "object" is allowed as the type at the root of the schema if the status subresource is enabled',
      ),
    ]
  if (Object.keys(schema).every((name) => Object.hasOwn(allowedAtRoot, name))) return []
  const names = Object.values(allowedAtRoot).join(' ')
  return [
    invalidValue(
      path,
      schema,
      `only [${names}] fields are allowed at the root of the schema if the status subresource is enabled`,
    ),
  ]
}

// A default has to be a valid value without anything that would be pruned.
function defaultErrors(schema: JsonSchema, path: string): FieldError[] {
  const errors: FieldError[] = []
  const { default: value } = schema
  if (value !== undefined) {
    const field = `${path}.default`
    const isPruned = !isJsonObject(value) || jsonEqual(pruneDefault(value, schema), value)
    if (!isPruned) errors.push(invalidValue(field, value, 'must not have unknown fields'))
    errors.push(...schemaErrors(schema, value, { field }))
  }
  if (isJsonObject(schema.items)) errors.push(...defaultErrors(schema.items as JsonSchema, `${path}.items`))
  for (const [name, property] of Object.entries(schema.properties ?? {}))
    errors.push(...defaultErrors(property, `${path}.properties[${name}]`))
  return errors
}

// apiVersion, kind and metadata mean something in embedded objects only.
function pruneDefault(value: Record<string, unknown>, schema: JsonSchema): unknown {
  const pruned = prune(value, schema)
  if (schema['x-kubernetes-embedded-resource'] === true) return pruned
  return (prune({ default: value }, { type: 'object', properties: { default: schema } }) as { default: unknown })
    .default
}

interface Situation {
  readonly isRoot: boolean
  readonly insideMeta: boolean
  /** Why no default may be set here. */
  readonly withoutDefaults?: string
}

const metaFields = new Set(['metadata', 'kind', 'apiVersion'])

function nodeErrors(schema: JsonSchema, path: string, situation: Situation): FieldError[] {
  const { isRoot, insideMeta } = situation
  const inner = { ...situation, isRoot: false }
  const errors = [...plainErrors(schema, path, situation), ...extensionErrors(schema, path)]
  const additional = additionalSchema(schema)
  const { properties = {}, additionalProperties } = schema
  if (additionalProperties !== undefined && additionalProperties !== true && Object.keys(properties).length > 0)
    errors.push(
      forbiddenField(`${path}.additionalProperties`, 'additionalProperties and properties are mutual exclusive'),
    )
  const reason = insideMeta ? { withoutDefaults: 'inside additionalProperties applying to object metadata' } : {}
  if (additional !== undefined)
    errors.push(...nodeErrors(additional, `${path}.additionalProperties`, { ...inner, ...reason }))
  for (const [name, property] of Object.entries(properties)) {
    const isMeta = metaFields.has(name) && (isRoot || schema['x-kubernetes-embedded-resource'] === true)
    const of = {
      ...inner,
      ...(isMeta ? { insideMeta: true } : {}),
      ...(isMeta && isRoot ? { withoutDefaults: `in top-level ${name}` } : {}),
    }
    errors.push(...nodeErrors(property, `${path}.properties[${name}]`, of))
  }
  if (isJsonObject(schema.items)) errors.push(...nodeErrors(schema.items as JsonSchema, `${path}.items`, inner))
  if (schema.not !== undefined) errors.push(...nodeErrors(schema.not, `${path}.not`, inner))
  for (const name of ['allOf', 'oneOf', 'anyOf'] as const)
    (schema[name] ?? []).forEach((part, i) => errors.push(...nodeErrors(part, `${path}.${name}[${i}]`, inner)))
  return errors
}

const unsupported = ['additionalItems', 'patternProperties', 'definitions', 'dependencies', '$ref', 'id'] as const

function plainErrors(schema: JsonSchema, path: string, { insideMeta, withoutDefaults }: Situation): FieldError[] {
  const errors: FieldError[] = []
  const { type } = schema
  if (type === 'null')
    errors.push(forbiddenField(`${path}.type`, 'type cannot be set to null, use nullable as an alternative'))
  else if (type !== undefined && type !== '' && !types.includes(type))
    errors.push(notSupported(`${path}.type`, type, types))
  if (schema.default !== undefined && withoutDefaults !== undefined)
    errors.push(forbiddenField(`${path}.default`, `must not be set ${withoutDefaults}`))
  for (const name of unsupported)
    if (schema[name] !== undefined) errors.push(forbiddenField(`${path}.${name}`, `${name} is not supported`))
  if (Array.isArray(schema.items))
    errors.push(forbiddenField(`${path}.items`, 'items must be a schema object and not an array'))
  if (insideMeta && schema['x-kubernetes-embedded-resource'] === true)
    errors.push(forbiddenField(`${path}.x-kubernetes-embedded-resource`, 'must not be used inside of resource meta'))
  if (schema.uniqueItems === true)
    errors.push(
      forbiddenField(
        `${path}.uniqueItems`,
        'uniqueItems cannot be set to true since the runtime complexity becomes quadratic',
      ),
    )
  return errors
}

function extensionErrors(schema: JsonSchema, path: string): FieldError[] {
  return [
    ...(schema['x-kubernetes-preserve-unknown-fields'] === false
      ? [invalidValue(`${path}.x-kubernetes-preserve-unknown-fields`, false, 'must be true or undefined')]
      : []),
    ...topologyErrors(schema, path, 'map'),
    ...topologyErrors(schema, path, 'list'),
    ...setErrors(schema, path),
    ...keyErrors(schema, path),
    ...ruleErrors(schema['x-kubernetes-validations'] ?? [], path),
  ]
}

const topologies = {
  map: { type: 'object', values: ['atomic', 'granular'] },
  list: { type: 'array', values: ['atomic', 'set', 'map'] },
} as const

function topologyErrors(schema: JsonSchema, path: string, which: 'map' | 'list'): FieldError[] {
  const extension = `x-kubernetes-${which}-type` as const
  const value = schema[extension]
  if (value === undefined) return []
  const { type, values } = topologies[which]
  const errors: FieldError[] = []
  const detail = `must be ${type} if ${extension} is specified`
  if (schema.type !== type)
    errors.push(schema.type ? invalidValue(`${path}.type`, schema.type, detail) : required(`${path}.type`, detail))
  if (!(values as readonly string[]).includes(value)) errors.push(notSupported(`${path}.${extension}`, value, values))
  return errors
}

function setErrors(schema: JsonSchema, path: string): FieldError[] {
  const { items } = schema
  const listType = schema['x-kubernetes-list-type']
  if (!isJsonObject(items) || (listType !== 'set' && listType !== 'map')) return []
  const errors: FieldError[] = []
  const detail = 'must be atomic as item of a list with x-kubernetes-list-type=set'
  const [innerList, innerMap] = [items['x-kubernetes-list-type'], items['x-kubernetes-map-type']]
  if (listType === 'set' && items.type === 'array' && innerList !== undefined && innerList !== 'atomic')
    errors.push(invalidValue(`${path}.items.x-kubernetes-list-type`, innerList, detail))
  if (listType === 'set' && items.type === 'object' && innerMap !== 'atomic')
    errors.push(invalidValue(`${path}.items.x-kubernetes-map-type`, innerMap ?? null, detail))
  if (items.nullable === true)
    errors.push(
      forbiddenField(`${path}.items.nullable`, `cannot be nullable when x-kubernetes-list-type is ${listType}`),
    )
  return errors
}

function keyErrors(schema: JsonSchema, path: string): FieldError[] {
  const listType = schema['x-kubernetes-list-type']
  const keys = schema['x-kubernetes-list-map-keys'] ?? []
  const field = `${path}.x-kubernetes-list-map-keys`
  const errors: FieldError[] = []
  if (keys.length > 0 && listType !== 'map') {
    const detail = 'must be map if x-kubernetes-list-map-keys is non-empty'
    const type = `${path}.x-kubernetes-list-type`
    errors.push(listType === undefined ? required(type, detail) : invalidValue(type, listType, detail))
  }
  if (listType !== 'map') return errors
  if (keys.length === 0) errors.push(required(field, 'must not be empty if x-kubernetes-list-type is map'))
  const { items } = schema
  if (items === undefined)
    return [...errors, required(`${path}.items`, 'must have a schema if x-kubernetes-list-type is map')]
  if (items.type !== 'object')
    return [
      ...errors,
      invalidValue(
        `${path}.items.type`,
        items.type ?? '',
        "must be object if parent array's x-kubernetes-list-type is map",
      ),
    ]
  if (new Set(keys).size < keys.length) errors.push(invalidValue(field, keys, 'must not contain duplicate entries'))
  return [...errors, ...keys.flatMap((key) => mapKeyErrors(key, items, path, keys))]
}

function mapKeyErrors(key: string, items: JsonSchema, path: string, keys: readonly string[]): FieldError[] {
  const property = items.properties?.[key]
  if (property === undefined)
    return [invalidValue(`${path}.x-kubernetes-list-map-keys`, keys, 'entries must all be names of item properties')]
  const field = `${path}.items.properties[${key}]`
  const errors: FieldError[] = []
  if (property.type === 'array' || property.type === 'object')
    errors.push(
      invalidValue(
        `${field}.type`,
        property.type,
        "must be a scalar type if parent array's x-kubernetes-list-type is map",
      ),
    )
  if (property.default === undefined && items.required?.includes(key) !== true)
    errors.push(
      required(
        `${field}.default`,
        'this property is in x-kubernetes-list-map-keys, so it must have a default or be a required property',
      ),
    )
  if (property.nullable === true)
    errors.push(
      forbiddenField(`${field}.nullable`, 'this property is in x-kubernetes-list-map-keys, so it cannot be nullable'),
    )
  return errors
}

const reasons = ['FieldValueDuplicate', 'FieldValueForbidden', 'FieldValueInvalid', 'FieldValueRequired']
const hasLineBreak = (text: string): boolean => /[\n\r]/.test(text)

function ruleErrors(rules: readonly SchemaRule[], path: string): FieldError[] {
  return rules.flatMap((rule, i) => {
    const field = `${path}.x-kubernetes-validations[${i}]`
    const { message = '', messageExpression = '', reason, fieldPath = '' } = rule
    const errors: FieldError[] = []
    if (rule.rule.trim() === '') errors.push(required(`${field}.rule`, 'rule is not specified'))
    else if (message !== '' && message.trim() === '')
      errors.push(invalidValue(`${field}.message`, message, 'must be non-empty if specified'))
    else if (hasLineBreak(message.trim()))
      errors.push(invalidValue(`${field}.message`, message, 'must not contain line breaks'))
    else if (hasLineBreak(rule.rule.trim()) && message.trim() === '')
      errors.push(required(`${field}.message`, 'message must be specified if rule contains line breaks'))
    if (messageExpression !== '' && messageExpression.trim() === '')
      errors.push(required(`${field}.messageExpression`, 'messageExpression must be non-empty if specified'))
    if (reason !== undefined && !reasons.includes(reason)) errors.push(notSupported(`${field}.reason`, reason, reasons))
    if (fieldPath !== '' && fieldPath.trim() === '')
      errors.push(invalidValue(`${field}.fieldPath`, fieldPath, 'must be non-empty if specified'))
    if (hasLineBreak(fieldPath))
      errors.push(invalidValue(`${field}.fieldPath`, fieldPath, 'must not contain line breaks'))
    return errors
  })
}
