import { canonicalQuantity, tryParseQuantity } from './quantity.ts'
import type { ObjectSchema, ScalarType, SchemaLookup, TypeRef } from './schema.ts'

/** What decoding found. */
export interface Decoded {
  /** The object without unknown fields and nulls; the very object that was given when nothing had to be changed. */
  readonly value: Record<string, unknown>
  /** Paths of fields that the schema does not have, e.g. `spec.template.spec.containers[0].imagee`. */
  readonly unknownFields: readonly string[]
  /** Why the value is not of the type at all, worded as Go's decoder; undefined when it is. */
  readonly typeError: string | undefined
}

interface Walk {
  readonly lookup: SchemaLookup
  readonly unknown: string[]
  /** Where the walk stands. Texts are made of it only for problems. */
  readonly path: Step[]
  error: string | undefined
}

/** A field's name, a place in a list, or a key of a map. */
type Step = string | number | { readonly mapKey: string }

/**
 * Checks a JSON value against a kind's structure, as the API server's decoder does: types must fit, nulls are absent, unknown fields are
 * dropped and reported, quantities come into their canonical form and times into UTC. It allocates nothing for objects that are right
 * already: every write passes here.
 */
export function decodeStructural(schema: ObjectSchema, lookup: SchemaLookup, value: unknown): Decoded {
  const walk: Walk = { lookup, unknown: [], path: [], error: undefined }
  const decoded = decodeObject(schema, value, walk)
  return { value: decoded as Record<string, unknown>, unknownFields: walk.unknown, typeError: walk.error }
}

function decodeObject(schema: ObjectSchema, value: unknown, walk: Walk, owner?: ObjectSchema): unknown {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    fail(walk, value, owner, goTypeName(schema.name))
    return value
  }
  const source = value as Record<string, unknown>
  let result = source
  for (const key in source) {
    const member = source[key]
    const decoded = decodeMember(schema, key, member, walk)
    if (decoded === member && member !== undefined) continue
    if (result === source) result = { ...source }
    if (decoded === undefined) delete result[key]
    else result[key] = decoded
  }
  return result
}

function decodeMember(schema: ObjectSchema, key: string, member: unknown, walk: Walk): unknown {
  const field = schema.byName.get(key)
  if (field === undefined && schema.preserveUnknownFields === true) return member
  walk.path.push(key)
  let decoded: unknown
  if (field === undefined) walk.unknown.push(strictPath(walk.path))
  else if (member !== null && member !== undefined) decoded = decodeType(field.type, member, walk, schema)
  walk.path.pop()
  return decoded
}

function decodeType(type: TypeRef, value: unknown, walk: Walk, owner: ObjectSchema): unknown {
  switch (type.kind) {
    case 'scalar':
      return decodeScalar(type.scalar, value, walk, owner)
    case 'object':
      return decodeObject(walk.lookup(type.name), value, walk, owner)
    case 'list':
      return decodeList(type.of, value, walk, owner)
    case 'map':
      return decodeMap(type.of, value, walk, owner)
  }
}

function decodeList(of: TypeRef, value: unknown, walk: Walk, owner: ObjectSchema): unknown {
  if (!Array.isArray(value)) {
    fail(walk, value, owner, `[]${goElement(of)}`)
    return value
  }
  let result = value
  for (let i = 0; i < value.length; i++) {
    const item = value[i] as unknown
    walk.path.push(i)
    const decoded = item === null ? zeroOf(of) : decodeType(of, item, walk, owner)
    walk.path.pop()
    if (decoded === item) continue
    if (result === value) result = [...value]
    result[i] = decoded
  }
  return result
}

function decodeMap(of: TypeRef, value: unknown, walk: Walk, owner: ObjectSchema): unknown {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    fail(walk, value, owner, `map[string]${goElement(of)}`)
    return value
  }
  const source = value as Record<string, unknown>
  const ofScalars = of.kind === 'scalar'
  let result = source
  for (const key in source) {
    const item = source[key]
    if (!ofScalars) walk.path.push({ mapKey: key })
    const decoded = item === null ? zeroOf(of) : decodeType(of, item, walk, owner)
    if (!ofScalars) walk.path.pop()
    if (decoded === item) continue
    if (result === source) result = { ...source }
    result[key] = decoded
  }
  return result
}

// Go decodes a null element to the element's zero value.
function zeroOf(type: TypeRef): unknown {
  if (type.kind === 'list') return []
  if (type.kind !== 'scalar') return {}
  switch (type.scalar) {
    case 'int32':
    case 'int64':
    case 'double':
    case 'intOrString':
      return 0
    case 'boolean':
      return false
    case 'quantity':
      return '0'
    case 'json':
    case 'time':
    case 'microTime':
      return null
    default:
      return ''
  }
}

function decodeScalar(scalar: ScalarType, value: unknown, walk: Walk, owner: ObjectSchema): unknown {
  switch (scalar) {
    case 'string':
      if (typeof value !== 'string') fail(walk, value, owner, 'string')
      return value
    case 'boolean':
      if (typeof value !== 'boolean') fail(walk, value, owner, 'bool')
      return value
    case 'int32':
      if (!Number.isInteger(value) || (value as number) < -2_147_483_648 || (value as number) > 2_147_483_647)
        fail(walk, value, owner, 'int32')
      return value
    case 'int64':
      if (!Number.isInteger(value)) fail(walk, value, owner, 'int64')
      return value
    case 'double':
      if (typeof value !== 'number') fail(walk, value, owner, 'float64')
      return value
    case 'bytes':
      return decodeBytes(value, walk, owner)
    case 'time':
    case 'microTime':
      return decodeTime(scalar, value, walk)
    case 'intOrString':
      return decodeIntOrString(value, walk)
    case 'quantity':
      return decodeQuantity(value, walk)
    case 'json':
      return value
  }
}

