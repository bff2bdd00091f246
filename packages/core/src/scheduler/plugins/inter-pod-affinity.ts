import type { Labels } from '@binnacle/apimachinery'
import {
  type AffinityTerm,
  matcherOf,
  type NamespaceLabels,
  type PodAffinityTerms,
  termMatches,
} from '../affinity-terms.ts'
import { carrierSums } from '../carried-terms.ts'
import type { ClusterState } from '../cluster-state.ts'
import {
  scoreMax,
  type ClusterEvent,
  type Cycle,
  type FilterPlugin,
  type PreFilterResult,
  type ScorePlugin,
} from '../framework.ts'
import { nodeChange } from '../node-table.ts'
import { type LabelSums, sumsBy } from '../pod-counts.ts'
import type { InterPodAffinityArgs } from '../plugin-args.ts'
import type { PodShape } from '../pod-shape.ts'

/** Pods by the value of a topology label. */
interface Tally {
  /** Value ids by slot; -1 where the node lacks the label. */
  readonly values: Int32Array
  readonly byValue: Int32Array
}

const noTerms: PodAffinityTerms = { requiredAffinity: [], requiredAntiAffinity: [], preferred: [] }

/** Why a node is not kept. */
const broken = { affinity: 1, antiAffinity: 2, existing: 3 } as const

/** Required pod affinity and anti-affinity, and the required anti-affinity of the pods that are there. */
export class InterPodAffinityFilter implements FilterPlugin {
  readonly name = 'InterPodAffinity'
  #affinity: readonly Tally[] = []
  #antiAffinity: readonly Tally[] = []
  #existing: readonly Tally[] = []
  /** Nothing matches the pod's affinity anywhere but the pod itself: it may be the first of its kind. */
  #mayBeFirst = false

  preFilter({ cluster, shape }: Cycle): PreFilterResult {
    const { requiredAffinity, requiredAntiAffinity } = shape.affinity ?? noTerms
    const meaning = cluster.carriedTerms.meaning(shape).requiredAntiAffinity
    if (meaning.length === 0 && requiredAffinity.length === 0 && requiredAntiAffinity.length === 0) return 'skip'
    this.#existing = meaning
      .filter((carried) => carried.carriers > 0)
      .map((carried) => tally(cluster, carried.term.topologyKey, (column) => carrierSums(carried, column)))
      .filter(({ total }) => total > 0)
    this.#antiAffinity = requiredAntiAffinity
      .map((term) => tallyOfPods(cluster, [term], term.topologyKey))
      .filter(({ total }) => total > 0)
    const affinity = requiredAffinity.map((term) => tallyOfPods(cluster, requiredAffinity, term.topologyKey))
    this.#affinity = affinity
    this.#mayBeFirst =
      affinity.every(({ total }) => total === 0) &&
      requiredAffinity.every((term) => termMatches(term, shape.namespace, shape.labels, cluster.namespaces))
    return this.#existing.length + this.#antiAffinity.length + this.#affinity.length === 0 ? 'skip' : 'filter'
  }

  filter(_cycle: Cycle, slots: Int32Array, count: number): number {
    let kept = count
    for (const { values, byValue } of this.#affinity) {
      const candidates = kept
      kept = 0
      for (let i = 0; i < candidates; i++) {
        const slot = slots[i] as number
        const value = values[slot] as number
        if (value >= 0 && (this.#mayBeFirst || (byValue[value] as number) > 0)) slots[kept++] = slot
      }
    }
    for (const against of [this.#antiAffinity, this.#existing]) {
      for (const each of against) kept = keepFree(each, slots, kept)
    }
    return kept
  }

  reasons(_cycle: Cycle, slot: number): readonly string[] {
    switch (this.#brokenOn(slot)) {
      case broken.affinity:
        return ["node(s) didn't match pod affinity rules"]
      case broken.antiAffinity:
        return ["node(s) didn't match pod anti-affinity rules"]
      default:
        return ["node(s) didn't satisfy existing pods anti-affinity rules"]
    }
  }

  mayYield(_cycle: Cycle, slot: number): boolean {
    return this.#brokenOn(slot) !== broken.affinity
  }

  mayHelp(event: ClusterEvent, shape: PodShape, cluster: ClusterState): boolean {
    if (event.type === 'node') return (event.change & (nodeChange.added | nodeChange.labels)) !== 0
    if (event.type === 'podUpdated') return true
    if (event.type !== 'podPlaced' && event.type !== 'podRemoved') return false
    const { requiredAffinity, requiredAntiAffinity } = shape.affinity ?? noTerms
    const other = event.pod.shape
    if (event.type === 'podPlaced')
      return requiredAffinity.length > 0 && allMatch(requiredAffinity, other, cluster.namespaces)
    return (
      anyMatches(requiredAntiAffinity, other, cluster.namespaces) ||
      anyMatches(other.affinity?.requiredAntiAffinity ?? [], shape, cluster.namespaces)
    )
  }

  #brokenOn(slot: number): number {
    const isMissing = this.#affinity.some(({ values, byValue }) => {
      const value = values[slot] as number
      return value < 0 || (!this.#mayBeFirst && (byValue[value] as number) === 0)
    })
    if (isMissing) return broken.affinity
    const meets = ({ values, byValue }: Tally): boolean =>
      (values[slot] as number) >= 0 && (byValue[values[slot] as number] as number) > 0
    return this.#antiAffinity.some(meets) ? broken.antiAffinity : broken.existing
  }
}

/** Preferred terms of the pod and of the pods that are there, and required affinity of those for the pod. */
export class InterPodAffinityScore implements ScorePlugin {
  readonly name = 'InterPodAffinity'
  readonly #args: InterPodAffinityArgs
  #weighted: readonly (Tally & { readonly weight: number })[] = []

