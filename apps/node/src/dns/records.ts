import { isIPv4, isIPv6 } from 'node:net'
import type { EndpointSlice, Service } from '@binnacle/resources'
import type { Answer } from 'dns-packet'

/** What the records are made of. Slices are those of the Service of that name. */
export interface DnsView {
  service(namespace: string, name: string): Service | undefined
  slices(namespace: string, name: string): readonly EndpointSlice[]
  hasNamespace(name: string): boolean
  servicesAt(clusterIP: string): readonly Service[]
  slicesAt(address: string): readonly EndpointSlice[]
}

/** What is known of a name in the cluster's zone. */
export interface Lookup {
  /** False: the name does not exist (NXDOMAIN). True without answers: it has none of that type. */
  readonly exists: boolean
  readonly answers: readonly Answer[]
  readonly additionals: readonly Answer[]
  /** The name that an ExternalName Service stands for; its own records belong to the answer too. */
  readonly alias?: string
}

/** How long clients may keep an answer, and the lack of one; what CoreDNS has in clusters made by kubeadm. */
const ttlSeconds = 30
const missing: Lookup = { exists: false, answers: [], additionals: [] }
const bare: Lookup = { exists: true, answers: [], additionals: [] }
const dnsVersion = '1.1.0'

/**
 * Looks up a name by Kubernetes' DNS specification 1.1.0. undefined: the name is not in the cluster's zone, nor the address of anything in it.
 * @param name in lower letters, without the final dot.
 */
export function lookUp(view: DnsView, zone: string, name: string, type: string): Lookup | undefined {
  if (name === zone) return zoneItself(zone, type)
  if (name.endsWith('.arpa')) return type === 'PTR' ? reverse(view, zone, name) : undefined
  if (!name.endsWith(`.${zone}`)) return undefined
  const labels = name.slice(0, -zone.length - 1).split('.')
  const kind = labels.pop()
  const namespace = labels.pop()
  if (kind === 'dns-version' && namespace === undefined)
    return type === 'TXT' ? found([{ name, type, ttl: ttlSeconds, data: dnsVersion }]) : bare
  if (kind === 'dns' && namespace === 'ns' && labels.length === 0) return bare
  if (kind !== 'svc' && kind !== 'pod') return missing
  if (namespace === undefined) return bare
  if (!view.hasNamespace(namespace)) return missing
  if (labels.length === 0) return bare
  return kind === 'pod' ? podRecord(name, labels, type) : serviceRecords(view, { zone, name, namespace, labels }, type)
}

/** The zone's start of authority, which goes with every answer that there is none. */
export function startOfAuthority(zone: string): Answer {
  const data = {
    mname: `ns.dns.${zone}`,
    rname: `hostmaster.${zone}`,
    serial: 1,
    refresh: 7200,
    retry: 1800,
    expire: 86_400,
    minimum: ttlSeconds,
  }
  return { name: zone, type: 'SOA', ttl: ttlSeconds, data }
}

function found(answers: readonly Answer[]): Lookup {
  return { exists: true, answers, additionals: [] }
}

function zoneItself(zone: string, type: string): Lookup {
  if (type === 'SOA') return found([startOfAuthority(zone)])
  return type === 'NS' ? found([{ name: zone, type, ttl: ttlSeconds, data: `ns.dns.${zone}` }]) : bare
}

/** A pod by its address (CoreDNS `pods insecure`): the name says it all. */
function podRecord(name: string, labels: readonly string[], type: string): Lookup {
  const [dashed = ''] = labels
  const address = [dashed.replaceAll('-', '.'), dashed.replaceAll('-', ':')].find(
    (text) => isIPv4(text) || isIPv6(text),
  )
  if (labels.length !== 1 || address === undefined) return missing
  return found(addressRecords(name, [address], type))
}

interface ServiceName {
  readonly zone: string
  readonly name: string
  readonly namespace: string
  /** What stands before the namespace, the Service's name last. */
  readonly labels: readonly string[]
}

function serviceRecords(view: DnsView, asked: ServiceName, type: string): Lookup {
  const { name, namespace, labels, zone } = asked
  const service = view.service(namespace, labels.at(-1) ?? '')
  if (service === undefined) return missing
  if (service.spec?.type === 'ExternalName') return aliasOf(service, asked)
  const own = `${service.metadata.name}.${namespace}.svc.${zone}`
  const endpoints = namedEndpoints(view.slices(namespace, service.metadata.name ?? ''), own)
  const [first = '', second = ''] = labels
  if (labels.length === 1) {
    if (type === 'SRV') return locations(service, own, endpoints, { name })
    const addresses = isHeadless(service) ? endpoints.map(({ address }) => address) : clusterAddresses(service)
    return found(addressRecords(name, addresses, type))
  }
  if (labels.length === 2 && !first.startsWith('_')) {
    const addresses = endpoints.filter((endpoint) => endpoint.name === name).map(({ address }) => address)
    return addresses.length === 0 ? missing : found(addressRecords(name, addresses, type))
  }
  // `_tcp.web.default.svc`: it has no records, but names below it do.
  if (labels.length === 2) return hasPort(service, undefined, first) ? bare : missing
  if (labels.length !== 3 || !hasPort(service, first, second)) return missing
  return type === 'SRV' ? locations(service, own, endpoints, { name, port: first, protocol: second }) : bare
}

