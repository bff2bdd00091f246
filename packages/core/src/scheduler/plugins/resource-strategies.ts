import { scoreMax, type Cycle, type FilterPlugin, type ScorePlugin } from '../framework.ts'
import { cpuColumn, memoryColumn, type NodeTable } from '../node-table.ts'
import {
  isCpuAndMemory,
  type NodeResourcesBalancedAllocationArgs,
  type NodeResourcesFitArgs,
  type ResourceSpec,
  type ScoringStrategy,
  type UtilizationShapePoint,
} from '../plugin-args.ts'
import { requestOf, type PodShape } from '../pod-shape.ts'
import { SlotMemos } from '../slot-memo.ts'
import { balancedAllocationScore } from './balanced-allocation.ts'
import { leastAllocatedScore, resourcesFit } from './resources-fit.ts'

/** Where what is taken of a resource stands in the table. */
interface ResourceColumn {
  readonly column: number
  readonly weight: number
  /** Extended resources, huge pages and the like: they count only for pods that ask for them. */
  readonly isScalar: boolean
}

function columnsOf(table: NodeTable, resources: readonly ResourceSpec[]): ResourceColumn[] {
  const natives = ['cpu', 'memory', 'ephemeral-storage']
  return resources
    .filter(({ name }) => name !== 'pods')
    .map(({ name, weight }) => ({ column: table.resourceColumn(name), weight, isScalar: !natives.includes(name) }))
}

/** What the pod asks of each resource; NaN: the resource is left out for this pod. */
function askedOf(shape: PodShape, columns: readonly ResourceColumn[], isNonZero: boolean): number[] {
  return columns.map(({ column, isScalar }) => {
    if (isNonZero && column === cpuColumn) return shape.nonZeroCpu
    if (isNonZero && column === memoryColumn) return shape.nonZeroMemory
    const asked = requestOf(shape, column)
    return isScalar && asked === 0 ? Number.NaN : asked
  })
}

function takenOf(table: NodeTable, column: number, slot: number, isNonZero: boolean): number {
  if (isNonZero && column === cpuColumn) return table.nonZeroCpu[slot] as number
  if (isNonZero && column === memoryColumn) return table.nonZeroMemory[slot] as number
  return (table.requested[column] as Float64Array)[slot] as number
}

/** How a score comes of the amounts taken and to be had; only resources that the node has are given. */
type Judge = (taken: readonly number[], total: readonly number[], weights: readonly number[]) => number

/** A score that depends on nothing but what is asked, taken and to be had of some resources. */
class ResourceScore implements ScorePlugin {
  readonly name: string
  readonly isSlotwise = true
  readonly #columns: readonly ResourceColumn[]
  readonly #isNonZero: boolean
  readonly #judge: Judge
  readonly #memos = new SlotMemos()

  /** `isNonZero`: containers that ask for no cpu or memory count with the default amounts. */
  constructor(name: string, columns: readonly ResourceColumn[], isNonZero: boolean, judge: Judge) {
    this.name = name
    this.#columns = columns
    this.#isNonZero = isNonZero
    this.#judge = judge
  }

