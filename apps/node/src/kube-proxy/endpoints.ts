import type { EndpointSlice, Service, ServicePort } from '@binnacle/resources'
import type { Family } from '../network/addresses.ts'

/** The node whose table is planned. */
export interface ProxyNode {
  readonly name: string
  /** Label `topology.kubernetes.io/zone`. */
  readonly zone: string | undefined
  readonly addresses: readonly string[]
}

/** An endpoint of one port of a Service. */
export interface ProxyEndpoint {
  readonly address: string
  readonly port: number
  readonly isLocal: boolean
  readonly isReady: boolean
  readonly isServing: boolean
  readonly isTerminating: boolean
  readonly nodeHints: readonly string[]
  readonly zoneHints: readonly string[]
}

/** Who may get the traffic of a port, by kube-proxy's `CategorizeEndpoints`. */
export interface EndpointChoice {
  /** For traffic policy Cluster, and for what nodes and pods themselves send to external addresses. */
  readonly cluster: readonly ProxyEndpoint[]
  /** For traffic policy Local. */
  readonly local: readonly ProxyEndpoint[]
  /** False when nobody anywhere can answer: connections are then refused rather than dropped. */
  readonly hasAny: boolean
}

/** Every endpoint that slices of a family name for a port, each address and port once, in a steady order. */
export function endpointsOf(
  port: ServicePort,
  slices: readonly EndpointSlice[],
  family: Family,
  node: ProxyNode,
): ProxyEndpoint[] {
  const addressType = family === 'ip' ? 'IPv4' : 'IPv6'
  const found = new Map<string, ProxyEndpoint>()
  for (const slice of slices) {
    if (slice.addressType !== addressType) continue
    const target = slice.ports?.find(
      ({ name, protocol }) => (name ?? '') === (port.name ?? '') && (protocol ?? 'TCP') === (port.protocol ?? 'TCP'),
    )?.port
    if (target === undefined) continue
    for (const { addresses, conditions, hints, nodeName } of slice.endpoints ?? []) {
      const address = addresses[0]
      if (address === undefined) continue
      const isReady = conditions?.ready ?? true
      const endpoint: ProxyEndpoint = {
        address,
        port: target,
        isLocal: nodeName === node.name,
        isReady,
        isServing: conditions?.serving ?? isReady,
        isTerminating: conditions?.terminating ?? false,
        nodeHints: (hints?.forNodes ?? []).map(({ name }) => name),
        zoneHints: (hints?.forZones ?? []).map(({ name }) => name),
      }
      // While an endpoint moves between slices it is in two of them; the one that says ready is the newer one or as good.
      const key = `${address} ${target}`
      if (found.get(key)?.isReady !== true) found.set(key, endpoint)
    }
  }
  return [...found.values()].toSorted((a, b) => compare(a.address, b.address) || a.port - b.port)
}

const compare = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0)

/** Sorts a port's endpoints into those that each kind of traffic may use. Where none is ready, those that end but still serve get it. */
export function chooseEndpoints(
  service: Service,
  endpoints: readonly ProxyEndpoint[],
  node: ProxyNode,
): EndpointChoice {
  const ready = endpoints.filter(({ isReady }) => isReady)
  const ending = endpoints.filter(({ isServing, isTerminating }) => isServing && isTerminating)
  const closeReady = ready.filter(closeTo(ready, node))
  const cluster = closeReady.length > 0 ? closeReady : ending
  const localReady = ready.filter(({ isLocal }) => isLocal)
  const local = localReady.length > 0 ? localReady : ending.filter(({ isLocal }) => isLocal)
  // With internal policy Local and no other way in, nothing asks for the endpoints of other nodes.
  const usesCluster = service.spec?.internalTrafficPolicy !== 'Local' || isExternal(service)
  return { cluster: usesCluster ? cluster : [], local, hasAny: cluster.length > 0 || local.length > 0 }
}

/** Whether a Service accepts traffic at addresses that are not its own cluster addresses. */
function isExternal({ spec }: Service): boolean {
  return spec?.type === 'NodePort' || spec?.type === 'LoadBalancer' || (spec?.externalIPs ?? []).length > 0
}

/** Hints count only where every ready endpoint has one and some are for this place (kube-proxy `topologyModeFromHints`). */
function closeTo(ready: readonly ProxyEndpoint[], node: ProxyNode): (endpoint: ProxyEndpoint) => boolean {
  const forNode = ({ nodeHints }: ProxyEndpoint): boolean => nodeHints.includes(node.name)
  if (ready.every(({ nodeHints }) => nodeHints.length > 0) && ready.some(forNode)) return forNode
  const { zone } = node
  if (zone === undefined || ready.some(({ zoneHints }) => zoneHints.length === 0)) return () => true
  const forZone = ({ zoneHints }: ProxyEndpoint): boolean => zoneHints.includes(zone)
  return ready.some(forZone) ? forZone : () => true
}
