import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { WebSocket } from 'ws'
import { startTestApi, type TestApi } from '../graphql/graphql-testing.ts'

let api: TestApi
let plain: string

beforeAll(async () => {
  api = await startTestApi()
  plain = `http://127.0.0.1:${api.process.plainHttpPort}`
})
afterAll(async () => await api?.stop())

const admin = (): Record<string, string> => ({ authorization: `Bearer ${api.tokens.admin}` })

describe('the port without TLS', () => {
  it('serves whoever has a token', async () => {
    const answer = await fetch(`${plain}/api/v1/namespaces/default`, { headers: admin() })
    expect(answer.status).toBe(200)
    expect(await answer.json()).toMatchObject({ kind: 'Namespace', metadata: { name: 'default' } })
  })

  it('serves nobody else', async () => {
    const answer = await fetch(`${plain}/api/v1/namespaces/default`)
    expect(answer.status).toBe(401)
    expect(await answer.json()).toMatchObject({ kind: 'Status', reason: 'Unauthorized' })
  })

  it('takes GraphQL, over HTTP and as WebSocket', async () => {
    const body = JSON.stringify({ query: '{ namespace(name: "default") { metadata { name } } }' })
    const headers = { ...admin(), 'content-type': 'application/json' }
    const answer = await fetch(`${plain}/graphql`, { method: 'POST', headers, body })
    expect(await answer.json()).toEqual({ data: { namespace: { metadata: { name: 'default' } } } })
    const socket = new WebSocket(plain.replace('http', 'ws') + '/graphql', 'graphql-transport-ws', { headers: admin() })
    const { promise, resolve, reject } = Promise.withResolvers<string>()
    socket.on('open', () => socket.send(JSON.stringify({ type: 'connection_init' })))
    socket.on('message', (data) => resolve(String(data))).on('error', reject)
    expect(JSON.parse(await promise)).toMatchObject({ type: 'connection_ack' })
    socket.close()
  })
})

describe('a connection without a request', () => {
  it('is kept as long as clients keep theirs', async () => {
    const answer = await api.send('GET', '/version')
    expect(answer.headers['keep-alive']).toBe('timeout=90')
    expect((await fetch(`${plain}/version`)).headers.get('keep-alive')).toBe('timeout=90')
  })
})
