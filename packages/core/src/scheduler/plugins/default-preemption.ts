import { selectorFromLabelSelector, type LabelSelector } from '@binnacle/apimachinery'
import type { PodDisruptionBudget } from '@binnacle/resources'
import type { ClusterState, PlacedPod } from '../cluster-state.ts'
import { fitErrorMessage } from '../fit-error.ts'
import type {
  Cycle,
  FailedSearch,
  NodeVictims,
  PostFilterPlugin,
  PostFilterResult,
  VictimsReview,
} from '../framework.ts'
import type { DefaultPreemptionArgs } from '../plugin-args.ts'
import type { SchedulablePod } from '../scheduled-objects.ts'
import type { NodeTable } from '../node-table.ts'
import { type PodShape, requestOf } from '../pod-shape.ts'
import { probeSlot } from '../slot-probe.ts'
import { lackingTexts } from './resources-fit.ts'

/** A node with the pods that would have to go. */
export interface PreemptionCandidate {
  readonly slot: number
  /** The most important first. */
  readonly victims: readonly PlacedPod[]
  /** How many of them a disruption budget would keep. */
  readonly violations: number
}

/** What came of looking for victims on a node: them, or why their going would not help. */
type Victims = PreemptionCandidate | { readonly reasons: readonly string[] }

/** What preemption does to the cluster. */
export interface PreemptionActions {
  budgets(): Iterable<PodDisruptionBudget>
  /** A number from 0 to below 1: where the search for candidates starts. */
  random(): number
  /** Makes the victims go, and takes back what less important pods were promised there. */
  evict(preemptor: SchedulablePod, candidate: PreemptionCandidate): void
}

/** Makes room for a pod by evicting less important ones, on the node where that hurts least (kube-scheduler `DefaultPreemption`). */
export class DefaultPreemption implements PostFilterPlugin {
  readonly name = 'DefaultPreemption'
  readonly #args: DefaultPreemptionArgs
  readonly #actions: PreemptionActions
  readonly #victims = new VictimMemos()

  constructor(args: DefaultPreemptionArgs, actions: PreemptionActions) {
    this.#args = args
    this.#actions = actions
  }

  postFilter(cycle: Cycle, failed: FailedSearch): PostFilterResult {
    const found = this.#find(cycle, failed)
    return 'candidates' in found ? this.#conclude(cycle, found.candidates) : found
  }

  async postFilterReviewed(cycle: Cycle, failed: FailedSearch, review: VictimsReview): Promise<PostFilterResult> {
    const found = this.#find(cycle, failed)
    if (!('candidates' in found)) return found
    const { names } = cycle.cluster.table
    const byNode = found.candidates.map(({ slot, victims, violations }): [string, NodeVictims] => [
      names[slot] as string,
      { pods: victims.map(({ pod }) => pod), violations },
    ])
    try {
      const agreed = await review(new Map(byNode))
      return this.#conclude(cycle, candidatesNow(cycle.cluster, agreed))
    } catch (error) {
      return { message: `preemption: ${(error as Error).message}`, isError: true }
    }
  }

