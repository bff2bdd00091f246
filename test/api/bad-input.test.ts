import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { startTestApi, type TestApi, type WireAnswer } from '@binnacle/api/testing'

/** Every kind of bad input, through REST and through GraphQL: the clear error that it gets, and that nothing changes. */

const configMaps = '/api/v1/namespaces/default/configmaps'
const settings = `${configMaps}/settings`
const tooLarge = 'x'.repeat(1_600_000)

let api: TestApi
/** A resourceVersion of `settings` that is not the present one. */
let staleVersion: string
/** A continue token, and a cursor, of a snapshot that is kept no more. */
let expiredToken: string

beforeAll(async () => {
  api = await startTestApi()
  for (const name of ['another', 'settings'])
    await api.rest('POST', configMaps, { metadata: { name }, data: { a: '1' } })
  const before = await api.rest('GET', settings)
  staleVersion = before.body.metadata.resourceVersion
  await api.rest('PUT', settings, { ...before.body, data: { a: '2' } })
  const page = await api.rest('GET', `${configMaps}?limit=1`)
  expiredToken = page.body.metadata.continue
  await api.forgetHistory()
}, 120_000)
afterAll(async () => await api?.stop())

type Headers = Record<string, string>
const type = (contentType: string): Headers => ({ 'content-type': contentType })
const json = type('application/json')

/** Sends a request and expects that the store is as it was. */
async function unchanged(send: () => Promise<WireAnswer>): Promise<WireAnswer> {
  const { store } = api.process.server
  const before = await store.linearize()
  const answer = await send()
  expect(await store.linearize()).toBe(before)
  return answer
}

interface RestCase {
  readonly method?: string
  readonly target?: string
  readonly headers?: Headers
  /** What is sent; objects as JSON. */
  readonly body?: () => string | Buffer | object
  readonly code: number
  readonly reason: string
  readonly message: string | RegExp
}

const configMap = (extra: object = {}, metadata: object = {}): object => ({
  apiVersion: 'v1',
  kind: 'ConfigMap',
  metadata: { name: 'new', ...metadata },
  ...extra,
})

/** Right in every field, and too large as a whole. */
function largeDeployment(): object {
  const labels = { app: 'large' }
  const env = [{ name: 'LARGE', value: tooLarge }]
  const template = { metadata: { labels }, spec: { containers: [{ name: 'c', image: 'example/c:1', env }] } }
  return { metadata: { name: 'large' }, spec: { selector: { matchLabels: labels }, template } }
}

