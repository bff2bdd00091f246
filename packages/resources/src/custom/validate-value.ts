import {
  type FieldError,
  invalidValue,
  jsonEqual,
  notSupported,
  required,
  tooMany,
  typeInvalid,
  valueTooLong,
} from '@binnacle/apimachinery'
import { formatCheck } from './formats.ts'
import { additionalSchema, isJsonObject, type JsonObject, type JsonSchema } from './json-schema.ts'
import { itemsByKeys } from './list-types.ts'
import { compilePattern } from './re2-pattern.ts'

/**
 * Validates values against schemas with kube-apiserver's words (kube-openapi `validation/validate`). On an update, what is as it was before is not held
 * against a schema that has become stricter since (ratcheting).
 */

/** What a schema makes of a value. `checks` tells which of several alternatives has come nearest. */
interface Verdict {
  readonly errors: FieldError[]
  checks: number
}

/**
 * The problems of a value. `old` is the value that it replaces, where there is one; `field` is where it stands in the object: '' for the object
 * itself. Messages name fields as seen from the value, as kube-apiserver's do.
 */
export function schemaErrors(
  schema: JsonSchema,
  value: unknown,
  options: { readonly field?: string; readonly old?: unknown } = {},
): FieldError[] {
  const { field = '', old } = options
  const { errors } = validate(schema, value, '', old)
  return errors.map((error) => ({ ...error, field: fieldIn(field, error.field) }))
}

// What is said of a value as a whole has no field of its own.
function fieldIn(place: string, field: string): string {
  if (field === wholeValue) return place === '' ? '<nil>' : place
  return place === '' ? field : `${place}.${field}`
}

const wholeValue = ''

function add(verdict: Verdict, error: FieldError): void {
  const isKnown = verdict.errors.some(({ message, field }) => message === error.message && field === error.field)
  if (!isKnown) verdict.errors.push(error)
}

function merge(verdict: Verdict, other: Verdict): void {
  for (const error of other.errors) add(verdict, error)
  verdict.checks += other.checks
}

function validate(schema: JsonSchema, value: unknown, path: string, old: unknown): Verdict {
  const verdict: Verdict = { errors: [], checks: 0 }
  if (old !== undefined && jsonEqual(value, old)) {
    verdict.checks = 1
    return verdict
  }
  checkType(schema, value, path, verdict)
  if (value === null) {
    checkEnum(schema, value, path, verdict)
    return verdict
  }
  checkJunctors(schema, { value, path, old }, verdict)
  if (typeof value === 'string') checkString(schema, value, path, verdict)
  else if (typeof value === 'number') checkNumber(schema, value, path, verdict)
  else if (Array.isArray(value)) checkList(schema, value, { path, old }, verdict)
  checkEnum(schema, value, path, verdict)
  if (isJsonObject(value)) checkObject(schema, value, { path, old }, verdict)
  verdict.checks += 2
  return verdict
}

function typeNameOf(value: unknown): string {
  if (value === null) return 'null'
  if (Array.isArray(value)) return 'array'
  if (typeof value === 'number') return Number.isInteger(value) ? 'integer' : 'number'
  return typeof value
}

function typesOf(schema: JsonSchema): readonly string[] {
  if (schema['x-kubernetes-int-or-string'] === true) return ['integer', 'string']
  return schema.type === undefined || schema.type === '' ? [] : [schema.type]
}

function checkType(schema: JsonSchema, value: unknown, path: string, verdict: Verdict): void {
  const types = typesOf(schema)
  verdict.checks++
  if (types.length === 0) return
  const actual = typeNameOf(value)
  if (actual === 'null' && schema.nullable === true) return
  const fits = types.includes(actual) || (actual === 'integer' && types.includes('number'))
  if (!fits) add(verdict, typeInvalid(path, actual, `${path} in body must be of type ${types.join(',')}: "${actual}"`))
}

interface Site {
  readonly value: unknown
  readonly path: string
  readonly old: unknown
}

// What is wrong with a combination of schemas is said of the whole value.
const combined = (detail: string): FieldError => invalidValue(wholeValue, '', detail)

function checkJunctors(schema: JsonSchema, site: Site, verdict: Verdict): void {
  const { value, path, old } = site
  const against = (inner: JsonSchema): Verdict => validate(inner, value, path, old)
  if (schema.anyOf !== undefined && schema.anyOf.length > 0) checkAnyOf(schema.anyOf.map(against), path, verdict)
  if (schema.oneOf !== undefined && schema.oneOf.length > 0) checkOneOf(schema.oneOf.map(against), path, verdict)
  if (schema.allOf !== undefined && schema.allOf.length > 0) {
    const verdicts = schema.allOf.map(against)
    const valid = verdicts.filter(({ errors }) => errors.length === 0).length
    for (const inner of verdicts) merge(verdict, inner)
    if (valid < verdicts.length)
      add(verdict, combined(`"${path}" must validate all the schemas (allOf)${valid === 0 ? '. None validated' : ''}`))
  }
  if (schema.not !== undefined && against(schema.not).errors.length === 0)
    add(verdict, combined(`"${path}" must not validate the schema (not)`))
}

const nearest = (verdicts: readonly Verdict[]): Verdict =>
  verdicts.reduce((best, next) => (next.checks > best.checks ? next : best))

function checkAnyOf(verdicts: readonly Verdict[], path: string, verdict: Verdict): void {
  const success = verdicts.find(({ errors }) => errors.length === 0)
  if (success === undefined) add(verdict, combined(`"${path}" must validate at least one schema (anyOf)`))
  merge(verdict, success ?? nearest(verdicts))
}

