import type { ObjectSchema, ScalarType, SchemaLookup, TypeRef } from './schema.ts'

/** What decoding found. */
export interface Decoded {
  /** The object without unknown fields and nulls; the very object that was given when nothing had to be dropped. */
  readonly value: Record<string, unknown>
  /** Paths of fields that the schema does not have, e.g. `spec.template.spec.containers[0].imagee`. */
  readonly unknownFields: readonly string[]
  /** Why the value is not of the type at all, worded as Go's decoder; undefined when it is. */
  readonly typeError: string | undefined
}

interface Walk {
  readonly lookup: SchemaLookup
  readonly unknown: string[]
  error: string | undefined
}

/**
 * Checks a JSON value against a kind's structure, as the API server's decoder does: types must fit, nulls are absent, unknown fields are
 * dropped and reported. It allocates nothing for objects that are right already: every write passes here.
 */
export function decodeStructural(schema: ObjectSchema, lookup: SchemaLookup, value: unknown): Decoded {
  const walk: Walk = { lookup, unknown: [], error: undefined }
  const decoded = decodeObject(schema, value, '', walk)
  return { value: decoded as Record<string, unknown>, unknownFields: walk.unknown, typeError: walk.error }
}

function goName(value: unknown): string {
  if (Array.isArray(value)) return 'array'
  if (typeof value === 'boolean') return 'bool'
  return typeof value
}

function fail(walk: Walk, value: unknown, path: string, owner: ObjectSchema | undefined, goType: string): void {
  const got =
    typeof value === 'number' && !Number.isInteger(value) && goType.startsWith('int')
      ? `number ${value}`
      : goName(value)
  const short = owner === undefined ? '' : `${owner.name.slice(owner.name.lastIndexOf('.') + 1)}.`
  const where = path === '' ? `Go value of type ${goType}` : `Go struct field ${short}${path} of type ${goType}`
  walk.error ??= `json: cannot unmarshal ${got} into ${where}`
}

function decodeObject(schema: ObjectSchema, value: unknown, path: string, walk: Walk, owner?: ObjectSchema): unknown {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    fail(walk, value, path, owner, goTypeName(schema.name))
    return value
  }
  const source = value as Record<string, unknown>
  let result = source
  for (const key in source) {
    const member = source[key]
    const field = schema.byName.get(key)
    let decoded = member
    if (field === undefined) {
      if (schema.preserveUnknownFields === true) continue
      if (path !== '' || key !== '') walk.unknown.push(path === '' ? key : `${path}.${key}`)
      decoded = undefined
    } else if (member === null || member === undefined) decoded = undefined
    else decoded = decodeType(field.type, member, path === '' ? key : `${path}.${key}`, walk, schema)
    if (decoded === member && member !== undefined) continue
    if (result === source) result = { ...source }
    if (decoded === undefined) delete result[key]
    else result[key] = decoded
  }
  return result
}

function goTypeName(name: string): string {
  const parts = name.split('.')
  return `${parts.at(-2) ?? ''}.${parts.at(-1) ?? ''}`
}

function decodeType(type: TypeRef, value: unknown, path: string, walk: Walk, owner: ObjectSchema): unknown {
  switch (type.kind) {
    case 'scalar':
      if (!scalarFits(type.scalar, value)) fail(walk, value, path, owner, goScalar[type.scalar])
      return value
    case 'object':
      return decodeObject(walk.lookup(type.name), value, path, walk, owner)
    case 'list':
      return decodeList(type.of, value, path, walk, owner)
    case 'map':
      return decodeMap(type.of, value, path, walk, owner)
  }
}

function decodeList(of: TypeRef, value: unknown, path: string, walk: Walk, owner: ObjectSchema): unknown {
  if (!Array.isArray(value)) {
    fail(walk, value, path, owner, `[]${goElement(of)}`)
    return value
  }
  let result = value
  for (let i = 0; i < value.length; i++) {
    const item = value[i] as unknown
    const decoded = item === null ? zeroOf(of) : decodeType(of, item, `${path}[${i}]`, walk, owner)
    if (decoded === item) continue
    if (result === value) result = [...value]
    result[i] = decoded
  }
  return result
}

function decodeMap(of: TypeRef, value: unknown, path: string, walk: Walk, owner: ObjectSchema): unknown {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    fail(walk, value, path, owner, `map[string]${goElement(of)}`)
    return value
  }
  const source = value as Record<string, unknown>
  let result = source
  for (const key in source) {
    const item = source[key]
    const decoded = item === null ? zeroOf(of) : decodeType(of, item, path, walk, owner)
    if (decoded === item) continue
    if (result === source) result = { ...source }
    result[key] = decoded
  }
  return result
}

// Go decodes a null element to the element's zero value.
function zeroOf(type: TypeRef): unknown {
  if (type.kind === 'scalar')
    return ['int32', 'int64', 'double', 'intOrString'].includes(type.scalar)
      ? 0
      : type.scalar === 'boolean'
        ? false
        : type.scalar === 'json'
          ? null
          : ''
  return type.kind === 'list' ? [] : {}
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

const base64 = /^[A-Za-z0-9+/]*={0,2}$/
const time = /^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(\.\d+)?(Z|[+-]\d{2}:\d{2})$/

function scalarFits(scalar: ScalarType, value: unknown): boolean {
  switch (scalar) {
    case 'string':
      return typeof value === 'string'
    case 'boolean':
      return typeof value === 'boolean'
    case 'int32':
      return Number.isInteger(value) && (value as number) >= -2_147_483_648 && (value as number) <= 2_147_483_647
    case 'int64':
      return Number.isInteger(value)
    case 'double':
      return typeof value === 'number'
    case 'bytes':
      return typeof value === 'string' && value.length % 4 === 0 && base64.test(value)
    case 'time':
    case 'microTime':
      return typeof value === 'string' && time.test(value)
    case 'intOrString':
    case 'quantity':
      return typeof value === 'string' || typeof value === 'number'
    case 'json':
      return true
  }
}
