import { NodeImages } from './node-images.ts'
import { amountOf } from './resource-amounts.ts'
import type { SchedulableNode, Taint } from './scheduled-objects.ts'

/**
 * Every node as one slot in flat arrays, kept up to date by node and pod events. Filters and scores are loops over these
 * arrays. Arrays are replaced when the table grows, so nobody keeps a reference to one across two decisions.
 *
 * A slot lives while its node exists or pods are counted on it: pods may arrive before their node does, and stay after it.
 */

/** Column numbers of the resources that every node has. */
export const cpuColumn = 0
/** See {@link cpuColumn}. */
export const memoryColumn = 1

/** What changed of a node, as bits: a hint for pods that wait. */
export const nodeChange = { allocatable: 1, labels: 2, taints: 4, unschedulable: 8, added: 16 } as const

/** One label of all nodes, values interned: `values[slot]` is -1 where the label is absent. */
export interface LabelColumn {
  readonly key: string
  values: Int32Array
  readonly ids: Map<string, number>
  /** How many nodes have each value, by value id; at least as long as there are ids. */
  nodesByValue: Int32Array
  /** How many nodes have the label. */
  nodesLabelled: number
  /** Rises whenever a node's value changes. */
  epoch: number
}

const initialCapacity = 64
/** Changes of slots that are remembered; who has missed more looks at all. A power of two. */
const changesMax = 1024

/** The nodes of a cluster in flat arrays. */
export class NodeTable {
  /** Slots below this may be in use. */
  slotsEnd = 0
  capacity = initialCapacity
  /** 1 where the node object exists. */
  exists = new Uint8Array(initialCapacity)
  /** Rises whenever something that is fixed between node updates changes: labels, taints, name, unschedulable. */
  fixedEpoch = new Uint32Array(initialCapacity)
  /** Never 0; rises whenever what is taken of the node, or what it can give, changes. */
  usageEpoch = new Uint32Array(initialCapacity).fill(1)
  podsAllocatable = new Float64Array(initialCapacity)
  podCount = new Int32Array(initialCapacity)
  nonZeroCpu = new Float64Array(initialCapacity)
  nonZeroMemory = new Float64Array(initialCapacity)
  /** By resource column, then by slot. */
  readonly allocatable: Float64Array[] = []
  readonly requested: Float64Array[] = []
  readonly nodes: (SchedulableNode | undefined)[] = []
  readonly names: string[] = []
  readonly images = new NodeImages()
  /** How often a slot has changed. */
  changeCount = 0
  readonly #changes = new Int32Array(changesMax)

  readonly #slots = new Map<string, number>()
  readonly #free: number[] = []
  readonly #columns = new Map<string, number>()
  readonly #columnNames: string[] = []
  readonly #labelColumns = new Map<string, LabelColumn>()
  readonly #growListeners: ((capacity: number) => void)[] = []
  #order: Int32Array = new Int32Array(0)
  #orderIsStale = true
  #nodeCount = 0

  constructor() {
    for (const resource of ['cpu', 'memory', 'ephemeral-storage']) this.resourceColumn(resource)
  }

  /** Notes that what is taken of a slot, or what it can give, has changed. */
  touchUsage(slot: number): void {
    this.usageEpoch[slot] = (this.usageEpoch[slot] as number) + 1
    this.#changes[this.changeCount++ & (changesMax - 1)] = slot
  }

  /** The slots that changed after the count was as given, the last once or more; undefined when there are too many to tell. */
  changedSince(count: number): Int32Array | undefined {
    const changes = this.changeCount - count
    if (changes > changesMax || changes > this.slotsEnd) return undefined
    return Int32Array.from({ length: changes }, (_, i) => this.#changes[(count + i) & (changesMax - 1)] as number)
  }

  #touchFixed(slot: number): void {
    this.fixedEpoch[slot] = (this.fixedEpoch[slot] as number) + 1
    this.#changes[this.changeCount++ & (changesMax - 1)] = slot
  }

  /** Nodes that exist. */
  get nodeCount(): number {
    return this.#nodeCount
  }

  /** The slot of a node that exists or has pods; -1 otherwise. */
  slotOf(name: string): number {
    return this.#slots.get(name) ?? -1
  }

  /** The slot for a name, made if need be. */
  reserve(name: string): number {
    const known = this.#slots.get(name)
    if (known !== undefined) return known
    const slot = this.#free.pop() ?? this.slotsEnd++
    if (slot >= this.capacity) this.#grow()
    this.#slots.set(name, slot)
    this.names[slot] = name
    this.nodes[slot] = undefined
    return slot
  }

