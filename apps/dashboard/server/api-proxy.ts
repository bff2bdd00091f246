import { Agent, request } from 'node:https'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { connect } from 'node:tls'
import type { Duplex } from 'node:stream'
import { tokenFromCookies } from './session-cookie.ts'

/** Where the API is, and the certificate authority to trust for it. */
export interface ApiAddress {
  readonly url: URL
  readonly ca: string
}

/** Passes GraphQL requests and WebSockets on to the API, with the person's token. */
export class ApiProxy {
  readonly #api: ApiAddress
  readonly #agent: Agent

  constructor(api: ApiAddress) {
    this.#api = api
    this.#agent = new Agent({ ca: api.ca, keepAlive: true })
  }

  /** Answers whether the API takes this token; rejects when the API cannot be reached. */
  accepts(token: string): Promise<boolean> {
    const body = JSON.stringify({ query: '{ __typename }' })
    const headers = {
      'content-type': 'application/json',
      'content-length': Buffer.byteLength(body),
      authorization: `Bearer ${token}`,
    }
    return new Promise((resolve, reject) => {
      const upstream = request(
        new URL('/graphql', this.#api.url),
        { method: 'POST', agent: this.#agent, headers },
        (response) => {
          response.resume()
          resolve(response.statusCode === 200)
        },
      )
      upstream.on('error', reject)
      upstream.end(body)
    })
  }

  /** Passes one HTTP request on, body and answer streamed. */
  forward(incoming: IncomingMessage, outgoing: ServerResponse): void {
    const headers = this.#headers(incoming)
    const upstream = request(
      new URL(incoming.url ?? '/', this.#api.url),
      { method: incoming.method, agent: this.#agent, headers },
      (response) => {
        outgoing.writeHead(response.statusCode ?? 502, withoutConnectionHeaders(response.headers))
        response.pipe(outgoing)
      },
    )
    upstream.on('error', () => {
      if (outgoing.headersSent) outgoing.destroy()
      else
        outgoing
          .writeHead(502, { 'content-type': 'application/json' })
          .end(JSON.stringify({ errors: [{ message: 'The API server cannot be reached.' }] }))
    })
    outgoing.on('close', () => upstream.destroy())
    incoming.pipe(upstream)
  }

  /** Passes a WebSocket on: the handshake with the person's token, then bytes both ways. */
  forwardUpgrade(incoming: IncomingMessage, socket: Duplex, head: Buffer): void {
    const { hostname, port } = this.#api.url
    const upstream = connect(
      { host: hostname, port: Number(port), ca: this.#api.ca, ALPNProtocols: ['http/1.1'] },
      () => {
        const headers = { ...this.#headers(incoming), connection: 'Upgrade', upgrade: 'websocket' }
        const lines = Object.entries(headers).map(([name, value]) => `${name}: ${String(value)}`)
        upstream.write(`GET ${incoming.url ?? '/'} HTTP/1.1\r\n${lines.join('\r\n')}\r\n\r\n`)
        upstream.write(head)
        socket.pipe(upstream).pipe(socket)
      },
    )
    upstream.setNoDelay(true)
    const end = (): void => {
      socket.destroy()
      upstream.destroy()
    }
    for (const side of [socket, upstream]) side.on('error', end).on('close', end)
  }

  // Host and origin are this server's business: it has checked them, and to the API this server is the client.
  #headers(incoming: IncomingMessage): Record<string, string | string[] | undefined> {
    const { host: _host, cookie, origin: _origin, ...rest } = withoutConnectionHeaders(incoming.headers)
    const token = tokenFromCookies(cookie as string | undefined)
    return { ...rest, host: this.#api.url.host, ...(token === undefined ? {} : { authorization: `Bearer ${token}` }) }
  }
}

function withoutConnectionHeaders(headers: IncomingMessage['headers']): Record<string, string | string[] | undefined> {
  const {
    connection: _connection,
    upgrade: _upgrade,
    'keep-alive': _keepAlive,
    'transfer-encoding': transfer,
    ...rest
  } = headers
  return transfer === undefined ? rest : { ...rest, 'transfer-encoding': transfer }
}