const restCases: Record<string, RestCase> = {
  'malformed JSON': {
    body: () => '{"metadata": ',
    code: 400,
    reason: 'BadRequest',
    message: /^the object provided is unrecognized .*json parse error/,
  },
  'an empty body': { body: () => '', code: 400, reason: 'BadRequest', message: /cannot be handled as a ConfigMap/ },
  'malformed YAML': {
    headers: type('application/yaml'),
    body: () => 'metadata: {name: [',
    code: 400,
    reason: 'BadRequest',
    message: /^error converting YAML to JSON: yaml: /,
  },
  'YAML with aliases that multiply': {
    headers: type('application/yaml'),
    body: () => bomb(),
    code: 400,
    reason: 'BadRequest',
    message: /^error converting YAML to JSON: yaml: .*alias/i,
  },
  'protobuf without its prefix': {
    headers: type('application/vnd.kubernetes.protobuf'),
    body: () => Buffer.from([1, 2, 3, 4, 5]),
    code: 400,
    reason: 'BadRequest',
    message: /not Kubernetes protobuf/,
  },
  'protobuf that is cut off': {
    headers: type('application/vnd.kubernetes.protobuf'),
    body: () => Buffer.concat([Buffer.from('k8s\0'), Buffer.from([0x0a, 0x7f, 0x01])]),
    code: 400,
    reason: 'BadRequest',
    message: /protobuf body is malformed/,
  },
  'a value of the wrong type': {
    body: () => configMap({ data: { a: 5 } }),
    code: 400,
    reason: 'BadRequest',
    message: /json: cannot unmarshal number into Go struct field ConfigMap.data of type string$/,
  },
  'a list for an object': {
    body: () => [],
    code: 400,
    reason: 'BadRequest',
    message: /json: cannot unmarshal array into Go value of type v1.ConfigMap/,
  },
  'another kind than the path names': {
    body: () => ({ ...configMap(), kind: 'Secret' }),
    code: 400,
    reason: 'BadRequest',
    message: /no kind "Secret" is registered/,
  },
  'another version than the path names': {
    body: () => ({ ...configMap(), apiVersion: 'v2' }),
    code: 400,
    reason: 'BadRequest',
    message: /the API version in the data \(v2\) does not match the expected API version \(v1\)/,
  },
  'an unknown field, with fieldValidation=Strict': {
    target: `${configMaps}?fieldValidation=Strict`,
    body: () => configMap({ colour: 'blue' }),
    code: 400,
    reason: 'BadRequest',
    message: 'strict decoding error: unknown field "colour"',
  },
  'a duplicate field, with fieldValidation=Strict': {
    target: `${configMaps}?fieldValidation=Strict`,
    body: () => '{"metadata":{"name":"new"},"data":{"a":"1","a":"2"}}',
    code: 400,
    reason: 'BadRequest',
    message: 'strict decoding error: duplicate field "data.a"',
  },
  'a duplicate field in YAML, with fieldValidation=Strict': {
    target: `${configMaps}?fieldValidation=Strict`,
    headers: type('application/yaml'),
    body: () => 'metadata: {name: new}\ndata:\n  a: "1"\n  a: "2"\n',
    code: 400,
    reason: 'BadRequest',
    message: /^strict decoding error: .*duplicate field|^strict decoding error: yaml: .*already set in map/,
  },
  'an unknown field in a patch, with fieldValidation=Strict': {
    method: 'PATCH',
    target: `${settings}?fieldValidation=Strict`,
    headers: type('application/merge-patch+json'),
    body: () => ({ colour: 'blue' }),
    code: 400,
    reason: 'BadRequest',
    message: 'strict decoding error: unknown field "colour"',
  },
  'an unknown value of fieldValidation': {
    target: `${configMaps}?fieldValidation=Perhaps`,
    body: () => configMap(),
    code: 422,
    reason: 'Invalid',
    message: /fieldValidation: Unsupported value: "Perhaps"/,
  },
  'a name in capitals': {
    body: () => configMap({}, { name: 'New' }),
    code: 422,
    reason: 'Invalid',
    message:
      /^ConfigMap "New" is invalid: metadata.name: Invalid value: "New": a lowercase RFC 1123 subdomain must consist of/,
  },
  'a name that is too long': {
    body: () => configMap({}, { name: 'n'.repeat(254) }),
    code: 422,
    reason: 'Invalid',
    message: /must be no more than 253 (bytes|characters)/,
  },
  'no name': {
    body: () => configMap({}, { name: '' }),
    code: 422,
    reason: 'Invalid',
    message: /metadata.name: Required value: name or generateName is required/,
  },
  'a label that is none': {
    body: () => configMap({}, { labels: { a: 'not a label' } }),
    code: 422,
    reason: 'Invalid',
    message: /metadata.labels: Invalid value: "not a label"/,
  },
  'an object over 1.5 MB': {
    target: '/apis/apps/v1/namespaces/default/deployments',
    body: () => largeDeployment(),
    code: 413,
    reason: 'RequestEntityTooLarge',
    message: /limit is/,
  },
  'a body over 3 MB': {
    body: () => configMap({ data: { a: tooLarge + tooLarge } }),
    code: 413,
    reason: 'RequestEntityTooLarge',
    message: /limit is 3145728/,
  },
  'a stale resourceVersion': {
    method: 'PUT',
    target: settings,
    body: () => configMap({ data: { a: '3' } }, { name: 'settings', resourceVersion: staleVersion }),
    code: 409,
    reason: 'Conflict',
    message:
      /^Operation cannot be fulfilled on configmaps "settings": the object has been modified; please apply your changes to the latest version and try again$/,
  },
  'a delete of a stale resourceVersion': {
    method: 'DELETE',
    target: settings,
    body: () => ({ preconditions: { resourceVersion: staleVersion } }),
    code: 409,
    reason: 'Conflict',
    message: /Precondition failed: ResourceVersion in precondition/,
  },
  'an expired continue token': {
    method: 'GET',
    target: 'expired',
    code: 410,
    reason: 'Expired',
    message: /continue/,
  },
  'a continue token that is none': {
    method: 'GET',
    target: `${configMaps}?continue=nonsense`,
    code: 400,
    reason: 'BadRequest',
    message: /continue key is not valid/,
  },
  'a malformed label selector': {
    method: 'GET',
    target: `${configMaps}?labelSelector=${encodeURIComponent('a in')}`,
    code: 400,
    reason: 'BadRequest',
    message: /unable to parse requirement/,
  },
  'a field selector of a field that cannot be selected': {
    method: 'GET',
    target: `${configMaps}?fieldSelector=data.a%3D1`,
    code: 400,
    reason: 'BadRequest',
    message: '"data.a" is not a known field selector: only "metadata.name", "metadata.namespace"',
  },
  'a malformed field selector': {
    method: 'DELETE',
    target: `${configMaps}?fieldSelector=nonsense`,
    code: 400,
    reason: 'BadRequest',
    message: /invalid selector: 'nonsense'; can't understand 'nonsense'/,
  },
  'a limit that is no number': {
    method: 'GET',
    target: `${configMaps}?limit=many`,
    code: 400,
    reason: 'BadRequest',
    message: /parsing "many": invalid syntax/,
  },
  'a resourceVersion that is no number': {
    method: 'GET',
    target: `${configMaps}?resourceVersion=new`,
    code: 400,
    reason: 'BadRequest',
    message: /invalid resource version "new"/,
  },
  'a Content-Type that nothing reads': {
    headers: type('text/csv'),
    body: () => 'a,b',
    code: 415,
    reason: 'UnsupportedMediaType',
    message: /the body of the request was in an unknown format - accepted media types include: application\/json/,
  },
  'a patch of no known type': {
    method: 'PATCH',
    target: settings,
    headers: json,
    body: () => ({ data: { a: '3' } }),
    code: 415,
    reason: 'UnsupportedMediaType',
    message: /application\/merge-patch\+json/,
  },
  'a malformed merge patch': {
    method: 'PATCH',
    target: settings,
    headers: type('application/merge-patch+json'),
    body: () => '{',
    code: 400,
    reason: 'BadRequest',
    message: /^error decoding patch: /,
  },
  'a merge patch that is a list': {
    method: 'PATCH',
    target: settings,
    headers: type('application/merge-patch+json'),
    body: () => [],
    code: 400,
    reason: 'BadRequest',
    message: /^error decoding patch: json: cannot unmarshal array/,
  },
  'a JSON patch that is an object': {
    method: 'PATCH',
    target: settings,
    headers: type('application/json-patch+json'),
    body: () => ({ data: { a: '3' } }),
    code: 400,
    reason: 'BadRequest',
    message: /error decoding patch/,
  },
  'a JSON patch whose path is not there': {
    method: 'PATCH',
    target: settings,
    headers: type('application/json-patch+json'),
    body: () => [{ op: 'replace', path: '/spec/replicas', value: 1 }],
    code: 422,
    reason: 'Invalid',
    message: /the server rejected our request due to an error in our request/,
  },
  'a strategic merge patch with an unknown directive': {
    method: 'PATCH',
    target: settings,
    headers: type('application/strategic-merge-patch+json'),
    body: () => ({ data: { $patch: 'remove' } }),
    code: 400,
    reason: 'BadRequest',
    message: /patch/,
  },
  'a method that the path does not have': {
    method: 'PUT',
    target: configMaps,
    body: () => configMap(),
    code: 405,
    reason: 'MethodNotAllowed',
    message: 'the server does not allow this method on the requested resource',
  },
  'a path that is not there': {
    method: 'GET',
    target: '/api/v1/nothing',
    code: 404,
    reason: 'NotFound',
    message: 'the server could not find the requested resource',
  },
  'no credentials': {
    headers: { ...json, authorization: '' },
    body: () => configMap(),
    code: 401,
    reason: 'Unauthorized',
    message: 'Unauthorized',
  },
  'a token that nobody has': {
    headers: { ...json, authorization: 'Bearer nobody' },
    body: () => configMap(),
    code: 401,
    reason: 'Unauthorized',
    message: 'Unauthorized',
  },
}

