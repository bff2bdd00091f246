import type { IncomingMessage, ServerResponse } from 'node:http'
import { createServer, type Server } from 'node:https'
import type { AddressInfo } from 'node:net'
import { type Duplex, Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import type { TLSSocket } from 'node:tls'
import { joinSockets, openUpgrade, responseHead } from '@binnacle/client'
import type { Pod } from '@binnacle/resources'
import type { Log } from '../log.ts'
import { readLog } from './container-log.ts'
import { AgentError, loggedContainer, runningContainer } from './container-lookup.ts'
import { forwardedPorts, logOptions, processStreams } from './request-options.ts'
import type { NodeRuntime } from './runtime.ts'

/** Where the agent's server listens and whom it trusts. PEM texts. */
export interface AgentServerOptions {
  readonly host: string
  /** 10250 as kubelets have; 0: any free one. */
  readonly port: number
  readonly certificate: string
  readonly key: string
  /** The authority of client certificates. */
  readonly clientCa: string
  readonly runtime: NodeRuntime
  /** What else is served: answers of plain GET requests, by path (`/stats/summary`). */
  readonly documents: Readonly<Record<string, () => Promise<AgentDocument>>>
  readonly log: Log
}

/** The answer to a GET. */
export interface AgentDocument {
  readonly contentType: string
  readonly body: string
}

/** The user whose certificate the API server shows to nodes: nobody else is answered. */
const apiServerUser = 'kube-apiserver-kubelet-client'
/** Longer than clients keep idle connections, so that none is closed under a request, in milliseconds. */
const keepAliveMs = 120_000
const plainText = 'text/plain; charset=utf-8'
const jsonType = 'application/json'

/**
 * The node agent's own HTTPS port, as a kubelet's: logs of containers, the streams of exec, attach and port-forward (which the container runtime
 * serves on this machine, so that they are passed on byte by byte), the pods, statistics, health.
 */
export class AgentServer {
  readonly #options: AgentServerOptions
  readonly #server: Server
  readonly #sockets = new Set<Duplex>()

  constructor(options: AgentServerOptions) {
    this.#options = options
    this.#server = createServer({
      cert: options.certificate,
      key: options.key,
      ca: options.clientCa,
      requestCert: true,
      // Strangers get an answer that says so.
      rejectUnauthorized: false,
      keepAliveTimeout: keepAliveMs,
      // A client that has sent all may still have to read.
      allowHalfOpen: true,
    })
    this.#server.on('secureConnection', (socket) => {
      socket.setNoDelay(true)
      this.#sockets.add(socket)
      socket.on('close', () => this.#sockets.delete(socket)).on('error', () => socket.destroy())
    })
    this.#server.on('request', (request, response) => void this.#serve(request, response))
    this.#server.on('upgrade', (request, socket, head) => void this.#upgrade(request, socket, head))
  }

  /** Listens, and says on which port. @throws Error when the port cannot be had */
  async listen(): Promise<number> {
    const { promise, resolve, reject } = Promise.withResolvers<void>()
    this.#server.once('error', reject)
    this.#server.listen(this.#options.port, this.#options.host, resolve)
    await promise
    return (this.#server.address() as AddressInfo).port
  }

  /** Ends every stream, and stops listening. */
  async close(): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>()
    this.#server.close(() => resolve())
    for (const socket of this.#sockets) socket.destroy()
    await promise
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    response.on('error', () => undefined)
    try {
      authorize(request)
      const url = new URL(request.url ?? '/', 'https://node')
      await this.#answer(request, response, url)
    } catch (error) {
      const { code, text } = this.#refusal(request, error)
      if (response.headersSent) response.destroy()
      else response.writeHead(code, { 'content-type': plainText }).end(text)
    }
  }

  async #answer(request: IncomingMessage, response: ServerResponse, url: URL): Promise<void> {
    const log = /^\/containerLogs\/([^/]+)\/([^/]+)\/([^/]+)$/.exec(url.pathname)
    if (request.method !== 'GET') throw new AgentError(405, '405: Method Not Allowed')
    if (log !== null) return await this.#sendLog(response, url, log.slice(1) as [string, string, string])
    if (url.pathname === '/healthz') return void response.writeHead(200, { 'content-type': plainText }).end('ok')
    if (url.pathname === '/pods') return void response.writeHead(200, { 'content-type': jsonType }).end(this.#podList())
    const document = this.#options.documents[url.pathname]
    if (document === undefined) throw new AgentError(404, '404 page not found')
    const { contentType, body } = await document()
    response.writeHead(200, { 'content-type': contentType }).end(body)
  }

  #podList(): string {
    return JSON.stringify({ kind: 'PodList', apiVersion: 'v1', metadata: {}, items: this.#options.runtime.pods() })
  }

  async #sendLog(response: ServerResponse, url: URL, names: readonly [string, string, string]): Promise<void> {
    const [namespace, name, containerName] = names
    const pod = this.#pod(namespace, name)
    if (pod === undefined) throw new AgentError(404, `pod "${name}" not found in namespace "${namespace}"`)
    const { previous, ...options } = logOptions(url.searchParams, Date.now())
    const id = loggedContainer(pod, containerName, previous)
    const { runtime } = this.#options
    const container = await runtime.container(id)
    if (container === undefined) throw new AgentError(400, `unable to retrieve container logs for ${id}`)
    const source = {
      logPath: container.logPath,
      isRunning: async () => (await runtime.container(id))?.isRunning === true,
    }
    const gone = new AbortController()
    response.on('close', () => gone.abort())
    response.writeHead(200, { 'content-type': plainText })
    // A follower sees at once that it is connected, though nothing may be written for long.
    response.flushHeaders()
    await pipeline(Readable.from(readLog(source, options, gone.signal), { objectMode: false }), response)
  }

  async #upgrade(request: IncomingMessage, socket: Duplex, head: Buffer): Promise<void> {
    socket.on('error', () => socket.destroy())
    try {
      authorize(request)
      const url = await this.#streamUrl(request)
      // Only what concerns the protocols: who asks is settled.
      const { authorization: _, ...headers } = request.headers
      const answer = await openUpgrade({
        host: url.hostname,
        port: url.port,
        path: url.pathname + url.search,
        method: request.method ?? 'GET',
        headers: { ...headers, host: url.host },
        agent: false,
      })
      if (!answer.upgraded) throw new AgentError(answer.code, answer.text)
      socket.write(responseHead(answer.response))
      answer.socket.write(head)
      socket.write(answer.head)
      await joinSockets(socket, answer.socket)
    } catch (error) {
      const { code, text } = this.#refusal(request, error)
      const body = Buffer.from(text)
      socket.end(
        `HTTP/1.1 ${code} \r\nContent-Type: ${plainText}\r\nContent-Length: ${body.length}\r\nConnection: close\r\n\r\n${text}`,
      )
    }
  }

  // `/exec/{namespace}/{pod}/{container}`, `/attach/…`, `/portForward/{namespace}/{pod}`
  async #streamUrl(request: IncomingMessage): Promise<URL> {
    const { pathname, searchParams } = new URL(request.url ?? '/', 'https://node')
    const [verb, namespace = '', name = '', container = ''] = pathname.slice(1).split('/')
    const { runtime } = this.#options
    if (verb !== 'exec' && verb !== 'attach' && verb !== 'portForward') throw new AgentError(404, '404 page not found')
    const pod = this.#pod(namespace, name)
    if (pod === undefined) throw new AgentError(404, 'pod does not exist')
    if (verb === 'portForward') {
      const sandbox = runtime.sandboxOf(pod.metadata.uid ?? '')
      if (sandbox === undefined) throw new AgentError(500, `pod not found ("${name}_${namespace}")`)
      return new URL(await runtime.portForward(sandbox, forwardedPorts(searchParams)))
    }
    const streams = processStreams(searchParams)
    const id = runningContainer(pod, container)
    if (verb === 'attach') return new URL(await runtime.attach(id, streams))
    return new URL(await runtime.exec(id, searchParams.getAll('command'), streams))
  }

  #pod(namespace: string, name: string): Pod | undefined {
    return this.#options.runtime
      .pods()
      .find(({ metadata }) => metadata.name === name && (metadata.namespace ?? '') === namespace)
  }

  #refusal(request: IncomingMessage, error: unknown): { code: number; text: string } {
    if (error instanceof AgentError) return { code: error.code, text: error.message }
    const { message, stack } = error as Error
    // Who has gone needs no answer.
    if ((error as NodeJS.ErrnoException).code !== 'ERR_STREAM_PREMATURE_CLOSE')
      this.#options.log('error', 'a request failed', { method: request.method, path: request.url, error: stack })
    return { code: 500, text: message }
  }
}

/** @throws AgentError unless the API server asks */
function authorize({ socket, method, url }: IncomingMessage): void {
  const tls = socket as TLSSocket
  if (!tls.authorized) throw new AgentError(401, 'Unauthorized')
  const user = String(tls.getPeerCertificate().subject.CN)
  if (user !== apiServerUser)
    throw new AgentError(403, `Forbidden (user=${user}, verb=${method?.toLowerCase()}, path=${url?.split('?', 1)[0]})`)
}
