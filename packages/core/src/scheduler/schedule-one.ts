import type { ClusterState } from './cluster-state.ts'
import { fitErrorMessage, noNodesMessage, preFilterMessage } from './fit-error.ts'
import { anyEvent, type Cycle, type FailedSearch, type FilterPlugin, type Profile } from './framework.ts'
import type { PodShape } from './pod-shape.ts'
import { type PreparedFilters, prepareFilters } from './prepared-filters.ts'
import type { SchedulablePod } from './scheduled-objects.ts'
import { keepUnpromised, probeSlot, type SlotVerdict } from './slot-probe.ts'
import { type SlotRanking, SlotRankings } from './slot-ranking.ts'

/** What came of one try. */
export type Decision =
  | {
      readonly kind: 'fits'
      readonly cycle: Cycle
      readonly slot: number
      readonly nodeName: string
      readonly evaluated: number
      readonly feasible: number
    }
  /** `rejectors` has bit i set when the profile's rejector i, a filter, rejected a node; 0 when there was no node to reject. */
  | {
      readonly kind: 'unschedulable'
      readonly message: string
      readonly rejectors: number
      /** What postFilters may try; undefined when there is no node at all. */
      readonly failed?: { readonly cycle: Cycle; readonly search: FailedSearch }
    }

/** Nodes that the filters of a profile let a pod on, while others have yet to be asked. */
export interface NodeSearch {
  readonly kind: 'found'
  readonly nodeNames: readonly string[]
  /** Where it began in the round of nodes, so that it can be explained. */
  readonly start: number
}

/** What somebody else says of a node, besides the filters. */
export interface OutsideVerdict {
  readonly reason: string
  /** Whether it might be otherwise if pods left the node. */
  readonly mayYield: boolean
}

/** How a {@link NodePicker} looks for nodes. */
export interface PickOptions {
  /** How many per cent of the nodes to find before choosing; 0: fewer the more nodes there are, as kube-scheduler does. */
  readonly percentageOfNodesToScore?: number
  /** A number from 0 to below 1: which of equally good nodes is taken. */
  readonly random?: () => number
}

/** Nodes looked at in one pass of the filters: enough to make the loops worth it, few enough to stop early. */
const chunkSlots = 256
const feasibleNodesMin = 100
const feasiblePercentageMin = 5

/** How many nodes that fit are enough (kube-scheduler `numFeasibleNodesToFind`). */
export function feasibleNodesToFind(nodeCount: number, percentageOfNodesToScore: number): number {
  if (nodeCount < feasibleNodesMin) return nodeCount
  const percentage =
    percentageOfNodesToScore > 0
      ? percentageOfNodesToScore
      : Math.max(feasiblePercentageMin, 50 - Math.floor(nodeCount / 125))
  return Math.min(nodeCount, Math.max(feasibleNodesMin, Math.floor((nodeCount * percentage) / 100)))
}

/** Chooses a node for one pod at a time: filter, score, pick. Changes nothing but its own place in the round of nodes. */
export class NodePicker {
  readonly #cluster: ClusterState
  readonly #percentage: number
  readonly #random: () => number
  /** Where the next search starts, so that all nodes are looked at in turn. */
  #nextStart = 0
  #chunk = new Int32Array(chunkSlots)
  /** The chunk as it was before the last filter. */
  readonly #before = new Int32Array(chunkSlots)
  #feasible = new Int32Array(0)
  #scores = new Float64Array(0)
  #totals = new Float64Array(0)
  /** One more than the index of the filter that rejected the slot; 0 for those that fit. */
  #rejectedBy = new Uint8Array(0)
  /** Of slots that were rejected for what others are promised there. */
  readonly #verdicts = new Map<number, SlotVerdict>()
  readonly #rankings = new WeakMap<Profile, SlotRankings>()

  constructor(cluster: ClusterState, options: PickOptions = {}) {
    this.#cluster = cluster
    this.#percentage = options.percentageOfNodesToScore ?? 0
    this.#random = options.random ?? Math.random
  }