/** Nine levels of nine references each. */
function bomb(): string {
  const lines = ['a0: &a0 [x, x, x, x, x, x, x, x, x]']
  for (let level = 1; level < 9; level++)
    lines.push(
      `a${level}: &a${level} [${Array(9)
        .fill(`*a${level - 1}`)
        .join(', ')}]`,
    )
  return `${lines.join('\n')}\n`
}

describe('bad input over REST', () => {
  it.each(Object.entries(restCases))('%s is refused and changes nothing', async (_, expected) => {
    const { method = 'POST', headers = json, code, reason, message } = expected
    const target =
      expected.target === 'expired' ? `${configMaps}?continue=${expiredToken}` : (expected.target ?? configMaps)
    const content = expected.body?.()
    const body =
      content === undefined || typeof content === 'string' || Buffer.isBuffer(content)
        ? content
        : JSON.stringify(content)
    const answer = await unchanged(() => api.send(method, target, { headers, ...(body === undefined ? {} : { body }) }))
    expect(answer.body).toMatchObject({ kind: 'Status', apiVersion: 'v1', status: 'Failure', reason, code })
    expect(answer.status).toBe(code)
    if (typeof message === 'string') expect(answer.body.message).toBe(message)
    else expect(answer.body.message).toMatch(message)
  })

  const written = (validation: string, body: string): Promise<WireAnswer> =>
    api.send('POST', `${configMaps}?dryRun=All${validation}`, { headers: json, body })
  const withUnknown = '{"metadata":{"name":"new"},"colour":"blue","data":{"a":"1","a":"2"}}'

  it('unknown and duplicate fields are warned of by default and with fieldValidation=Warn, and left out', async () => {
    for (const validation of ['', '&fieldValidation=Warn']) {
      const answer = await unchanged(() => written(validation, withUnknown))
      expect([answer.status, answer.body.colour, answer.body.data]).toEqual([201, undefined, { a: '2' }])
      expect(String(answer.headers['warning'])).toContain('299 - "unknown field \\"colour\\""')
      expect(String(answer.headers['warning'])).toContain('299 - "duplicate field \\"data.a\\""')
    }
  })

  it('unknown and duplicate fields are left out in silence with fieldValidation=Ignore', async () => {
    const answer = await unchanged(() => written('&fieldValidation=Ignore', withUnknown))
    expect([answer.status, answer.body.colour, answer.headers['warning']]).toEqual([201, undefined, undefined])
  })
})

