import type { ContainerUsage } from '../stats/usage-meter.ts'
import { evictionMessage, type NodeSignals, type Pressure, pressuresOf, rankForEviction } from './eviction.ts'
import type { Pod } from './pod.ts'

/** What eviction needs of the node. */
export interface EvictionOptions {
  signals(): NodeSignals
  /** What each container uses now. */
  usage(): Promise<readonly ContainerUsage[]>
  /** Those that have not come to their end. */
  pods(): readonly Pod[]
  /** Ends a pod as failed, for this reason. */
  evict(pod: Pod, message: string): void
  /** Removes images that nobody uses. */
  freeImages(): Promise<void>
  /** The node's conditions are others than before. */
  onChange(): void
  nowMs(): number
}

/** How long a condition stays after what it tells of was seen last (kubelet `evictionPressureTransitionPeriod`): pods are not to come back at once. */
const transitionMs = 300_000

/** Looks what the node is short of, says so in its conditions, and evicts one pod at a time until it is not (kubelet's eviction manager). */
export class EvictionLoop {
  readonly #options: EvictionOptions
  readonly #seenAtMs = new Map<Pressure['condition'], number>()
  #conditions: ReadonlySet<string> = new Set()

  constructor(options: EvictionOptions) {
    this.#options = options
  }

  /** The conditions of the node that hold. */
  get conditions(): ReadonlySet<string> {
    return this.#conditions
  }

  /** Looks once, and evicts at most one pod. @throws Error when use cannot be measured */
  async check(): Promise<void> {
    const { freeImages, onChange, signals, nowMs } = this.#options
    let pressures = pressuresOf(signals())
    for (const { condition } of pressures) this.#seenAtMs.set(condition, nowMs())
    const holding = [...this.#seenAtMs].filter(([, atMs]) => nowMs() - atMs < transitionMs).map(([name]) => name)
    const hasChanged = holding.length !== this.#conditions.size || holding.some((name) => !this.#conditions.has(name))
    this.#conditions = new Set(holding)
    if (hasChanged) onChange()
    if (pressures[0]?.condition === 'DiskPressure') {
      await freeImages()
      pressures = pressuresOf(signals())
    }
    const [first] = pressures
    if (first !== undefined) await this.#evictOne(first)
  }

  async #evictOne(pressure: Pressure): Promise<void> {
    const { evict, pods, usage } = this.#options
    const byUID = Map.groupBy(await usage(), ({ podUID }) => podUID)
    const candidates = pods().map((pod) => ({ pod, usage: byUID.get(pod.metadata.uid ?? '') ?? [] }))
    const [chosen] = rankForEviction(candidates, pressure)
    if (chosen !== undefined) evict(chosen.pod, evictionMessage(chosen, pressure))
  }
}