  #find(
    cycle: Cycle,
    failed: FailedSearch,
  ): PostFilterResult | { readonly candidates: readonly PreemptionCandidate[] } {
    const refusal = ineligible(cycle, failed)
    if (refusal !== undefined) return { message: `preemption: ${refusal}` }
    const { candidates, reasons, errors } = this.#candidates(cycle, failed)
    if (candidates.length > 0) return { candidates }
    if (errors.length > 0)
      return { message: `preemption: ${errors.length === 1 ? errors[0] : `[${errors.join(', ')}]`}`, isError: true }
    const message = `preemption: ${fitErrorMessage(cycle.cluster.table.nodeCount, reasons)}`
    return { nominatedNodeName: '', message }
  }

  #conclude(cycle: Cycle, candidates: readonly PreemptionCandidate[]): PostFilterResult {
    if (candidates.length === 0) return { message: 'preemption: no candidate node for preemption' }
    const chosen = leastHarm(candidates)
    return {
      nominatedNodeName: cycle.cluster.table.names[chosen.slot] as string,
      eviction: { victims: chosen.victims, go: () => this.#actions.evict(cycle.pod, chosen) },
    }
  }

  #candidates(
    cycle: Cycle,
    { yielding, unyieldingCount, filters }: FailedSearch,
  ): { candidates: PreemptionCandidate[]; reasons: Map<string, number>; errors: string[] } {
    const errors: string[] = []
    const reasons = new Map<string, number>()
    const count = (reason: string, by: number): void => void reasons.set(reason, (reasons.get(reason) ?? 0) + by)
    if (unyieldingCount > 0) count('Preemption is not helpful for scheduling', unyieldingCount)
    const wanted = this.#candidatesWanted(yielding.length)
    const budgets = yielding.length === 0 ? [] : [...this.#actions.budgets()]
    const start = Math.floor(this.#actions.random() * yielding.length)
    const isByRequests = dependsOnRequestsOnly(cycle, filters)
    const memo = isByRequests && budgets.length === 0 ? this.#victims.of(cycle) : undefined
    const candidates: PreemptionCandidate[] = []
    let isUnharmful = false
    for (let i = 0; i < yielding.length && !(isUnharmful && candidates.length >= wanted); i++) {
      const slot = yielding[(start + i) % yielding.length] as number
      const found = memo?.get(slot) ?? victimsOn(cycle, filters, slot, budgets, isByRequests)
      memo?.set(slot, found)
      if ('victims' in found && found.victims.length === 0) {
        // Nobody has to go for the filters: it was somebody else who turned the node down.
        errors.push(`expected at least one victim pod on node "${cycle.cluster.table.names[slot]}"`)
      } else if ('victims' in found) {
        candidates.push(found)
        if (found.violations === 0) isUnharmful = true
      } else for (const reason of found.reasons) count(reason, 1)
    }
    return { candidates, reasons, errors }
  }

  #candidatesWanted(nodes: number): number {
    const share = Math.floor((nodes * this.#args.minCandidateNodesPercentage) / 100)
    return Math.min(nodes, Math.max(share, this.#args.minCandidateNodesAbsolute))
  }
}

/** What was agreed on, as the cluster is now. @throws Error when a node, or a pod on it, is gone */
function candidatesNow(cluster: ClusterState, agreed: ReadonlyMap<string, NodeVictims>): PreemptionCandidate[] {
  return [...agreed].map(([nodeName, { pods, violations }]) => {
    const slot = cluster.table.slotOf(nodeName)
    if (slot < 0 || cluster.table.exists[slot] === 0) throw new Error(`nodeinfo not found for node name "${nodeName}"`)
    const victims = pods.flatMap(({ metadata }) => {
      const placed = cluster.placedPod(metadata.uid ?? '')
      // Who has gone meanwhile need not be made to.
      return placed?.slot === slot ? [placed] : []
    })
    return { slot, victims, violations }
  })
}

/** Victims remembered for pods of one shape and priority, as long as nothing changes on the node. */
class VictimMemo {
  readonly #table: NodeTable
  readonly #found: (Victims | undefined)[] = []
  readonly #epochs: number[] = []

  constructor(table: NodeTable) {
    this.#table = table
  }

  get(slot: number): Victims | undefined {
    return this.#epochs[slot] === this.#table.usageEpoch[slot] ? this.#found[slot] : undefined
  }

  set(slot: number, found: Victims): void {
    this.#found[slot] = found
    this.#epochs[slot] = this.#table.usageEpoch[slot] as number
  }
}

/** Memos kept, of the shapes and priorities last asked for. */
const victimMemosMax = 16

class VictimMemos {
  readonly #memos = new Map<PodShape, Map<number, VictimMemo>>()

  /** The memo for the cycle's pod; undefined for one that is promised a node itself, whose own promise does not count against it. */
  of({ cluster, pod, shape }: Cycle): VictimMemo | undefined {
    if (cluster.nominations.get(pod.metadata.uid ?? '') !== undefined) return undefined
    const byPriority = this.#memos.get(shape) ?? new Map<number, VictimMemo>()
    this.#memos.delete(shape)
    if (this.#memos.size >= victimMemosMax) this.#memos.delete(this.#memos.keys().next().value as PodShape)
    this.#memos.set(shape, byPriority)
    let memo = byPriority.get(priorityOf(pod))
    if (memo === undefined) byPriority.set(priorityOf(pod), (memo = new VictimMemo(cluster.table)))
    return memo
  }
}

/** Why the pod may not preempt others; undefined when it may. */
function ineligible({ cluster, pod }: Cycle, { yielding }: FailedSearch): string | undefined {
  if (pod.spec.preemptionPolicy === 'Never') return 'not eligible due to preemptionPolicy=Never.'
  const promised = cluster.nominations.get(pod.metadata.uid ?? '')?.nodeName
  if (promised === undefined) return undefined
  const slot = cluster.table.slotOf(promised)
  // Nothing that leaves the node would help there any more: look elsewhere.
  if (!yielding.includes(slot)) return undefined
  const isBeingFreed = [...cluster.podsOn(slot)].some((p) => p.priority < priorityOf(pod) && isPreempted(p.pod))
  return isBeingFreed ? 'not eligible due to a terminating pod on the nominated node.' : undefined
}

const priorityOf = (pod: SchedulablePod): number => pod.spec.priority ?? 0

function isPreempted(pod: SchedulablePod): boolean {
  if (pod.metadata.deletionTimestamp === undefined) return false
  const condition = pod.status?.conditions?.find((c) => c.type === 'DisruptionTarget')
  return condition?.status === 'True' && condition.reason === 'PreemptionByScheduler'
}

/**
 * The fewest pods that must leave the slot: all less important ones go, then as many as fit are taken back, those first that a budget protects,
 * the most important first. The cluster is counted as before when it returns.
 */
function victimsOn(
  cycle: Cycle,
  filters: FailedSearch['filters'],
  slot: number,
  budgets: readonly PodDisruptionBudget[],
  isByRequests: boolean,
): Victims {
  const { cluster, pod } = cycle
  const lower = [...cluster.podsOn(slot)].filter((p) => p.priority < priorityOf(pod)).sort(byImportance)
  if (lower.length === 0) return { reasons: ['No preemption victims found for incoming pod'] }
  const isPromised =
    cluster.nominations.size > 0 && cluster.nominations.before(pod, cluster.table.names[slot] as string).length > 0
  if (isByRequests && !isPromised) return victimsByRequests(cycle, slot, lower, budgets)
  const gone = new Set<PlacedPod>()
  const leave = (p: PlacedPod): void => {
    cluster.countPlaced(p, -1)
    gone.add(p)
  }
  const returns = (p: PlacedPod): void => {
    cluster.countPlaced(p, 1)
    gone.delete(p)
  }
  for (const p of lower) leave(p)
  try {
    const verdict = probeSlot(cycle, filters, slot)
    if (verdict !== undefined) return { reasons: verdict.reasons }
    const { violating, others } = byBudget(lower, budgets)
    let violations = 0
    for (const p of [...violating, ...others]) {
      returns(p)
      if (probeSlot(cycle, filters, slot) === undefined) continue
      leave(p)
      if (violating.includes(p)) violations++
    }
    return { slot, victims: [...gone].sort(byImportance), violations }
  } finally {
    for (const p of gone) cluster.countPlaced(p, 1)
  }
}

/** True when only filters have a say that ask for nothing of the pods on a node but their requests, those that ask for nothing first. */
function dependsOnRequestsOnly(cycle: Cycle, filters: FailedSearch['filters']): boolean {
  const active = filters.filter((plugin) => plugin.preFilter(cycle) !== 'skip').map((plugin) => plugin.looksAt)
  return active.at(-1) === 'requests' && active.slice(0, -1).every((looksAt) => looksAt === 'nothing')
}

/** As {@link victimsOn}, reckoning with requests. */
function victimsByRequests(
  { cluster: { table }, shape }: Cycle,
  slot: number,
  lower: readonly PlacedPod[],
  budgets: readonly PodDisruptionBudget[],
): Victims {
  // What would be left beside the pod with all of the less important ones gone; the first is the number of pods.
  const left = [
    (table.podsAllocatable[slot] as number) - (table.podCount[slot] as number) + lower.length - 1,
    ...Array.from(shape.requestColumns, (column, i) => {
      const free =
        ((table.allocatable[column] as Float64Array)[slot] as number) -
        ((table.requested[column] as Float64Array)[slot] as number)
      return lower.reduce((sum, p) => sum + requestOf(p.shape, column), free) - (shape.requestAmounts[i] as number)
    }),
  ]
  const lacking = left.reduce((bits, amount, i) => (amount < 0 ? bits | (1 << i) : bits), 0)
  if (lacking !== 0) return { reasons: lackingTexts(table, shape, lacking) }
  const { violating, others } = byBudget(lower, budgets)
  const victims: PlacedPod[] = []
  let violations = 0
  for (const p of [...violating, ...others]) {
    const takes = (i: number): number => (i === 0 ? 1 : requestOf(p.shape, shape.requestColumns[i - 1] as number))
    if (left.every((amount, i) => amount >= takes(i)))
      for (let i = 0; i < left.length; i++) left[i] = (left[i] as number) - takes(i)
    else {
      victims.push(p)
      if (violating.includes(p)) violations++
    }
  }
  return { slot, victims: violations === 0 ? victims : victims.sort(byImportance), violations }
}

/** Higher priority first, then who has run longer (`util.MoreImportantPod`). */
function byImportance(a: PlacedPod, b: PlacedPod): number {
  return b.priority - a.priority || startOf(a) - startOf(b)
}

/** When the pod started, in milliseconds; one that has not started is the youngest. */
function startOf({ pod }: PlacedPod): number {
  if (pod.status?.startTime === undefined) return Number.MAX_SAFE_INTEGER
  let startMs = starts.get(pod)
  if (startMs === undefined) starts.set(pod, (startMs = Date.parse(pod.status.startTime)))
  return startMs
}

const starts = new WeakMap<SchedulablePod, number>()

/** Splits pods by whether evicting them, after those before them, breaks a disruption budget. */
function byBudget(
  pods: readonly PlacedPod[],
  budgets: readonly PodDisruptionBudget[],
): { violating: readonly PlacedPod[]; others: readonly PlacedPod[] } {
  if (budgets.length === 0) return { violating: [], others: pods }
  const violating: PlacedPod[] = []
  const others: PlacedPod[] = []
  const allowed = budgets.map((budget) => budget.status?.disruptionsAllowed ?? 0)
  for (const placed of pods) {
    let isViolating = false
    for (const [i, budget] of budgets.entries()) {
      if (!protects(budget, placed.pod)) continue
      allowed[i] = (allowed[i] as number) - 1
      if ((allowed[i] as number) < 0) isViolating = true
    }
    if (isViolating) violating.push(placed)
    else others.push(placed)
  }
  return { violating, others }
}

function protects({ metadata, spec, status }: PodDisruptionBudget, pod: SchedulablePod): boolean {
  if (metadata.namespace !== pod.metadata.namespace || Object.keys(pod.metadata.labels ?? {}).length === 0) return false
  const selector = selectorFromLabelSelector((spec?.selector ?? {}) as LabelSelector)
  // A budget without a selector protects nobody here, and one whose eviction is under way is counted already.
  return (
    !selector.empty && selector.matches(pod.metadata.labels) && status?.disruptedPods?.[pod.metadata.name] === undefined
  )
}

/** The candidate that hurts least, by kube-scheduler's rules in their order; the first of equals. */
export function leastHarm(candidates: readonly PreemptionCandidate[]): PreemptionCandidate {
  let [best] = candidates as [PreemptionCandidate]
  let least = harmOf(best)
  for (const candidate of candidates) {
    const harm = harmOf(candidate)
    if (!isLess(harm, least)) continue
    best = candidate
    least = harm
  }
  return best
}

// Candidates are remembered from one pod to the next, and their harm with them.
const harms = new WeakMap<PreemptionCandidate, readonly number[]>()
// It makes a pod of the lowest priority count more than none.
const priorityOffset = 2 ** 31

/** What kube-scheduler compares, in its order; less is better. */
function harmOf(candidate: PreemptionCandidate): readonly number[] {
  let harm = harms.get(candidate)
  if (harm === undefined) {
    const { victims, violations } = candidate
    const highest = victims[0]?.priority ?? Number.NEGATIVE_INFINITY
    const sum = victims.reduce((total, { priority }) => total + priority + priorityOffset, 0)
    harms.set(candidate, (harm = [violations, highest, sum, victims.length, -oldestStart(victims)]))
  }
  return harm
}

function isLess(a: readonly number[], b: readonly number[]): boolean {
  for (let i = 0; i < a.length; i++) {
    const difference = (a[i] as number) - (b[i] as number)
    if (difference !== 0 && !Number.isNaN(difference)) return difference < 0
  }
  return false
}

/** When the oldest of the most important victims started; the later, the better. */
function oldestStart(victims: readonly PlacedPod[]): number {
  let oldest = Number.POSITIVE_INFINITY
  for (const victim of victims) if (victim.priority === victims[0]?.priority) oldest = Math.min(oldest, startOf(victim))
  return oldest
}

/** The condition that a victim gets before it is deleted. */
export function disruptionCondition(preemptor: SchedulablePod, now: string): Readonly<Record<string, string>> {
  const schedulerName = preemptor.spec.schedulerName ?? 'default-scheduler'
  return {
    type: 'DisruptionTarget',
    status: 'True',
    reason: 'PreemptionByScheduler',
    message: `${schedulerName}: preempting to accommodate a higher priority pod`,
    lastTransitionTime: now,
  }
}

/** Less important pods that are promised the slot: they would find it taken. */
export function displaced(cluster: ClusterState, preemptor: SchedulablePod, slot: number): SchedulablePod[] {
  const nodeName = cluster.table.names[slot] as string
  return [...cluster.nominations.on(nodeName)].filter((n) => n.priority < priorityOf(preemptor)).map((n) => n.pod)
}
