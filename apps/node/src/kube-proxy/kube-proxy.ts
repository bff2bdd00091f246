import { formatKey, keyOf } from '@binnacle/apimachinery'
import { type Client, Informer } from '@binnacle/client'
import { type EndpointSlice, endpointSlices, type Node, nodes, type Service, services } from '@binnacle/resources'
import type { Log } from '../log.ts'
import type { RunCommand } from '../network/commands.ts'
import type { NftTables } from '../network/nft-tables.ts'
import { TableLoop } from '../network/table-loop.ts'
import { cleanConntrack } from './conntrack.ts'
import type { ProxyNode } from './endpoints.ts'
import { HealthChecks } from './health-checks.ts'
import { type DatagramFrontend, planService } from './plan.ts'
import { elementObjects, proxyTables } from './skeleton.ts'

/** What the proxy of a node is given. */
export interface KubeProxyOptions {
  readonly client: Client
  readonly nodeName: string
  /** The ranges of all pods of the cluster, by which traffic from outside is told (`--cluster-cidr`). */
  readonly clusterCIDRs: readonly string[]
  /** Node ports answer on 127.0.0.1 too; sets route_localnet. */
  readonly localhostNodePorts?: boolean
  /** Runs `nft` and `conntrack` in the node's network. */
  readonly run: RunCommand
  readonly log: Log
  /** How often the kernel's tables are compared with what is wanted. Default: 5 minutes. */
  readonly checkMs?: number | undefined
}

/** A running proxy. */
export interface KubeProxy {
  /** Resolves when the kernel first has every Service that there was at the start. */
  readonly synced: Promise<void>
  /** Ends watching; the rules stay, so that Services go on while the agent is restarted. */
  stop(): Promise<void>
}

const serviceNameLabel = 'kubernetes.io/service-name'
const zoneLabel = 'topology.kubernetes.io/zone'
const byService = 'service'

/** Keeps the node's nftables equal to Services and EndpointSlices: the whole once, then differences, each one transaction. */
export function startKubeProxy(options: KubeProxyOptions): KubeProxy {
  const proxy = new RunningProxy(options)
  proxy.start()
  return proxy
}

class RunningProxy implements KubeProxy {
  readonly #options: KubeProxyOptions
  readonly #services: Informer<Service>
  readonly #slices: Informer<EndpointSlice>
  readonly #nodes: Informer<Node>
  readonly #tables: NftTables
  readonly #loop: TableLoop
  readonly #health: HealthChecks
  /** UDP addresses by Service, and below those that changed since flows were last cut. */
  readonly #datagrams = new Map<string, readonly DatagramFrontend[]>()
  readonly #dirty = new Set<string>()
  #uncut: DatagramFrontend[] = []
  #node: ProxyNode