  constructor(args: InterPodAffinityArgs) {
    this.#args = args
  }

  saysNothing(cycle: Cycle): boolean {
    return this.preScore(cycle) === 'skip'
  }

  preScore({ cluster, shape }: Cycle): 'skip' | 'score' {
    const { preferred } = shape.affinity ?? noTerms
    if (preferred.length === 0 && this.#args.ignorePreferredTermsOfExistingPods) return 'skip'
    const meaning = cluster.carriedTerms.meaning(shape)
    if (preferred.length + meaning.preferred.length + meaning.requiredAffinity.length === 0) return 'skip'
    const ofPods = preferred.map(({ term, weight }) => ({ ...tallyOfPods(cluster, [term], term.topologyKey), weight }))
    const existing = [
      ...meaning.preferred.map((carried) => ({ carried, weight: carried.weight })),
      ...meaning.requiredAffinity.map((carried) => ({ carried, weight: this.#args.hardPodAffinityWeight })),
    ]
    const ofTerms = existing.map(({ carried, weight }) => ({
      ...tally(cluster, carried.term.topologyKey, (column) => carrierSums(carried, column)),
      weight,
    }))
    this.#weighted = [...ofPods, ...ofTerms].filter(({ total, weight }) => total > 0 && weight !== 0)
    return this.#weighted.length === 0 ? 'skip' : 'score'
  }

  score(_cycle: Cycle, slots: Int32Array, count: number, scores: Float64Array): void {
    scores.fill(0, 0, count)
    for (const { values, byValue, weight } of this.#weighted) {
      for (let i = 0; i < count; i++) {
        const value = values[slots[i] as number] as number
        if (value >= 0) scores[i] = (scores[i] as number) + weight * (byValue[value] as number)
      }
    }
    stretch(scores, count)
  }
}

/** Maps the least to 0 and the greatest to 100. */
function stretch(scores: Float64Array, count: number): void {
  let least = Number.POSITIVE_INFINITY
  let greatest = Number.NEGATIVE_INFINITY
  for (let i = 0; i < count; i++) {
    const score = scores[i] as number
    if (score < least) least = score
    if (score > greatest) greatest = score
  }
  const range = greatest - least
  for (let i = 0; i < count; i++) {
    scores[i] = range > 0 ? Math.trunc(scoreMax * (((scores[i] as number) - least) / range)) : 0
  }
}

function keepFree({ values, byValue }: Tally, slots: Int32Array, count: number): number {
  let kept = 0
  for (let i = 0; i < count; i++) {
    const slot = slots[i] as number
    const value = values[slot] as number
    if (value < 0 || (byValue[value] as number) === 0) slots[kept++] = slot
  }
  return kept
}

type SumsOf = (column: ReturnType<ClusterState['table']['labelColumn']>) => LabelSums

function tally(cluster: ClusterState, topologyKey: string, sumsOf: SumsOf): Tally & { readonly total: number } {
  const column = cluster.table.labelColumn(topologyKey)
  const { byValue, total } = sumsOf(column)
  return { values: column.values, byValue, total }
}

/** The pods that all of the terms mean, by the values of a label. */
function tallyOfPods(
  cluster: ClusterState,
  terms: readonly AffinityTerm[],
  topologyKey: string,
): Tally & { readonly total: number } {
  const counter = cluster.pods.counter(matcherOf(terms, cluster.namespaces))
  return tally(cluster, topologyKey, (column) => sumsBy(counter, column))
}

interface LabelledPod {
  readonly namespace: string
  readonly labels: Labels | undefined
}

function allMatch(terms: readonly AffinityTerm[], pod: LabelledPod, namespaces: NamespaceLabels): boolean {
  return terms.every((term) => termMatches(term, pod.namespace, pod.labels, namespaces))
}

function anyMatches(terms: readonly AffinityTerm[], pod: LabelledPod, namespaces: NamespaceLabels): boolean {
  return terms.some((term) => termMatches(term, pod.namespace, pod.labels, namespaces))
}
