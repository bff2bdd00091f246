import type { Labels } from '@binnacle/apimachinery'
import { grown, type LabelColumn, type NodeTable } from './node-table.ts'

/**
 * How many pods match a selector, by node slot: kept for every selector that spreading or pod affinity asks for, and repaired by each pod
 * event rather than counted anew for each decision.
 */

/** Says which pods to count. Matchers of one key match the same pods. */
export interface PodMatcher {
  readonly key: string
  matches(namespace: string, labels: Labels | undefined): boolean
}

/** The pods of one namespace that carry the same labels. */
interface LabelGroup {
  readonly key: string
  readonly namespace: string
  readonly labels: Labels | undefined
  /** Slots that hold counted pods of the group, each with the number of them. */
  readonly podsBySlot: Map<number, number>
  /** The counters whose matcher matches the group. */
  readonly counters: PodCounter[]
}

/** Sums over the nodes of each value of a label. */
export interface LabelSums {
  /** Of the label column; sums of an older epoch are not kept up. */
  epoch: number
  /** By value id. */
  byValue: Int32Array
  /** Over all nodes that have the label. */
  total: number
}

/** Pods that one matcher matches, by node slot. */
export interface PodCounter {
  readonly matcher: PodMatcher
  counts: Int32Array
  readonly sums: Map<LabelColumn, LabelSums>
  lastUse: number
}

/** Matching pods by value id of a label, over all nodes that have the label. */
export function sumsBy(counter: PodCounter, column: LabelColumn): LabelSums {
  const known = counter.sums.get(column)
  if (known !== undefined && known.epoch === column.epoch) return known
  const byValue = new Int32Array(column.ids.size)
  const { values } = column
  const { counts } = counter
  let total = 0
  for (let slot = 0; slot < values.length; slot++) {
    const id = values[slot] as number
    if (id < 0) continue
    byValue[id] = (byValue[id] as number) + (counts[slot] as number)
    total += counts[slot] as number
  }
  const sums = { epoch: column.epoch, byValue, total }
  counter.sums.set(column, sums)
  return sums
}

/** Adds to sums what a slot has more; sums that must be made anew anyway are left alone. */
export function addToSums(sums: LabelSums, column: LabelColumn, slot: number, by: number): void {
  const id = column.values[slot] as number
  if (sums.epoch !== column.epoch || id < 0) return
  sums.byValue[id] = (sums.byValue[id] as number) + by
  sums.total += by
}

function countOne(counter: PodCounter, slot: number, by: number): void {
  counter.counts[slot] = (counter.counts[slot] as number) + by
  for (const [column, sums] of counter.sums) addToSums(sums, column, slot, by)
}

/** What a pod is counted by. */
export interface CountedPod {
  readonly namespace: string
  readonly labels: Labels | undefined
  /** The same for the same labels. */
  readonly labelsKey: string
}

/** Counters kept; beyond that those used longest ago go. */
const countersMax = 4096

/** Counters over the same pods. */
export class PodCounts {
  readonly #table: NodeTable
  readonly #groups = new Map<string, Map<string, LabelGroup>>()
  readonly #counters = new Map<string, PodCounter>()
  #uses = 0

  constructor(table: NodeTable) {
    this.#table = table
    table.onGrow((capacity) => {
      for (const counter of this.#counters.values()) counter.counts = grown(counter.counts, new Int32Array(capacity))
    })
  }

  /** The counter of a matcher; counts the pods there are at its first use. */
  counter(matcher: PodMatcher): PodCounter {
    const counter = this.#counters.get(matcher.key) ?? this.#create(matcher)
    counter.lastUse = ++this.#uses
    return counter
  }

  /** What matchers say of namespaces has changed: every counter is made anew at its next use. */
  reset(): void {
    this.#counters.clear()
    for (const groups of this.#groups.values()) for (const group of groups.values()) group.counters.length = 0
  }

  /** Counts a pod in (`by` 1) or out (-1). */
  count({ namespace, labels, labelsKey }: CountedPod, slot: number, by: 1 | -1): void {
    const group = this.#group(namespace, labels, labelsKey)
    const pods = (group.podsBySlot.get(slot) ?? 0) + by
    if (pods > 0) group.podsBySlot.set(slot, pods)
    else group.podsBySlot.delete(slot)
    for (const counter of group.counters) countOne(counter, slot, by)
    if (group.podsBySlot.size === 0) this.#drop(group)
  }

  #group(namespace: string, labels: Labels | undefined, key: string): LabelGroup {
    let groups = this.#groups.get(namespace)
    if (groups === undefined) this.#groups.set(namespace, (groups = new Map()))
    let group = groups.get(key)
    if (group === undefined) {
      const counters = [...this.#counters.values()].filter((c) => c.matcher.matches(namespace, labels))
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

  #create(matcher: PodMatcher): PodCounter {
    if (this.#counters.size >= countersMax) this.#dropOldest()
    const counter = { matcher, counts: new Int32Array(this.#table.capacity), sums: new Map(), lastUse: 0 }
    this.#counters.set(matcher.key, counter)
    for (const groups of this.#groups.values()) {
      for (const group of groups.values()) {
        if (!matcher.matches(group.namespace, group.labels)) continue
        group.counters.push(counter)
        for (const [slot, pods] of group.podsBySlot) countOne(counter, slot, pods)
      }
    }
    return counter
  }

  #dropOldest(): void {
    const byUse = [...this.#counters].sort(([, a], [, b]) => a.lastUse - b.lastUse)
    const dropped = new Set<PodCounter>()
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