  constructor(options: KubeProxyOptions) {
    this.#options = options
    const { client, nodeName, clusterCIDRs, localhostNodePorts = false, log } = options
    const onError = (error: unknown): void => log('warn', 'kube-proxy cannot watch', { error: String(error) })
    this.#services = new Informer(client, services, {}, onError)
    this.#slices = new Informer(client, endpointSlices, {}, onError)
    this.#nodes = new Informer(client, nodes, { fieldSelector: `metadata.name=${nodeName}` }, onError)
    this.#tables = proxyTables({ clusterCIDRs, localhostNodePorts })
    this.#loop = new TableLoop({
      tables: this.#tables,
      run: options.run,
      log,
      checkMs: options.checkMs,
      prepare: () => this.#planChanged(),
      written: () => this.#cutFlows(),
      isPlanned: (object) => elementObjects.includes(object),
    })
    this.#health = new HealthChecks(log)
    this.#node = { name: nodeName, zone: undefined, addresses: [] }
  }

  get synced(): Promise<void> {
    return this.#loop.synced
  }

  start(): void {
    const service = (object: Service): void => this.#mark(formatKey(keyOf(object)))
    const slice = (object: EndpointSlice): void => this.#mark(serviceOf(object))
    const onBatch = (): void => this.#loop.schedule()
    this.#slices.addIndex(byService, (object) => [serviceOf(object)])
    this.#services.addHandler({ onAdd: service, onUpdate: service, onDelete: service, onBatch })
    this.#slices.addHandler({
      onAdd: slice,
      onUpdate: (object, old) => (slice(object), slice(old)),
      onDelete: slice,
      onBatch,
    })
    this.#nodes.addHandler({ onAdd: (node) => this.#see(node), onUpdate: (node) => this.#see(node), onBatch })
    if (this.#options.localhostNodePorts === true) this.#allowLocalhost()
    const informers = [this.#services, this.#slices, this.#nodes]
    for (const informer of informers) informer.start()
    void Promise.all(informers.map(({ synced }) => synced)).then(() => this.#loop.start())
  }

  async stop(): Promise<void> {
    for (const informer of [this.#services, this.#slices, this.#nodes]) informer.stop()
    this.#health.stop()
    await this.#loop.stop()
  }

  /** Without it the kernel drops what leaves for a pod with a source of 127.0.0.0/8, before it is masqueraded. */
  #allowLocalhost(): void {
    this.#options
      .run('sh', ['-c', 'echo 1 > /proc/sys/net/ipv4/conf/all/route_localnet'])
      .catch((error: unknown) =>
        this.#options.log('warn', 'node ports will not answer on 127.0.0.1', { error: String(error) }),
      )
  }

  #mark(service: string): void {
    this.#dirty.add(service)
  }

  /** The node's zone decides about hints, its addresses about node ports: when they change every Service is planned again. */
  #see({ metadata, status }: Node): void {
    const zone = metadata.labels?.[zoneLabel]
    const addresses = (status?.addresses ?? []).filter(({ type }) => type !== 'Hostname').map(({ address }) => address)
    const before = this.#node
    this.#node = { ...before, zone, addresses }
    if (before.zone !== zone) for (const service of this.#services.all()) this.#mark(formatKey(keyOf(service)))
  }

  #planChanged(): void {
    const changed = [...this.#dirty]
    this.#dirty.clear()
    for (const service of changed) this.#plan(service)
  }

  #plan(key: string): void {
    const [namespace = '', name = ''] = key.split('/')
    const service = this.#services.get({ namespace, name })
    const { clusterCIDRs } = this.#options
    const slices = this.#slices.byIndex(byService, key)
    const plan = service && planService(service, slices, { node: this.#node, clusterCIDRs })
    this.#tables.put(key, plan)
    this.#health.put(key, plan?.health)
    this.#seeDatagrams(key, plan?.datagrams ?? [])
  }

  #seeDatagrams(service: string, datagrams: readonly DatagramFrontend[]): void {
    const before = this.#datagrams.get(service) ?? []
    const name = ({ family, address, port }: DatagramFrontend): string => `${family} ${address} ${port}`
    const kept = new Set(datagrams.map(name))
    for (const old of before) if (!kept.has(name(old))) this.#uncut.push({ ...old, endpoints: new Set() })
    this.#uncut.push(...datagrams)
    if (datagrams.length === 0) this.#datagrams.delete(service)
    else this.#datagrams.set(service, datagrams)
  }

  async #cutFlows(): Promise<void> {
    const frontends = this.#uncut
    this.#uncut = []
    if (frontends.length === 0) return
    await cleanConntrack(this.#options.run, frontends, this.#node.addresses).catch((error: unknown) =>
      this.#options.log('warn', 'kube-proxy cannot cut old UDP flows', { error: String(error) }),
    )
  }
}

function serviceOf({ metadata }: EndpointSlice): string {
  return `${metadata.namespace ?? ''}/${metadata.labels?.[serviceNameLabel] ?? ''}`
}
