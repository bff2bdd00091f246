import { builtInRegistry } from '@binnacle/resources'
import { getIntrospectionQuery, getOperationAST, parse, validate } from 'graphql'
import { describe, expect, it } from 'vitest'
import { aliasesMax, queryDepthMax, queryObjectsMax, queryTokensMax, rootFieldsMax } from '../limits.ts'
import { Operations } from './operations.ts'
import { exceededLimit } from './query-limits.ts'
import { buildGraphqlSchema } from './schema/build-schema.ts'

/** What a query may cost is decided before it runs. */

const schema = buildGraphqlSchema(builtInRegistry())

function refusal(query: string, variables: Record<string, unknown> = {}): string | undefined {
  const document = parse(query)
  expect(validate(schema, document).map(({ message }) => message)).toEqual([])
  const operation = getOperationAST(document)
  if (operation === null || operation === undefined) throw new Error('no operation')
  const error = exceededLimit(schema, document, operation, variables)
  if (error !== undefined) expect(error.extensions).toMatchObject({ code: 'QUERY_TOO_COMPLEX', http: { status: 400 } })
  return error?.message
}

/** The objects that a query counts as: how many of its kind fit. */
function counted(query: string, variables: Record<string, unknown> = {}): number {
  // Multiplied until it is too much, the refusal says the number.
  const head = /^query[^{]*|^/.exec(query)?.[0] ?? ''
  const fields = query.slice(head.length).trim().slice(1, -1)
  const message = refusal(`${head}{ big: pods(first: ${queryObjectsMax + 1}) { nodes { id } } ${fields} }`, variables)
  return Number(/may ask for (\d+) objects/.exec(message ?? '')?.[1]) - queryObjectsMax - 1
}

describe('depth', () => {
  const nested = (levels: number): string =>
    `{ pod(namespace: "a", name: "b") { ${'owner { '.repeat(levels)} id ${'} '.repeat(levels)} } }`

  it('is bounded', () => {
    expect(refusal(nested(queryDepthMax - 2))).toBeUndefined()
    expect(refusal(nested(queryDepthMax - 1))).toBe(
      `The operation nests fields ${queryDepthMax + 1} deep; ${queryDepthMax} levels are allowed.`,
    )
  })

  it('counts through fragments, inline and named', () => {
    const chain = Array.from({ length: queryDepthMax }, (_, i) =>
      i === queryDepthMax - 1
        ? `fragment F${i} on KubernetesObject { id }`
        : `fragment F${i} on KubernetesObject { owner { ...F${i + 1} } }`,
    )
    expect(refusal(`{ pod(namespace: "a", name: "b") { ... { ... on Pod { ...F0 } } } } ${chain.join(' ')}`)).toContain(
      'deep',
    )
  })

  it('does not count introspection', () => {
    expect(refusal(getIntrospectionQuery())).toBeUndefined()
    expect(refusal(`{ ${'__typename '.repeat(3)} }`)).toBeUndefined()
  })

  it('leaves room for the deepest field of a Deployment', () => {
    const field =
      'deployments { nodes { spec { template { spec { containers { env { valueFrom { secretKeyRef { name } } } } } } } } }'
    expect(refusal(`{ ${field} }`)).toBeUndefined()
  })
})

describe('aliases and root fields', () => {
  const many = (count: number, field: string): string =>
    Array.from({ length: count }, (_, i) => `a${i}: ${field}`).join(' ')

  it('are bounded', () => {
    const metadata = (count: number): string => `{ namespace(name: "a") { metadata { ${many(count, 'name')} } } }`
    expect(refusal(metadata(aliasesMax))).toBeUndefined()
    expect(refusal(metadata(aliasesMax + 1))).toBe(
      `The document has ${aliasesMax + 1} aliases; ${aliasesMax} are allowed.`,
    )
    const roots = (count: number): string => `{ ${many(count, 'namespace(name: "a") { id }')} }`
    expect(refusal(roots(rootFieldsMax))).toBeUndefined()
    expect(refusal(roots(rootFieldsMax + 1))).toBe(
      `The operation has ${rootFieldsMax + 1} fields at its root; ${rootFieldsMax} are allowed.`,
    )
  })

  it('count in mutations and through fragments', () => {
    const deletes = many(rootFieldsMax + 1, 'deleteNamespace(name: "a") { error { reason } }')
    expect(refusal(`mutation { ${deletes} }`)).toContain('at its root')
    expect(refusal(`mutation { ...F } fragment F on Mutation { ${deletes} }`)).toContain('at its root')
  })

  it('of another operation in the document count as aliases only', () => {
    const document = parse(
      `query A { nodes { totalCount } } query B { ${many(rootFieldsMax + 1, 'namespace(name: "a") { id }')} }`,
    )
    const [a, b] = [getOperationAST(document, 'A'), getOperationAST(document, 'B')]
    expect(a && exceededLimit(schema, document, a, {})).toBeUndefined()
    expect(b && exceededLimit(schema, document, b, {})?.message).toContain('at its root')
  })
})

describe('the number of objects', () => {
  it('is the product of page sizes: literal, default, or variable with its own default', () => {
    expect(counted('{ a: pods(first: 7) { nodes { id } } }')).toBe(7)
    expect(counted('{ a: pods { nodes { id } } }')).toBe(100)
    expect(counted('query($n: Int) { a: pods(first: $n) { nodes { id } } }', { n: 30 })).toBe(30)
    expect(counted('query($n: Int) { a: pods(first: $n) { nodes { id } } }')).toBe(100)
    expect(counted('query($n: Int = 400) { a: pods(first: $n) { nodes { id } } }')).toBe(400)
    expect(counted('query($n: Int = 400) { a: pods(first: $n) { nodes { id } } }', { n: 3 })).toBe(3)
  })

  it('multiplies along the nesting and adds up beside it', () => {
    const inner = 'replicaSets(first: 10) { nodes { pods(first: 5) { nodes { id } } } }'
    expect(counted(`{ deployments(first: 20) { nodes { ${inner} } } }`)).toBe(20 * (1 + 10 * (1 + 5)))
    expect(
      counted('{ a: pods(first: 3) { nodes { id } edges { node { id } } } b: nodes(first: 4) { totalCount } }'),
    ).toBe(7)
  })

  it('counts edges to one object, which aliases multiply', () => {
    expect(counted('{ a: pods(first: 3) { nodes { node { id } owner { id } } } }')).toBe(3 * (1 + 2))
    const doubling = Array.from({ length: 17 }, (_, i) =>
      i === 16
        ? `fragment F${i} on KubernetesObject { id }`
        : `fragment F${i} on KubernetesObject { a: owner { ...F${i + 1} } b: owner { ...F${i + 1} } }`,
    ).join(' ')
    // 2 + 4 + … + 2^16 for each of a hundred pods.
    expect(refusal(`{ pods { nodes { ...F0 } } } ${doubling}`)).toContain('objects')
  })

  it('is not made smaller by page sizes that make no sense', () => {
    expect(counted('{ a: pods(first: -1000000) { nodes { id } } b: nodes(first: 5) { totalCount } }')).toBe(6)
    expect(counted('query($n: Int) { a: pods(first: $n) { nodes { id } } }', { n: 'many' })).toBe(1)
  })

  it('is bounded', () => {
    const query =
      '{ deployments(first: 500) { nodes { replicaSets(first: 500) { nodes { pods(first: 500) { nodes { id } } } } } } }'
    expect(refusal(query)).toContain(`${queryObjectsMax} are allowed`)
  })

  it('takes no longer for fragments that spread each other', () => {
    // Each spreads the next twice: written out it would be 2^40 fields.
    const count = 40
    const fragments = Array.from({ length: count }, (_, i) =>
      i === count - 1
        ? `fragment F${i} on Pod { id }`
        : `fragment F${i} on Pod { ...F${i + 1} ... on Pod { ...F${i + 1} } }`,
    )
    const document = parse(`{ pods(first: 2) { nodes { ...F0 } } } ${fragments.join(' ')}`)
    const operation = getOperationAST(document)
    expect(operation && exceededLimit(schema, document, operation, {})).toBeUndefined()
  })
})

describe('tokens', () => {
  it('are bounded where documents are read', () => {
    const prepare = (query: string): unknown => new Operations(schema).prepare(query, undefined, {})
    expect(prepare('{ nodes { totalCount } }')).toMatchObject({ operation: { operation: 'query' } })
    expect(prepare(`{ ${'nodes '.repeat(queryTokensMax)} }`)).toEqual([
      expect.objectContaining({
        message: expect.stringContaining(`${queryTokensMax} tokens`),
        extensions: { code: 'GRAPHQL_PARSE_FAILED' },
      }),
    ])
  })

  it('do not matter for fragments in a circle: those are not valid', () => {
    const circle = new Operations(schema).prepare(
      '{ pods { nodes { ...A } } } fragment A on Pod { ...B } fragment B on Pod { ...A }',
      undefined,
      {},
    )
    expect(circle).toEqual([expect.objectContaining({ extensions: { code: 'GRAPHQL_VALIDATION_FAILED' } })])
  })
})