function aliasOf({ spec }: Service, { name, labels }: ServiceName): Lookup {
  const alias = (spec?.externalName ?? '').replace(/\.$/, '')
  if (labels.length > 1 || alias === '') return missing
  return { ...found([{ name, type: 'CNAME', ttl: ttlSeconds, data: alias }]), alias }
}

/** `port` and `protocol` as names have them: `_http`, `_tcp`. */
function hasPort(service: Service, port: string | undefined, protocol: string): boolean {
  return (service.spec?.ports ?? []).some((candidate) => isPort(candidate, port, protocol))
}

function isPort(candidate: { name?: string; protocol?: string }, port: string | undefined, protocol: string): boolean {
  const isNamed = port === undefined || `_${candidate.name ?? ''}`.toLowerCase() === port
  return isNamed && `_${(candidate.protocol ?? 'TCP').toLowerCase()}` === protocol
}

function isHeadless({ spec }: Service): boolean {
  return spec?.clusterIP === 'None'
}

function clusterAddresses({ spec }: Service): readonly string[] {
  return spec?.clusterIPs ?? (spec?.clusterIP ? [spec.clusterIP] : [])
}

/** An endpoint under the name that DNS gives it: its hostname, or its address with dashes. */
interface NamedEndpoint {
  readonly name: string
  readonly address: string
  readonly ports: EndpointSlice['ports']
}

function namedEndpoints(slices: readonly EndpointSlice[], service: string): NamedEndpoint[] {
  const named: NamedEndpoint[] = []
  for (const { endpoints, ports } of slices)
    for (const { addresses, hostname, conditions } of endpoints ?? [])
      if (conditions?.ready ?? true)
        for (const address of addresses)
          named.push({ name: `${hostname ?? address.replaceAll(/[.:]/g, '-')}.${service}`, address, ports })
  return named
}

function addressRecords(name: string, addresses: readonly string[], type: string): Answer[] {
  if (type !== 'A' && type !== 'AAAA') return []
  const isWanted = type === 'A' ? isIPv4 : isIPv6
  const wanted = [...new Set(addresses)].filter((address) => isWanted(address))
  return wanted.map((data) => ({ name, type, ttl: ttlSeconds, data }))
}

interface WantedLocations {
  readonly name: string
  /** undefined: every port. */
  readonly port?: string
  readonly protocol?: string
}

/** SRV records: of the Service itself, or of each endpoint of a headless one, with their addresses beside them. */
function locations(
  service: Service,
  own: string,
  endpoints: readonly NamedEndpoint[],
  { name, port, protocol = '' }: WantedLocations,
): Lookup {
  const targets = new Map<string, { target: string; port: number; addresses: readonly string[] }>()
  const add = (
    ports: { name?: string; port?: number; protocol?: string }[],
    target: string,
    addresses: readonly string[],
  ) => {
    for (const candidate of ports)
      if (candidate.port !== undefined && (port === undefined || isPort(candidate, port, protocol)))
        targets.set(`${target} ${candidate.port}`, { target, port: candidate.port, addresses })
  }
  if (isHeadless(service))
    for (const endpoint of endpoints) add(endpoint.ports ?? [], endpoint.name, [endpoint.address])
  else add(service.spec?.ports ?? [], own, clusterAddresses(service))
  const all = [...targets.values()]
  const weight = Math.max(1, Math.floor(100 / Math.max(1, all.length)))
  const addresses = new Map(all.map((location) => [location.target, location.addresses]))
  return {
    exists: true,
    answers: all.map((location) => ({
      name,
      type: 'SRV',
      ttl: ttlSeconds,
      data: { priority: 0, weight, port: location.port, target: location.target },
    })),
    additionals: [...addresses].flatMap(([target, list]) =>
      ['A', 'AAAA'].flatMap((type) => addressRecords(target, list, type)),
    ),
  }
}

/** The name of a cluster address or an endpoint; undefined for addresses of others, whom another server may know. */
function reverse(view: DnsView, zone: string, name: string): Lookup | undefined {
  const address = addressOfReverse(name)
  if (address === undefined) return undefined
  const names = new Set<string>()
  for (const { metadata } of view.servicesAt(address)) names.add(`${metadata.name}.${metadata.namespace}.svc.${zone}`)
  for (const slice of names.size > 0 ? [] : view.slicesAt(address)) {
    const service = slice.metadata.labels?.['kubernetes.io/service-name']
    const own = `${service}.${slice.metadata.namespace}.svc.${zone}`
    for (const endpoint of namedEndpoints([slice], own)) if (endpoint.address === address) names.add(endpoint.name)
  }
  if (names.size === 0) return undefined
  return found([...names].map((data) => ({ name, type: 'PTR', ttl: ttlSeconds, data })))
}

function addressOfReverse(name: string): string | undefined {
  const four = /^(\d+)\.(\d+)\.(\d+)\.(\d+)\.in-addr\.arpa$/.exec(name)
  if (four !== null) return four.slice(1).toReversed().join('.')
  const six = /^((?:[0-9a-f]\.){32})ip6\.arpa$/.exec(name)
  const digits = six?.[1]?.replaceAll('.', '').split('').toReversed().join('')
  const groups = digits?.match(/.{4}/g)
  // A URL writes addresses as objects have them: the longest run of zeros left out.
  return groups ? new URL(`http://[${groups.join(':')}]`).hostname.slice(1, -1) : undefined
}
