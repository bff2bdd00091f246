import type { Cycle, FilterPlugin, Profile, ScorePlugin } from './framework.ts'
import type { PodShape } from './pod-shape.ts'
import { keepUnpromised } from './slot-probe.ts'

/** Why slots were rejected; slots of the same reasons share one. */
interface Rejection {
  /** Index in the profile's filters. */
  readonly filter: number
  readonly reasons: readonly string[]
  readonly mayYield: boolean
  /** How many slots it holds for now. */
  count: number
}

/** Slots judged in one pass. */
const chunkSlots = 256
/** The total of a slot that does not fit. */
const unfit = -1

/**
 * Where pods of one shape fit and how well, remembered for every slot as long as nothing changes there: between two decisions that is the one
 * slot that the last pod went to. Only for shapes on which every plugin that has a say judges each slot by itself, and for pods that are promised
 * no node themselves, all of one priority: the room that others are promised is as good as taken for them.
 */
export class SlotRanking {
  /** Weighted scores by slot; negative where the pod does not fit. */
  totals = new Float64Array(0)
  readonly #profile: Profile
  readonly #rejections = new Map<string, Rejection>()
  readonly #rejectionOf: (Rejection | undefined)[] = []
  readonly #chunk = new Int32Array(chunkSlots)
  readonly #before = new Int32Array(chunkSlots)
  readonly #scores = new Float64Array(chunkSlots)
  /** The table's change count that the totals are of; -1: of none. */
  #changeCount = -1

  constructor(profile: Profile) {
    this.#profile = profile
  }

  /** Judges again what has changed. `active` are the indices of the filters that have a say. */
  update(cycle: Cycle, active: readonly number[]): void {
    const { table } = cycle.cluster
    if (this.totals.length < table.capacity) {
      this.totals = new Float64Array(table.capacity)
      this.#changeCount = -1
    }
    const changed = this.#changeCount < 0 ? undefined : table.changedSince(this.#changeCount)
    this.#changeCount = table.changeCount
    if (changed === undefined) this.#rebuild(cycle, active)
    else for (const slot of changed) this.#judgeOne(cycle, active, slot)
  }

  /** Why slots do not fit, and how many each time. */
  *rejections(): Generator<Readonly<Rejection>> {
    for (const rejection of this.#rejections.values()) if (rejection.count > 0) yield rejection
  }

  /** Whether a slot that does not fit might if pods left it. */
  mayYield(slot: number): boolean {
    return this.#rejectionOf[slot]?.mayYield === true
  }

  #rebuild(cycle: Cycle, active: readonly number[]): void {
    this.#rejections.clear()
    this.#rejectionOf.length = 0
    this.totals.fill(unfit)
    const order = cycle.cluster.table.order()
    for (let from = 0; from < order.length; from += chunkSlots) {
      const part = order.subarray(from, from + chunkSlots)
      this.#chunk.set(part)
      this.#judge(cycle, active, part.length)
    }
  }

