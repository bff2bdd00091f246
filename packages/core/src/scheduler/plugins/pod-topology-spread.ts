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
import { nodeChange, type LabelColumn } from '../node-table.ts'
import { breaks, type PlacementRules } from '../placement-rules.ts'
import type { PodTopologySpreadArgs } from '../plugin-args.ts'
import type { PodShape } from '../pod-shape.ts'
import type { TopologySpreadConstraint } from '../scheduled-objects.ts'
import { type PodMatcher, sumsBy } from '../pod-counts.ts'

const hostnameLabel = 'kubernetes.io/hostname'
const zoneLabel = 'topology.kubernetes.io/zone'

/** One constraint of a pod, ready to be evaluated. */
interface Constraint {
  readonly maxSkew: number
  readonly topologyKey: string
  readonly minDomains: number
  readonly selector: Selector
  /** The selector within the pod's namespace. */
  readonly matcher: PodMatcher
  /** 1 when the pod itself counts in the domain it goes to. */
  readonly selfCount: number
  /** Nodes that break one of these placement rules do not count as part of their domain. */
  readonly excludes: number
}

interface Constraints {
  readonly required: readonly Constraint[]
  readonly preferred: readonly Constraint[]
}

/** A constraint with the pods there are, by domain; a domain is a value id of the label. */
interface Tally {
  readonly constraint: Constraint
  readonly values: Int32Array
  /** Matching pods by node slot. */
  readonly podsBySlot: Int32Array
  readonly podsByDomain: Int32Array
  /** Above 0 for domains that take part. */
  readonly isDomain: Uint8Array | Int32Array
  readonly domainsEnd: number
}

/** Spreading of a pod's kind over the domains of a topology, as far as it is required and as far as it is wished. */
export interface PodTopologySpread {
  readonly filter: FilterPlugin
  readonly score: ScorePlugin
}

/**
 * Creates the plugin. Pods without constraints of their own are spread by the default constraints together with the pods of their
 * Services and controller: the system's, or those that the arguments list.
 */
