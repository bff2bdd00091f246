import type { EndpointSlice, Service, ServicePort } from '@binnacle/resources'
import { families, type Family, ofFamily } from '../network/addresses.ts'
import type { TableContent } from '../network/nft-tables.ts'
import {
  type ChainSet,
  clusterChain,
  endpointMap,
  type Entry,
  externalChain,
  externalLocalChain,
  type PickRules,
  randomPick,
  sourceRangesChain,
  stickyPick,
} from './chains.ts'
import { chooseEndpoints, type EndpointChoice, endpointsOf, type ProxyEndpoint, type ProxyNode } from './endpoints.ts'

/** What one Service wants: content of the tables, and what goes with it. */
export interface ServicePlan extends TableContent {
  readonly datagrams: readonly DatagramFrontend[]
  /** Where a load balancer asks whether this node has endpoints (`spec.healthCheckNodePort`). */
  readonly health: { readonly port: number; readonly localEndpoints: number } | undefined
}

/** One UDP address of a Service and who stands behind it: flows that conntrack remembers to others are cut. */
export interface DatagramFrontend {
  readonly family: Family
  /** undefined: every address of the node. */
  readonly address: string | undefined
  readonly port: number
  /** `ADDRESS PORT`. */
  readonly endpoints: ReadonlySet<string>
}

/** What planning has to know besides the Service. */
export interface ProxySurroundings {
  readonly node: ProxyNode
  /** The ranges of all pods (`--cluster-cidr`); without them nobody counts as a pod. */
  readonly clusterCIDRs: readonly string[]
}

const defaultAffinitySeconds = 10_800
const proxyNameLabel = 'service.kubernetes.io/service-proxy-name'

/** Whether this proxy serves a Service: not headless, not only a name, not given to another proxy. */
export function isProxied(service: Service): boolean {
  const { spec, metadata } = service
  return (
    spec?.type !== 'ExternalName' &&
    spec?.clusterIP !== undefined &&
    spec.clusterIP !== '' &&
    spec.clusterIP !== 'None' &&
    metadata.labels?.[proxyNameLabel] === undefined
  )
}

/** Decides what the tables have to say of a Service with these slices. */
export function planService(
  service: Service,
  slices: readonly EndpointSlice[],
  surroundings: ProxySurroundings,
): ServicePlan {
  const draft = new Draft(service, surroundings)
  if (isProxied(service))
    for (const family of families) {
      if (clusterAddresses(service, family).length === 0) continue
      for (const port of service.spec?.ports ?? []) draft.addPort(family, port, slices)
    }
  return draft.plan()
}

function clusterAddresses({ spec }: Service, family: Family): string[] {
  const addresses = spec?.clusterIPs ?? []
  return ofFamily(addresses.length > 0 ? addresses : [spec?.clusterIP ?? ''], family)
}

/** What a port's traffic meets in one family. */
interface PortInFamily {
  readonly family: Family
  readonly protocol: string
  readonly port: ServicePort
  readonly choice: EndpointChoice
}

class Draft {
  readonly #service: Service
  readonly #surroundings: ProxySurroundings
  readonly #elements = new Map<string, string>()
  readonly #chains = new Map<string, readonly string[]>()
  readonly #sets = new Map<string, string>()
  readonly #datagrams: DatagramFrontend[] = []
  readonly #localAddresses = new Set<string>()

  constructor(service: Service, surroundings: ProxySurroundings) {
    this.#service = service
    this.#surroundings = surroundings
  }

