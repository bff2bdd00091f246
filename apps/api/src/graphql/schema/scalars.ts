import { GraphQLError, GraphQLScalarType, Kind, print, type ValueNode } from 'graphql'

const identity = (value: unknown): unknown => value

type Variables = Readonly<Record<string, unknown>> | null | undefined

// As JSON.parse would make it: objects with the usual prototype, of which no key is special.
function valueOf(node: ValueNode, variables: Variables): unknown {
  switch (node.kind) {
    case Kind.NULL:
      return null
    case Kind.INT:
    case Kind.FLOAT:
      return Number(node.value)
    case Kind.LIST:
      return node.values.map((item) => valueOf(item, variables) ?? null)
    case Kind.OBJECT: {
      const members = node.fields.map(({ name, value }) => [name.value, valueOf(value, variables)] as const)
      return Object.fromEntries(members.filter(([, value]) => value !== undefined))
    }
    case Kind.VARIABLE:
      return variables?.[node.name.value]
    default:
      return node.value
  }
}

const refused = (name: string, text: string, why = ''): GraphQLError =>
  new GraphQLError(`${name} cannot represent ${text}${why}`)

function textScalar(name: string, description: string, isValid: (text: string) => boolean): GraphQLScalarType {
  const parse = (value: unknown): string => {
    if (typeof value === 'string' && isValid(value)) return value
    throw refused(name, JSON.stringify(value))
  }
  return new GraphQLScalarType({
    name,
    description,
    serialize: identity,
    parseValue: parse,
    parseLiteral(node) {
      if (node.kind !== Kind.STRING) throw refused(name, print(node))
      return parse(node.value)
    },
  })
}

const rfc3339 = /^\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(\.\d+)?([Zz]|[+-]\d\d:\d\d)$/

/** RFC 3339 text, as `metav1.Time` and `MicroTime` are on the wire. */
export const timeScalar = textScalar('Time', 'A time as RFC 3339 text, e.g. `2026-01-02T03:04:05Z`.', (text) =>
  rfc3339.test(text),
)

/** Bytes in base64. */
export const base64Scalar = textScalar('Base64', 'Bytes, in standard base64.', (text) =>
  /^[A-Za-z0-9+/\s]*={0,2}\s*$/.test(text),
)

/** Any JSON value. */
export const jsonScalar = new GraphQLScalarType({
  name: 'JSON',
  description: 'Any JSON value: an object, a list, text, a number, a boolean or null.',
  serialize: identity,
  parseValue: identity,
  parseLiteral: valueOf,
})

function numberOrTextScalar(
  name: string,
  description: string,
  parse: (value: string | number) => string | number,
): GraphQLScalarType {
  const check = (value: unknown): string | number => {
    if (typeof value === 'string' || (typeof value === 'number' && Number.isFinite(value))) return parse(value)
    throw refused(name, JSON.stringify(value), ': a number or a text is needed')
  }
  return new GraphQLScalarType({
    name,
    description,
    serialize: identity,
    parseValue: check,
    parseLiteral(node) {
      // The text of a number: as a number it may be rounded already.
      if (node.kind === Kind.INT) return parse(name === 'Int64' ? node.value : Number(node.value))
      if (node.kind !== Kind.STRING && node.kind !== Kind.FLOAT) throw refused(name, print(node))
      return check(node.kind === Kind.FLOAT ? Number(node.value) : node.value)
    },
  })
}

/** A number, or a percentage or name as text. */
export const intOrStringScalar = numberOrTextScalar(
  'IntOrString',
  'A whole number, or a text such as `25%` or a port name.',
  (value) => {
    if (typeof value === 'number' && !Number.isInteger(value)) throw refused('IntOrString', String(value))
    return value
  },
)

/** An amount of a resource. */
export const quantityScalar = numberOrTextScalar(
  'Quantity',
  'An amount of a resource, e.g. `500m` or `1Gi`.',
  (value) => value,
)

/** A 64-bit number, as far as JSON numbers are exact: what would be rounded is refused. */
export const int64Scalar = numberOrTextScalar(
  'Int64',
  'A whole number. What JSON numbers cannot hold exactly (beyond ±9007199254740991) is refused; decimal text is taken too.',
  (value) => {
    const number = typeof value === 'string' && /^-?\d+$/.test(value) ? Number(value) : value
    if (!Number.isSafeInteger(number)) throw refused('Int64', JSON.stringify(value), ' exactly')
    return number
  },
)

/** Labels, annotations and other maps of texts. */
export const stringMapScalar = new GraphQLScalarType({
  name: 'StringMap',
  description:
    'A map of texts. As input either an object, by a variable, or a list of `{key, value}`, which can also be written in the document (keys of labels are no GraphQL names).',
  serialize: identity,
  parseValue: parseStringMap,
  parseLiteral: (node, variables) => parseStringMap(valueOf(node, variables)),
})

function parseStringMap(value: unknown): Record<string, string> {
  const entries: [unknown, unknown][] = Array.isArray(value)
    ? value.map((item) => [(item as { key?: unknown } | null)?.key, (item as { value?: unknown } | null)?.value])
    : typeof value === 'object' && value !== null
      ? Object.entries(value)
      : [[undefined, undefined]]
  for (const [key, text] of entries) {
    if (typeof key !== 'string' || typeof text !== 'string')
      throw refused('StringMap', JSON.stringify(value), ': a map of texts is needed')
  }
  return Object.fromEntries(entries)
}
