import { Selector, selectNothing, selectorFromLabelSelector } from '@binnacle/apimachinery'
import type { DefaultSelectors } from '../default-selector.ts'
import {
  scoreMax,
  type ClusterEvent,
  type Cycle,
  type FilterPlugin,
  type PreFilterResult,
  type ScorePlugin,
} from '../framework.ts'
import { nodeChange, type LabelColumn, type NodeTable } from '../node-table.ts'
import { breaks, type PlacementRules } from '../placement-rules.ts'
import type { PodShape } from '../pod-shape.ts'
import type { TopologySpreadConstraint } from '../scheduled-objects.ts'

const hostnameLabel = 'kubernetes.io/hostname'
const zoneLabel = 'topology.kubernetes.io/zone'

/** One constraint of a pod, ready to be evaluated. */
interface Constraint {
  readonly maxSkew: number
  readonly topologyKey: string
  readonly minDomains: number
  readonly selector: Selector
  /** 1 when the pod itself counts in the domain it goes to. */
  readonly selfCount: number
  /** Nodes that break one of these placement rules do not count as part of their domain. */
  readonly excludes: number
}

interface Constraints {
  readonly required: readonly Constraint[]
  readonly preferred: readonly Constraint[]
}

/** A constraint with the pods there are, by domain. Domains are the label's value ids plus one; 0 is the absent label. */
interface Tally {
  readonly constraint: Constraint
  readonly values: Int32Array
  /** Matching pods by node slot. */
  readonly podsBySlot: Int32Array
  readonly podsByDomain: Int32Array
  /** 1 for domains that take part. */
  readonly isDomain: Uint8Array
}

/** Spreading of a pod's kind over the domains of a topology, as far as it is required and as far as it is wished. */
export interface PodTopologySpread {
  readonly filter: FilterPlugin
  readonly score: ScorePlugin
}

/**
 * Creates the plugin. Pods without constraints of their own are spread, where it can be had, over hosts (skew 3) and zones (skew 5)
 * together with the pods of their Services and controller: kube-scheduler's system defaults.
 */
export function createPodTopologySpread(defaults: DefaultSelectors): PodTopologySpread {
  const compiled = new WeakMap<PodShape, Constraints>()
  const constraintsOf = (shape: PodShape): Constraints => {
    let constraints = compiled.get(shape)
    if (constraints === undefined) compiled.set(shape, (constraints = compile(shape)))
    return constraints
  }
  return {
    filter: new RequiredSpread((shape) => constraintsOf(shape).required),
    score: new PreferredSpread((shape) =>
      shape.spreadConstraints.length > 0 ? constraintsOf(shape).preferred : systemDefaults(shape, defaults),
    ),
  }
}

class RequiredSpread implements FilterPlugin {
  readonly name = 'PodTopologySpread'
  readonly #constraintsOf: (shape: PodShape) => readonly Constraint[]
  readonly #scratch = new TallyScratch()
  #tallies: readonly Tally[] = []
  #fewest: number[] = []

  constructor(constraintsOf: (shape: PodShape) => readonly Constraint[]) {
    this.#constraintsOf = constraintsOf
  }

