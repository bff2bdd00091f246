import { createSecureServer, type Http2SecureServer, type ServerHttp2Session } from 'node:http2'
import { randomUUID } from 'node:crypto'
import { createServer, type IncomingMessage, type RequestListener, type Server, ServerResponse } from 'node:http'
import type { AddressInfo, Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import { DEFAULT_CIPHERS, type TLSSocket } from 'node:tls'
import { StatusError } from '@binnacle/apimachinery'
import { type Authenticator, type Credentials, impersonate, type Impersonation } from '@binnacle/apiserver'
import type { Log } from '../log.ts'
import { drainMsMax, idleConnectionMsMax } from '../limits.ts'
import { type AnyRequest, Exchange } from './exchange.ts'
import type { RequestMetrics } from './metrics.ts'

/** What a listener passes requests on to. */
export interface HandlerOptions {
  readonly authenticator: Authenticator
  readonly metrics: RequestMetrics
  readonly log: Log
  /** True for paths that need no credentials. */
  isPublic(path: string): boolean
  handle(exchange: Exchange): Promise<void>
  /** False for paths that have no other protocol: the request is then answered as a plain one. */
  upgrade(request: IncomingMessage, socket: Duplex, head: Buffer): boolean
}

/** Where the TLS listener listens, and with what certificate. PEM texts. */
export interface ListenerOptions extends HandlerOptions {
  readonly host: string
  readonly port: number
  readonly tlsCertificate: string
  readonly tlsKey: string
  readonly clientCa: string
}

/** A listening server. */
export interface Listener {
  readonly port: number
  close(): Promise<void>
}

/**
 * Listens on one TLS port for HTTP/1.1 and HTTP/2, chosen by ALPN; client certificates are asked for, and optional.
 * @throws Error when the port cannot be had.
 */
export async function listen(options: ListenerOptions): Promise<Listener> {
  const server = createSecureServer({
    cert: options.tlsCertificate,
    key: options.tlsKey,
    ca: options.clientCa,
    requestCert: true,
    rejectUnauthorized: false,
    allowHTTP1: true,
    ciphers,
    honorCipherOrder: true,
  })
  const sessions = new Set<ServerHttp2Session>()
  const sockets = new Set<Socket>()
  server.on('secureConnection', (socket) => track(sockets, socket))
  server.on('session', (session) => {
    sessions.add(session)
    session.on('close', () => sessions.delete(session)).on('error', () => session.destroy())
  })
  server.on('request', (incoming, outgoing) => void serve(options, new Exchange(incoming, outgoing, randomUUID())))
  server.on('upgrade', upgrader(options))
  return {
    port: await bound(server, options.port, options.host),
    close: () => {
      for (const session of sessions) session.close()
      return close(server, sockets)
    },
  }
}

/**
 * Listens without TLS, on the loopback address alone: for a proxy on the same machine that ends TLS. HTTP/1.1 only; who asks says so by a bearer token.
 * @throws Error when the port cannot be had.
 */
export async function listenPlain(port: number, options: HandlerOptions): Promise<Listener> {
  const handler: RequestListener = (incoming, outgoing) =>
    void serve(options, new Exchange(incoming, outgoing, randomUUID()))
  const server = createServer(handler)
  const sockets = new Set<Socket>()
  server.on('connection', (socket) => track(sockets, socket))
  server.on('upgrade', upgrader(options))
  return { port: await bound(server, port, '127.0.0.1'), close: () => close(server, sockets) }
}

// AES-128 first, as in Go's servers: a quarter faster on long lists than AES-256, which OpenSSL prefers.
const fastCipher = 'TLS_AES_128_GCM_SHA256'
const ciphers = [fastCipher, ...DEFAULT_CIPHERS.split(':').filter((name) => name !== fastCipher)].join(':')

function track(sockets: Set<Socket>, socket: Socket): void {
  socket.setNoDelay(true)
  sockets.add(socket)
  socket.on('close', () => sockets.delete(socket)).on('error', () => socket.destroy())
}

async function bound(server: Http2SecureServer | Server, port: number, host: string): Promise<number> {
  ;(server as Server).keepAliveTimeout = idleConnectionMsMax
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen(port, host, resolve)
  })
  return (server.address() as AddressInfo).port
}

function upgrader(options: HandlerOptions): (request: IncomingMessage, socket: Duplex, head: Buffer) => void {
  return (request, socket, head) => {
    if (!options.upgrade(request, socket, head)) void serve(options, upgradeExchange(request, socket as Socket, head))
  }
}

