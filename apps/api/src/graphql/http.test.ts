import { getIntrospectionQuery } from 'graphql'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { startTestApi, type TestApi } from './graphql-testing.ts'

/** The endpoint as HTTP clients meet it: who may ask, in which form, and how it says no. */

let api: TestApi

beforeAll(async () => {
  api = await startTestApi()
})
afterAll(async () => await api?.stop())

const json = { 'content-type': 'application/json' }
const anyQuery = '{ namespaces(first: 1) { nodes { metadata { name } } } }'

describe('credentials', () => {
  it('are needed: 401 with a Status without them', async () => {
    const answer = await api.send('POST', '/graphql', {
      headers: { ...json, authorization: '' },
      body: JSON.stringify({ query: anyQuery }),
    })
    expect(answer.status).toBe(401)
    expect(answer.headers['www-authenticate']).toContain('Bearer')
    expect(answer.body).toMatchObject({ kind: 'Status', reason: 'Unauthorized', code: 401 })
  })

  it('have to be known: 401 with a wrong token', async () => {
    const answer = await api.send('POST', '/graphql', {
      headers: { ...json, authorization: 'Bearer nobody' },
      body: JSON.stringify({ query: anyQuery }),
    })
    expect(answer.status).toBe(401)
  })

  it('let in whoever has a token', async () => {
    const answer = await api.send('POST', '/graphql', {
      headers: { ...json, authorization: `Bearer ${api.tokens.plain}` },
      body: JSON.stringify({ query: anyQuery }),
    })
    expect(answer.status).toBe(200)
    expect(answer.body.data.namespaces.nodes).toHaveLength(1)
  })
})

describe('the form of requests', () => {
  it('may be a GET with the query in the URL, when the client shows that it is no plain page', async () => {
    const search = `query=${encodeURIComponent('query($n: Int) { namespaces(first: $n) { totalCount } }')}&variables=${encodeURIComponent('{"n":1}')}`
    const answer = await api.send('GET', `/graphql?${search}`, { headers: { 'apollo-require-preflight': '1' } })
    expect(answer.status).toBe(200)
    expect(answer.body.data.namespaces.totalCount).toBeGreaterThan(1)
  })

  it('may not be one that a browser sends across sites without asking', async () => {
    const byGet = await api.send('GET', `/graphql?query=${encodeURIComponent(anyQuery)}`)
    expect(byGet.status).toBe(400)
    expect(byGet.text).toContain('CSRF')
    for (const type of ['text/plain', 'application/x-www-form-urlencoded', 'multipart/form-data; boundary=x']) {
      const answer = await api.send('POST', '/graphql', {
        headers: { 'content-type': type },
        body: JSON.stringify({ query: anyQuery }),
      })
      expect([type, answer.status]).toEqual([type, 400])
      expect(answer.text).toContain('CSRF')
    }
  })

  it('has JSON whatever the case of its media type', async () => {
    const answer = await api.send('POST', '/graphql', {
      headers: { 'content-type': 'Application/JSON; charset=utf-8' },
      body: JSON.stringify({ query: anyQuery }),
    })
    expect(answer.status).toBe(200)
  })

  it('refuses mutations by GET', async () => {
    const mutation = 'mutation { deleteNamespace(name: "default") { error { reason } } }'
    const answer = await api.send('GET', `/graphql?query=${encodeURIComponent(mutation)}`, {
      headers: { 'apollo-require-preflight': '1' },
    })
    expect(answer.status).toBe(405)
    const { namespace } = await api.data('{ namespace(name: "default") { metadata { deletionTimestamp } } }')
    expect(namespace.metadata.deletionTimestamp).toBeNull()
  })

  it('refuses other methods', async () => {
    const answer = await api.send('PUT', '/graphql', { headers: json, body: '{}' })
    expect(answer.status).toBe(405)
  })

  it('answers a body that is no JSON with a Status', async () => {
    const answer = await api.send('POST', '/graphql', { headers: json, body: '{"query": ' })
    expect(answer.status).toBe(400)
    expect(answer.body).toMatchObject({ kind: 'Status', reason: 'BadRequest' })
  })

  it('refuses JSON that is no request, and several requests in one', async () => {
    for (const body of [
      'null',
      '17',
      '"text"',
      '{}',
      '{"query":7}',
      '{"query":"{ resources { kind } }","variables":"x"}',
    ]) {
      const answer = await api.send('POST', '/graphql', { headers: json, body })
      expect([body, answer.status]).toEqual([body, 400])
    }
    const several = await api.send('POST', '/graphql', {
      headers: json,
      body: JSON.stringify([{ query: anyQuery }, { query: anyQuery }]),
    })
    expect(several.status).toBe(400)
  })

  it('refuses bodies over 3 MiB', async () => {
    const answer = await api.send('POST', '/graphql', { headers: json, body: ' '.repeat(3 * 1024 * 1024 + 1) })
    expect(answer.status).toBe(413)
    expect(answer.body.reason).toBe('RequestEntityTooLarge')
  })

  it('needs operationName for several operations, and knows which there are', async () => {
    const query = 'query A { namespaces { totalCount } } query B { nodes { totalCount } }'
    const unnamed = await api.post(query)
    expect(unnamed.status).toBe(400)
    const unknown = await api.post(query, {}, { operationName: 'C' })
    expect(unknown.status).toBe(400)
    expect(unknown.body.errors[0].message).toContain('C')
    const named = await api.post(query, {}, { operationName: 'B' })
    expect(named.body.data).toEqual({ nodes: { totalCount: 0 } })
  })

  it('has no subscriptions over plain HTTP', async () => {
    const answer = await api.post('subscription { podEvents { resourceVersion } }')
    expect(answer.status).toBe(400)
    expect(answer.body.errors[0].message).toContain('subscription')
  })
})