  #judgeOne(cycle: Cycle, active: readonly number[], slot: number): void {
    if (cycle.cluster.table.exists[slot] === 1) {
      this.#chunk[0] = slot
      this.#judge(cycle, active, 1)
      return
    }
    this.#settle(slot, unfit, undefined)
  }

  #judge(cycle: Cycle, active: readonly number[], count: number): void {
    const chunk = this.#chunk
    cycle.shape.rules.refresh(cycle.cluster.table, chunk, count)
    let kept = count
    for (const index of active) {
      if (kept === 0) return
      const before = kept
      this.#before.set(chunk)
      kept = (this.#profile.filters[index] as FilterPlugin).filter(cycle, chunk, before)
      if (kept < before) this.#noteRejected(cycle, index, before, kept)
    }
    kept = keepUnpromised(cycle, this.#profile.filters, chunk, kept, (slot, { filter, reasons, mayYield }) =>
      this.#settle(slot, unfit, this.#rejection(filter, reasons, mayYield)),
    )
    const sums = new Float64Array(kept)
    for (const { plugin, weight } of this.#profile.scores) {
      if (plugin.isSlotwise !== true || plugin.preScore(cycle, chunk, kept) === 'skip') continue
      plugin.score(cycle, chunk, kept, this.#scores)
      for (let i = 0; i < kept; i++) sums[i] = (sums[i] as number) + weight * (this.#scores[i] as number)
    }
    for (let i = 0; i < kept; i++) this.#settle(chunk[i] as number, sums[i] as number, undefined)
  }

  #noteRejected(cycle: Cycle, index: number, before: number, kept: number): void {
    const plugin = this.#profile.filters[index] as FilterPlugin
    let next = 0
    for (let i = 0; i < before; i++) {
      const slot = this.#before[i] as number
      if (next < kept && this.#chunk[next] === slot) {
        next++
        continue
      }
      this.#settle(slot, unfit, this.#rejection(index, plugin.reasons(cycle, slot), plugin.mayYield(cycle, slot)))
    }
  }

  #rejection(filter: number, reasons: readonly string[], mayYield: boolean): Rejection {
    const key = `${filter}${mayYield ? '+' : '-'}${reasons.join('\n')}`
    let rejection = this.#rejections.get(key)
    if (rejection === undefined) this.#rejections.set(key, (rejection = { filter, reasons, mayYield, count: 0 }))
    return rejection
  }

  #settle(slot: number, total: number, rejection: Rejection | undefined): void {
    const old = this.#rejectionOf[slot]
    if (old !== undefined) old.count--
    if (rejection !== undefined) rejection.count++
    this.#rejectionOf[slot] = rejection
    this.totals[slot] = total
  }
}

/** Shapes whose rankings are kept, those last asked for. */
const rankingsMax = 64
/** Priorities for which pods of one shape have rankings of their own. */
const prioritiesMax = 8

/** The rankings of a profile's shapes. */
export class SlotRankings {
  readonly #rankings = new Map<PodShape, Map<number, SlotRanking>>()
  /** A ranking looks at every node, so it is made for a shape that comes again. */
  readonly #seen = new WeakSet<PodShape>()
  readonly #profile: Profile

  constructor(profile: Profile) {
    this.#profile = profile
  }

  /** The current ranking of the cycle's shape; undefined where some plugin looks further than a slot, or the shape is new. */
  of(cycle: Cycle, active: readonly number[]): SlotRanking | undefined {
    const { shape } = cycle
    if (!this.#seen.has(shape)) {
      this.#seen.add(shape)
      return undefined
    }
    if (!active.every((index) => this.#profile.filters[index]?.isSlotwise === true)) return undefined
    if (!this.#rankings.has(shape) && !this.#scoresAreSlotwise(cycle)) return undefined
    const ranking = this.#remembered(cycle)
    ranking.update(cycle, active)
    // Asked after the update, which has judged the nodes that are new.
    return this.#scoresAreSlotwise(cycle) ? ranking : undefined
  }

  #scoresAreSlotwise(cycle: Cycle): boolean {
    return this.#profile.scores.every(({ plugin }) => saysNothingOrSlotwise(plugin, cycle))
  }

  #remembered({ shape, pod: { spec } }: Cycle): SlotRanking {
    const { priority = 0 } = spec
    const byPriority = this.#rankings.get(shape) ?? new Map<number, SlotRanking>()
    this.#rankings.delete(shape)
    if (this.#rankings.size >= rankingsMax) this.#rankings.delete(this.#rankings.keys().next().value as PodShape)
    this.#rankings.set(shape, byPriority)
    let ranking = byPriority.get(priority)
    if (ranking === undefined) {
      if (byPriority.size >= prioritiesMax) byPriority.clear()
      byPriority.set(priority, (ranking = new SlotRanking(this.#profile)))
    }
    return ranking
  }
}

function saysNothingOrSlotwise(plugin: ScorePlugin, cycle: Cycle): boolean {
  return plugin.isSlotwise === true || plugin.saysNothing?.(cycle) === true
}
