import {
  badRequest,
  formatMicroTime,
  formatTime,
  type FieldSchema,
  type ObjectSchema,
  type ScalarType,
  type TypeRef,
} from '@binnacle/apimachinery'
import { schemaNames, schemaOf } from '../schemas.ts'
import { fieldNumbers } from './field-numbers.ts'

/**
 * Decodes Kubernetes' protobuf request bodies: the envelope `k8s\0` + runtime.Unknown, and within it any kind whose field numbers the table has. The
 * structure comes from the schemas, the numbers from the table. Responses are JSON always, so nothing is ever encoded.
 */

const magic = Buffer.from('k8s\0')

/** A decoded body. */
export interface ProtobufBody {
  readonly apiVersion: string
  readonly kind: string
  readonly object: Record<string, unknown>
}

/** @throws StatusError BadRequest for bytes that are no such body. */
export function decodeProtobuf(bytes: Buffer): ProtobufBody {
  if (bytes.length === 0) return { apiVersion: '', kind: '', object: {} }
  if (!bytes.subarray(0, 4).equals(magic))
    throw badRequest('the body is not Kubernetes protobuf: it does not begin with "k8s\\x00"')
  try {
    return decodeEnvelope(new Reader(bytes.subarray(4)))
  } catch (error) {
    if (error instanceof RangeError) throw badRequest(`the protobuf body is malformed: ${error.message}`)
    throw error
  }
}

function decodeEnvelope(reader: Reader): ProtobufBody {
  let apiVersion = ''
  let kind = ''
  let raw: Buffer = Buffer.alloc(0)
  for (const { number, value } of reader.fields()) {
    if (number === 1) {
      for (const field of new Reader(value as Buffer).fields()) {
        if (field.number === 1) apiVersion = (field.value as Buffer).toString()
        if (field.number === 2) kind = (field.value as Buffer).toString()
      }
    } else if (number === 2) raw = value as Buffer
  }
  const schema = schemaFor(apiVersion, kind)
  if (schema === undefined) throw badRequest(`no kind "${kind}" is registered for version "${apiVersion}"`)
  const object = decodeMessage(schema, raw)
  return { apiVersion, kind, object: { ...object, apiVersion, kind } }
}

const schemasByKind = new Map<string, string>()

function schemaFor(apiVersion: string, kind: string): ObjectSchema | undefined {
  if (schemasByKind.size === 0) {
    for (const name of schemaNames) schemasByKind.set(name.split('.').slice(-3).join('.'), name)
  }
  const [group = '', version] = apiVersion.includes('/') ? apiVersion.split('/') : ['core', apiVersion]
  const name = schemasByKind.get(`${group.split('.')[0]}.${version}.${kind}`) ?? schemasByKind.get(`meta.v1.${kind}`)
  return name === undefined ? undefined : schemaOf(name)
}

interface NumberedField {
  readonly field: FieldSchema
  /** Go keeps a pointer here, so that an encoded zero is meant. */
  readonly pointer: boolean
}

const numberedFields = new Map<string, ReadonlyMap<number, NumberedField | { readonly inline: string }>>()

function fieldsOf(schema: ObjectSchema): ReadonlyMap<number, NumberedField | { readonly inline: string }> {
  let numbered = numberedFields.get(schema.name)
  if (numbered !== undefined) return numbered
  const short = schema.name.split('.').slice(-3).join('.')
  numbered = numbersOf(short, schema)
  numberedFields.set(schema.name, numbered)
  return numbered
}

function numbersOf(
  short: string,
  schema: ObjectSchema,
): ReadonlyMap<number, NumberedField | { readonly inline: string }> {
  const numbers = new Map<number, NumberedField | { readonly inline: string }>()
  for (const { name, number, pointer, inline } of fieldNumbers(short)) {
    const field = schema.byName.get(name)
    if (inline) numbers.set(number, { inline: name })
    else if (field !== undefined) numbers.set(number, { field, pointer })
  }
  return numbers
}

function decodeMessage(schema: ObjectSchema, bytes: Buffer, numbers = fieldsOf(schema)): Record<string, unknown> {
  const object: Record<string, unknown> = {}
  for (const { number, value } of new Reader(bytes).fields()) {
    const known = numbers.get(number)
    if (known === undefined) continue
    if ('inline' in known)
      Object.assign(object, decodeMessage(schema, value as Buffer, numbersOf(known.inline, schema)))
    else setField(object, known, value)
  }
  return object
}