// Node has taken the connection out of HTTP: the response gets it back, and is its last, unless the handler takes it for the other protocol.
function upgradeExchange(request: IncomingMessage, socket: Socket, head: Buffer): Exchange {
  const response = new ServerResponse(request)
  response.shouldKeepAlive = false
  response.assignSocket(socket)
  response.on('finish', () => socket.end())
  return new Exchange(request, response, randomUUID(), { request, socket, head })
}

async function serve(options: HandlerOptions, exchange: Exchange): Promise<void> {
  exchange.outgoing.on('error', () => undefined)
  try {
    if (!options.isPublic(exchange.path))
      exchange.user = impersonate(
        await options.authenticator.authenticate(credentialsOf(exchange.incoming)),
        impersonationOf(exchange.incoming),
      )
    await options.handle(exchange)
  } catch (error) {
    await answerError(options.log, exchange, error)
  }
  if (exchange.label !== '' && !/^(watch|connect) /.test(exchange.label)) {
    options.metrics.observe(
      exchange.label,
      exchange.outgoing.statusCode,
      (performance.now() - exchange.startedMs) / 1000,
    )
  }
  options.log('debug', 'request', {
    method: exchange.method,
    path: exchange.incoming.url,
    code: exchange.outgoing.statusCode,
    user: exchange.user.name,
    requestId: exchange.requestId,
    ms: Math.round(performance.now() - exchange.startedMs),
  })
}

async function answerError(log: Log, exchange: Exchange, error: unknown): Promise<void> {
  const known = error instanceof StatusError
  const status = known
    ? error
    : new StatusError(
        'InternalError',
        `Internal error occurred: request ${exchange.requestId} failed; the server's log says why`,
      )
  const aborted = exchange.incoming.destroyed && !exchange.outgoing.writable
  if (!known && !aborted)
    log('error', 'request failed', {
      requestId: exchange.requestId,
      method: exchange.method,
      path: exchange.incoming.url,
      error: (error as Error).stack,
    })
  if (exchange.outgoing.headersSent || aborted) {
    exchange.outgoing.destroy()
    return
  }
  await exchange.fail(status)
}

const certificates = new WeakMap<TLSSocket, Credentials['clientCertificate']>()

/** What a request shows of who makes it. The certificate is read once a connection. */
export function credentialsOf(request: AnyRequest): Credentials {
  const socket = (
    'stream' in request && request.stream !== undefined ? request.stream.session?.socket : request.socket
  ) as TLSSocket | undefined
  const bearer = /^Bearer\s+(\S+)$/i.exec(String(request.headers.authorization ?? ''))?.[1]
  return { bearerToken: bearer, clientCertificate: socket === undefined ? undefined : certificateOf(socket) }
}

function impersonationOf({ headers }: AnyRequest): Impersonation {
  const listOf = (value: string | readonly string[] | undefined): string[] =>
    value === undefined ? [] : [value].flat().flatMap((text) => text.split(/,\s*/))
  const extra: Record<string, string[]> = {}
  for (const name in headers) {
    if (name.startsWith(extraPrefix)) extra[unescapeKey(name.slice(extraPrefix.length))] = listOf(headers[name])
  }
  return {
    user: listOf(headers['impersonate-user'])[0],
    uid: listOf(headers['impersonate-uid'])[0],
    groups: listOf(headers['impersonate-group']),
    extra,
  }
}

const extraPrefix = 'impersonate-extra-'

function unescapeKey(key: string): string {
  try {
    return decodeURIComponent(key)
  } catch {
    return key
  }
}

function certificateOf(socket: TLSSocket): Credentials['clientCertificate'] {
  if (certificates.has(socket)) return certificates.get(socket)
  let certificate: Credentials['clientCertificate']
  // HTTP/2 hands out a proxy of the socket that lacks some methods until asked; `authorized` says that our authority signed it.
  if (socket.authorized) {
    const { subject } = socket.getPeerCertificate()
    const organizations = subject?.O as string | string[] | undefined
    if (subject?.CN !== undefined)
      certificate = {
        commonName: String(subject.CN),
        organizations: organizations === undefined ? [] : [organizations].flat(),
      }
  }
  certificates.set(socket, certificate)
  return certificate
}

// Watches are ended by their owners before this; what else is under way gets a moment.
async function close(server: Http2SecureServer | Server, sockets: ReadonlySet<Socket>): Promise<void> {
  const closed = new Promise<void>((resolve) => server.close(() => resolve()))
  const timer = setTimeout(() => {
    for (const socket of sockets) socket.destroy()
  }, drainMsMax)
  // Idle keep-alive connections would hold the server open.
  setTimeout(() => {
    for (const socket of sockets) if (socket.bytesWritten === 0 || !socket.writableNeedDrain) socket.end()
  }, 100)
  await closed
  clearTimeout(timer)
}