  preFilter(cycle: Cycle): PreFilterResult {
    const { cluster, shape } = cycle
    const constraints = this.#constraintsOf(shape)
    if (constraints.length === 0) return 'skip'
    const order = cluster.table.order()
    shape.rules.refresh(cluster.table, order, order.length)
    this.#tallies = this.#scratch.talliesOf(cycle, constraints)
    countDomains(this.#tallies, order, shape.rules)
    this.#fewest = this.#tallies.map(fewestInDomain)
    return 'filter'
  }

  filter(_cycle: Cycle, slots: Int32Array, count: number): number {
    let kept = count
    for (const [t, tally] of this.#tallies.entries()) {
      const { constraint, values, podsByDomain } = tally
      const podsMax = constraint.maxSkew - constraint.selfCount + (this.#fewest[t] as number)
      const candidates = kept
      kept = 0
      for (let i = 0; i < candidates; i++) {
        const slot = slots[i] as number
        const domain = (values[slot] as number) + 1
        if (domain > 0 && (podsByDomain[domain] as number) <= podsMax) slots[kept++] = slot
      }
    }
    return kept
  }

  reasons(_cycle: Cycle, slot: number): readonly string[] {
    for (const [t, { constraint, values, podsByDomain }] of this.#tallies.entries()) {
      const domain = (values[slot] as number) + 1
      if (domain === 0) return ["node(s) didn't match pod topology spread constraints (missing required label)"]
      if ((podsByDomain[domain] as number) + constraint.selfCount - (this.#fewest[t] as number) > constraint.maxSkew)
        break
    }
    return ["node(s) didn't match pod topology spread constraints"]
  }

  mayHelp(event: ClusterEvent, shape: PodShape): boolean {
    if (event.type === 'nodeRemoved') return true
    if (event.type === 'node') return (event.change & (nodeChange.added | nodeChange.labels | nodeChange.taints)) !== 0
    const other = event.pod.shape
    if (other.namespace !== shape.namespace) return false
    return this.#constraintsOf(shape).some((c) => c.selector.matches(other.labels))
  }
}

class PreferredSpread implements ScorePlugin {
  readonly name = 'PodTopologySpread'
  readonly #constraintsOf: (shape: PodShape) => readonly Constraint[]
  readonly #scratch = new TallyScratch()
  #tallies: readonly Tally[] = []
  #weights: number[] = []
  #needsAllLabels = false

  constructor(constraintsOf: (shape: PodShape) => readonly Constraint[]) {
    this.#constraintsOf = constraintsOf
  }

  preScore(cycle: Cycle, slots: Int32Array, count: number): 'skip' | 'score' {
    const { cluster, shape } = cycle
    const constraints = this.#constraintsOf(shape)
    if (constraints.length === 0) return 'skip'
    // A node without zone label still takes part in spreading over hosts, unless the pod's own constraints name the zone.
    this.#needsAllLabels = shape.spreadConstraints.length > 0
    this.#tallies = this.#scratch.talliesOf(cycle, constraints)
    let ignored = 0
    for (let i = 0; i < count; i++) {
      const slot = slots[i] as number
      if (this.#needsAllLabels && lacksLabel(this.#tallies, slot)) ignored++
      else for (const { values, isDomain } of this.#tallies) isDomain[(values[slot] as number) + 1] = 1
    }
    this.#weights = this.#tallies.map(({ constraint, isDomain }) => {
      const domains = constraint.topologyKey === hostnameLabel ? count - ignored : countOnes(isDomain)
      return Math.log(domains + 2)
    })
    const order = cluster.table.order()
    shape.rules.refresh(cluster.table, order, order.length)
    for (const tally of this.#tallies) {
      if (tally.constraint.topologyKey !== hostnameLabel) this.#countCandidateDomains(tally, order, shape.rules)
    }
    return 'score'
  }

  score(_cycle: Cycle, slots: Int32Array, count: number, scores: Float64Array): void {
    let least = Number.MAX_SAFE_INTEGER
    let greatest = 0
    for (let i = 0; i < count; i++) {
      const slot = slots[i] as number
      const score = this.#needsAllLabels && lacksLabel(this.#tallies, slot) ? -1 : this.#rawScore(slot)
      scores[i] = score
      if (score < 0) continue
      if (score < least) least = score
      if (score > greatest) greatest = score
    }
    for (let i = 0; i < count; i++) {
      const score = scores[i] as number
      if (score < 0) scores[i] = 0
      else scores[i] = greatest === 0 ? scoreMax : Math.floor((scoreMax * (greatest + least - score)) / greatest)
    }
  }

  #rawScore(slot: number): number {
    let score = 0
    for (let t = 0; t < this.#tallies.length; t++) {
      const { constraint, values, podsBySlot, podsByDomain } = this.#tallies[t] as Tally
      const domain = (values[slot] as number) + 1
      if (domain === 0) continue
      const pods = (constraint.topologyKey === hostnameLabel ? podsBySlot[slot] : podsByDomain[domain]) as number
      score += pods * (this.#weights[t] as number) + (constraint.maxSkew - 1)
    }
    return Math.round(score)
  }

  /** Pods of every node count, but only towards domains that a candidate belongs to. */
  #countCandidateDomains(
    { constraint, values, podsBySlot, podsByDomain, isDomain }: Tally,
    order: Int32Array,
    rules: PlacementRules,
  ): void {
    const { verdicts } = rules
    const { excludes } = constraint
    for (let i = 0; i < order.length; i++) {
      const slot = order[i] as number
      const pods = podsBySlot[slot] as number
      if (pods === 0 || ((verdicts[slot] as number) & excludes) !== 0) continue
      if (this.#needsAllLabels && lacksLabel(this.#tallies, slot)) continue
      const domain = (values[slot] as number) + 1
      if (isDomain[domain] === 1) podsByDomain[domain] = (podsByDomain[domain] as number) + pods
    }
  }
}

/** Arrays for the tallies of one decision, used again by the next. */
class TallyScratch {
  readonly #pods: Int32Array[] = []
  readonly #isDomain: Uint8Array[] = []

  talliesOf({ cluster, shape }: Cycle, constraints: readonly Constraint[]): Tally[] {
    return constraints.map((constraint, i) => {
      const column = cluster.table.labelColumn(constraint.topologyKey)
      const { counts } = cluster.spread.counter(shape.namespace, constraint.selector)
      return { constraint, values: column.values, podsBySlot: counts, ...this.#cleared(i, column, cluster.table) }
    })
  }

  #cleared(i: number, column: LabelColumn, table: NodeTable): { podsByDomain: Int32Array; isDomain: Uint8Array } {
    const domains = column.ids.size + 1
    if ((this.#pods[i]?.length ?? 0) < domains) {
      const length = Math.max(domains, table.capacity)
      this.#pods[i] = new Int32Array(length)
      this.#isDomain[i] = new Uint8Array(length)
    }
    const podsByDomain = (this.#pods[i] as Int32Array).subarray(0, domains).fill(0)
    const isDomain = (this.#isDomain[i] as Uint8Array).subarray(0, domains).fill(0)
    return { podsByDomain, isDomain }
  }
}

function countDomains(tallies: readonly Tally[], order: Int32Array, rules: PlacementRules): void {
  const { verdicts } = rules
  for (let i = 0; i < order.length; i++) {
    const slot = order[i] as number
    if (lacksLabel(tallies, slot)) continue
    for (const { constraint, values, podsBySlot, podsByDomain, isDomain } of tallies) {
      if (((verdicts[slot] as number) & constraint.excludes) !== 0) continue
      const domain = (values[slot] as number) + 1
      podsByDomain[domain] = (podsByDomain[domain] as number) + (podsBySlot[slot] as number)
      isDomain[domain] = 1
    }
  }
}

/** Pods in the domain that has fewest; 0 while there are fewer domains than the constraint asks for. */
function fewestInDomain({ constraint, podsByDomain, isDomain }: Tally): number {
  let fewest = 2 ** 31 - 1
  let domains = 0
  for (let domain = 1; domain < isDomain.length; domain++) {
    if (isDomain[domain] === 0) continue
    domains++
    if ((podsByDomain[domain] as number) < fewest) fewest = podsByDomain[domain] as number
  }
  return domains < constraint.minDomains ? 0 : fewest
}

function lacksLabel(tallies: readonly Tally[], slot: number): boolean {
  for (let t = 0; t < tallies.length; t++) if (((tallies[t] as Tally).values[slot] as number) < 0) return true
  return false
}

function countOnes(flags: Uint8Array): number {
  let ones = 0
  for (let i = 0; i < flags.length; i++) ones += flags[i] as number
  return ones
}

function compile(shape: PodShape): Constraints {
  const of = (effect: string): Constraint[] =>
    shape.spreadConstraints.filter((c) => c.whenUnsatisfiable === effect).map((c) => compileOne(shape, c))
  return { required: of('DoNotSchedule'), preferred: of('ScheduleAnyway') }
}

function compileOne(shape: PodShape, constraint: TopologySpreadConstraint): Constraint {
  const selector = selectorOf(shape, constraint)
  const excludes =
    (constraint.nodeAffinityPolicy === 'Ignore' ? 0 : breaks.affinity) |
    (constraint.nodeTaintsPolicy === 'Honor' ? breaks.taints : 0)
  return {
    maxSkew: constraint.maxSkew,
    topologyKey: constraint.topologyKey,
    minDomains: constraint.minDomains ?? 1,
    // A selector that selects everything counts nothing (`countPodsMatchSelector`), yet the pod matches it.
    selector: selector.empty ? selectNothing : selector,
    selfCount: selector.matches(shape.labels) ? 1 : 0,
    excludes,
  }
}

function selectorOf(shape: PodShape, { labelSelector, matchLabelKeys }: TopologySpreadConstraint): Selector {
  if (labelSelector === undefined) return selectNothing
  const sameValues = (matchLabelKeys ?? []).flatMap((key) => {
    const value = shape.labels?.[key]
    return value === undefined ? [] : [{ key, operator: 'In' as const, values: [value] }]
  })
  return new Selector([...selectorFromLabelSelector(labelSelector).requirements, ...sameValues])
}

const defaultsBySelector = new WeakMap<Selector, readonly Constraint[]>()

function systemDefaults(shape: PodShape, defaults: DefaultSelectors): readonly Constraint[] {
  const selector = defaults.selectorFor(shape)
  if (selector === undefined) return []
  let constraints = defaultsBySelector.get(selector)
  if (constraints === undefined) {
    const shared = { selector, minDomains: 1, selfCount: 1, excludes: breaks.affinity }
    constraints = [
      { ...shared, topologyKey: hostnameLabel, maxSkew: 3 },
      { ...shared, topologyKey: zoneLabel, maxSkew: 5 },
    ]
    defaultsBySelector.set(selector, constraints)
  }
  return constraints
}
