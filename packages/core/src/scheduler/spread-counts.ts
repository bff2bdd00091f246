import type { Labels, Selector } from '@binnacle/apimachinery'
import { grown, type LabelColumn, type NodeTable } from './node-table.ts'

/**
 * How many pods of a namespace match a selector, by node slot: kept for every selector that spreading asks for, and repaired by
 * each pod event rather than counted anew for each decision. Terminating pods do not count (`countPodsMatchSelector`).
 */

/** The pods of one namespace that carry the same labels. */
export interface LabelGroup {
  readonly key: string
  readonly namespace: string
  readonly labels: Labels | undefined
  /** Slots that hold counted pods of the group, each with the number of them. */
  readonly podsBySlot: Map<number, number>
  /** The counters whose selector matches the labels. */
  readonly counters: SpreadCounter[]
}

/** Pods matching one selector in one namespace, by node slot. */
export interface SpreadCounter {
  readonly namespace: string
  readonly selector: Selector
  counts: Int32Array
  /** Sums of `counts` over the nodes of each value of a label; those of an older epoch of the label are not kept up. */
  readonly sums: Map<LabelColumn, { epoch: number; byValue: Int32Array }>
  lastUse: number
}

/** Matching pods by value id of a label, over all nodes that have the label. */
export function sumsBy(counter: SpreadCounter, column: LabelColumn): Int32Array {
  const known = counter.sums.get(column)
  if (known !== undefined && known.epoch === column.epoch) return known.byValue
  const byValue = new Int32Array(column.ids.size)
  const { values } = column
  const { counts } = counter
  for (let slot = 0; slot < values.length; slot++) {
    const id = values[slot] as number
    if (id >= 0) byValue[id] = (byValue[id] as number) + (counts[slot] as number)
  }
  counter.sums.set(column, { epoch: column.epoch, byValue })
  return byValue
}

function countOne(counter: SpreadCounter, slot: number, by: number): void {
  counter.counts[slot] = (counter.counts[slot] as number) + by
  for (const [column, { epoch, byValue }] of counter.sums) {
    const id = column.values[slot] as number
    if (epoch === column.epoch && id >= 0) byValue[id] = (byValue[id] as number) + by
  }
}

const texts = new WeakMap<Selector, string>()

function textOf(selector: Selector): string {
  let text = texts.get(selector)
  if (text === undefined) texts.set(selector, (text = selector.toString()))
  return text
}

/** Counters kept; beyond that those used longest ago go. */
const countersMax = 4096

/** All counters of a cluster. */
export class SpreadCounts {
  readonly #table: NodeTable
  readonly #groups = new Map<string, Map<string, LabelGroup>>()
  readonly #counters = new Map<string, SpreadCounter>()
  #uses = 0

  constructor(table: NodeTable) {
    this.#table = table
    table.onGrow((capacity) => {
      for (const counter of this.#counters.values()) counter.counts = grown(counter.counts, new Int32Array(capacity))
    })
  }

  /** The counter of a selector; counts the pods there are at its first use. */
  counter(namespace: string, selector: Selector): SpreadCounter {
    const key = `${namespace}/${textOf(selector)}`
    const counter = this.#counters.get(key) ?? this.#create(key, namespace, selector)
    counter.lastUse = ++this.#uses
    return counter
  }

  /** Counts a pod in (`by` 1) or out (-1). */
  count(namespace: string, labels: Labels | undefined, slot: number, by: 1 | -1): void {
    const group = this.#group(namespace, labels)
    const pods = (group.podsBySlot.get(slot) ?? 0) + by
    if (pods > 0) group.podsBySlot.set(slot, pods)
    else group.podsBySlot.delete(slot)
    for (const counter of group.counters) countOne(counter, slot, by)
    if (group.podsBySlot.size === 0) this.#drop(group)
  }

  #group(namespace: string, labels: Labels | undefined): LabelGroup {
    let groups = this.#groups.get(namespace)
    if (groups === undefined) this.#groups.set(namespace, (groups = new Map()))
    const key = labels === undefined ? '{}' : JSON.stringify(labels)
    let group = groups.get(key)
    if (group === undefined) {
      const counters = [...this.#counters.values()].filter(
        (c) => c.namespace === namespace && c.selector.matches(labels),
      )
      group = { key, namespace, labels, podsBySlot: new Map(), counters }
      groups.set(key, group)
    }
    return group
  }

  #drop(group: LabelGroup): void {
    const groups = this.#groups.get(group.namespace)
    groups?.delete(group.key)
    if (groups?.size === 0) this.#groups.delete(group.namespace)
  }

  #create(key: string, namespace: string, selector: Selector): SpreadCounter {
    if (this.#counters.size >= countersMax) this.#dropOldest()
    const counter: SpreadCounter = {
      namespace,
      selector,
      counts: new Int32Array(this.#table.capacity),
      sums: new Map(),
      lastUse: 0,
    }
    this.#counters.set(key, counter)
    for (const group of this.#groups.get(namespace)?.values() ?? []) {
      if (!selector.matches(group.labels)) continue
      group.counters.push(counter)
      for (const [slot, pods] of group.podsBySlot) countOne(counter, slot, pods)
    }
    return counter
  }

  #dropOldest(): void {
    const byUse = [...this.#counters].sort(([, a], [, b]) => a.lastUse - b.lastUse)
    const dropped = new Set<SpreadCounter>()
    for (const [key, counter] of byUse.slice(0, countersMax / 4)) {
      this.#counters.delete(key)
      dropped.add(counter)
    }
    for (const groups of this.#groups.values()) {
      for (const group of groups.values()) {
        const kept = group.counters.filter((c) => !dropped.has(c))
        group.counters.splice(0, group.counters.length, ...kept)
      }
    }
  }
}
