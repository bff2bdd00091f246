import { randomUUID } from 'node:crypto'
import { formatTime, invalid, invalidValue, isIPv4, type KubernetesObject, StatusError } from '@binnacle/apimachinery'
import { type ResourceDefinition, type Service, services } from '@binnacle/resources'
import { encodeObject, type Store, type StoredKey, type Write } from '@binnacle/store'

/**
 * Cluster addresses and node ports of Services. Each one in use is an object of its own (an IPAddress, as Kubernetes has since 1.33; a record for a
 * node port) that is written in the same atomic group as the Service: two API processes can never give the same one away.
 */

const ipResource = 'ipaddresses.networking.k8s.io'
const portResource = 'nodeports.internal.binnacle.dev'
const nodePortMin = 30_000
const nodePortMax = 32_767

/** See the file's head. */
export class ServiceAddresses {
  readonly #store: Store
  readonly #base: number
  readonly #size: number
  readonly #cidr: string

  /** @throws RangeError for a malformed range. */
  constructor(store: Store, cidr: string) {
    const [address = '', bits = ''] = cidr.split('/')
    const prefix = Number(bits)
    if (!isIPv4(address) || !(prefix >= 8 && prefix <= 28))
      throw new RangeError(`the Service range '${cidr}' is not an IPv4 range such as 10.96.0.0/16`)
    this.#store = store
    this.#cidr = cidr
    this.#size = 2 ** (32 - prefix)
    this.#base = Math.floor(toNumber(address) / this.#size) * this.#size
  }