interface GraphqlCase {
  readonly query: string
  readonly variables?: () => Record<string, unknown>
  /** The HTTP code; 200 where the operation ran. */
  readonly status?: number
  /** The code of the first error; or the reason in the payload of a mutation. */
  readonly code: string
  readonly message: string | RegExp
}

const create = (input: string, opts = ''): string =>
  `mutation { write: createConfigMap(namespace: "default", input: ${input}${opts}) { error { reason message } } }`
const patch = (patched: string, opts = ''): string =>
  `mutation { write: patchConfigMap(namespace: "default", name: "settings", patch: ${patched}${opts}) { error { reason message } } }`
const list = (args: string): string => `{ configMaps(namespace: "default", ${args}) { nodes { metadata { name } } } }`

const graphqlCases: Record<string, GraphqlCase> = {
  'an unparsable document': {
    query: '{ configMaps { ',
    status: 400,
    code: 'GRAPHQL_PARSE_FAILED',
    message: /Syntax Error/,
  },
  'a field that is not there': {
    query: '{ configMaps { colour } }',
    status: 400,
    code: 'GRAPHQL_VALIDATION_FAILED',
    message: /Cannot query field "colour"/,
  },
  'an unknown field in an input': {
    query: create('{ metadata: { name: "new" }, colour: "blue" }'),
    status: 400,
    code: 'GRAPHQL_VALIDATION_FAILED',
    message: /Field "colour" is not defined by type/,
  },
  'an unknown field in a variable': {
    query:
      'mutation($input: ConfigMapInput!) { write: createConfigMap(namespace: "default", input: $input) { error { reason } } }',
    variables: () => ({ input: { metadata: { name: 'new' }, colour: 'blue' } }),
    status: 400,
    code: 'BAD_USER_INPUT',
    message: /Field "colour" is not defined by type/,
  },
  'a value of the wrong type': {
    query: create('{ metadata: { name: 5 } }'),
    status: 400,
    code: 'GRAPHQL_VALIDATION_FAILED',
    message: /String cannot represent a non string value: 5/,
  },
  'a map value of the wrong type': {
    query: create('{ metadata: { name: "new" }, data: { a: 5 } }'),
    status: 400,
    code: 'GRAPHQL_VALIDATION_FAILED',
    message: /string/i,
  },
  'an unknown field in a patch, with fieldValidation Strict': {
    query: patch('{ merge: { colour: "blue" } }', ', opts: { fieldValidation: Strict }'),
    code: 'BadRequest',
    message: 'strict decoding error: unknown field "colour"',
  },
  'a name in capitals': {
    query: create('{ metadata: { name: "New" } }'),
    code: 'Invalid',
    message: /metadata.name: Invalid value: "New": a lowercase RFC 1123 subdomain/,
  },
  'an object over 1.5 MB': {
    query:
      'mutation($input: DeploymentInput!) { write: createDeployment(namespace: "default", input: $input) { error { reason message } } }',
    variables: () => ({ input: largeDeployment() }),
    code: 'RequestEntityTooLarge',
    message: /limit is/,
  },
  'a stale resourceVersion': {
    query: `mutation($v: String!) { write: patchConfigMap(namespace: "default", name: "settings", patch: { merge: { data: { a: "3" } } }, opts: { expect: { resourceVersion: $v } }) { error { reason message } } }`,
    variables: () => ({ v: staleVersion }),
    code: 'Conflict',
    message: /Operation cannot be fulfilled on configmaps "settings": the object has been modified/,
  },
  'an expired cursor': {
    query: '{ configMaps(namespace: "default", first: 1, after: "EXPIRED") { nodes { metadata { name } } } }',
    code: 'EXPIRED',
    message: /continue/,
  },
  'a cursor that is none': {
    query: list('after: "nonsense"'),
    code: 'BadRequest',
    message: /continue key is not valid/,
  },
  'a malformed label selector': {
    query: list('labelSelector: "a in"'),
    code: 'BadRequest',
    message: /unable to parse requirement/,
  },
  'a field selector of a field that cannot be selected': {
    query: list('fieldSelector: "data.a=1"'),
    code: 'BadRequest',
    message: '"data.a" is not a known field selector: only "metadata.name", "metadata.namespace"',
  },
  'a page that is too large': { query: list('first: 100000'), code: 'BadRequest', message: /first/ },
  'a JSON patch that is an object': {
    query: patch('{ json: { data: { a: "3" } } }'),
    code: 'BadRequest',
    message: /patch/,
  },
  'patches of two types at once': {
    query: patch('{ merge: {}, strategic: {} }'),
    status: 400,
    code: 'GRAPHQL_VALIDATION_FAILED',
    message: /exactly one/i,
  },
  'a query that is too deep': {
    query: `{ pods { nodes { ${'owner { '.repeat(25)}metadata { name }${' }'.repeat(25)} } } }`,
    status: 400,
    code: 'QUERY_TOO_COMPLEX',
    message: /levels are allowed/,
  },
  'a query that is too costly': {
    query:
      '{ deployments(first: 500) { nodes { replicaSets(first: 500) { nodes { pods(first: 500) { nodes { metadata { name } } } } } } } }',
    status: 400,
    code: 'QUERY_TOO_COMPLEX',
    message: /objects .* are allowed/,
  },
  'too many aliases': {
    query: `{ namespaces { nodes { ${Array.from({ length: 501 }, (_, i) => `a${i}: __typename`).join(' ')} } } }`,
    status: 400,
    code: 'QUERY_TOO_COMPLEX',
    message: /aliases; 500 are allowed/,
  },
  'too many tokens': {
    query: `{ namespaces { nodes { ${'__typename '.repeat(21_000)} } } }`,
    status: 400,
    code: 'GRAPHQL_PARSE_FAILED',
    message: /tokens/,
  },
}