  preScore({ shape }: Cycle): 'skip' | 'score' {
    if (this.#isNonZero) return 'score'
    return this.#columns.some(({ column }) => requestOf(shape, column) > 0) ? 'score' : 'skip'
  }

  score({ cluster: { table }, shape }: Cycle, slots: Int32Array, count: number, scores: Float64Array): void {
    const asked = askedOf(shape, this.#columns, this.#isNonZero)
    const { values, epochs } = this.#memos.of(table, asked.join(' '))
    const { usageEpoch } = table
    for (let i = 0; i < count; i++) {
      const slot = slots[i] as number
      if (epochs[slot] !== usageEpoch[slot]) {
        values[slot] = this.#scoreOf(table, slot, asked)
        epochs[slot] = usageEpoch[slot] as number
      }
      scores[i] = values[slot] as number
    }
  }

  #scoreOf(table: NodeTable, slot: number, asked: readonly number[]): number {
    const taken: number[] = []
    const total: number[] = []
    const weights: number[] = []
    for (const [i, { column, weight }] of this.#columns.entries()) {
      const allocatable = (table.allocatable[column] as Float64Array)[slot] as number
      if (allocatable === 0 || Number.isNaN(asked[i])) continue
      taken.push(takenOf(table, column, slot, this.#isNonZero) + (asked[i] as number))
      total.push(allocatable)
      weights.push(weight)
    }
    return this.#judge(taken, total, weights)
  }
}

/** The weighted mean of a share of each resource, rounded down (LeastAllocated, MostAllocated). */
function weightedMean(shareOf: (taken: number, total: number) => number): Judge {
  return (taken, total, weights) => {
    let sum = 0
    let weightSum = 0
    for (let i = 0; i < taken.length; i++) {
      sum += shareOf(taken[i] as number, total[i] as number) * (weights[i] as number)
      weightSum += weights[i] as number
    }
    return weightSum === 0 ? 0 : Math.floor(sum / weightSum)
  }
}

/** As {@link weightedMean}, but resources that score nothing do not count, and it is rounded to the nearest. */
function ratioMean(shape: readonly UtilizationShapePoint[]): Judge {
  return (taken, total, weights) => {
    let sum = 0
    let weightSum = 0
    for (let i = 0; i < taken.length; i++) {
      const isOver = (taken[i] as number) > (total[i] as number)
      const utilization = isOver ? 100 : Math.floor(((taken[i] as number) * 100) / (total[i] as number))
      const score = brokenLinear(shape, utilization)
      if (score <= 0) continue
      sum += score * (weights[i] as number)
      weightSum += weights[i] as number
    }
    return weightSum === 0 ? 0 : Math.round(sum / weightSum)
  }
}

/** Points score from 0 to this (kube-scheduler `MaxCustomPriorityScore`). */
const pointScoreMax = 10

/** The value at a utilization of the line through the points, level before the first and after the last. */
function brokenLinear(shape: readonly UtilizationShapePoint[], utilization: number): number {
  const scale = scoreMax / pointScoreMax
  const after = shape.findIndex((point) => utilization <= point.utilization)
  if (after < 0) return (shape.at(-1)?.score ?? 0) * scale
  const to = shape[after] as UtilizationShapePoint
  const from = shape[after - 1]
  if (from === undefined) return to.score * scale
  const rise = (to.score - from.score) * scale * (utilization - from.utilization)
  return from.score * scale + Math.trunc(rise / (to.utilization - from.utilization))
}

function judgeOf(strategy: ScoringStrategy): Judge {
  switch (strategy.type) {
    case 'LeastAllocated':
      return weightedMean((taken, total) => (taken > total ? 0 : Math.floor(((total - taken) * scoreMax) / total)))
    case 'MostAllocated':
      // Pods that ask for nothing count with default amounts, so that more can be taken than there is.
      return weightedMean((taken, total) => Math.floor((Math.min(taken, total) * scoreMax) / total))
    case 'RequestedToCapacityRatio':
      return ratioMean(strategy.requestedToCapacityRatio?.shape ?? [])
  }
}

/** The more alike the taken shares, the better: 100 less their standard deviation. */
function balance(taken: readonly number[], total: readonly number[]): number {
  const shares = taken.map((amount, i) => Math.min(1, amount / (total[i] as number)))
  if (shares.length < 2) return scoreMax
  const [a = 0, b = 0] = shares
  if (shares.length === 2) return Math.trunc((1 - Math.abs((a - b) / 2)) * scoreMax)
  const mean = shares.reduce((sum, share) => sum + share, 0) / shares.length
  const squares = shares.reduce((sum, share) => sum + (share - mean) * (share - mean), 0)
  return Math.trunc((1 - Math.sqrt(squares / shares.length)) * scoreMax)
}

/** NodeResourcesFit's score for a strategy; the default one has loops of its own. */
export function resourcesFitScore(table: NodeTable, { scoringStrategy }: NodeResourcesFitArgs): ScorePlugin {
  const { type, resources } = scoringStrategy
  if (type === 'LeastAllocated' && isCpuAndMemory(resources)) return leastAllocatedScore
  return new ResourceScore('NodeResourcesFit', columnsOf(table, resources), true, judgeOf(scoringStrategy))
}

/** NodeResourcesBalancedAllocation's score; that of cpu and memory alone has loops of its own. */
export function balancedScore(table: NodeTable, { resources }: NodeResourcesBalancedAllocationArgs): ScorePlugin {
  if (isCpuAndMemory(resources)) return balancedAllocationScore
  return new ResourceScore('NodeResourcesBalancedAllocation', columnsOf(table, resources), false, balance)
}

/** NodeResourcesFit's filter, which does not see the extended resources that the arguments say to ignore. */
export function resourcesFitFilter(table: NodeTable, args: NodeResourcesFitArgs): FilterPlugin {
  const { ignoredResources, ignoredResourceGroups } = args
  if (ignoredResources.length + ignoredResourceGroups.length === 0) return resourcesFit
  const isIgnored = (column: number): boolean => {
    const resource = table.resourceName(column)
    if (!resource.includes('/') || resource.includes('kubernetes.io/') || resource.startsWith('requests.')) return false
    return ignoredResources.includes(resource) || ignoredResourceGroups.includes(resource.split('/')[0] as string)
  }
  const seen = new WeakMap<PodShape, PodShape>()
  const see = (shape: PodShape): PodShape => {
    let without = seen.get(shape)
    if (without === undefined) seen.set(shape, (without = withoutColumns(shape, isIgnored)))
    return without
  }
  const within = (cycle: Cycle): Cycle => ({ ...cycle, shape: see(cycle.shape) })
  return {
    name: resourcesFit.name,
    preFilter: (cycle) => resourcesFit.preFilter(within(cycle)),
    filter: (cycle, slots, count) => resourcesFit.filter(within(cycle), slots, count),
    reasons: (cycle, slot) => resourcesFit.reasons(within(cycle), slot),
    mayYield: (cycle, slot) => resourcesFit.mayYield(within(cycle), slot),
    mayHelp: (event, shape, cluster) =>
      resourcesFit.mayHelp(
        event.type === 'podUpdated' ? { type: 'podUpdated', before: see(event.before) } : event,
        see(shape),
        cluster,
      ),
  }
}

function withoutColumns(shape: PodShape, isLeftOut: (column: number) => boolean): PodShape {
  const kept = [...shape.requestColumns.keys()].filter((i) => !isLeftOut(shape.requestColumns[i] as number))
  if (kept.length === shape.requestColumns.length) return shape
  return {
    ...shape,
    requestColumns: Int32Array.from(kept, (i) => shape.requestColumns[i] as number),
    requestAmounts: Float64Array.from(kept, (i) => shape.requestAmounts[i] as number),
  }
}
