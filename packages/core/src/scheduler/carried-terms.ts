import { type AffinityTerm, type NamespaceLabels, termMatches } from './affinity-terms.ts'
import type { LabelColumn, NodeTable } from './node-table.ts'
import { addToSums, type LabelSums } from './pod-counts.ts'
import type { PodShape } from './pod-shape.ts'

/** One term of placed pods: how many carry it, by topology value. */
export interface CarriedTerm {
  readonly term: AffinityTerm
  /** Negative for preferred anti-affinity; 1 for required terms. */
  readonly weight: number
  readonly kind: 'requiredAffinity' | 'requiredAntiAffinity' | 'preferred'
  /** Pods that carry it, also where the node lacks the label. */
  carriers: number
  readonly podsBySlot: Map<number, number>
  sums: LabelSums | undefined
}

/** The terms of placed pods that mean an incoming pod. */
export interface TermsMeaning {
  readonly requiredAffinity: readonly CarriedTerm[]
  readonly requiredAntiAffinity: readonly CarriedTerm[]
  readonly preferred: readonly CarriedTerm[]
}

/** Carriers by value id of the term's topology label. */
export function carrierSums(carried: CarriedTerm, column: LabelColumn): LabelSums {
  const known = carried.sums
  if (known !== undefined && known.epoch === column.epoch) return known
  const sums = { epoch: column.epoch, byValue: new Int32Array(column.ids.size), total: 0 }
  for (const [slot, pods] of carried.podsBySlot) addToSums(sums, column, slot, pods)
  carried.sums = sums
  return sums
}

interface Meaning extends Record<CarriedTerm['kind'], CarriedTerm[]> {
  /** Terms of the list that have been looked at. */
  seen: number
}

/** Terms that no pod carries are kept until there are so many of them, for pods that come and go. */
const idleTermsMax = 1024

/**
 * The affinity terms that placed pods carry, for an incoming pod that they may mean: counted per term and topology value with each pod event.
 * Which terms mean a pod is remembered per shape.
 */
export class CarriedTerms {
  readonly #table: NodeTable
  readonly #namespaces: NamespaceLabels
  readonly #terms = new Map<string, CarriedTerm>()
  /** In the order in which they came; only appended to between resets. */
  #list: CarriedTerm[] = []
  #byShape = new WeakMap<PodShape, readonly CarriedTerm[]>()
  #meanings = new WeakMap<PodShape, Meaning>()
  #idle = 0

  constructor(table: NodeTable, namespaces: NamespaceLabels) {
    this.#table = table
    this.#namespaces = namespaces
  }

  /** Counts a pod in (`by` 1) or out (-1). */
  count(shape: PodShape, slot: number, by: 1 | -1): void {
    if (shape.affinity === undefined) return
    for (const carried of this.#termsOf(shape)) {
      if (carried.carriers === 0) this.#idle--
      carried.carriers += by
      if (carried.carriers === 0) this.#idle++
      const pods = (carried.podsBySlot.get(slot) ?? 0) + by
      if (pods > 0) carried.podsBySlot.set(slot, pods)
      else carried.podsBySlot.delete(slot)
      if (carried.sums !== undefined) {
        addToSums(carried.sums, this.#table.labelColumn(carried.term.topologyKey), slot, by)
      }
    }
    if (this.#idle > idleTermsMax && this.#idle > this.#list.length / 2) this.#dropIdle()
  }

  /** The terms that mean pods of the shape; some may have no carrier at present. */
  meaning(shape: PodShape): TermsMeaning {
    let meaning = this.#meanings.get(shape)
    if (meaning === undefined) {
      meaning = { requiredAffinity: [], requiredAntiAffinity: [], preferred: [], seen: 0 }
      this.#meanings.set(shape, meaning)
    }
    for (; meaning.seen < this.#list.length; meaning.seen++) {
      const carried = this.#list[meaning.seen] as CarriedTerm
      if (termMatches(carried.term, shape.namespace, shape.labels, this.#namespaces))
        meaning[carried.kind].push(carried)
    }
    return meaning
  }

  /** Labels of namespaces have changed: which terms mean which pods is looked up again. */
  reset(): void {
    this.#meanings = new WeakMap()
  }

  #termsOf(shape: PodShape): readonly CarriedTerm[] {
    let terms = this.#byShape.get(shape)
    if (terms === undefined) {
      const { requiredAffinity = [], requiredAntiAffinity = [], preferred = [] } = shape.affinity ?? {}
      terms = [
        ...requiredAffinity.map((term) => this.#carried('requiredAffinity', term, 1)),
        ...requiredAntiAffinity.map((term) => this.#carried('requiredAntiAffinity', term, 1)),
        ...preferred.map(({ term, weight }) => this.#carried('preferred', term, weight)),
      ]
      this.#byShape.set(shape, terms)
    }
    return terms
  }

  #carried(kind: CarriedTerm['kind'], term: AffinityTerm, weight: number): CarriedTerm {
    const key = `${kind} ${weight} ${term.key}`
    let carried = this.#terms.get(key)
    if (carried === undefined) {
      carried = { term, weight, kind, carriers: 0, podsBySlot: new Map(), sums: undefined }
      this.#terms.set(key, carried)
      this.#list.push(carried)
      this.#idle++
    }
    return carried
  }

  #dropIdle(): void {
    for (const [key, carried] of this.#terms) if (carried.carriers === 0) this.#terms.delete(key)
    this.#list = [...this.#terms.values()]
    this.#idle = 0
    this.#byShape = new WeakMap()
    this.#meanings = new WeakMap()
  }
}