describe('errors', () => {
  it('tell syntax and validation errors by code, without stack traces', async () => {
    const syntax = await api.post('{ namespaces { ')
    expect(syntax.status).toBe(400)
    expect(syntax.body.errors[0].extensions.code).toBe('GRAPHQL_PARSE_FAILED')
    const unknownField = await api.post('{ namespaces { nope } }')
    expect(unknownField.status).toBe(400)
    expect(unknownField.body.errors[0].extensions.code).toBe('GRAPHQL_VALIDATION_FAILED')
    for (const { text } of [syntax, unknownField]) expect(text).not.toContain('stacktrace')
  })

  it('of reads carry the reason as code, the whole Status, and the path', async () => {
    const { status, body } = await api.post(
      '{ ns: namespaces { totalCount } pods(labelSelector: "a in") { totalCount } }',
    )
    expect(status).toBe(200)
    // pods is non-null, so that nothing is left of the data.
    expect(body.data).toBeNull()
    expect(body.errors).toHaveLength(1)
    expect(body.errors[0]).toMatchObject({
      path: ['pods'],
      extensions: { code: 'BadRequest', status: { kind: 'Status', status: 'Failure', code: 400 } },
    })
  })

  it('that nobody foresaw are masked, and written to the log under the id of the request', async () => {
    const { store } = api.process.server
    const own = store.get
    store.get = () => {
      throw new Error('secret detail at /some/path.ts')
    }
    try {
      const answer = await api.post('{ namespace(name: "default") { metadata { name } } }')
      expect(answer.text).not.toContain('secret detail')
      expect(answer.text).not.toContain('.ts')
      const [error] = answer.body.errors
      expect(error.extensions.code).toBe('InternalError')
      expect(error.path).toEqual(['namespace'])
      const requestId = answer.headers['audit-id']
      expect(error.message).toContain(requestId)
      expect(
        api.log.some(
          ({ fields }) => fields?.['requestId'] === requestId && String(fields?.['error']).includes('secret detail'),
        ),
      ).toBe(true)
    } finally {
      store.get = own
    }
  })

  it('leave introspection to those who have signed in', async () => {
    const answer = await api.post(getIntrospectionQuery())
    expect(answer.status).toBe(200)
    expect(answer.body.data.__schema.types.length).toBeGreaterThan(500)
  })
})
