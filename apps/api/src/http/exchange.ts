import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Http2ServerRequest, Http2ServerResponse } from 'node:http2'
import type { Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import { promisify } from 'node:util'
import { constants, gzip } from 'node:zlib'
import { badRequest, type Status, StatusError } from '@binnacle/apimachinery'
import type { RequestContext, UserInfo } from '@binnacle/apiserver'
import { bodyBytesMax, gzipBytesMin } from '../limits.ts'

/** Either protocol's request; both have the same members here. */
export type AnyRequest = IncomingMessage | Http2ServerRequest
/** Either protocol's response. */
export type AnyResponse = ServerResponse | Http2ServerResponse

const compress = promisify(gzip)
const jsonType = 'application/json'

/** The connection of a request that asks for another protocol. */
export interface UpgradeRequest {
  readonly request: IncomingMessage
  readonly socket: Duplex
  /** What the client has sent after its request. */
  readonly head: Buffer
}

/** One request and its response: what handlers work with. */
export class Exchange implements RequestContext {
  readonly incoming: AnyRequest
  readonly outgoing: AnyResponse
  readonly url: URL
  readonly requestId: string
  readonly startedMs = performance.now()
  user: UserInfo = anonymous
  /** For metrics and the access log: `list pods`. */
  label = ''
  readonly #warnings: string[] = []
  readonly #upgrade: UpgradeRequest | undefined
  #closesConnection = false

  constructor(incoming: AnyRequest, outgoing: AnyResponse, requestId: string, upgrade?: UpgradeRequest) {
    this.#upgrade = upgrade
    this.incoming = incoming
    this.outgoing = outgoing
    this.url = new URL(incoming.url ?? '/', 'https://localhost')
    this.requestId = requestId
  }

  get method(): string {
    return this.incoming.method ?? 'GET'
  }

  get path(): string {
    return this.url.pathname
  }

  get userAgent(): string {
    return this.header('user-agent')
  }

  /** The request asks for another protocol. */
  get wantsUpgrade(): boolean {
    return this.#upgrade !== undefined
  }

  /** Gives the connection to whoever speaks the other protocol; it is answered no more by this. @throws StatusError when none is asked for */
  takeConnection(): UpgradeRequest {
    if (this.#upgrade === undefined) throw badRequest('Upgrade request required')
    ;(this.outgoing as ServerResponse).detachSocket(this.#upgrade.socket as Socket)
    return this.#upgrade
  }

  header(name: string): string {
    const value = this.incoming.headers[name]
    return Array.isArray(value) ? value.join(', ') : (value ?? '')
  }

  warn(text: string): void {
    if (!this.#warnings.includes(text)) this.#warnings.push(text)
  }

  /** The whole body. @throws StatusError RequestEntityTooLarge */
  async body(): Promise<Buffer> {
    const chunks: Buffer[] = []
    let bytes = 0
    for await (const chunk of this.incoming.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>) {
      bytes += chunk.length
      if (bytes > bodyBytesMax) {
        // The rest is thrown away, so that the answer arrives; the connection cannot be used again.
        this.incoming.resume()
        this.#closesConnection = this.incoming.httpVersionMajor === 1
        throw new StatusError('RequestEntityTooLarge', `Request entity too large: limit is ${bodyBytesMax}`)
      }
      chunks.push(chunk)
    }
    return chunks.length === 1 ? (chunks[0] as Buffer) : Buffer.concat(chunks)
  }

  /** The head of a response: the status, and the headers that all have. */
  head(code: number, headers: Record<string, string | number | string[]> = {}): void {
    const all: Record<string, string | number | string[]> = {
      'audit-id': this.requestId,
      'cache-control': 'no-cache, private',
      ...headers,
      ...(this.#closesConnection ? { connection: 'close' } : {}),
    }
    if (this.#warnings.length > 0)
      all['warning'] = this.#warnings.map(
        (text) => `299 - "${text.replace(/["\\]/g, '\\$&').replace(/[\r\n]+/g, ' ')}"`,
      )
    ;(this.outgoing as ServerResponse).writeHead(code, all)
  }

  /** Sends a complete body, compressed where the client takes that and it is worth it. */
  async send(
    code: number,
    body: Buffer | string,
    type: string = jsonType,
    headers: Record<string, string | number> = {},
  ): Promise<void> {
    let bytes = typeof body === 'string' ? Buffer.from(body) : body
    const all: Record<string, string | number> = { 'content-type': type, ...headers }
    if (bytes.length >= gzipBytesMin && this.takesGzip) {
      bytes = await compress(bytes, { level: constants.Z_BEST_SPEED })
      all['content-encoding'] = 'gzip'
      all['vary'] = 'Accept-Encoding'
    }
    all['content-length'] = bytes.length
    this.head(code, all)
    if (this.method === 'HEAD') this.outgoing.end()
    else this.outgoing.end(bytes)
  }

  get takesGzip(): boolean {
    return /\bgzip\b/.test(this.header('accept-encoding'))
  }

  json(code: number, value: unknown): Promise<void> {
    return this.send(code, JSON.stringify(value))
  }

  /** Answers with the Status of an error. */
  async fail(error: StatusError): Promise<void> {
    const { status } = error
    const retry = status.details?.retryAfterSeconds
    await this.send(error.code, `${JSON.stringify(status)}\n`, jsonType, {
      ...(retry === undefined ? {} : { 'retry-after': retry }),
      ...(error.reason === 'Unauthorized' ? { 'www-authenticate': 'Bearer realm="binnacle"' } : {}),
    })
  }
}

const anonymous: UserInfo = { name: 'system:anonymous', groups: ['system:unauthenticated'] }

/** A Status of success. */
export function success(details: Status['details']): Status {
  return {
    kind: 'Status',
    apiVersion: 'v1',
    metadata: {},
    status: 'Success',
    ...(details === undefined ? {} : { details }),
  }
}