describe('bad input over GraphQL', () => {
  it.each(Object.entries(graphqlCases))('%s is refused and changes nothing', async (_, expected) => {
    const query = expected.query.replace('EXPIRED', expiredToken)
    const { status, body } = await unchanged(() => api.post(query, expected.variables?.()))
    expect(status).toBe(expected.status ?? 200)
    const error = body.errors?.[0] ?? body.data.write.error
    expect(error.extensions?.code ?? error.reason).toBe(expected.code)
    if (typeof expected.message === 'string') expect(error.message).toBe(expected.message)
    else expect(error.message).toMatch(expected.message)
  })

  const raw: [string, Headers, string, number, string][] = [
    ['malformed JSON', json, '{"query": ', 400, 'BadRequest'],
    ['a body over 3 MB', json, ' '.repeat(3 * 1024 * 1024 + 1), 413, 'RequestEntityTooLarge'],
    ['no credentials', { ...json, authorization: '' }, '{"query":"{ __typename }"}', 401, 'Unauthorized'],
    [
      'a token that nobody has',
      { ...json, authorization: 'Bearer nobody' },
      '{"query":"{ __typename }"}',
      401,
      'Unauthorized',
    ],
  ]

  it.each(raw)('%s is refused with a Status and changes nothing', async (_, headers, body, code, reason) => {
    const answer = await unchanged(() => api.send('POST', '/graphql', { headers, body }))
    expect(answer.status).toBe(code)
    expect(answer.body).toMatchObject({ kind: 'Status', status: 'Failure', reason, code })
  })

  it('a Content-Type that a page can send without asking is refused and changes nothing', async () => {
    const body = JSON.stringify({ query: create('{ metadata: { name: "new" } }') })
    const answer = await unchanged(() => api.send('POST', '/graphql', { headers: type('text/plain'), body }))
    expect(answer.status).toBe(400)
  })

  it('an unknown field in a patch is warned of by default, and left out', async () => {
    const query = `mutation { patchConfigMap(namespace: "default", name: "settings", patch: { merge: { colour: "blue" } }) { warnings error { reason } } }`
    const { body } = await unchanged(() => api.post(query))
    expect(body.data.patchConfigMap).toEqual({ warnings: ['unknown field "colour"'], error: null })
  })
})
