/**
 * A schema of a CustomResourceDefinition (`apiextensions.k8s.io/v1 JSONSchemaProps`). What is stored has passed the rules of structural schemas, so
 * that every value has one type, and every property one schema.
 */
export interface JsonSchema {
  readonly $ref?: string
  readonly $schema?: string
  readonly id?: string
  readonly title?: string
  readonly description?: string
  readonly type?: string
  readonly format?: string
  readonly default?: unknown
  readonly example?: unknown
  readonly externalDocs?: unknown
  readonly nullable?: boolean
  readonly enum?: readonly unknown[]
  readonly pattern?: string
  readonly maximum?: number
  readonly exclusiveMaximum?: boolean
  readonly minimum?: number
  readonly exclusiveMinimum?: boolean
  readonly multipleOf?: number
  readonly maxLength?: number
  readonly minLength?: number
  readonly maxItems?: number
  readonly minItems?: number
  readonly uniqueItems?: boolean
  readonly maxProperties?: number
  readonly minProperties?: number
  readonly required?: readonly string[]
  readonly properties?: Readonly<Record<string, JsonSchema>>
  readonly additionalProperties?: JsonSchema | boolean
  readonly items?: JsonSchema
  readonly allOf?: readonly JsonSchema[]
  readonly anyOf?: readonly JsonSchema[]
  readonly oneOf?: readonly JsonSchema[]
  readonly not?: JsonSchema
  readonly definitions?: Readonly<Record<string, JsonSchema>>
  readonly patternProperties?: Readonly<Record<string, JsonSchema>>
  readonly dependencies?: Readonly<Record<string, unknown>>
  readonly additionalItems?: unknown
  readonly 'x-kubernetes-preserve-unknown-fields'?: boolean
  readonly 'x-kubernetes-embedded-resource'?: boolean
  readonly 'x-kubernetes-int-or-string'?: boolean
  readonly 'x-kubernetes-list-type'?: string
  readonly 'x-kubernetes-list-map-keys'?: readonly string[]
  readonly 'x-kubernetes-map-type'?: string
  readonly 'x-kubernetes-validations'?: readonly SchemaRule[]
}

/** A rule of `x-kubernetes-validations`. */
export interface SchemaRule {
  readonly rule: string
  readonly message?: string
  readonly messageExpression?: string
  readonly reason?: string
  readonly fieldPath?: string
  readonly optionalOldSelf?: boolean
}

/** An object of JSON. */
export type JsonObject = Record<string, unknown>

/** True for an object of JSON, which is neither null nor a list. */
export function isJsonObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/** The schema of a member that has no property of its own; undefined where there is none, or anything goes. */
export function additionalSchema(schema: JsonSchema | undefined): JsonSchema | undefined {
  return isJsonObject(schema?.additionalProperties) ? schema.additionalProperties : undefined
}

/** The schema of a member of an object; undefined where the schema does not say. */
export function memberSchema(schema: JsonSchema, name: string): JsonSchema | undefined {
  const { properties } = schema
  if (properties !== undefined && Object.hasOwn(properties, name)) return properties[name]
  return additionalSchema(schema)
}

/** A schema and every one below it, outside of `allOf`, `anyOf`, `oneOf` and `not` first. */
export function* everySchema(schema: JsonSchema | undefined): Generator<JsonSchema> {
  if (schema === undefined) return
  yield schema
  const below = [
    schema.items,
    ...Object.values(schema.properties ?? {}),
    additionalSchema(schema),
    ...(schema.allOf ?? []),
    ...(schema.anyOf ?? []),
    ...(schema.oneOf ?? []),
    schema.not,
  ]
  for (const part of below) yield* everySchema(part)
}