function setField(object: Record<string, unknown>, { field, pointer }: NumberedField, value: Buffer | bigint): void {
  const { name, type } = field
  if (type.kind === 'list') {
    const list = (object[name] ??= []) as unknown[]
    list.push(decodeValue(type.of, value))
  } else if (type.kind === 'map') {
    const map = (object[name] ??= {}) as Record<string, unknown>
    const [key, entry] = decodeEntry(type.of, value as Buffer)
    map[key] = entry
  } else {
    const decoded = decodeValue(type, value)
    const isZero = decoded === '' || decoded === 0 || decoded === false
    // Go leaves zero values out of JSON; protobuf always carries those that are no pointers.
    if (decoded !== undefined && !(isZero && !pointer && !field.required)) object[name] = decoded
  }
}

function decodeEntry(type: TypeRef, bytes: Buffer): [string, unknown] {
  let key = ''
  let value: unknown = type.kind === 'scalar' ? '' : {}
  for (const field of new Reader(bytes).fields()) {
    if (field.number === 1) key = (field.value as Buffer).toString()
    else value = decodeValue(type, field.value)
  }
  return [key, value]
}

function decodeValue(type: TypeRef, value: Buffer | bigint): unknown {
  switch (type.kind) {
    case 'object':
      return decodeMessage(schemaOf(type.name), value as Buffer)
    case 'scalar':
      return decodeScalar(type.scalar, value)
    case 'list': {
      // A list within a map: `{items: […]}`.
      const items: unknown[] = []
      for (const field of new Reader(value as Buffer).fields()) items.push(decodeValue(type.of, field.value))
      return items
    }
    case 'map':
      return undefined
  }
}

function decodeScalar(scalar: ScalarType, value: Buffer | bigint): unknown {
  switch (scalar) {
    case 'string':
      return (value as Buffer).toString()
    case 'bytes':
      return (value as Buffer).toString('base64')
    case 'boolean':
      return value !== 0n
    case 'int32':
    case 'int64':
      return Number(BigInt.asIntN(64, value as bigint))
    case 'double':
      return (value as Buffer).readDoubleLE(0)
    case 'time':
    case 'microTime': {
      const [seconds, nanos] = numbersIn(value as Buffer)
      const ms = Number(seconds) * 1000 + Number(nanos) / 1e6
      // Go's zero time is an absent one.
      if (Number(seconds) <= -62_135_596_800 || (value as Buffer).length === 0) return undefined
      return scalar === 'time' ? formatTime(ms) : formatMicroTime(ms)
    }
    case 'quantity':
      return textIn(value as Buffer, 1)
    case 'intOrString': {
      const [kind, number] = numbersIn(value as Buffer)
      return kind === 1n ? textIn(value as Buffer, 3) : Number(BigInt.asIntN(32, number))
    }
    case 'json': {
      const raw = textIn(value as Buffer, 1)
      return raw === '' ? undefined : (JSON.parse(raw) as unknown)
    }
  }
}

function numbersIn(bytes: Buffer): [bigint, bigint] {
  const numbers: [bigint, bigint] = [0n, 0n]
  for (const { number, value } of new Reader(bytes).fields())
    if (number <= 2 && typeof value === 'bigint') numbers[number - 1] = BigInt.asIntN(64, value)
  return numbers
}

function textIn(bytes: Buffer, wanted: number): string {
  for (const { number, value } of new Reader(bytes).fields()) if (number === wanted) return (value as Buffer).toString()
  return ''
}

/** Reads the fields of a message in the order of their bytes. */
class Reader {
  readonly #bytes: Buffer
  #at = 0

  constructor(bytes: Buffer) {
    this.#bytes = bytes
  }

  *fields(): Generator<{ number: number; value: Buffer | bigint }> {
    while (this.#at < this.#bytes.length) {
      const tag = Number(this.#varint())
      yield { number: tag >>> 3, value: this.#value(tag & 7) }
    }
  }

  #value(wireType: number): Buffer | bigint {
    if (wireType === 0) return this.#varint()
    if (wireType === 1) return this.#take(8)
    if (wireType === 5) return this.#take(4)
    if (wireType === 2) return this.#take(Number(this.#varint()))
    throw new RangeError(`unknown wire type ${wireType}`)
  }

  #take(length: number): Buffer {
    if (this.#at + length > this.#bytes.length) throw new RangeError('it ends within a field')
    const taken = this.#bytes.subarray(this.#at, this.#at + length)
    this.#at += length
    return taken
  }

  #varint(): bigint {
    let value = 0n
    for (let shift = 0n; shift < 70n; shift += 7n) {
      const byte = this.#bytes[this.#at++]
      if (byte === undefined) throw new RangeError('it ends within a number')
      value |= BigInt(byte & 0x7f) << shift
      if (byte < 0x80) return value
    }
    throw new RangeError('a number is too long')
  }
}