function checkOneOf(verdicts: readonly Verdict[], path: string, verdict: Verdict): void {
  const successes = verdicts.filter(({ errors }) => errors.length === 0)
  if (successes.length === 1) return merge(verdict, successes[0] as Verdict)
  const found = successes.length === 0 ? 'Found none valid' : `Found ${successes.length} valid alternatives`
  add(verdict, combined(`"${path}" must validate one and only one schema (oneOf). ${found}`))
  if (successes.length === 0) merge(verdict, nearest(verdicts))
}

function checkString(schema: JsonSchema, value: string, path: string, verdict: Verdict): void {
  const { maxLength, minLength, pattern, format = '' } = schema
  const isText = schema['x-kubernetes-int-or-string'] === true || schema.type === undefined || schema.type === 'string'
  const length = maxLength === undefined && minLength === undefined ? 0 : [...value].length
  if (maxLength !== undefined && length > maxLength) add(verdict, valueTooLong(path, maxLength))
  else if (minLength !== undefined && length < minLength)
    add(verdict, invalidValue(path, value, `${path} in body should be at least ${minLength} chars long`))
  else if (pattern !== undefined && pattern !== '' && !compilePattern(pattern).test(value))
    add(verdict, invalidValue(path, value, `${path} in body should match '${pattern}'`))
  if (format !== '' && isText && formatCheck(format)?.(value) === false)
    add(verdict, typeInvalid(path, value, `${path} in body must be of type ${format}: ${JSON.stringify(value)}`))
}

const tolerance = 1e-9

function checkNumber(schema: JsonSchema, value: number, path: string, verdict: Verdict): void {
  const { maximum, minimum, multipleOf, type, format = '' } = schema
  if (type !== undefined && type !== 'integer' && type !== 'number') return
  const wrong = (detail: string): void => add(verdict, invalidValue(path, value, `${path} in body should be ${detail}`))
  if (type === 'integer' && !fitsInteger(value, format))
    add(
      verdict,
      invalidValue(
        wholeValue,
        '',
        `Checked value must be of type integer with format ${format === '' ? 'int64' : format} in ${path}`,
      ),
    )
  if (multipleOf !== undefined) {
    const times = value / multipleOf
    if (Math.abs(times - Math.round(times)) > tolerance) wrong(`a multiple of ${multipleOf}`)
  }
  if (maximum !== undefined && (schema.exclusiveMaximum === true ? value >= maximum : value > maximum))
    wrong(`${schema.exclusiveMaximum === true ? 'less than' : 'less than or equal to'} ${maximum}`)
  if (minimum !== undefined && (schema.exclusiveMinimum === true ? value <= minimum : value < minimum))
    wrong(`${schema.exclusiveMinimum === true ? 'greater than' : 'greater than or equal to'} ${minimum}`)
}

function fitsInteger(value: number, format: string): boolean {
  if (!Number.isInteger(value)) return true
  return format === 'int32' ? value >= -2_147_483_648 && value <= 2_147_483_647 : Math.abs(value) <= 2 ** 63
}

interface Place {
  readonly path: string
  readonly old: unknown
}

function checkList(schema: JsonSchema, list: readonly unknown[], { path, old }: Place, verdict: Verdict): void {
  const { items, minItems, maxItems } = schema
  if (items !== undefined) {
    const oldOf = correlation(schema, list, old)
    list.forEach((item, i) => merge(verdict, validate(items, item, `${path}[${i}]`, oldOf(i))))
  }
  if (minItems !== undefined && list.length < minItems)
    add(verdict, invalidValue(path, list.length, `${path} in body should have at least ${minItems} items`))
  if (maxItems !== undefined && list.length > maxItems) add(verdict, tooMany(path, list.length, maxItems))
  verdict.checks++
}

// Items are known again by their keys only.
function correlation(schema: JsonSchema, list: readonly unknown[], old: unknown): (index: number) => unknown {
  const keys = schema['x-kubernetes-list-map-keys']
  if (schema['x-kubernetes-list-type'] !== 'map' || keys === undefined || !Array.isArray(old)) return () => undefined
  const before = itemsByKeys(old, keys)
  const texts = [...itemsByKeys(list, keys).keys()]
  // Where keys repeat, nothing is known again.
  return texts.length === list.length ? (index) => before.get(texts[index] as string) : () => undefined
}

function checkEnum(schema: JsonSchema, value: unknown, path: string, verdict: Verdict): void {
  const { enum: allowed } = schema
  if (allowed === undefined || allowed.length === 0 || allowed.some((option) => jsonEqual(option, value))) return
  const texts = allowed.map((option) => (typeof option === 'string' ? option : JSON.stringify(option)))
  add(verdict, notSupported(path, value, texts))
}

function checkObject(schema: JsonSchema, object: JsonObject, { path, old }: Place, verdict: Verdict): void {
  const { minProperties, maxProperties, properties = {}, required: names = [] } = schema
  const size = Object.keys(object).length
  const at = (name: string): string => (path === '' ? name : `${path}.${name}`)
  const before = isJsonObject(old) ? old : undefined
  if (minProperties !== undefined && size < minProperties)
    add(verdict, invalidValue(path, size, `${path} in body should have at least ${minProperties} properties`))
  if (maxProperties !== undefined && size > maxProperties) add(verdict, tooMany(path, size, maxProperties))
  const additional = additionalSchema(schema)
  for (const name of Object.keys(object)) {
    const isProperty = Object.hasOwn(properties, name)
    if (!isProperty && schema.additionalProperties === false)
      add(verdict, invalidValue(path, name, `${path}.${name} in body is a forbidden property`))
    const inner = isProperty ? (properties[name] as JsonSchema) : additional
    if (inner !== undefined) merge(verdict, validate(inner, object[name], at(name), before?.[name]))
  }
  for (const name of names) if (!Object.hasOwn(object, name)) add(verdict, required(at(name)))
}
