import { formatMicroTime, isAlreadyExists, isNotFound } from '@binnacle/apimachinery'
import type { Client } from '@binnacle/client'
import { type Lease, leases, type Node, nodes, type NodeStatus } from '@binnacle/resources'
import type { CriClient } from '../cri/cri-client.ts'
import type { Log } from '../log.ts'
import {
  hasChanged,
  msSinceHeartbeat,
  type NodeFacts,
  nodeLabels,
  nodeStatus,
  type RuntimeFacts,
} from './node-status.ts'

const leaseNamespace = 'kube-node-lease'
const leaseSeconds = 40
const renewMs = (leaseSeconds * 1000) / 4
/** How often the node is looked at, and how often its status is written although nothing changed (`nodeStatusUpdateFrequency`, `…Report…`). */
const lookMs = 10_000
/** And while it is not ready, so that it is told soon when it is. */
const lookUnreadyMs = 500
const reportMs = 5 * 60_000

/** Makes a node known to the cluster and keeps its status and its lease current. */
export class NodeRegistration {
  readonly #client: Client
  readonly #cri: CriClient
  readonly #facts: NodeFacts
  readonly #pressures: () => ReadonlySet<string>
  readonly #log: Log
  readonly #timers = new Set<NodeJS.Timeout>()
  #node: Node | undefined
  #isStarted = false
  #isStopped = false

  /** `pressures`: the conditions that tell what the node is short of and hold. */
  constructor(client: Client, cri: CriClient, facts: NodeFacts, pressures: () => ReadonlySet<string>, log: Log) {
    this.#client = client
    this.#cri = cri
    this.#facts = facts
    this.#pressures = pressures
    this.#log = log
  }

  /** The node as last written. */
  get node(): Node | undefined {
    return this.#node
  }

  /** What may be given to pods. */
  get allocatable(): Readonly<Record<string, string>> {
    return this.#node?.status?.allocatable ?? {}
  }

  /** Registers the node, or takes over one of that name, with status and lease. @throws the server's refusal. */
  async register(): Promise<Node> {
    const { name, podCIDR } = this.#facts
    const labels = nodeLabels(this.#facts)
    const annotations = { 'volumes.kubernetes.io/controller-managed-attach-detach': 'true' }
    const key = { namespace: '', name }
    try {
      this.#node = await this.#client.create(nodes, {
        apiVersion: 'v1',
        kind: 'Node',
        metadata: { name, labels, annotations },
        ...(podCIDR === undefined ? {} : { spec: { podCIDR, podCIDRs: [podCIDR] } }),
      })
    } catch (error) {
      if (!isAlreadyExists(error)) throw error
      const patch = { type: 'merge', body: { metadata: { labels, annotations } } } as const
      this.#node = await this.#client.patch(nodes, key, patch)
    }
    await this.#writeStatus()
    await this.#renewLease()
    return this.#node
  }

  /** Keeps status and lease current from now on. */
  start(): void {
    if (this.#isStarted) return
    this.#isStarted = true
    this.#every(
      () => (this.#isReady ? lookMs : lookUnreadyMs),
      () => this.#writeStatus(),
    )
    this.#every(
      () => renewMs,
      () => this.#renewLease(),
    )
  }

  /** Says at once what has changed. */
  report(): void {
    this.#writeStatus().catch((error: unknown) => this.#log('warn', 'cannot report the node', { error: String(error) }))
  }

  stop(): void {
    this.#isStopped = true
    for (const timer of this.#timers) clearTimeout(timer)
  }

  get #isReady(): boolean {
    return this.#node?.status?.conditions?.some(({ type, status }) => type === 'Ready' && status === 'True') === true
  }

  #every(periodMs: () => number, act: () => Promise<void>): void {
    const next = (): void => {
      const timer = setTimeout(async () => {
        this.#timers.delete(timer)
        await act().catch((error: unknown) => this.#log('warn', 'cannot report the node', { error: String(error) }))
        if (!this.#isStopped) next()
      }, periodMs())
      this.#timers.add(timer)
    }
    next()
  }

  async #writeStatus(): Promise<void> {
    const nowMs = Date.now()
    const old = this.#node?.status
    const status = nodeStatus(this.#facts, await this.#runtime(old), old, nowMs)
    if (!hasChanged(pickOwn(old, status), status) && msSinceHeartbeat(old, nowMs) < reportMs) return
    const key = { namespace: '', name: this.#facts.name }
    const body = { status } as unknown as Record<string, unknown>
    try {
      this.#node = await this.#client.patch(nodes, key, { type: 'strategic', body }, { subresource: 'status' })
    } catch (error) {
      if (!isNotFound(error)) throw error
      // Somebody deleted it, but it is here.
      await this.register()
    }
  }

  async #runtime(old: NodeStatus | undefined): Promise<RuntimeFacts> {
    const pressures = this.#pressures()
    try {
      const { runtimeName, runtimeVersion } = await this.#cri.version()
      const [conditions, images] = await Promise.all([this.#cri.runtimeConditions(), this.#cri.listImages()])
      return { version: `${runtimeName}://${runtimeVersion}`, conditions, images, pressures }
    } catch {
      return { version: old?.nodeInfo?.containerRuntimeVersion ?? '', conditions: undefined, images: [], pressures }
    }
  }

  async #renewLease(): Promise<void> {
    const { name } = this.#facts
    const spec = { holderIdentity: name, leaseDurationSeconds: leaseSeconds, renewTime: formatMicroTime(Date.now()) }
    try {
      const patch = { type: 'merge', body: { spec } } as const
      await this.#client.patch(leases, { namespace: leaseNamespace, name }, patch)
    } catch (error) {
      if (!isNotFound(error)) throw error
      const owner = { apiVersion: 'v1', kind: 'Node', name, uid: this.#node?.metadata.uid ?? '' }
      const metadata = { name, namespace: leaseNamespace, ownerReferences: [owner] }
      await this.#client.create(leases, {
        apiVersion: 'coordination.k8s.io/v1',
        kind: 'Lease',
        metadata,
        spec,
      } as Lease)
    }
  }
}

// Others write to a node's status, too.
function pickOwn(old: NodeStatus | undefined, own: NodeStatus): NodeStatus | undefined {
  if (old === undefined) return undefined
  const types = new Set(own.conditions?.map(({ type }) => type))
  const picked = Object.fromEntries(Object.keys(own).map((key) => [key, old[key as keyof NodeStatus]])) as NodeStatus
  return { ...picked, conditions: old.conditions?.filter(({ type }) => types.has(type)) ?? [] }
}