const base64 = /^[A-Za-z0-9+/]*={0,2}$/
const notBase64 = /[^A-Za-z0-9+/]/

function decodeBytes(value: unknown, walk: Walk, owner: ObjectSchema): unknown {
  if (typeof value !== 'string') {
    fail(walk, value, owner, '[]uint8')
    return value
  }
  const fits = value.length % 4 === 0 && base64.test(value)
  if (fits) return value
  // Go's decoder passes over line breaks.
  const joined = value.replace(/[\r\n]/g, '')
  if (joined.length % 4 === 0 && base64.test(joined)) return joined
  const wrong = value.search(notBase64)
  walk.error ??= `illegal base64 data at input byte ${wrong < 0 ? value.length - (value.length % 4) : wrong}`
  return value
}

const timePattern = /^(\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2})(?:[.,](\d+))?(Z|[+-]\d{2}:\d{2})$/
const goLayout = { time: '2006-01-02T15:04:05Z07:00', microTime: '2006-01-02T15:04:05.000000Z07:00' } as const

function decodeTime(scalar: 'time' | 'microTime', value: unknown, walk: Walk): unknown {
  if (typeof value !== 'string') {
    walk.error ??= `json: cannot unmarshal ${goName(value)} into Go value of type string`
    return value
  }
  const match = timePattern.exec(value)
  const ms = match === null ? Number.NaN : Date.parse(`${match[1]}${match[3]}`)
  if (match === null || Number.isNaN(ms)) {
    walk.error ??= `parsing time ${JSON.stringify(value)} as "${goLayout[scalar]}": cannot parse ${JSON.stringify(value)} as "2006"`
    return value
  }
  const [, , fraction, zone] = match
  if (zone === 'Z' && (scalar === 'time' ? fraction === undefined : fraction?.length === 6)) return value
  const seconds = new Date(ms).toISOString().slice(0, 19)
  return scalar === 'time' ? `${seconds}Z` : `${seconds}.${(fraction ?? '').padEnd(6, '0').slice(0, 6)}Z`
}

function decodeIntOrString(value: unknown, walk: Walk): unknown {
  if (typeof value === 'string') return value
  if (!Number.isInteger(value) || Math.abs(value as number) > 2_147_483_647)
    walk.error ??=
      typeof value === 'number'
        ? `json: cannot unmarshal number ${value} into Go value of type int32`
        : `json: cannot unmarshal ${goName(value)} into Go value of type int32`
  return value
}

const quantityError = "quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'"

function decodeQuantity(value: unknown, walk: Walk): unknown {
  if (typeof value !== 'string' && typeof value !== 'number') {
    walk.error ??= quantityError
    return value
  }
  const canonical = canonicalQuantity(value)
  // What is canonical already needs no second look; a text that is no quantity comes back as it is.
  if (canonical === value && tryParseQuantity(value) === undefined)
    walk.error ??= /^[+-]?[\d.]+[eEinumkKMGTP]+[-+]?\d*$/.test(value)
      ? "unable to parse quantity's suffix"
      : quantityError
  return canonical
}

function goName(value: unknown): string {
  if (Array.isArray(value)) return 'array'
  return typeof value === 'boolean' ? 'bool' : typeof value
}

// Go names the innermost struct and the fields on the way, without places in lists and keys of maps.
function fail(walk: Walk, value: unknown, owner: ObjectSchema | undefined, goType: string): void {
  if (walk.error !== undefined) return
  const got = typeof value === 'number' && goType.startsWith('int') ? `number ${value}` : goName(value)
  const fields = walk.path.filter((step) => typeof step === 'string').join('.')
  const struct = owner === undefined ? '' : owner.name.slice(owner.name.lastIndexOf('.') + 1)
  const where = fields === '' ? `Go value of type ${goType}` : `Go struct field ${struct}.${fields} of type ${goType}`
  walk.error = `json: cannot unmarshal ${got} into ${where}`
}

function strictPath(path: readonly Step[]): string {
  let text = ''
  for (const step of path) {
    if (typeof step === 'number') text += `[${step}]`
    else text += `${text === '' ? '' : '.'}${typeof step === 'string' ? step : step.mapKey}`
  }
  return text
}

function goTypeName(name: string): string {
  const parts = name.split('.')
  return `${parts.at(-2) ?? ''}.${parts.at(-1) ?? ''}`
}

const goScalar: Record<ScalarType, string> = {
  string: 'string',
  boolean: 'bool',
  int32: 'int32',
  int64: 'int64',
  double: 'float64',
  bytes: '[]uint8',
  time: 'v1.Time',
  microTime: 'v1.MicroTime',
  intOrString: 'intstr.IntOrString',
  quantity: 'resource.Quantity',
  json: 'json.RawMessage',
}

function goElement(type: TypeRef): string {
  if (type.kind === 'scalar') return goScalar[type.scalar]
  if (type.kind === 'object') return goTypeName(type.name)
  return type.kind === 'list' ? `[]${goElement(type.of)}` : `map[string]${goElement(type.of)}`
}
