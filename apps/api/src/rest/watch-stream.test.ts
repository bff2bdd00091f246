import { Agent, get } from 'node:https'
import { connect as connectHttp2 } from 'node:http2'
import type { Readable } from 'node:stream'
import { connect } from 'node:tls'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { startTestApi, type TestApi } from '../graphql/graphql-testing.ts'

let api: TestApi
const agent = new Agent({ keepAlive: true, maxSockets: 1, rejectUnauthorized: false })

beforeAll(async () => {
  api = await startTestApi()
  await api.createNamespace('watched')
})
afterAll(async () => {
  agent.destroy()
  await api?.stop()
})

const configMaps = '/api/v1/namespaces/watched/configmaps'
const bearer = (): Record<string, string> => ({ authorization: `Bearer ${api.tokens.admin}` })

async function create(name: string): Promise<void> {
  expect((await api.rest('POST', configMaps, { metadata: { name } })).status).toBe(201)
}

/** A stream's lines as they come. */
class Lines {
  text = ''
  ended = false

  constructor(stream: Readable) {
    stream.setEncoding('utf8')
    stream.on('data', (chunk: string) => (this.text += chunk)).on('end', () => (this.ended = true))
  }

  get events(): any[] {
    return this.text
      .split('\n')
      .slice(0, -1)
      .map((line) => JSON.parse(line))
  }

  async until(count: number): Promise<any[]> {
    while (this.events.length < count) await sleep(5)
    return this.events
  }
}

function watchHttp1(query: string, headers: Record<string, string> = {}): Promise<Lines> {
  const options = { host: '127.0.0.1', port: api.process.port, agent, headers: { ...bearer(), ...headers } }
  return new Promise((resolve, reject) => {
    get({ ...options, path: `${configMaps}?watch=1&${query}` }, (response) => resolve(new Lines(response))).on(
      'error',
      reject,
    )
  })
}

const nameOf = ({ type, object }: any): string => `${type} ${object.metadata.name}`

describe('a watch', () => {
  it('over HTTP/1.1 gives each event once and in order, however many come together, and leaves its connection usable', async () => {
    const lines = await watchHttp1('timeoutSeconds=2')
    await create('first')
    await Promise.all(Array.from({ length: 40 }, (_, i) => create(`together-${i}`)))
    expect((await api.rest('DELETE', `${configMaps}/first`)).status).toBe(200)
    const events = await lines.until(42)
    expect(nameOf(events[0])).toBe('ADDED first')
    expect(nameOf(events[41])).toBe('DELETED first')
    expect(new Set(events.map(nameOf)).size).toBe(42)
    while (!lines.ended) await sleep(20)
    // The same socket: the agent has but one.
    const again = await watchHttp1('timeoutSeconds=1')
    expect((await again.until(40)).every(({ type }) => type === 'ADDED')).toBe(true)
    while (!again.ended) await sleep(20)
  })

  it('over HTTP/2 gives the same lines', async () => {
    const session = connectHttp2(`https://127.0.0.1:${api.process.port}`, { rejectUnauthorized: false })
    const request = session.request({ ':path': `${configMaps}?watch=1&resourceVersion=0`, ...bearer() })
    const lines = new Lines(request)
    const before = (await lines.until(1)).length
    await create('over-http2')
    while (!lines.text.includes('over-http2')) await sleep(5)
    expect(lines.events.slice(before).map(nameOf).at(-1)).toBe('ADDED over-http2')
    session.close()
    request.close()
  })

  it('begins with all there is, however much, and goes on while that is under way', async () => {
    const data = { text: 'x'.repeat(1_000_000) }
    const names = Array.from({ length: 18 }, (_, i) => `large-${i}`)
    for (const name of names)
      expect((await api.rest('POST', configMaps, { metadata: { name, labels: { size: 'large' } }, data })).status).toBe(
        201,
      )
    const options = { host: '127.0.0.1', port: api.process.port, rejectUnauthorized: false, headers: bearer() }
    const path = `${configMaps}?watch=1&labelSelector=size%3Dlarge&timeoutSeconds=5`
    const lines = await new Promise<Lines>((resolve, reject) => {
      get({ ...options, path }, (response) => {
        // Whoever is busy reads late.
        setTimeout(() => resolve(new Lines(response)), 300)
      }).on('error', reject)
    })
    expect((await api.rest('POST', configMaps, { metadata: { name: 'late', labels: { size: 'large' } } })).status).toBe(
      201,
    )
    const events = await lines.until(19)
    expect(events.map(nameOf).sort()).toEqual([...names, 'late'].map((name) => `ADDED ${name}`).sort())
    for (const name of names) await api.rest('DELETE', `${configMaps}/${name}`)
  })

  it('by an HTTP/1.0 client, which knows no chunks, gives bare lines', async () => {
    const socket = connect({ host: '127.0.0.1', port: api.process.port, rejectUnauthorized: false })
    socket.write(
      `GET ${configMaps}?watch=1&timeoutSeconds=1 HTTP/1.0\r\nAuthorization: ${bearer()['authorization']}\r\n\r\n`,
    )
    const lines = new Lines(socket)
    while (!lines.ended) await sleep(20)
    const body = lines.text.slice(lines.text.indexOf('\r\n\r\n') + 4)
    expect(body.split('\n').filter((line) => line !== '').length).toBeGreaterThan(39)
    for (const line of body.split('\n').slice(0, -1)) expect(JSON.parse(line).type).toBe('ADDED')
  })

  it('as a table names the columns once', async () => {
    const accept = 'application/json;as=Table;v=v1;g=meta.k8s.io'
    const lines = await watchHttp1('timeoutSeconds=1&fieldSelector=metadata.name=in-a-table', { accept })
    await create('in-a-table')
    await lines.until(1)
    const patched = await api.rest(
      'PATCH',
      `${configMaps}/in-a-table`,
      { data: { a: 'b' } },
      {
        'content-type': 'application/merge-patch+json',
      },
    )
    expect(patched.status).toBe(200)
    const [added, modified] = await lines.until(2)
    expect(added.object.columnDefinitions.length).toBeGreaterThan(1)
    expect(modified.object.columnDefinitions).toBeFalsy()
    expect(modified.object.rows[0].cells[0]).toBe('in-a-table')
  })
})
