import { GraphQLError, GraphQLScalarType, Kind, type ValueNode, valueFromASTUntyped } from 'graphql'

const identity = (value: unknown): unknown => value

function textScalar(name: string, description: string, isValid: (text: string) => boolean): GraphQLScalarType {
  const parse = (value: unknown): string => {
    if (typeof value === 'string' && isValid(value)) return value
    throw new GraphQLError(`${name} cannot represent ${JSON.stringify(value)}`)
  }
  return new GraphQLScalarType({
    name,
    description,
    serialize: identity,
    parseValue: parse,
    parseLiteral: (node) => parse(node.kind === Kind.STRING ? node.value : valueFromASTUntyped(node)),
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
  parseLiteral: (node, variables) => valueFromASTUntyped(node, variables),
})

function parseNumberOrText(name: string, value: unknown): string | number {
  if (typeof value === 'string' || (typeof value === 'number' && Number.isFinite(value))) return value
  throw new GraphQLError(`${name} cannot represent ${JSON.stringify(value)}: a number or a text is needed`)
}

function numberOrTextScalar(name: string, description: string): GraphQLScalarType {
  return new GraphQLScalarType({
    name,
    description,
    serialize: identity,
    parseValue: (value) => parseNumberOrText(name, value),
    parseLiteral: (node, variables) => parseNumberOrText(name, valueFromASTUntyped(node, variables)),
  })
}

/** A number, or a percentage or name as text. */
export const intOrStringScalar = numberOrTextScalar(
  'IntOrString',
  'A whole number, or a text such as `25%` or a port name.',
)

/** An amount of a resource. */
export const quantityScalar = numberOrTextScalar('Quantity', 'An amount of a resource, e.g. `500m` or `1Gi`.')

/** A 64-bit number: a JSON number while that is exact, else text. */
export const int64Scalar = numberOrTextScalar(
  'Int64',
  'A 64-bit whole number: a number while JSON numbers are exact, decimal text beyond.',
)

/** Labels, annotations and other maps of texts. */
export const stringMapScalar = new GraphQLScalarType({
  name: 'StringMap',
  description:
    'A map of texts. As input either an object, by a variable, or a list of `{key, value}`, which can also be written in the document (keys of labels are no GraphQL names).',
  serialize: identity,
  parseValue: parseStringMap,
  parseLiteral: (node: ValueNode, variables) => parseStringMap(valueFromASTUntyped(node, variables)),
})

function parseStringMap(value: unknown): Record<string, string> {
  const entries: [unknown, unknown][] = Array.isArray(value)
    ? value.map((item) => [(item as { key?: unknown } | null)?.key, (item as { value?: unknown } | null)?.value])
    : typeof value === 'object' && value !== null
      ? Object.entries(value)
      : [[undefined, undefined]]
  const map: Record<string, string> = {}
  for (const [key, text] of entries) {
    if (typeof key !== 'string' || typeof text !== 'string')
      throw new GraphQLError(`StringMap cannot represent ${JSON.stringify(value)}: a map of texts is needed`)
    map[key] = text
  }
  return map
}