  /** The first address of the range: the Service `kubernetes`. */
  get first(): string {
    return toText(this.#base + 1)
  }

  /** Fills in the addresses and node ports that a Service needs, and gives the writes that take new and release old ones. */
  assign(object: KubernetesObject, old: KubernetesObject | undefined): readonly Write[] {
    const [service, before] = [object as Service, old as Service | undefined]
    if (service.spec === undefined) return []
    return [...this.#assignIP(service, before), ...this.#assignPorts(service, before)]
  }

  /** The writes that release everything a deleted Service holds. */
  release(definition: ResourceDefinition, old: KubernetesObject): readonly Write[] {
    if (definition.storageName !== services.storageName) return []
    const service = old as Service
    return [...this.#releaseIP(service), ...portsOf(service).flatMap((port) => this.#remove(portKey(port)))]
  }

  #assignIP(service: Service, before: Service | undefined): readonly Write[] {
    const spec = service.spec as NonNullable<Service['spec']>
    if (spec.type === 'ExternalName') {
      for (const field of ['clusterIP', 'clusterIPs', 'ipFamilies', 'ipFamilyPolicy'] as const) delete spec[field]
      return before === undefined ? [] : this.#releaseIP(before)
    }
    spec.ipFamilies ??= ['IPv4']
    spec.ipFamilyPolicy ??= 'SingleStack'
    const held = before?.spec?.type === 'ExternalName' ? undefined : before?.spec?.clusterIP
    const wanted = spec.clusterIP || spec.clusterIPs?.[0] || held
    if (wanted === 'None' || (held !== undefined && held !== '' && wanted === held)) {
      spec.clusterIP = wanted
      spec.clusterIPs = [wanted]
      return []
    }
    const address = wanted === undefined || wanted === '' ? this.#freeIP() : this.#checkedIP(service, wanted)
    spec.clusterIP = address
    spec.clusterIPs = [address]
    return [this.#take({ resource: ipResource, namespace: '', name: address }, ipAddressObject(address, service))]
  }

  #checkedIP(service: Service, wanted: string): string {
    const number = isIPv4(wanted) ? toNumber(wanted) : Number.NaN
    const fail = (why: string): StatusError =>
      invalid(services, service.metadata.name, [
        invalidValue('spec.clusterIPs', [wanted], `failed to allocate IP ${wanted}: ${why}`),
      ])
    if (!(number > this.#base && number < this.#base + this.#size - 1))
      throw fail(`the provided IP (${wanted}) is not in the valid range. The range of valid IPs is ${this.#cidr}`)
    if (this.#store.get({ resource: ipResource, namespace: '', name: wanted }) !== undefined)
      throw fail('provided IP is already allocated')
    return wanted
  }

  // A random start spreads the addresses, so that processes rarely pick the same; the lower part stays for addresses that people choose.
  #freeIP(): string {
    const reserved = Math.min(Math.max(16, Math.floor(this.#size / 16)), 256)
    const span = this.#size - reserved - 1
    const start = Math.floor(Math.random() * span)
    for (let i = 0; i < span; i++) {
      const address = toText(this.#base + reserved + ((start + i) % span))
      if (this.#store.get({ resource: ipResource, namespace: '', name: address }) === undefined) return address
    }
    throw new StatusError('InternalError', `failed to allocate a serviceIP: range is full`)
  }

  #assignPorts(service: Service, before: Service | undefined): readonly Write[] {
    const spec = service.spec as NonNullable<Service['spec']>
    const needed =
      spec.type === 'NodePort' || (spec.type === 'LoadBalancer' && spec.allocateLoadBalancerNodePorts !== false)
    const held = new Set(before === undefined ? [] : portsOf(before))
    const writes: Write[] = []
    const used = new Set<number>()
    for (const [index, port] of (spec.ports ?? []).entries()) {
      if (!needed && spec.type !== 'LoadBalancer') {
        delete port.nodePort
        continue
      }
      const same = before?.spec?.ports?.find(
        (candidate) => candidate.port === port.port && candidate.protocol === port.protocol,
      )?.nodePort
      if (!port.nodePort && needed) port.nodePort = same && !used.has(same) ? same : this.#freePort(used)
      if (!port.nodePort) continue
      if (used.has(port.nodePort) && !held.has(port.nodePort)) continue
      if (!held.has(port.nodePort)) writes.push(this.#takePort(service, port.nodePort, index))
      used.add(port.nodePort)
    }
    for (const port of held) if (!used.has(port)) writes.push(...this.#remove(portKey(port)))
    return writes
  }

  #takePort(service: Service, port: number, index: number): Write {
    const fail = (why: string): StatusError =>
      invalid(services, service.metadata.name, [invalidValue(`spec.ports[${index}].nodePort`, port, why)])
    if (port < nodePortMin || port > nodePortMax)
      throw fail(`provided port is not in the valid range. The range of valid ports is ${nodePortMin}-${nodePortMax}`)
    if (this.#store.get(portKey(port)) !== undefined) throw fail('provided port is already allocated')
    const record = {
      apiVersion: 'internal.binnacle.dev/v1',
      kind: 'NodePort',
      metadata: { name: String(port), uid: randomUUID() },
      spec: { service: `${service.metadata.namespace}/${service.metadata.name}` },
    }
    return this.#take(portKey(port), record)
  }

  #freePort(used: ReadonlySet<number>): number {
    const span = nodePortMax - nodePortMin + 1
    const start = Math.floor(Math.random() * span)
    for (let i = 0; i < span; i++) {
      const port = nodePortMin + ((start + i) % span)
      if (!used.has(port) && this.#store.get(portKey(port)) === undefined) return port
    }
    throw new StatusError('InternalError', 'failed to allocate a nodePort: range is full')
  }

  #take(key: StoredKey, object: KubernetesObject): Write {
    return {
      key,
      kind: 'create',
      uid: object.metadata.uid ?? '',
      expectedRevision: 0,
      data: encodeObject(object),
      object,
    }
  }

  #releaseIP(service: Service): readonly Write[] {
    const address = service.spec?.clusterIP
    return !address || address === 'None' ? [] : this.#remove({ resource: ipResource, namespace: '', name: address })
  }

  #remove(key: StoredKey): readonly Write[] {
    const object = this.#store.get(key)
    if (object === undefined) return []
    const parsed = object.parse() as KubernetesObject
    return [
      {
        key,
        kind: 'delete',
        uid: object.uid,
        expectedRevision: object.revision,
        data: encodeObject(parsed),
        object: parsed,
      },
    ]
  }
}

function ipAddressObject(address: string, service: Service): KubernetesObject {
  const labels = {
    'ipaddress.kubernetes.io/ip-family': 'IPv4',
    'ipaddress.kubernetes.io/managed-by': 'ipallocator.k8s.io',
  }
  const parentRef = { resource: 'services', namespace: service.metadata.namespace, name: service.metadata.name }
  const metadata = {
    name: address,
    uid: randomUUID(),
    creationTimestamp: formatTime(Date.now()),
    generation: 1,
    labels,
  }
  return { apiVersion: 'networking.k8s.io/v1', kind: 'IPAddress', metadata, spec: { parentRef } } as KubernetesObject
}

const portKey = (port: number): StoredKey => ({ resource: portResource, namespace: '', name: String(port) })

function portsOf(service: Service): number[] {
  return [...new Set((service.spec?.ports ?? []).flatMap((port) => (port.nodePort ? [port.nodePort] : [])))]
}

function toNumber(address: string): number {
  return address.split('.').reduce((sum, part) => sum * 256 + Number(part), 0)
}

function toText(address: number): string {
  return [24, 16, 8, 0].map((shift) => Math.floor(address / 2 ** shift) % 256).join('.')
}
