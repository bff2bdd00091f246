import { type IncomingMessage } from 'node:http'
import { Agent, request } from 'node:https'
import { type Status, StatusError } from '@binnacle/apimachinery'
import { type ApiServer, ownRequest } from '@binnacle/apiserver'
import { openUpgrade, type UpgradeAnswer } from '@binnacle/client'
import { type Node, nodes } from '@binnacle/resources'

/** How the API server shows itself to node agents, and whom it takes for one. PEM texts. */
export interface NodeCredentials {
  readonly clientCertificate: string
  readonly clientKey: string
  /** The authority of the agents' serving certificates. */
  readonly ca: string
}

/** A request to a node's agent. */
export interface NodeRequest {
  readonly method: string
  /** With its query. */
  readonly path: string
  readonly headers?: Readonly<Record<string, string | string[] | undefined>>
}

/** Where the agent of a node answers. */
export interface NodeEndpoint {
  readonly host: string
  readonly port: number
}

/** The port of an agent that does not report one, as of kubelets. */
const agentPortDefault = 10250
/** Connections that stay open for the next request end before the agent ends them, in milliseconds. */
const idleMsMax = 60_000
const connectMsMax = 30_000
/** In the order in which kubeadm has the API server prefer them. */
const addressTypes = ['InternalIP', 'ExternalIP', 'Hostname'] as const

/** The API server's way to the agents of the nodes. */
export class NodeConnections {
  readonly #server: ApiServer
  readonly #agent: Agent | undefined

  /** Without credentials, no node can be reached. */
  constructor(server: ApiServer, credentials: NodeCredentials | undefined) {
    this.#server = server
    if (credentials !== undefined)
      this.#agent = new Agent({
        cert: credentials.clientCertificate,
        key: credentials.clientKey,
        ca: credentials.ca,
        keepAlive: true,
        timeout: idleMsMax,
        maxFreeSockets: 4,
      })
  }

  /**
   * Where a node's agent is, by the node's own status.
   * @throws StatusError NotFound when there is no such node; BadRequest, with a text about `purpose`, when it runs no containers
   */
  async endpointOf(nodeName: string, purpose: string): Promise<NodeEndpoint> {
    const node = (await this.#server.get(ownRequest, nodes, { namespace: '', name: nodeName })).parse() as Node
    if (node.status?.nodeInfo?.containerRuntimeVersion?.startsWith('simulated://') === true)
      throw new StatusError(
        'BadRequest',
        `${purpose}: its node has no container runtime (a simulated node), so there is nothing to connect to`,
      )
    const addresses = node.status?.addresses ?? []
    const host = addressTypes.map((type) => addresses.find((address) => address.type === type)?.address).find(Boolean)
    if (host === undefined)
      throw new StatusError(
        'InternalError',
        `no preferred addresses found; known addresses: ${JSON.stringify(addresses)}`,
      )
    return { host, port: node.status?.daemonEndpoints?.kubeletEndpoint?.Port || agentPortDefault }
  }

  /** Sends a request without a body. @throws StatusError InternalError when the node cannot be reached */
  async get(
    endpoint: NodeEndpoint,
    { method, path, headers }: NodeRequest,
    signal: AbortSignal,
  ): Promise<IncomingMessage> {
    const { promise, resolve, reject } = Promise.withResolvers<IncomingMessage>()
    const outgoing = request({ ...endpoint, agent: this.agent, method, path, headers: headers ?? {}, signal }, resolve)
    // Only for the answer to begin: a log may then be silent for hours.
    outgoing.setTimeout(connectMsMax, () => outgoing.destroy(new Error('i/o timeout')))
    outgoing.on('error', reject)
    outgoing.end()
    const response = await promise.catch((error: Error) => {
      throw unreachable(`Get "https://${endpoint.host}:${endpoint.port}${path}": ${dialError(endpoint, error)}`)
    })
    outgoing.setTimeout(0)
    response.socket.setTimeout(0)
    return response
  }

  /** Asks the node to change a connection's protocol. @throws StatusError InternalError when the node cannot be reached */
  async upgrade(endpoint: NodeEndpoint, { method, path, headers }: NodeRequest): Promise<UpgradeAnswer> {
    return await openUpgrade({ ...endpoint, agent: this.agent, method, path, headers: headers ?? {} }).catch(
      (error: Error) => {
        throw unreachable(`error dialing backend: ${dialError(endpoint, error)}`)
      },
    )
  }

  close(): void {
    this.#agent?.destroy()
  }

  /** Makes connections that agents trust. @throws StatusError when there are no credentials for it */
  get agent(): Agent {
    if (this.#agent === undefined)
      throw new StatusError('ServiceUnavailable', 'this API server has no client certificate for node agents')
    return this.#agent
  }
}

const unreachable = (message: string): StatusError => new StatusError('InternalError', message)

// As Go says it, for those who search for the text.
function dialError({ host, port }: NodeEndpoint, error: Error): string {
  const code = (error as NodeJS.ErrnoException).code ?? ''
  const reasons: Record<string, string> = {
    ECONNREFUSED: 'connect: connection refused',
    EHOSTUNREACH: 'connect: no route to host',
    ENETUNREACH: 'connect: network is unreachable',
    ETIMEDOUT: 'i/o timeout',
  }
  return code in reasons ? `dial tcp ${host}:${port}: ${reasons[code]}` : error.message
}

/** The Status that stands for an agent's refusal, which is a sentence only (apiserver `GenericHttpResponseChecker`). */
export function refusalStatus(code: number, text: string, details: Status['details']): StatusError {
  if (code === 400) return new StatusError('BadRequest', text)
  if (code === 404)
    return new StatusError('NotFound', `the server could not find the requested resource: ${text}`, details)
  if (code === 503) return new StatusError('ServiceUnavailable', text)
  return new StatusError('InternalError', `Internal error occurred: ${text}`)
}
