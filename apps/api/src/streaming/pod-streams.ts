import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Duplex } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { badRequest, type ObjectKey, type Status, StatusError } from '@binnacle/apimachinery'
import { type ApiServer, authorize, ownRequest } from '@binnacle/apiserver'
import { joinSockets, responseHead } from '@binnacle/client'
import { type Pod, pods } from '@binnacle/resources'
import type { Exchange } from '../http/exchange.ts'
import { refusalBytesMax } from '../limits.ts'
import type { Log } from '../log.ts'
import { logQuery } from './log-query.ts'
import { type NodeConnections, type NodeEndpoint, refusalStatus } from './node-connection.ts'
import { chosenContainer } from './pod-container.ts'
import { acceptTunnel, tunnelProtocol } from './port-forward-tunnel.ts'
import { acceptCommand, bridgeCommand, commandProtocol, refuseCommand } from './remote-command.ts'

/** The subresources of pods that are streams from and to the node. */
export type PodStream = 'log' | 'exec' | 'attach' | 'portforward'

/** True for the name of a {@link PodStream}. */
export function isPodStream(subresource: string): subresource is PodStream {
  return ['log', 'exec', 'attach', 'portforward'].includes(subresource)
}

/**
 * Logs, exec, attach and port-forward: the API server finds the container and its node, and carries the bytes. kubectl's WebSockets end here, as node
 * agents and runtimes do not know them; what speaks SPDY, or WebSockets in the older protocols, is passed on as it is.
 */
export class PodStreams {
  readonly #server: ApiServer
  readonly #nodes: NodeConnections
  readonly #log: Log
  /** Ends everything that is open. */
  readonly #open = new Set<() => void>()

  constructor(server: ApiServer, nodes: NodeConnections, log: Log) {
    this.#server = server
    this.#nodes = nodes
    this.#log = log
  }

  /** Streams that are open. */
  get count(): number {
    return this.#open.size
  }

  /** Ends all of them. */
  close(): void {
    for (const end of this.#open) end()
  }

  /** Serves one, until it ends. @throws StatusError while it can still be answered */
  async serve(exchange: Exchange, stream: PodStream, key: ObjectKey): Promise<void> {
    exchange.label = `${stream === 'log' ? 'get' : 'connect'} pods/${stream}`
    const verb = exchange.method === 'POST' ? 'create' : 'get'
    if ((verb === 'get' && exchange.method !== 'GET') || (stream === 'log' && verb !== 'get'))
      throw new StatusError('MethodNotAllowed', 'the server does not allow this method on the requested resource')
    authorize(exchange, verb, { ...pods, plural: `pods/${stream}` }, key)
    const pod = (await this.#server.get(ownRequest, pods, key)).parse() as Pod
    if (stream === 'log') return await this.#serveLog(exchange, pod)
    const container = stream === 'portforward' ? undefined : containerOf(exchange, pod)
    const nodeName = pod.spec?.nodeName ?? ''
    if (nodeName === '') throw badRequest(`pod ${key.name} does not have a host assigned`)
    const endpoint = await this.#nodes.endpointOf(nodeName, `${stream} of "${key.name}"`)
    this.#log('info', 'connecting to a pod', {
      user: exchange.user.name,
      requestId: exchange.requestId,
      what: stream,
      ...key,
      node: nodeName,
      ...(container === undefined ? {} : { container }),
    })
    const path =
      container === undefined ? portForwardPath(pod, exchange) : commandPath(stream, pod, container, exchange)
    await this.#connect(exchange, endpoint, path)
  }

