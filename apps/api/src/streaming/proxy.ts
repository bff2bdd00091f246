import { type IncomingMessage, request as httpRequest } from 'node:http'
import { Agent, request as httpsRequest } from 'node:https'
import { pipeline } from 'node:stream/promises'
import { StatusError } from '@binnacle/apimachinery'
import { type ApiServer, authorize } from '@binnacle/apiserver'
import { joinSockets, openUpgrade, responseHead } from '@binnacle/client'
import { nodes as nodesResource, pods, services } from '@binnacle/resources'
import type { Exchange } from '../http/exchange.ts'
import type { NodeConnections } from './node-connection.ts'
import { type ProxyRoute, type ProxyTarget, proxyTarget } from './proxy-target.ts'

const resources = { pods, services, nodes: nodesResource }
const verbs: Record<string, string> = { POST: 'create', PUT: 'update', PATCH: 'patch', DELETE: 'delete' }
/** Headers of one connection, which the next does not have (RFC 9110 §7.6.1), and those that are for the API server alone. */
const ownHeaders =
  /^(:.*|host|connection|keep-alive|proxy-.*|te|trailer|transfer-encoding|upgrade|authorization|impersonate-.*)$/
const connectMsMax = 30_000
// What a pod shows is signed by nobody whom the API server knows, as with kube-apiserver.
const unverified = new Agent({ rejectUnauthorized: false })

/** The `proxy` subresources of pods, services and nodes: HTTP through the API server, with its authentication in front. */
export class ResourceProxy {
  readonly #server: ApiServer
  readonly #nodes: NodeConnections

  constructor(server: ApiServer, nodes: NodeConnections) {
    this.#server = server
    this.#nodes = nodes
  }

  /** Passes on one request. @throws StatusError while it can still be answered */
  async serve(exchange: Exchange, route: ProxyRoute): Promise<void> {
    const { plural, namespace, name } = route
    exchange.label = `connect ${plural}/proxy`
    const verb = verbs[exchange.method] ?? 'get'
    authorize(exchange, verb, { ...resources[plural], plural: `${plural}/proxy` }, { namespace, name })
    const { search } = exchange.url
    // Links of the page at the root are relative to it.
    if (route.rest === '' && (exchange.method === 'GET' || exchange.method === 'HEAD'))
      return await exchange.send(301, '', 'text/plain', { location: `${route.prefix}/${search}` })
    const target = await proxyTarget(this.#server, this.#nodes, route)
    const options = {
      host: target.host,
      port: target.port,
      method: exchange.method,
      path: `${route.rest || '/'}${search}`,
      agent: target.isAgent ? this.#nodes.agent : target.scheme === 'https' ? unverified : false,
      headers: forwardedHeaders(exchange, target),
    } as const
    if (exchange.wantsUpgrade) return await upgrade(exchange, options)
    const response = await send(exchange, target, options)
    exchange.head(response.statusCode ?? 502, answeredHeaders(response, target, route.prefix))
    await pipeline(response, exchange.outgoing)
  }
}

type Options = Parameters<typeof openUpgrade>[0]

async function send(exchange: Exchange, target: ProxyTarget, options: Options): Promise<IncomingMessage> {
  const { promise, resolve, reject } = Promise.withResolvers<IncomingMessage>()
  const outgoing = (target.scheme === 'https' ? httpsRequest : httpRequest)(options, resolve)
  outgoing.setTimeout(connectMsMax, () => outgoing.destroy(new Error('i/o timeout')))
  exchange.outgoing.on('close', () => outgoing.destroy())
  outgoing.on('error', reject)
  // What goes wrong with either side shows in the answer.
  pipeline(exchange.incoming, outgoing).catch(reject)
  const response = await promise.catch((error: Error) => {
    throw new StatusError('ServiceUnavailable', `error trying to reach service: ${error.message}`)
  })
  // It may take its time from here: it may be a watch.
  outgoing.setTimeout(0)
  response.socket.setTimeout(0)
  return response
}

async function upgrade(exchange: Exchange, options: Options): Promise<void> {
  const { connection, upgrade } = exchange.incoming.headers
  const answer = await openUpgrade({ ...options, headers: { ...options.headers, connection, upgrade } as never }).catch(
    (error: Error) => {
      throw new StatusError('InternalError', `error dialing backend: ${error.message}`)
    },
  )
  if (!answer.upgraded) return await exchange.send(answer.code, answer.text, answer.contentType)
  const { socket, head } = exchange.takeConnection()
  socket.write(responseHead(answer.response))
  socket.write(answer.head)
  answer.socket.write(head)
  await joinSockets(socket, answer.socket)
}

type Headers = Record<string, string | string[]>

function forwardedHeaders({ incoming, url }: Exchange, { host, port }: ProxyTarget): Headers {
  const headers: Headers = {}
  for (const [name, value] of Object.entries(incoming.headers))
    if (value !== undefined && !ownHeaders.test(name)) headers[name] = value
  const before = headers['x-forwarded-for']
  const client = incoming.socket.remoteAddress ?? ''
  return {
    ...headers,
    host: `${host.includes(':') ? `[${host}]` : host}:${port}`,
    'x-forwarded-for': before === undefined ? client : `${before}, ${client}`,
    'x-forwarded-host': String(incoming.headers[':authority'] ?? incoming.headers.host ?? ''),
    'x-forwarded-proto': 'https',
    'x-forwarded-uri': url.pathname,
  }
}

// A redirect within the target is one below the proxy's own path.
function answeredHeaders({ headers }: IncomingMessage, target: ProxyTarget, prefix: string): Headers {
  const answered: Headers = {}
  for (const [name, value] of Object.entries(headers))
    if (value !== undefined && !ownHeaders.test(name)) answered[name] = value
  const { location } = headers
  if (location === undefined) return answered
  const base = `${target.scheme}://${target.host}:${target.port}`
  const absolute = location.startsWith('/') ? `${base}${location}` : location
  return absolute.startsWith(`${base}/`)
    ? { ...answered, location: `${prefix}${absolute.slice(base.length)}` }
    : answered
}