  /** Gives the slot back once its node is gone and no pod is counted on it. */
  releaseIfUnused(slot: number): void {
    if (this.exists[slot] === 1 || this.podCount[slot] !== 0 || !this.#slots.delete(this.names[slot] as string)) return
    this.names[slot] = ''
    // Sums of doubles that came and went are exact, but an empty node must start at zero whatever happened before.
    this.nonZeroCpu[slot] = 0
    this.nonZeroMemory[slot] = 0
    for (const column of this.requested) column[slot] = 0
    this.#free.push(slot)
  }

  /** Takes over a node's present state. Returns what changed, as {@link nodeChange} bits. */
  setNode(node: SchedulableNode): number {
    const slot = this.reserve(node.metadata.name)
    const old = this.nodes[slot]
    const isNew = this.exists[slot] === 0
    const changed = isNew ? 31 : differences(old as SchedulableNode, node)
    this.nodes[slot] = node
    this.images.setNode(slot, node)
    if (isNew) {
      this.exists[slot] = 1
      this.#nodeCount++
      this.#orderIsStale = true
    }
    if ((changed & nodeChange.allocatable) !== 0) this.#setAllocatable(slot, node)
    if ((changed & ~nodeChange.allocatable) !== 0) this.#touchFixed(slot)
    if ((changed & nodeChange.labels) !== 0) {
      if (!isNew && zoneOf(old as SchedulableNode) !== zoneOf(node)) this.#orderIsStale = true
      for (const column of this.#labelColumns.values()) setLabel(column, slot, node.metadata.labels?.[column.key])
    }
    return changed
  }

  /** Forgets a node; pods stay counted on its slot until they go. */
  removeNode(name: string): void {
    const slot = this.slotOf(name)
    if (slot < 0 || this.exists[slot] === 0) return
    this.exists[slot] = 0
    this.nodes[slot] = undefined
    this.images.setNode(slot, undefined)
    this.#nodeCount--
    this.#orderIsStale = true
    this.podsAllocatable[slot] = 0
    this.touchUsage(slot)
    for (const column of this.allocatable) column[slot] = 0
    for (const column of this.#labelColumns.values()) setLabel(column, slot, undefined)
    this.#touchFixed(slot)
    this.releaseIfUnused(slot)
  }

  /** The column of a resource, made if need be. */
  resourceColumn(resource: string): number {
    let column = this.#columns.get(resource)
    if (column === undefined) {
      column = this.allocatable.length
      this.#columns.set(resource, column)
      this.#columnNames.push(resource)
      this.allocatable.push(new Float64Array(this.capacity))
      this.requested.push(new Float64Array(this.capacity))
      for (let slot = 0; slot < this.slotsEnd; slot++) {
        const quantity = this.nodes[slot]?.status?.allocatable?.[resource]
        if (quantity !== undefined) (this.allocatable[column] as Float64Array)[slot] = amountOf(resource, quantity)
      }
    }
    return column
  }

  /** The resource that a column holds. */
  resourceName(column: number): string {
    return this.#columnNames[column] as string
  }

  /** The values of a label over all nodes, kept from the first use on. */
  labelColumn(key: string): LabelColumn {
    let column = this.#labelColumns.get(key)
    if (column === undefined) {
      column = {
        key,
        values: new Int32Array(this.capacity).fill(-1),
        ids: new Map(),
        nodesByValue: new Int32Array(initialCapacity),
        nodesLabelled: 0,
        epoch: 0,
      }
      this.#labelColumns.set(key, column)
      for (let slot = 0; slot < this.slotsEnd; slot++) {
        setLabel(column, slot, this.nodes[slot]?.metadata.labels?.[key])
      }
    }
    return column
  }

  /** Slots of the existing nodes, zone by zone in turn (kube-scheduler's node tree), so that a sample touches every zone. */
  order(): Int32Array {
    if (this.#orderIsStale) {
      this.#order = interleaved(this.#byZone())
      this.#orderIsStale = false
    }
    return this.#order
  }

  /** Calls back with the new capacity whenever the arrays have been replaced by longer ones. */
  onGrow(listener: (capacity: number) => void): void {
    this.#growListeners.push(listener)
  }

  #byZone(): number[][] {
    const zones = new Map<string, number[]>()
    for (let slot = 0; slot < this.slotsEnd; slot++) {
      if (this.exists[slot] === 0) continue
      const zone = zoneOf(this.nodes[slot] as SchedulableNode)
      const slots = zones.get(zone)
      if (slots === undefined) zones.set(zone, [slot])
      else slots.push(slot)
    }
    return [...zones.values()]
  }

  #setAllocatable(slot: number, node: SchedulableNode): void {
    this.touchUsage(slot)
    const list = node.status?.allocatable ?? {}
    for (const resource of Object.keys(list)) if (resource !== 'pods') this.resourceColumn(resource)
    for (let column = 0; column < this.allocatable.length; column++) {
      const resource = this.resourceName(column)
      const quantity = list[resource]
      ;(this.allocatable[column] as Float64Array)[slot] = quantity === undefined ? 0 : amountOf(resource, quantity)
    }
    this.podsAllocatable[slot] = list.pods === undefined ? 0 : amountOf('pods', list.pods)
  }

  #grow(): void {
    this.capacity *= 2
    this.exists = grown(this.exists, new Uint8Array(this.capacity))
    this.fixedEpoch = grown(this.fixedEpoch, new Uint32Array(this.capacity))
    this.usageEpoch = grown(this.usageEpoch, new Uint32Array(this.capacity).fill(1))
    this.podsAllocatable = grown(this.podsAllocatable, new Float64Array(this.capacity))
    this.podCount = grown(this.podCount, new Int32Array(this.capacity))
    this.nonZeroCpu = grown(this.nonZeroCpu, new Float64Array(this.capacity))
    this.nonZeroMemory = grown(this.nonZeroMemory, new Float64Array(this.capacity))
    for (const columns of [this.allocatable, this.requested]) {
      for (const [i, column] of columns.entries()) columns[i] = grown(column, new Float64Array(this.capacity))
    }
    for (const column of this.#labelColumns.values()) {
      column.values = grown(column.values, new Int32Array(this.capacity).fill(-1))
    }
    for (const listener of this.#growListeners) listener(this.capacity)
  }
}

/** Copies the old array to the start of the new, longer one. */
export function grown<T extends { set(from: T): void }>(old: T, longer: T): T {
  longer.set(old)
  return longer
}

function setLabel(column: LabelColumn, slot: number, value: string | undefined): void {
  const before = column.values[slot] as number
  const id = value === undefined ? -1 : idOf(column, value)
  if (id === before) return
  column.values[slot] = id
  column.epoch++
  if (before >= 0) {
    column.nodesByValue[before] = (column.nodesByValue[before] as number) - 1
    column.nodesLabelled--
  }
  if (id >= 0) {
    column.nodesByValue[id] = (column.nodesByValue[id] as number) + 1
    column.nodesLabelled++
  }
}

function idOf(column: LabelColumn, value: string): number {
  let id = column.ids.get(value)
  if (id === undefined) {
    id = column.ids.size
    column.ids.set(value, id)
    if (id >= column.nodesByValue.length) column.nodesByValue = grown(column.nodesByValue, new Int32Array(id * 2))
  }
  return id
}

function zoneOf(node: SchedulableNode): string {
  const labels = node.metadata.labels
  const region = labels?.['topology.kubernetes.io/region'] ?? ''
  return `${region}:${labels?.['topology.kubernetes.io/zone'] ?? ''}`
}

function interleaved(zones: readonly (readonly number[])[]): Int32Array {
  const order = new Int32Array(zones.reduce((sum, zone) => sum + zone.length, 0))
  let next = 0
  for (let i = 0; next < order.length; i++) {
    for (const zone of zones) if (i < zone.length) order[next++] = zone[i] as number
  }
  return order
}

function differences(old: SchedulableNode, node: SchedulableNode): number {
  let changed = 0
  if (!sameFlat(old.status?.allocatable, node.status?.allocatable)) changed |= nodeChange.allocatable
  if (!sameFlat(old.metadata.labels, node.metadata.labels)) changed |= nodeChange.labels
  if (!sameTaints(old.spec?.taints ?? [], node.spec?.taints ?? [])) changed |= nodeChange.taints
  if ((old.spec?.unschedulable === true) !== (node.spec?.unschedulable === true)) changed |= nodeChange.unschedulable
  return changed
}

function sameTaints(a: readonly Taint[], b: readonly Taint[]): boolean {
  return (
    a.length === b.length &&
    a.every((t, i) => t.key === b[i]?.key && t.value === b[i]?.value && t.effect === b[i]?.effect)
  )
}

function sameFlat(a: Readonly<Record<string, unknown>> = {}, b: Readonly<Record<string, unknown>> = {}): boolean {
  const keys = Object.keys(a)
  return keys.length === Object.keys(b).length && keys.every((key) => Object.hasOwn(b, key) && a[key] === b[key])
}
