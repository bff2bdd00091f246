import type { Node } from '@binnacle/resources'
import { readyStatus } from './plan.ts'

/** Nodes a second whose pods are driven away (`--node-eviction-rate`). */
const evictionRate = 0.1
/** The same in a large zone of which much is lost (`--secondary-node-eviction-rate`). */
const secondaryEvictionRate = 0.01
/** A zone of more nodes than this is large (`--large-cluster-size-threshold`). */
const largeZoneNodes = 50
/** From this share of lost nodes on, a zone is partially disrupted (`--unhealthy-zone-threshold`). */
const unhealthyShare = 0.55

/** How a zone is doing. */
export type ZoneState = 'Normal' | 'PartialDisruption' | 'FullDisruption'

/** The state of a zone with so many nodes of each kind (`ComputeZoneState`). */
export function zoneState(ready: number, notReady: number): ZoneState {
  if (ready === 0 && notReady > 0) return 'FullDisruption'
  return notReady > 2 && notReady / (notReady + ready) >= unhealthyShare ? 'PartialDisruption' : 'Normal'
}

/** How many nodes a second may lose their pods in a zone of that state and size. Much of a small zone is lost: none, the zone itself is ill. */
export function evictionRateOf(state: ZoneState, nodes: number): number {
  if (state !== 'PartialDisruption') return evictionRate
  return nodes > largeZoneNodes ? secondaryEvictionRate : 0
}

/** Region and zone of a node, as one key. */
export function zoneKey(node: Node): string {
  const labels = node.metadata.labels ?? {}
  const region = labels['topology.kubernetes.io/region'] ?? labels['failure-domain.beta.kubernetes.io/region'] ?? ''
  const zone = labels['topology.kubernetes.io/zone'] ?? labels['failure-domain.beta.kubernetes.io/zone'] ?? ''
  return region === '' && zone === '' ? '' : `${region}:\0:${zone}`
}

const excludedLabel = 'node.kubernetes.io/exclude-disruption'

class Zone {
  readonly names = new Set<string>()
  /** Nodes whose turn has come; they keep it, so that a write that fails is repeated without another turn. */
  readonly granted = new Set<string>()
  ready = 0
  notReady = 0
  state: ZoneState = 'Normal'
  /** When the last node had its turn. */
  #lastMs = Number.NEGATIVE_INFINITY

  /** True when the state has changed. */
  settle(): boolean {
    const state = zoneState(this.ready, this.notReady)
    if (state === this.state) return false
    this.state = state
    return true
  }

  takeTurn(name: string, nowMs: number): number {
    if (this.granted.has(name)) return 0
    const rate = evictionRateOf(this.state, this.ready + this.notReady)
    if (rate === 0) return Number.POSITIVE_INFINITY
    const waitMs = this.#lastMs + 1000 / rate - nowMs
    if (waitMs > 0) return waitMs
    this.#lastMs = nowMs
    this.granted.add(name)
    return 0
  }
}

interface KnownNode {
  readonly zone: string
  /** Undefined: the node does not count. */
  readonly ready: boolean | undefined
}

/**
 * How many nodes of each zone are ready, and with that how fast pods are driven away from the others: where most of a zone is lost, the nodes are
 * less likely to be dead than the network between.
 */
export class Zones {
  readonly #nodes = new Map<string, KnownNode>()
  readonly #zones = new Map<string, Zone>()
  #disturbed = new Set<string>()
  #allDisrupted = false

  /** True when no zone has a ready node: then the fault is the control plane's, and no pod is driven away. */
  get allDisrupted(): boolean {
    return this.#allDisrupted
  }

  /** Takes a node as it is now. True when the cluster has just come back from having no ready node. */
  put(node: Node): boolean {
    const { name, labels } = node.metadata
    const next: KnownNode = {
      zone: zoneKey(node),
      ready: labels?.[excludedLabel] === undefined ? readyStatus(node) === 'True' : undefined,
    }
    const old = this.#nodes.get(name)
    if (old?.zone === next.zone && old.ready === next.ready) return false
    this.#count(name, old, -1)
    this.#nodes.set(name, next)
    this.#count(name, next, 1)
    return this.#settle([old?.zone, next.zone])
  }

  /** Forgets a node. True as for {@link put}. */
  remove(name: string): boolean {
    const old = this.#nodes.get(name)
    if (old === undefined) return false
    this.#count(name, old, -1)
    this.#nodes.delete(name)
    return this.#settle([old.zone])
  }

  /** Takes the turn of a node to lose its pods; otherwise says how long it has to wait, in milliseconds. 0: the turn is taken. */
  takeTurn(name: string, nowMs: number): number {
    const zone = this.#zones.get(this.#nodes.get(name)?.zone ?? '')
    return zone === undefined ? Number.POSITIVE_INFINITY : zone.takeTurn(name, nowMs)
  }

  /** The nodes of the zones whose state has changed since the last call. */
  takeDisturbed(): readonly string[] {
    if (this.#disturbed.size === 0) return []
    const names = [...this.#disturbed].flatMap((key) => [...(this.#zones.get(key)?.names ?? [])])
    this.#disturbed = new Set()
    return names
  }

  #count(name: string, node: KnownNode | undefined, by: 1 | -1): void {
    if (node === undefined) return
    let zone = this.#zones.get(node.zone)
    if (zone === undefined) this.#zones.set(node.zone, (zone = new Zone()))
    if (by === 1) zone.names.add(name)
    else zone.names.delete(name)
    if (by === -1 || node.ready === true) zone.granted.delete(name)
    if (node.ready === true) zone.ready += by
    else if (node.ready === false) zone.notReady += by
  }

  #settle(keys: readonly (string | undefined)[]): boolean {
    for (const key of keys) {
      const zone = key === undefined ? undefined : this.#zones.get(key)
      if (zone === undefined) continue
      if (zone.names.size === 0) this.#zones.delete(key as string)
      else if (zone.settle()) this.#disturbed.add(key as string)
    }
    const all = [...this.#zones.values()].every((zone) => zone.state === 'FullDisruption') && this.#zones.size > 0
    if (all === this.#allDisrupted) return false
    this.#allDisrupted = all
    for (const [key, zone] of this.#zones) {
      this.#disturbed.add(key)
      zone.granted.clear()
    }
    return !all
  }
}