  async #serveLog(exchange: Exchange, pod: Pod): Promise<void> {
    const { name = '', namespace = '' } = pod.metadata
    const query = logQuery(exchange.url.searchParams)
    const container = containerOf(exchange, pod)
    const nodeName = pod.spec?.nodeName ?? ''
    // Not on a node yet: nothing has been written.
    if (nodeName === '') return await exchange.send(204, '', 'text/plain')
    const endpoint = await this.#nodes.endpointOf(nodeName, `log of "${name}"`)
    const path = `/containerLogs/${namespace}/${name}/${container}?${query}`
    const gone = new AbortController()
    exchange.outgoing.on('close', () => gone.abort())
    const end = (): void => gone.abort()
    this.#open.add(end)
    try {
      const response = await this.#nodes.get(endpoint, { method: 'GET', path }, gone.signal)
      if (response.statusCode !== 200) throw await logRefusal(response, name)
      exchange.head(200, { 'content-type': 'text/plain' })
      // A follower sees at once that it is connected, though nothing may be written for long.
      ;(exchange.outgoing as ServerResponse).flushHeaders()
      await pipeline(response, exchange.outgoing)
    } catch (error) {
      if (!gone.signal.aborted) throw error
      exchange.outgoing.destroy()
    } finally {
      this.#open.delete(end)
    }
  }

  async #connect(exchange: Exchange, endpoint: NodeEndpoint, path: string): Promise<void> {
    const offered = exchange.header('sec-websocket-protocol').split(/,\s*/)
    const isWebSocket = exchange.header('upgrade').toLowerCase() === 'websocket'
    if (!exchange.wantsUpgrade) throw badRequest('Upgrade request required')
    if (isWebSocket && offered.includes(commandProtocol)) return await this.#bridge(exchange, endpoint, path)
    const isTunnel = isWebSocket && offered.includes(tunnelProtocol)
    const answer = await this.#nodes.upgrade(endpoint, {
      method: isTunnel ? 'POST' : exchange.method,
      path,
      headers: isTunnel ? spdyHeaders('portforward.k8s.io') : protocolHeaders(exchange),
    })
    // The sentence of the agent, which kubectl shows behind `unable to upgrade connection`.
    if (!answer.upgraded) return await exchange.send(answer.code, answer.text, answer.contentType)
    const taken = exchange.takeConnection()
    const client = isTunnel ? await acceptTunnel(taken) : taken.socket
    if (!isTunnel) {
      client.write(responseHead(answer.response))
      answer.socket.write(taken.head)
    }
    client.write(answer.head)
    await this.#tracked([taken.socket, answer.socket], joinSockets(client, answer.socket))
  }

  async #bridge(exchange: Exchange, endpoint: NodeEndpoint, path: string): Promise<void> {
    const headers = spdyHeaders('v4.channel.k8s.io')
    const answer = await this.#nodes
      .upgrade(endpoint, { method: 'POST', path, headers })
      .catch((error: StatusError): StatusError => error)
    const taken = exchange.takeConnection()
    const client = await acceptCommand(taken)
    if (answer instanceof Error) return refuseCommand(client, answer.status)
    if (!answer.upgraded) return refuseCommand(client, upgradeRefusal(answer.text))
    const { searchParams } = exchange.url
    const wanted = (name: string): boolean => isTrue(searchParams.get(name))
    const streams = { stdin: wanted('stdin'), stdout: wanted('stdout'), stderr: wanted('stderr'), tty: wanted('tty') }
    await this.#tracked([taken.socket, answer.socket], bridgeCommand(client, answer, streams))
  }

  async #tracked(sockets: readonly Duplex[], run: Promise<void>): Promise<void> {
    const end = (): void => sockets.forEach((socket) => socket.destroy())
    this.#open.add(end)
    await run.finally(() => this.#open.delete(end))
  }
}

const isTrue = (text: string | null): boolean => text === 'true' || text === '1'
const containerOf = ({ url }: Exchange, pod: Pod): string =>
  chosenContainer(pod, url.searchParams.get('container') ?? '')

/** The agent's names of the parameters differ from those of the API (kubelet `remotecommand`). */
function commandPath(stream: PodStream, { metadata }: Pod, container: string, { url }: Exchange): string {
  const query = new URLSearchParams()
  for (const [ours, theirs] of [
    ['stdin', 'input'],
    ['stdout', 'output'],
    ['stderr', 'error'],
    ['tty', 'tty'],
  ] as const)
    if (isTrue(url.searchParams.get(ours))) query.set(theirs, '1')
  for (const part of url.searchParams.getAll('command')) query.append('command', part)
  return `/${stream}/${metadata.namespace}/${metadata.name}/${container}?${query}`
}

function portForwardPath({ metadata }: Pod, { url }: Exchange): string {
  const query = new URLSearchParams(url.searchParams.getAll('ports').map((ports): [string, string] => ['port', ports]))
  return `/portForward/${metadata.namespace}/${metadata.name}?${query}`
}

const spdyHeaders = (protocol: string): Record<string, string> => ({
  connection: 'Upgrade',
  upgrade: 'SPDY/3.1',
  'x-stream-protocol-version': protocol,
})

// Of the client's headers, those that are about the protocol: who the client is, the node does not learn.
function protocolHeaders({ incoming }: Exchange): Record<string, string | string[] | undefined> {
  const wanted = /^(connection|upgrade|origin|sec-websocket-.*|x-stream-protocol-version)$/
  return Object.fromEntries(Object.entries(incoming.headers).filter(([name]) => wanted.test(name)))
}

async function logRefusal(response: IncomingMessage, podName: string): Promise<StatusError> {
  let text = ''
  for await (const chunk of response.setEncoding('utf8') as AsyncIterable<string>) {
    text += chunk
    if (text.length > refusalBytesMax) break
  }
  return refusalStatus(response.statusCode ?? 500, text.trimEnd(), { name: podName, kind: 'pods/log' })
}

function upgradeRefusal(text: string): Status {
  return new StatusError('InternalError', `Internal error occurred: unable to upgrade connection: ${text}`).status
}