  /** Decides where the pod goes. */
  pick(pod: SchedulablePod, shape: PodShape, profile: Profile): Decision {
    const begun = this.#begin(pod, shape, profile)
    if ('kind' in begun) return begun
    const { cycle, prepared } = begun
    const promised = this.#promisedSlot(cycle, profile.filters, prepared)
    if (promised >= 0) return fitting(cycle, promised, 1, 1)
    const ranking = this.#rankingOf(cycle, profile, prepared)
    if (ranking !== undefined) return this.#pickRanked(cycle, profile, prepared, ranking)
    const candidates = this.#candidatesOf(prepared)
    const { feasible, evaluated } = this.#filter(cycle, prepared.active, profile, candidates)
    this.#nextStart = (this.#nextStart + evaluated) % cycle.cluster.table.order().length
    if (feasible === 0) return this.#explain(cycle, profile.filters, prepared, candidates)
    const slot = feasible === 1 ? (this.#feasible[0] as number) : this.#best(cycle, profile, feasible)
    return fitting(cycle, slot, evaluated, feasible)
  }

  /** The node that the pod is promised, when the filters let it on there now. */
  promisedNode(pod: SchedulablePod, shape: PodShape, profile: Profile): string | undefined {
    const begun = this.#begin(pod, shape, profile)
    if ('kind' in begun) return undefined
    const slot = this.#promisedSlot(begun.cycle, profile.filters, begun.prepared)
    return slot < 0 ? undefined : (begun.cycle.cluster.table.names[slot] as string)
  }

  /** As `pick` goes on until it has filtered: what is left is for others to judge. A decision where nothing is. */
  search(pod: SchedulablePod, shape: PodShape, profile: Profile): NodeSearch | Decision {
    const begun = this.#begin(pod, shape, profile)
    if ('kind' in begun) return begun
    const { cycle, prepared } = begun
    const { table } = cycle.cluster
    const candidates = this.#candidatesOf(prepared)
    const start = this.#nextStart
    const { feasible, evaluated } = this.#filter(cycle, prepared.active, profile, candidates)
    this.#nextStart = (start + evaluated) % table.order().length
    if (feasible === 0) return this.#explain(cycle, profile.filters, prepared, candidates)
    const nodeNames = Array.from(this.#feasible.subarray(0, feasible), (slot) => table.names[slot] as string)
    return { kind: 'found', nodeNames, start }
  }

  /**
   * Chooses among nodes that a search found some time ago and that others agree to; `scores` are added to those of the profile. Undefined: the
   * filters let the pod on none of them any more.
   */
  chooseAmong(
    pod: SchedulablePod,
    shape: PodShape,
    profile: Profile,
    nodeNames: readonly string[],
    scores: ReadonlyMap<string, number>,
  ): Decision | undefined {
    const begun = this.#begin(pod, shape, profile)
    if ('kind' in begun) return undefined
    const { cycle, prepared } = begun
    const slots = this.#slotsOf(nodeNames.filter((name) => prepared.nodeNames?.has(name) !== false))
    let feasible = 0
    for (let from = 0; from < slots.length; from += chunkSlots) {
      const part = slots.subarray(from, from + chunkSlots)
      this.#chunk.set(part)
      const kept = this.#filterChunk(cycle, prepared.active, profile.filters, part.length)
      for (let i = 0; i < kept; i++) this.#feasible[feasible++] = this.#chunk[i] as number
    }
    if (feasible === 0) return undefined
    const slot = feasible === 1 ? (this.#feasible[0] as number) : this.#best(cycle, profile, feasible, scores)
    return fitting(cycle, slot, slots.length, feasible)
  }

  /** Why no node is left of those that a search found, with what others said of nodes by name. */
  explain(
    pod: SchedulablePod,
    shape: PodShape,
    profile: Profile,
    { start }: NodeSearch,
    verdicts: ReadonlyMap<string, OutsideVerdict>,
  ): Decision {
    const begun = this.#begin(pod, shape, profile)
    if ('kind' in begun) return begun
    const { cycle, prepared } = begun
    const candidates = this.#candidatesOf(prepared)
    const next = this.#nextStart
    this.#nextStart = start
    this.#rejectedBy.fill(0)
    this.#filter(cycle, prepared.active, profile, candidates)
    this.#nextStart = next
    return this.#explain(cycle, profile.filters, prepared, candidates, verdicts)
  }

  #begin(
    pod: SchedulablePod,
    shape: PodShape,
    profile: Profile,
  ): Decision | { readonly cycle: Cycle; readonly prepared: PreparedFilters } {
    const { table } = this.#cluster
    if (table.nodeCount === 0) return { kind: 'unschedulable', message: noNodesMessage, rejectors: 0 }
    this.#reserve(table.capacity)
    this.#verdicts.clear()
    const cycle: Cycle = { cluster: this.#cluster, pod, shape }
    const prepared = prepareFilters(cycle, profile.filters)
    if (!('rejection' in prepared)) return { cycle, prepared }
    const message = preFilterMessage(table.nodeCount, prepared.rejection)
    const search = { yielding: new Int32Array(0), unyieldingCount: table.nodeCount, filters: profile.filters }
    return { kind: 'unschedulable', message, rejectors: prepared.rejectors, failed: { cycle, search } }
  }

  #candidatesOf({ nodeNames }: PreparedFilters): Int32Array {
    return nodeNames === undefined ? this.#cluster.table.order() : this.#slotsOf(nodeNames)
  }

  #rankingOf(cycle: Cycle, profile: Profile, prepared: PreparedFilters): SlotRanking | undefined {
    // A pod may take the room that it is promised itself: what is remembered is of those that are promised none.
    const isPromised = cycle.cluster.nominations.get(cycle.pod.metadata.uid ?? '') !== undefined
    if (prepared.nodeNames !== undefined || isPromised) return undefined
    let rankings = this.#rankings.get(profile)
    if (rankings === undefined) this.#rankings.set(profile, (rankings = new SlotRankings(profile)))
    return rankings.of(cycle, prepared.active)
  }

  /** As `pick` goes on without a ranking: the same nodes looked at, the same choice. */
  #pickRanked(cycle: Cycle, profile: Profile, prepared: PreparedFilters, ranking: SlotRanking): Decision {
    const { table } = cycle.cluster
    const { totals } = ranking
    const order = table.order()
    const wanted = feasibleNodesToFind(order.length, profile.percentageOfNodesToScore ?? this.#percentage)
    const start = this.#nextStart % order.length
    let at = start
    let evaluated = 0
    let feasible = 0
    let greatest = -1
    let equals = 0
    let best = -1
    while (evaluated < order.length && feasible < wanted) {
      const slot = order[at] as number
      const total = totals[slot] as number
      evaluated++
      if (++at === order.length) at = 0
      if (total < 0) continue
      feasible++
      if (total > greatest) {
        greatest = total
        equals = 1
        best = slot
      } else if (total === greatest) equals++
    }
    this.#nextStart = at
    if (feasible === 0) return this.#explainRanked(cycle, profile.filters, prepared, ranking)
    if (feasible > 1) best = nthOf(greatest, Math.floor(this.#random() * equals), totals, order, start)
    return fitting(cycle, best, evaluated, feasible)
  }

  #filter(
    cycle: Cycle,
    active: readonly number[],
    { filters, percentageOfNodesToScore = this.#percentage }: Profile,
    candidates: Int32Array,
  ): { feasible: number; evaluated: number } {
    const wanted = feasibleNodesToFind(candidates.length, percentageOfNodesToScore)
    let feasible = 0
    let evaluated = 0
    while (evaluated < candidates.length && feasible < wanted) {
      const size = this.#fillChunk(candidates, evaluated, wanted - feasible)
      const kept = this.#filterChunk(cycle, active, filters, size)
      for (let i = 0; i < kept; i++) this.#feasible[feasible++] = this.#chunk[i] as number
      evaluated += size
    }
    return { feasible, evaluated }
  }

  /** Keeps those slots of the chunk that can take the pod, and notes who rejects the others. */
  #filterChunk(cycle: Cycle, active: readonly number[], filters: readonly FilterPlugin[], size: number): number {
    const chunk = this.#chunk
    cycle.shape.rules.refresh(cycle.cluster.table, chunk, size)
    let kept = size
    for (const index of active) {
      const before = kept
      this.#before.set(chunk)
      kept = (filters[index] as FilterPlugin).filter(cycle, chunk, before)
      if (kept < before) noteRejected(this.#rejectedBy, index + 1, this.#before, before, chunk, kept)
      if (kept === 0) break
    }
    return keepUnpromised(cycle, filters, chunk, kept, (slot, verdict) => {
      this.#rejectedBy[slot] = verdict.filter + 1
      this.#verdicts.set(slot, verdict)
    })
  }

  /** The node that the pod is promised, when it fits there now; -1 otherwise. */
  #promisedSlot(cycle: Cycle, filters: readonly FilterPlugin[], prepared: PreparedFilters): number {
    const { nominations, table } = cycle.cluster
    const nodeName = nominations.size === 0 ? undefined : nominations.get(cycle.pod.metadata.uid ?? '')?.nodeName
    if (nodeName === undefined || prepared.nodeNames?.has(nodeName) === false) return -1
    const slot = table.slotOf(nodeName)
    if (slot < 0 || table.exists[slot] === 0) return -1
    if (probeSlot(cycle, filters, slot) === undefined) return slot
    prepareFilters(cycle, filters)
    return -1
  }

  /**
   * Copies the next candidates into the chunk, going round from where the last search stopped. Never more than are still wanted, so
   * that no node is looked at in vain.
   */
  #fillChunk(candidates: Int32Array, evaluated: number, stillWanted: number): number {
    const size = Math.min(chunkSlots, stillWanted, candidates.length - evaluated)
    let from = (this.#nextStart + evaluated) % candidates.length
    for (let i = 0; i < size; i++) {
      this.#chunk[i] = candidates[from] as number
      if (++from === candidates.length) from = 0
    }
    return size
  }

  #best(cycle: Cycle, profile: Profile, feasible: number, outside?: ReadonlyMap<string, number>): number {
    const totals = this.#totals.fill(0, 0, feasible)
    const scores = this.#scores
    for (const { plugin, weight } of profile.scores) {
      if (plugin.preScore(cycle, this.#feasible, feasible) === 'skip') continue
      plugin.score(cycle, this.#feasible, feasible, scores)
      for (let i = 0; i < feasible; i++) totals[i] = (totals[i] as number) + weight * (scores[i] as number)
    }
    if (outside !== undefined && outside.size > 0) {
      const { names } = cycle.cluster.table
      for (let i = 0; i < feasible; i++)
        totals[i] = (totals[i] as number) + (outside.get(names[this.#feasible[i] as number] as string) ?? 0)
    }
    return this.#feasible[this.#oneOfBest(feasible)] as number
  }

  /** The index of one of the greatest totals, each as likely as the others. */
  #oneOfBest(count: number): number {
    const totals = this.#totals
    let greatest = Number.NEGATIVE_INFINITY
    let equals = 0
    for (let i = 0; i < count; i++) {
      const total = totals[i] as number
      if (total > greatest) {
        greatest = total
        equals = 1
      } else if (total === greatest) equals++
    }
    let skipped = Math.floor(this.#random() * equals)
    let index = 0
    while (totals[index] !== greatest || skipped-- > 0) index++
    return index
  }

  #explain(
    cycle: Cycle,
    filters: readonly FilterPlugin[],
    prepared: PreparedFilters,
    candidates: Int32Array,
    outside?: ReadonlyMap<string, OutsideVerdict>,
  ): Decision {
    const { nodeCount, names } = cycle.cluster.table
    const counts = new Map<string, number>()
    const add = (reason: string, by: number): void => void counts.set(reason, (counts.get(reason) ?? 0) + by)
    // Neighbours mostly lack the same, and then share one list.
    let run: readonly string[] = []
    let runLength = 0
    const addRun = (): void => {
      for (const reason of run) add(reason, runLength)
    }
    // Others do not tell what may help.
    let rejectors = prepared.restrictors | (outside === undefined ? 0 : anyEvent)
    const yielding: number[] = []
    for (const { reason } of outside?.values() ?? []) add(reason, 1)
    for (const slot of candidates) {
      const told = outside?.get(names[slot] as string)
      if (told?.mayYield === true) yielding.push(slot)
      const index = (this.#rejectedBy[slot] as number) - 1
      if (told !== undefined || index < 0) continue
      rejectors |= 1 << index
      const filter = filters[index] as FilterPlugin
      const verdict = this.#verdicts.size === 0 ? undefined : this.#verdicts.get(slot)
      const reasons = verdict?.reasons ?? filter.reasons(cycle, slot)
      const mayYield = verdict?.mayYield ?? filter.mayYield(cycle, slot)
      if (reasons === run) runLength++
      else {
        addRun()
        run = reasons
        runLength = 1
      }
      if (mayYield) yielding.push(slot)
    }
    addRun()
    if (candidates.length < nodeCount) {
      const restrictors = filters.filter((_, i) => (prepared.restrictors & (1 << i)) !== 0).map((f) => f.name)
      add(`node(s) didn't satisfy plugin(s) [${restrictors.sort().join(' ')}]`, nodeCount - candidates.length)
    }
    const search = { yielding: Int32Array.from(yielding), unyieldingCount: nodeCount - yielding.length, filters }
    return { kind: 'unschedulable', message: fitErrorMessage(nodeCount, counts), rejectors, failed: { cycle, search } }
  }

  #explainRanked(
    cycle: Cycle,
    filters: readonly FilterPlugin[],
    prepared: PreparedFilters,
    ranking: SlotRanking,
  ): Decision {
    const { table } = cycle.cluster
    const counts = new Map<string, number>()
    let rejectors = prepared.restrictors
    let isYielding = false
    for (const { filter, reasons, mayYield, count } of ranking.rejections()) {
      rejectors |= 1 << filter
      isYielding ||= mayYield
      for (const reason of reasons) counts.set(reason, (counts.get(reason) ?? 0) + count)
    }
    const { nodeCount } = table
    const yielding = isYielding ? yieldingOf(ranking, table.order()) : new Int32Array(0)
    const search = { yielding, unyieldingCount: nodeCount - yielding.length, filters }
    return { kind: 'unschedulable', message: fitErrorMessage(nodeCount, counts), rejectors, failed: { cycle, search } }
  }

  #slotsOf(names: Iterable<string>): Int32Array {
    const { table } = this.#cluster
    return Int32Array.from(
      [...names].map((name) => table.slotOf(name)).filter((slot) => slot >= 0 && table.exists[slot] === 1),
    )
  }

  #reserve(capacity: number): void {
    if (this.#feasible.length >= capacity) return
    this.#feasible = new Int32Array(capacity)
    this.#scores = new Float64Array(capacity)
    this.#totals = new Float64Array(capacity)
    this.#rejectedBy = new Uint8Array(capacity)
  }
}

function fitting(cycle: Cycle, slot: number, evaluated: number, feasible: number): Decision {
  return { kind: 'fits', cycle, slot, nodeName: cycle.cluster.table.names[slot] as string, evaluated, feasible }
}

/** Those of the slots that may fit once pods leave them. */
function yieldingOf(ranking: SlotRanking, order: Int32Array): Int32Array {
  const yielding = new Int32Array(order.length)
  let count = 0
  for (let i = 0; i < order.length; i++) {
    const slot = order[i] as number
    if (ranking.mayYield(slot)) yielding[count++] = slot
  }
  return yielding.subarray(0, count)
}

/** The slot of the n-th of those with that total, going round from a place in the order. */
function nthOf(total: number, n: number, totals: Float64Array, order: Int32Array, start: number): number {
  let left = n
  for (let at = start; ; at = at + 1 === order.length ? 0 : at + 1) {
    const slot = order[at] as number
    if (totals[slot] === total && left-- === 0) return slot
  }
}

/** Notes of the slots that are in `before` and no more in `after`, which has the same order, who rejected them. */
function noteRejected(
  rejectedBy: Uint8Array,
  who: number,
  before: Int32Array,
  beforeCount: number,
  after: Int32Array,
  afterCount: number,
): void {
  let next = 0
  for (let i = 0; i < beforeCount; i++) {
    if (next < afterCount && after[next] === before[i]) next++
    else rejectedBy[before[i] as number] = who
  }
}
