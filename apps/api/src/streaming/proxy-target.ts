import { isIP } from 'node:net'
import { badRequest, StatusError } from '@binnacle/apimachinery'
import { type ApiServer, ownRequest } from '@binnacle/apiserver'
import { type EndpointSlice, endpointSlices, type Pod, pods, type Service, services } from '@binnacle/resources'
import type { NodeConnections, NodeEndpoint } from './node-connection.ts'

/** What a proxy request names: `/api/v1/namespaces/{namespace}/{pods|services}/[scheme:]name[:port]/proxy/…`, or the same of a node. */
export interface ProxyRoute {
  readonly plural: 'pods' | 'services' | 'nodes'
  readonly namespace: string
  readonly scheme: 'http' | 'https' | undefined
  readonly name: string
  /** A number or a name; '' for the default. */
  readonly port: string
  /** What follows `proxy`, as it came; '' when not even a slash does. */
  readonly rest: string
  /** What comes before. */
  readonly prefix: string
}

/** Where a proxied request goes. */
export interface ProxyTarget extends NodeEndpoint {
  readonly scheme: 'http' | 'https'
  /** It is a node's agent, which wants the API server's certificate and is known by its own. */
  readonly isAgent: boolean
}

const pattern =
  /^(?<prefix>\/api\/v1\/(?:namespaces\/(?<namespace>[^/]+)\/(?<inside>pods|services)|nodes)\/(?<id>[^/]+)\/proxy)(?<rest>\/.*)?$/

/** Reads the path of a proxy request; undefined when it is none. @throws StatusError BadRequest for a name with other parts than there may be */
export function matchProxy(path: string): ProxyRoute | undefined {
  const { prefix = '', namespace = '', inside = 'nodes', id = '', rest = '' } = pattern.exec(path)?.groups ?? {}
  if (prefix === '') return undefined
  const plural = inside as ProxyRoute['plural']
  const parts = id.replace(/%3A/gi, ':').split(':')
  const [scheme, name, port] = parts.length === 3 ? parts : ['', ...parts, '']
  if (parts.length > 3 || name === undefined || name === '' || !['', 'http', 'https'].includes(scheme as string))
    throw badRequest(`invalid ${plural.slice(0, -1)} request "${id}"`)
  const schemeOrNone = scheme === '' ? undefined : (scheme as 'http' | 'https')
  return { plural, namespace, scheme: schemeOrNone, name, port: port ?? '', rest, prefix }
}

/**
 * Where the request of a route goes now (the `ResourceLocation` of pods, services and nodes). Of a Service, any endpoint that is ready.
 * @throws StatusError NotFound, BadRequest for what cannot be, ServiceUnavailable when a Service has no endpoint
 */
export async function proxyTarget(server: ApiServer, nodes: NodeConnections, route: ProxyRoute): Promise<ProxyTarget> {
  if (route.plural === 'nodes') return await nodeTarget(nodes, route)
  const { host, port, nodeName } = await (route.plural === 'pods' ? podEndpoint : serviceEndpoint)(server, route)
  // Answers for simulated pods: their addresses lead nowhere.
  if (nodeName !== undefined) await nodes.endpointOf(nodeName, `proxy of "${route.name}"`)
  if (!isProxyable(host)) throw badRequest('address not allowed')
  return { scheme: route.scheme ?? 'http', host, port, isAgent: false }
}

interface Endpoint extends NodeEndpoint {
  readonly nodeName: string | undefined
}

async function nodeTarget(nodes: NodeConnections, { name, port, scheme }: ProxyRoute): Promise<ProxyTarget> {
  const agent = await nodes.endpointOf(name, `proxy of "${name}"`)
  if (port === '' || Number(port) === agent.port) return { ...agent, scheme: 'https', isAgent: true }
  return { host: agent.host, port: portNumber(port), scheme: scheme ?? 'http', isAgent: false }
}

async function podEndpoint(server: ApiServer, { namespace, name, port, scheme }: ProxyRoute): Promise<Endpoint> {
  const { spec, status } = (await server.get(ownRequest, pods, { namespace, name })).parse() as Pod
  const declared = spec?.containers.flatMap(({ ports }) => ports ?? [])[0]?.containerPort
  const byDefault = declared ?? (scheme === 'https' ? 443 : 80)
  return {
    host: status?.podIP ?? '',
    port: port === '' ? byDefault : portNumber(port),
    nodeName: spec?.nodeName,
  }
}

async function serviceEndpoint(server: ApiServer, { namespace, name, port }: ProxyRoute): Promise<Endpoint> {
  const { spec } = (await server.get(ownRequest, services, { namespace, name })).parse() as Service
  const isNumber = /^\d+$/.test(port)
  const servicePort = spec?.ports?.find((candidate) => candidate.port === Number(port))
  if (isNumber && servicePort === undefined)
    throw new StatusError('ServiceUnavailable', `no service port ${port} found for service "${name}"`)
  const portName = isNumber ? (servicePort?.name ?? '') : port
  const labelSelector = `kubernetes.io/service-name=${name}`
  const found = server
    .listNow(ownRequest, endpointSlices, { namespace, labelSelector })
    .flatMap((object) => endpointsOf(object.parse() as EndpointSlice, portName))
  const chosen = found[Math.floor(Math.random() * found.length)]
  if (chosen === undefined) throw new StatusError('ServiceUnavailable', `no endpoints available for service "${name}"`)
  return chosen
}

function endpointsOf({ ports, endpoints }: EndpointSlice, portName: string): Endpoint[] {
  const port = ports?.find(({ name }) => (name ?? '') === portName)?.port
  if (port === undefined) return []
  return (endpoints ?? [])
    .filter(({ conditions }) => conditions?.ready !== false)
    .flatMap(({ addresses, nodeName }) => addresses.map((host) => ({ host, port, nodeName })))
}

function portNumber(text: string): number {
  const port = Number(text)
  if (!/^\d+$/.test(text) || port < 1 || port > 65_535) throw badRequest(`invalid port "${text}"`)
  return port
}

// The API server's own machine is not to be reached by way of an address that someone has written into a status.
function isProxyable(address: string): boolean {
  if (isIP(address) === 0) return false
  return !/^(127\.|0\.0\.0\.0$|169\.254\.|22[4-9]\.|23\d\.|::1?$|fe[89ab]|ff)/i.test(address)
}
