import { formatKey, keyOf } from '@binnacle/apimachinery'
import { type Client, Informer } from '@binnacle/client'
import { type EndpointSlice, endpointSlices, type Node, nodes, type Service, services } from '@binnacle/resources'
import type { Log } from '../log.ts'
import { families } from '../network/addresses.ts'
import type { RunCommand } from '../network/commands.ts'
import { cleanConntrack } from './conntrack.ts'
import { elementsInKernel } from './drift.ts'
import type { ProxyNode } from './endpoints.ts'
import { HealthChecks } from './health-checks.ts'
import { type DatagramFrontend, planService } from './plan.ts'
import { ProxyTables } from './proxy-tables.ts'
import { tableName } from './skeleton.ts'

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
  readonly checkMs?: number
}

/** A running proxy. */
export interface KubeProxy {
  /** Resolves when the kernel first has every Service that there was at the start. */
  readonly synced: Promise<void>
  /** Ends watching; the rules stay, so that Services go on while the agent is restarted. */
  stop(): Promise<void>
}

/** Changes that arrive within this time go to the kernel together. */
const coalesceMs = 10
const retryMs = 1_000
const defaultCheckMs = 300_000
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
  readonly #tables: ProxyTables
  readonly #health: HealthChecks
  /** UDP addresses by Service, and below those that changed since flows were last cut. */
  readonly #datagrams = new Map<string, readonly DatagramFrontend[]>()
  readonly #dirty = new Set<string>()
  #uncut: DatagramFrontend[] = []
  readonly #synced = Promise.withResolvers<void>()
  #node: ProxyNode
  #isWhole = false
  #syncs = 0
  #ready = false
  #running: Promise<void> | undefined
  #timer: NodeJS.Timeout | undefined
  #checkTimer: NodeJS.Timeout | undefined
  #stopped = false

  constructor(options: KubeProxyOptions) {
    this.#options = options
    const { client, nodeName, clusterCIDRs, localhostNodePorts = false, log } = options
    const onError = (error: unknown): void => log('warn', 'kube-proxy cannot watch', { error: String(error) })
    this.#services = new Informer(client, services, {}, onError)
    this.#slices = new Informer(client, endpointSlices, {}, onError)
    this.#nodes = new Informer(client, nodes, { fieldSelector: `metadata.name=${nodeName}` }, onError)
    this.#tables = new ProxyTables({ clusterCIDRs, localhostNodePorts })
    this.#health = new HealthChecks(log)
    this.#node = { name: nodeName, zone: undefined, addresses: [] }
  }

  get synced(): Promise<void> {
    return this.#synced.promise
  }

  start(): void {
    const service = (object: Service): void => this.#mark(formatKey(keyOf(object)))
    const slice = (object: EndpointSlice): void => this.#mark(serviceOf(object))
    const onBatch = (): void => this.#schedule(coalesceMs)
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
    void Promise.all(informers.map(({ synced }) => synced)).then(() => {
      this.#ready = true
      this.#schedule(0)
    })
    this.#checkTimer = setInterval(() => void this.#check(), this.#options.checkMs ?? defaultCheckMs)
    this.#checkTimer.unref()
  }

  async stop(): Promise<void> {
    this.#stopped = true
    clearTimeout(this.#timer)
    clearInterval(this.#checkTimer)
    for (const informer of [this.#services, this.#slices, this.#nodes]) informer.stop()
    this.#health.stop()
    await this.#running
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

  #schedule(afterMs: number): void {
    if (this.#stopped || !this.#ready || this.#running !== undefined || this.#timer !== undefined) return
    this.#timer = setTimeout(() => {
      this.#timer = undefined
      this.#running = this.#sync().finally(() => {
        this.#running = undefined
        if (this.#dirty.size > 0) this.#schedule(this.#isWhole ? coalesceMs : retryMs)
        else if (!this.#isWhole) this.#schedule(retryMs)
      })
    }, afterMs)
  }

  async #sync(): Promise<void> {
    this.#syncs++
    const changed = [...this.#dirty]
    this.#dirty.clear()
    for (const service of changed) this.#plan(service)
    const script = this.#isWhole ? this.#tables.differenceScript() : this.#tables.wholeScript()
    try {
      if (script !== '') await this.#options.run('nft', ['-f', '-'], script)
      this.#isWhole = true
      await this.#cutFlows()
      this.#synced.resolve()
    } catch (error) {
      // Whatever the tables are now, they are written anew.
      this.#isWhole = false
      this.#options.log('error', 'kube-proxy cannot write its tables', { error: String(error) })
    }
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

  /** Somebody may have flushed the tables: what the kernel has is compared with what it was given. */
  async #check(): Promise<void> {
    if (!this.#isWhole || this.#running !== undefined) return
    const wanted = this.#tables.elements()
    const syncs = this.#syncs
    let found = 0
    let isSame = true
    for (const family of families) {
      const json = await this.#options.run('nft', ['-j', 'list', 'table', family, tableName]).catch(() => undefined)
      const elements = json === undefined ? undefined : elementsInKernel(json, family)
      if (elements === undefined) isSame = false
      found += elements?.size ?? 0
      for (const [id, value] of elements ?? []) if (wanted.get(id) !== value) isSame = false
    }
    // What was written meanwhile explains any difference: the next check looks again.
    if ((isSame && found === wanted.size) || this.#running !== undefined || this.#syncs !== syncs) return
    this.#options.log('warn', 'kube-proxy found its tables changed by somebody else and writes them anew')
    this.#isWhole = false
    this.#schedule(0)
  }
}

function serviceOf({ metadata }: EndpointSlice): string {
  return `${metadata.namespace ?? ''}/${metadata.labels?.[serviceNameLabel] ?? ''}`
}