export function createPodTopologySpread(defaults: DefaultSelectors, args: PodTopologySpreadArgs): PodTopologySpread {
  const compiled = new WeakMap<PodShape, Constraints>()
  const isSystem = args.defaultingType === 'System'
  const defaultsOf = isSystem ? systemDefaults : listedDefaults(args.defaultConstraints)
  const constraintsOf = (shape: PodShape): Constraints => {
    if (shape.spreadConstraints.length === 0) return defaultsOf(shape, defaults.selectorFor(shape))
    let constraints = compiled.get(shape)
    if (constraints === undefined) compiled.set(shape, (constraints = compile(shape, shape.spreadConstraints)))
    return constraints
  }
  return {
    // The system's defaults require nothing.
    filter: new RequiredSpread((shape) =>
      isSystem && shape.spreadConstraints.length === 0 ? [] : constraintsOf(shape).required,
    ),
    score: new PreferredSpread((shape) => constraintsOf(shape).preferred, isSystem),
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
    const constraints = this.#constraintsOf(cycle.shape)
    if (constraints.length === 0) return 'skip'
    this.#tallies = this.#scratch.talliesOf(cycle, constraints, true)
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
        const domain = values[slot] as number
        if (domain >= 0 && (podsByDomain[domain] as number) <= podsMax) slots[kept++] = slot
      }
    }
    return kept
  }

  reasons(cycle: Cycle, slot: number): readonly string[] {
    return [
      this.mayYield(cycle, slot)
        ? "node(s) didn't match pod topology spread constraints"
        : "node(s) didn't match pod topology spread constraints (missing required label)",
    ]
  }

  mayYield(_cycle: Cycle, slot: number): boolean {
    for (const [t, { constraint, values, podsByDomain }] of this.#tallies.entries()) {
      const domain = values[slot] as number
      if (domain < 0) return false
      if ((podsByDomain[domain] as number) + constraint.selfCount - (this.#fewest[t] as number) > constraint.maxSkew)
        return true
    }
    return true
  }

  mayHelp(event: ClusterEvent, shape: PodShape): boolean {
    if (event.type === 'nodeRemoved' || event.type === 'podUpdated') return true
    if (event.type === 'object') return false
    if (event.type === 'node') return (event.change & (nodeChange.added | nodeChange.labels | nodeChange.taints)) !== 0
    const other = event.pod.shape
    return this.#constraintsOf(shape).some((c) => c.matcher.matches(other.namespace, other.labels))
  }
}

class PreferredSpread implements ScorePlugin {
  readonly name = 'PodTopologySpread'
  readonly #constraintsOf: (shape: PodShape) => readonly Constraint[]
  readonly #isSystem: boolean
  readonly #scratch = new TallyScratch()
  #tallies: readonly Tally[] = []
  #weights: number[] = []
  #needsAllLabels = false
  /** Domains that were seen in the present decision carry its mark. */
  #seen = new Uint32Array(0)
  #mark = 0

  /** `isSystem`: pods without constraints of their own have the system's defaults. */
  constructor(constraintsOf: (shape: PodShape) => readonly Constraint[], isSystem: boolean) {
    this.#constraintsOf = constraintsOf
    this.#isSystem = isSystem
  }

  saysNothing({ shape }: Cycle): boolean {
    return this.#constraintsOf(shape).length === 0
  }

  preScore(cycle: Cycle, slots: Int32Array, count: number): 'skip' | 'score' {
    const { shape } = cycle
    const constraints = this.#constraintsOf(shape)
    if (constraints.length === 0) return 'skip'
    // By the system's defaults a node without zone label still takes part in spreading over hosts.
    this.#needsAllLabels = shape.spreadConstraints.length > 0 || !this.#isSystem
    this.#tallies = this.#scratch.talliesOf(cycle, constraints, this.#needsAllLabels)
    let counted = count
    if (this.#needsAllLabels)
      for (let i = 0; i < count; i++) if (lacksLabel(this.#tallies, slots[i] as number)) counted--
    this.#weights = this.#tallies.map((tally) => {
      const isHost = tally.constraint.topologyKey === hostnameLabel
      return Math.log((isHost ? counted : this.#candidateDomains(tally, slots, count)) + 2)
    })
    return 'score'
  }

  score(_cycle: Cycle, slots: Int32Array, count: number, scores: Float64Array): void {
    scores.fill(0, 0, count)
    for (let t = 0; t < this.#tallies.length; t++) {
      addPods(this.#tallies[t] as Tally, this.#weights[t] as number, slots.subarray(0, count), scores)
    }
    if (this.#needsAllLabels) {
      for (let i = 0; i < count; i++) if (lacksLabel(this.#tallies, slots[i] as number)) scores[i] = ignored
    }
    turnRound(scores, count)
  }

  /** How many different values the candidates have; none is a value too. */
  #candidateDomains({ values, domainsEnd }: Tally, slots: Int32Array, count: number): number {
    if (this.#seen.length <= domainsEnd) this.#seen = new Uint32Array(2 * domainsEnd + 1)
    const mark = ++this.#mark
    let domains = 0
    for (let i = 0; i < count; i++) {
      const slot = slots[i] as number
      if (this.#needsAllLabels && lacksLabel(this.#tallies, slot)) continue
      const domain = (values[slot] as number) + 1
      if (this.#seen[domain] === mark) continue
      this.#seen[domain] = mark
      domains++
    }
    return domains
  }
}

/** The score of a node that has not all the labels of the pod's own constraints. */
const ignored = -1

function addPods(
  { constraint, values, podsBySlot, podsByDomain }: Tally,
  weight: number,
  slots: Int32Array,
  scores: Float64Array,
): void {
  const isHost = constraint.topologyKey === hostnameLabel
  const tolerance = constraint.maxSkew - 1
  for (let i = 0; i < slots.length; i++) {
    const slot = slots[i] as number
    const domain = values[slot] as number
    if (domain < 0) continue
    const pods = (isHost ? podsBySlot[slot] : podsByDomain[domain]) as number
    scores[i] = (scores[i] as number) + pods * weight + tolerance
  }
}

/** Makes of fewer pods a better score. */
function turnRound(scores: Float64Array, count: number): void {
  let least = Number.MAX_SAFE_INTEGER
  let greatest = 0
  for (let i = 0; i < count; i++) {
    const score = Math.round(scores[i] as number)
    scores[i] = score
    if (score === ignored) continue
    if (score < least) least = score
    if (score > greatest) greatest = score
  }
  for (let i = 0; i < count; i++) {
    const score = scores[i] as number
    if (score === ignored) scores[i] = 0
    else scores[i] = greatest === 0 ? scoreMax : Math.floor((scoreMax * (greatest + least - score)) / greatest)
  }
}

/** Counts pods by domain; where it must look at each node, in arrays that the next decision uses again. */
class TallyScratch {
  readonly #pods: Int32Array[] = []
  readonly #isDomain: Uint8Array[] = []

  /** `needsAllLabels`: nodes that lack the label of one constraint take part in none. */
  talliesOf({ cluster, shape }: Cycle, constraints: readonly Constraint[], needsAllLabels: boolean): Tally[] {
    const { table, runningPods } = cluster
    const { rules } = shape
    const columns = constraints.map((c) => table.labelColumn(c.topologyKey))
    const isPartial = needsAllLabels && constraints.length > 1 && columns.some((c) => c.nodesLabelled < table.nodeCount)
    const ignores = rules.admitsAll ? breaks.affinity : 0
    const tallies = constraints.map((constraint, i): Tally & { isCounted: boolean } => {
      const column = columns[i] as LabelColumn
      const counter = runningPods.counter(constraint.matcher)
      const shared = { constraint, values: column.values, podsBySlot: counter.counts, domainsEnd: column.ids.size }
      // When every node with the label takes part, the sums that are kept up with each pod say it all.
      const isCounted = !isPartial && (constraint.excludes & ~ignores) === 0
      if (isCounted)
        return { ...shared, isCounted, podsByDomain: sumsBy(counter, column).byValue, isDomain: column.nodesByValue }
      return { ...shared, isCounted, ...this.#cleared(i, column.ids.size, table.capacity) }
    })
    const uncounted = tallies.filter((t) => !t.isCounted)
    if (uncounted.length > 0) {
      const order = table.order()
      rules.refresh(table, order, order.length)
      for (const tally of uncounted) countDomain(tally, needsAllLabels ? tallies : [tally], order, rules)
    }
    return tallies
  }

  #cleared(i: number, domains: number, capacity: number): { podsByDomain: Int32Array; isDomain: Uint8Array } {
    if ((this.#pods[i]?.length ?? 0) < domains) {
      const length = Math.max(domains, capacity)
      this.#pods[i] = new Int32Array(length)
      this.#isDomain[i] = new Uint8Array(length)
    }
    const podsByDomain = (this.#pods[i] ?? new Int32Array(0)).fill(0, 0, domains)
    const isDomain = (this.#isDomain[i] ?? new Uint8Array(0)).fill(0, 0, domains)
    return { podsByDomain, isDomain }
  }
}

/** Counts the pods of the nodes that have the labels of all the given constraints and are not excluded. */
function countDomain(tally: Tally, labelled: readonly Tally[], order: Int32Array, rules: PlacementRules): void {
  const { constraint, values, podsBySlot, podsByDomain, isDomain } = tally
  const { verdicts } = rules
  const { excludes } = constraint
  for (let i = 0; i < order.length; i++) {
    const slot = order[i] as number
    if (((verdicts[slot] as number) & excludes) !== 0 || lacksLabel(labelled, slot)) continue
    const domain = values[slot] as number
    podsByDomain[domain] = (podsByDomain[domain] as number) + (podsBySlot[slot] as number)
    isDomain[domain] = 1
  }
}

/** Pods in the domain that has fewest; 0 while there are fewer domains than the constraint asks for. */
function fewestInDomain({ constraint, podsByDomain, isDomain, domainsEnd }: Tally): number {
  let fewest = 2 ** 31 - 1
  let domains = 0
  for (let domain = 0; domain < domainsEnd; domain++) {
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

function compile(shape: PodShape, constraints: readonly TopologySpreadConstraint[], selector?: Selector): Constraints {
  const of = (effect: string): Constraint[] =>
    constraints
      .filter((c) => c.whenUnsatisfiable === effect)
      .map((c) => compileOne(shape, c, selector ?? selectorOf(shape, c)))
  return { required: of('DoNotSchedule'), preferred: of('ScheduleAnyway') }
}

function compileOne(shape: PodShape, constraint: TopologySpreadConstraint, selector: Selector): Constraint {
  const excludes =
    (constraint.nodeAffinityPolicy === 'Ignore' ? 0 : breaks.affinity) |
    (constraint.nodeTaintsPolicy === 'Honor' ? breaks.taints : 0)
  return {
    maxSkew: constraint.maxSkew,
    topologyKey: constraint.topologyKey,
    minDomains: constraint.minDomains ?? 1,
    selector,
    // A selector that selects everything counts nothing (`countPodsMatchSelector`), yet the pod matches it.
    matcher: within(shape.namespace, selector.empty ? selectNothing : selector),
    selfCount: selector.matches(shape.labels) ? 1 : 0,
    excludes,
  }
}

/** Matches pods of one namespace. */
function within(namespace: string, selector: Selector): PodMatcher {
  return {
    key: `${namespace}/${selector.toString()}`,
    matches: (of, labels) => of === namespace && selector.matches(labels),
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

/** Constraints of pods that have none, by what the pods spread together with them match; undefined: the pod belongs to nothing. */
type DefaultConstraints = (shape: PodShape, selector: Selector | undefined) => Constraints

const noConstraints: Constraints = { required: [], preferred: [] }

function listedDefaults(listed: readonly TopologySpreadConstraint[]): DefaultConstraints {
  // A selector is worked out for one shape, so what is compiled of it is that shape's.
  const bySelector = new WeakMap<Selector, Constraints>()
  return (shape, selector) => {
    if (selector === undefined || listed.length === 0) return noConstraints
    let constraints = bySelector.get(selector)
    if (constraints === undefined) bySelector.set(selector, (constraints = compile(shape, listed, selector)))
    return constraints
  }
}

const systemDefaults = listedDefaults([
  { topologyKey: hostnameLabel, maxSkew: 3, whenUnsatisfiable: 'ScheduleAnyway' },
  { topologyKey: zoneLabel, maxSkew: 5, whenUnsatisfiable: 'ScheduleAnyway' },
])