  plan(): ServicePlan {
    const { spec } = this.#service
    const port = spec?.type === 'LoadBalancer' && spec.externalTrafficPolicy === 'Local' ? spec.healthCheckNodePort : 0
    return {
      elements: this.#elements,
      chains: this.#chains,
      sets: this.#sets,
      datagrams: this.#datagrams,
      health: port ? { port, localEndpoints: this.#localAddresses.size } : undefined,
    }
  }

  addPort(family: Family, port: ServicePort, slices: readonly EndpointSlice[]): void {
    const { node } = this.#surroundings
    const endpoints = endpointsOf(port, slices, family, node)
    const choice = chooseEndpoints(this.#service, endpoints, node)
    const at: PortInFamily = { family, protocol: (port.protocol ?? 'TCP').toLowerCase(), port, choice }
    for (const { address, isLocal } of endpoints)
      if (isLocal) this.#set(family, 'hairpin', `${address} . ${address}`, '')
    for (const { address, isReady, isLocal } of endpoints) if (isReady && isLocal) this.#localAddresses.add(address)
    this.#addClusterAddresses(at)
    this.#addExternalAddresses(at)
    this.#addNodePort(at)
  }

  #addClusterAddresses(at: PortInFamily): void {
    const isLocal = this.#service.spec?.internalTrafficPolicy === 'Local'
    const scope = isLocal ? 'local' : 'cluster'
    const used = isLocal ? at.choice.local : at.choice.cluster
    for (const address of clusterAddresses(this.#service, at.family)) {
      this.#set(at.family, 'cluster-addresses', address, '')
      const key = frontendKey(at, address)
      this.#datagram(at, address, used)
      if (used.length === 0) {
        this.#refuse(at, 'address', key)
        continue
      }
      // The map for endpoints of this node is for external addresses; here there is but one list.
      const [name, rules] = clusterChain(at.family, this.#pick(at, 'address', scope, used, 'cluster'), this.#hasPods)
      this.#goTo(at, 'services', key, name, rules)
      this.#endpoints(at, { address, scope: 'cluster' }, used)
    }
  }

  #addExternalAddresses(at: PortInFamily): void {
    const { spec, status } = this.#service
    const ingress = spec?.type === 'LoadBalancer' ? (status?.loadBalancer?.ingress ?? []) : []
    const balancers = ingress.filter(({ ip, ipMode }) => ip && ipMode !== 'Proxy').map(({ ip }) => ip as string)
    const ranges = ofFamily(spec?.loadBalancerSourceRanges ?? [], at.family)
    for (const address of new Set(ofFamily([...(spec?.externalIPs ?? []), ...balancers], at.family))) {
      this.#addExternal(at, 'address', frontendKey(at, address), address)
      if (!balancers.includes(address) || (spec?.loadBalancerSourceRanges ?? []).length === 0) continue
      const [name, rules] = sourceRangesChain(at.family, ranges)
      this.#goTo(at, 'source-ranges', frontendKey(at, address), name, rules)
    }
  }

  #addNodePort(at: PortInFamily): void {
    const { type } = this.#service.spec ?? {}
    const nodePort = at.port.nodePort ?? 0
    if (nodePort === 0 || (type !== 'NodePort' && type !== 'LoadBalancer')) return
    this.#addExternal(at, 'node-port', `${at.protocol} . ${nodePort}`, undefined)
  }

  #addExternal(at: PortInFamily, entry: Entry, key: string, address: string | undefined): void {
    const { cluster, local, hasAny } = at.choice
    const services = entry === 'address' ? 'services' : 'node-ports'
    this.#datagram(at, address, [...cluster, ...local])
    if (cluster.length === 0) {
      this.#refuse(at, entry, key, hasAny)
      return
    }
    const pick = this.#pick(at, entry, 'cluster', cluster)
    this.#endpoints(at, { address, scope: 'cluster' }, cluster)
    if (this.#service.spec?.externalTrafficPolicy !== 'Local') {
      const [name, rules] = externalChain(entry, pick)
      this.#goTo(at, services, key, name, rules)
      return
    }
    this.#endpoints(at, { address, scope: 'local' }, local)
    const localPick = this.#pick(at, entry, 'local', local)
    const chains = externalLocalChain({ family: at.family, entry, cluster: pick, local: localPick }, this.#hasPods)
    for (const [name, rules] of chains) {
      this.#chains.set(`${at.family} ${name}`, rules)
      // The last one is where traffic comes in.
      this.#set(at.family, services, key, `goto ${name}`)
    }
  }

  get #hasPods(): boolean {
    return this.#surroundings.clusterCIDRs.length > 0
  }

  #pick(
    at: PortInFamily,
    entry: Entry,
    scope: 'cluster' | 'local',
    endpoints: readonly ProxyEndpoint[],
    map: 'cluster' | 'local' = scope,
  ): PickRules {
    const { family, port, protocol } = at
    const { sessionAffinity, sessionAffinityConfig } = this.#service.spec ?? {}
    if (sessionAffinity !== 'ClientIP') return randomPick({ family, protocol, entry }, map, endpoints.length)
    const seconds = sessionAffinityConfig?.clientIP?.timeoutSeconds ?? defaultAffinitySeconds
    const { namespace, name } = this.#service.metadata
    const own: ChainSet = { chains: new Map(), sets: new Map() }
    const owner = `${namespace}/${name}:${port.name ?? ''}`
    const pick = stickyPick(family, owner, endpoints, protocol, seconds, own)
    for (const [chain, rules] of own.chains) this.#chains.set(`${family} ${chain}`, rules)
    for (const [set, declaration] of own.sets) this.#sets.set(`${family} ${set}`, declaration)
    return { ...pick, name: `${pick.name}-${scope}` }
  }

  /** Nobody answers here: refused when nobody does anywhere, dropped when only this node has none. */
  #refuse(at: PortInFamily, entry: Entry, key: string, hasAny = at.choice.hasAny): void {
    this.#set(
      at.family,
      entry === 'address' ? 'no-endpoints' : 'no-node-port-endpoints',
      key,
      hasAny ? 'drop' : 'goto refuse',
    )
  }

  #goTo(at: PortInFamily, map: string, key: string, chain: string, rules: readonly string[]): void {
    this.#chains.set(`${at.family} ${chain}`, rules)
    this.#set(at.family, map, key, `goto ${chain}`)
  }

  #endpoints(
    at: PortInFamily,
    { address, scope }: { address: string | undefined; scope: 'cluster' | 'local' },
    endpoints: readonly ProxyEndpoint[],
  ): void {
    // With affinity the addresses are in the chains.
    if (this.#service.spec?.sessionAffinity === 'ClientIP') return
    const { family, protocol, port } = at
    const map = endpointMap({ family, protocol, entry: address === undefined ? 'node-port' : 'address' }, scope)
    const key = address === undefined ? String(port.nodePort) : `${address} . ${port.port}`
    for (const [index, endpoint] of endpoints.entries())
      this.#set(family, map, `${key} . ${index}`, `${endpoint.address} . ${endpoint.port}`)
  }

  #datagram(at: PortInFamily, address: string | undefined, endpoints: readonly ProxyEndpoint[]): void {
    if (at.protocol !== 'udp') return
    const port = address === undefined ? (at.port.nodePort ?? 0) : at.port.port
    const behind = new Set(endpoints.map((endpoint) => `${endpoint.address} ${endpoint.port}`))
    this.#datagrams.push({ family: at.family, address, port, endpoints: behind })
  }

  #set(family: Family, object: string, key: string, value: string): void {
    this.#elements.set(`${family} ${object} ${key}`, value)
  }
}

function frontendKey({ protocol, port }: PortInFamily, address: string): string {
  return `${address} . ${protocol} . ${port.port}`
}
