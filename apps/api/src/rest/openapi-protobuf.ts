/**
 * An OpenAPI document of version 2 as protobuf (`openapi.v2.Document` of google/gnostic-models): the only form in which kubectl asks for it, to check on
 * its own side what it does not leave to the server, such as the items of a `kind: List`.
 */

type Json = Record<string, unknown>

/** The media type. Clients ask for it with an `@` before the version too, which media types may not have. */
export const openApiProtobufType = 'application/com.github.proto-openapi.spec.v2.v1.0+protobuf'

/** Encodes a document. */
export function encodeOpenApiV2(document: Json): Buffer {
  return message('Document', document)
}

type Encode = (value: any) => Buffer[]
/** A field's number and how its value is written. */
type Field = readonly [number: number, encode: (number: number) => Encode]

function varint(value: number): Buffer {
  const bytes: number[] = []
  let rest = value
  for (; rest >= 0x80; rest = Math.floor(rest / 0x80)) bytes.push((rest % 0x80) + 0x80)
  bytes.push(rest)
  return Buffer.from(bytes)
}

const tag = (number: number, wireType: number): Buffer => varint(number * 8 + wireType)
const delimited = (number: number, bytes: Buffer): Buffer[] => [tag(number, 2), varint(bytes.length), bytes]

const text =
  (number: number): Encode =>
  (value: string) =>
    delimited(number, Buffer.from(value))
const texts =
  (number: number): Encode =>
  (values: readonly string[]) =>
    values.flatMap((value) => text(number)(value))
const flag =
  (number: number): Encode =>
  (value: boolean) =>
    value ? [tag(number, 0), varint(1)] : []
const count =
  (number: number): Encode =>
  (value: number) => [tag(number, 0), varint(value)]
const double =
  (number: number): Encode =>
  (value: number) => {
    const bytes = Buffer.alloc(8)
    bytes.writeDoubleLE(value)
    return [tag(number, 1), bytes]
  }
// Values of any kind are YAML, which JSON is too.
const anyMessage = (value: unknown): Buffer => Buffer.concat(text(2)(JSON.stringify(value)))
const any =
  (number: number): Encode =>
  (value) =>
    delimited(number, anyMessage(value))
const anys =
  (number: number): Encode =>
  (values: readonly unknown[]) =>
    values.flatMap((value) => any(number)(value))
const one =
  (name: string) =>
  (number: number): Encode =>
  (value: Json) =>
    delimited(number, message(name, value))
const many =
  (name: string) =>
  (number: number): Encode =>
  (values: readonly Json[]) =>
    values.flatMap((value) => one(name)(number)(value))
const made =
  (make: (value: any) => readonly Buffer[]) =>
  (number: number): Encode =>
  (value) =>
    delimited(number, Buffer.concat(make(value)))

/** The entries of a map: a name and a value each. */
function entries(number: number, map: Json, encode: (value: any) => Buffer): Buffer[] {
  return Object.entries(map).flatMap(([name, value]) =>
    delimited(number, Buffer.concat([...text(1)(name), ...delimited(2, encode(value))])),
  )
}

const schemas = made((map: Json) => entries(1, map, (value) => message('Schema', value)))
const types = made((type: string | readonly string[]) => texts(1)([type].flat()))
const items = made((schema: Json) => one('Schema')(1)(schema))
const additional = made((value: Json | boolean) =>
  typeof value === 'boolean' ? [tag(2, 0), varint(value ? 1 : 0)] : one('Schema')(1)(value),
)
const paths = made((map: Json) => entries(2, map, (value) => message('PathItem', value)))
const responses = made((map: Json) =>
  entries(1, map, (value) => Buffer.concat(delimited(1, message('Response', value)))),
)
const responseSchema = made((schema: Json) => one('Schema')(1)(schema))
const parameters =
  (number: number): Encode =>
  (list: readonly Json[]) =>
    list.flatMap((parameter) => delimited(number, Buffer.concat(delimited(1, parameterMessage(parameter)))))

function parameterMessage(parameter: Json): Buffer {
  if (parameter['in'] === 'body') return Buffer.concat(delimited(1, message('BodyParameter', parameter)))
  const [number, name] = parameter['in'] === 'path' ? [4, 'PathParameter'] : [3, 'QueryParameter']
  return Buffer.concat(delimited(2, Buffer.concat(delimited(number as number, message(name as string, parameter)))))
}

const operation = one('Operation')

/** The fields of each message under their names in JSON; `x-` is the number that extensions have. */
const messages: Readonly<Record<string, Readonly<Record<string, Field>> & { readonly 'x-'?: Field }>> = {
  Document: { swagger: [1, text], info: [2, one('Info')], paths: [8, paths], definitions: [9, schemas] },
  Info: { title: [1, text], version: [2, text] },
  PathItem: {
    get: [2, operation],
    put: [3, operation],
    post: [4, operation],
    delete: [5, operation],
    patch: [8, operation],
    parameters: [9, parameters],
  },
  Operation: {
    tags: [1, texts],
    description: [3, text],
    operationId: [5, text],
    produces: [6, texts],
    consumes: [7, texts],
    parameters: [8, parameters],
    responses: [9, responses],
    'x-': [13, any],
  },
  Response: { description: [1, text], schema: [2, responseSchema] },
  BodyParameter: {
    description: [1, text],
    name: [2, text],
    in: [3, text],
    required: [4, flag],
    schema: [5, one('Schema')],
  },
  QueryParameter: {
    in: [2, text],
    description: [3, text],
    name: [4, text],
    type: [6, text],
    uniqueItems: [20, flag],
  },
  PathParameter: {
    required: [1, flag],
    in: [2, text],
    description: [3, text],
    name: [4, text],
    type: [5, text],
    uniqueItems: [19, flag],
  },
  Schema: {
    $ref: [1, text],
    format: [2, text],
    title: [3, text],
    description: [4, text],
    default: [5, any],
    multipleOf: [6, double],
    maximum: [7, double],
    exclusiveMaximum: [8, flag],
    minimum: [9, double],
    exclusiveMinimum: [10, flag],
    maxLength: [11, count],
    minLength: [12, count],
    pattern: [13, text],
    maxItems: [14, count],
    minItems: [15, count],
    uniqueItems: [16, flag],
    maxProperties: [17, count],
    minProperties: [18, count],
    required: [19, texts],
    enum: [20, anys],
    additionalProperties: [21, additional],
    type: [22, types],
    items: [23, items],
    allOf: [24, many('Schema')],
    properties: [25, schemas],
    example: [30, any],
    'x-': [31, any],
  },
}

function message(name: string, value: Json): Buffer {
  const fields = messages[name] ?? {}
  const parts: Buffer[] = []
  for (const [key, member] of Object.entries(value)) {
    if (member === undefined || member === null) continue
    const field = Object.hasOwn(fields, key) ? fields[key] : undefined
    if (field !== undefined) parts.push(...field[1](field[0])(member))
    else if (key.startsWith('x-') && fields['x-'] !== undefined)
      parts.push(...entries(fields['x-'][0], { [key]: member }, anyMessage))
  }
  return Buffer.concat(parts)
}
