import { Selector, type Requirement } from '@binnacle/apimachinery'
import { grown, type NodeTable } from './node-table.ts'
import type {
  NodeAffinity,
  NodeSelectorTerm,
  SelectorRequirement,
  SchedulableNode,
  SchedulablePod,
  Taint,
  Toleration,
} from './scheduled-objects.ts'

/** Which of the rules that are fixed between node updates a node breaks, as bits of {@link PlacementRules.verdicts}. */
export const breaks = { schedulable: 1, taints: 2, affinity: 4 } as const

/**
 * Where a pod may and would rather go as far as that depends on the pod's spec and the node object alone: tolerations, node
 * selector, node affinity. Pods from one template share one instance, which remembers a verdict per node until the node changes.
 */
export class PlacementRules {
  readonly nodeSelector: Readonly<Record<string, string>> | undefined
  /** Alternatives; undefined when affinity requires nothing. */
  readonly requiredTerms: readonly NodeTerm[] | undefined
  readonly preferredTerms: readonly { readonly weight: number; readonly term: NodeTerm }[]
  readonly tolerations: readonly Toleration[]
  /** Nodes that required affinity names by metadata.name; undefined when other nodes can match too. */
  readonly nodeNames: ReadonlySet<string> | undefined
  /** {@link breaks} bits by slot, valid after {@link refresh}. */
  verdicts = new Uint8Array(0)
  /** Sum of the weights of the preferred terms that match, by slot. */
  affinityWeights = new Int32Array(0)
  /** Number of PreferNoSchedule taints that are not tolerated, by slot. */
  avoidedTaints = new Int32Array(0)
  /** Slots judged so far whose node, as it was then, has PreferNoSchedule taints that are not tolerated. */
  avoidedSlots = 0
  #epochs = new Uint32Array(0)

  constructor(pod: Pick<SchedulablePod, 'spec'>) {
    this.nodeSelector = pod.spec.nodeSelector
    const affinity = pod.spec.affinity?.nodeAffinity
    this.requiredTerms = affinity?.requiredDuringSchedulingIgnoredDuringExecution?.nodeSelectorTerms.map(compileTerm)
    this.preferredTerms = (affinity?.preferredDuringSchedulingIgnoredDuringExecution ?? []).map(
      ({ weight, preference }) => ({
        weight,
        term: compileTerm(preference),
      }),
    )
    this.tolerations = pod.spec.tolerations ?? []
    this.nodeNames = namedNodes(affinity)
  }

  /** True when affinity and node selector leave out no node. */
  get admitsAll(): boolean {
    return this.requiredTerms === undefined && Object.keys(this.nodeSelector ?? {}).length === 0
  }

  /** {@link breaks} bits that are set for any of the slots last refreshed. */
  brokenSomewhere = 0

  /** Makes the verdicts of the given slots current. */
  refresh(table: NodeTable, slots: Int32Array, count: number): void {
    if (this.#epochs.length < table.slotsEnd) this.#grow(table.capacity)
    const epochs = this.#epochs
    const current = table.fixedEpoch
    for (let i = 0; i < count; i++) {
      const slot = slots[i] as number
      if (epochs[slot] !== current[slot])
        this.#judge(slot, table.nodes[slot] as SchedulableNode, current[slot] as number)
    }
    const { verdicts } = this
    let broken = 0
    for (let i = 0; i < count; i++) broken |= verdicts[slots[i] as number] as number
    this.brokenSomewhere = broken
  }

  #judge(slot: number, node: SchedulableNode, epoch: number): void {
    let verdict = 0
    if (!toleratesUnschedulable(this.tolerations, node)) verdict |= breaks.schedulable
    if (untoleratedTaint(this.tolerations, node.spec?.taints) !== undefined) verdict |= breaks.taints
    if (!this.admits(node)) verdict |= breaks.affinity
    this.verdicts[slot] = verdict
    this.affinityWeights[slot] = this.#preferredWeight(node)
    const avoided = countAvoidedTaints(this.tolerations, node.spec?.taints)
    this.avoidedSlots += Number(avoided > 0) - Number((this.avoidedTaints[slot] as number) > 0)
    this.avoidedTaints[slot] = avoided
    this.#epochs[slot] = epoch
  }

  /** Whether the node satisfies both the node selector and the required node affinity. */
  admits(node: SchedulableNode): boolean {
    const labels = node.metadata.labels ?? {}
    for (const key in this.nodeSelector) {
      if (!Object.hasOwn(labels, key) || labels[key] !== this.nodeSelector[key]) return false
    }
    return this.requiredTerms === undefined || this.requiredTerms.some((term) => matchesTerm(term, node))
  }

  #preferredWeight(node: SchedulableNode): number {
    let sum = 0
    for (const { weight, term } of this.preferredTerms) if (matchesTerm(term, node)) sum += weight
    return sum
  }

  #grow(capacity: number): void {
    this.verdicts = grown(this.verdicts, new Uint8Array(capacity))
    this.affinityWeights = grown(this.affinityWeights, new Int32Array(capacity))
    this.avoidedTaints = grown(this.avoidedTaints, new Int32Array(capacity))
    // A node's epoch is never 0, so a new slot is always judged.
    this.#epochs = grown(this.#epochs, new Uint32Array(capacity))
  }
}

/** What a pod that tolerates being put on an unschedulable node tolerates. */
const unschedulableTaint: Taint = { key: 'node.kubernetes.io/unschedulable', effect: 'NoSchedule' }

/** False when the node is cordoned and the pod does not tolerate that. */
export function toleratesUnschedulable(tolerations: readonly Toleration[], node: SchedulableNode): boolean {
  return node.spec?.unschedulable !== true || tolerations.some((t) => tolerates(t, unschedulableTaint))
}

/** The first NoSchedule or NoExecute taint that nothing tolerates. */
export function untoleratedTaint(tolerations: readonly Toleration[], taints: readonly Taint[] = []): Taint | undefined {
  return taints.find(
    (taint) =>
      (taint.effect === 'NoSchedule' || taint.effect === 'NoExecute') && !tolerations.some((t) => tolerates(t, taint)),
  )
}

/** How many PreferNoSchedule taints are not tolerated. */
export function countAvoidedTaints(tolerations: readonly Toleration[], taints: readonly Taint[] = []): number {
  return taints.filter((taint) => taint.effect === 'PreferNoSchedule' && !tolerations.some((t) => tolerates(t, taint)))
    .length
}

/** `v1.Toleration.ToleratesTaint`: an absent effect or key stands for any; Equal is the default operator. */
export function tolerates(toleration: Toleration, taint: Taint): boolean {
  if (isSet(toleration.effect) && toleration.effect !== taint.effect) return false
  if (isSet(toleration.key) && toleration.key !== taint.key) return false
  switch (toleration.operator ?? '') {
    case '':
    case 'Equal':
      return (toleration.value ?? '') === (taint.value ?? '')
    case 'Exists':
      return true
    default:
      return false
  }
}

/** A node selector term: all requirements on labels and on `metadata.name`; undefined for an empty term, which matches nothing. */
type NodeTerm = { readonly labels: Selector; readonly fields: Selector } | undefined

function compileTerm({ matchExpressions = [], matchFields = [] }: NodeSelectorTerm): NodeTerm {
  if (matchExpressions.length === 0 && matchFields.length === 0) return undefined
  return {
    labels: new Selector(matchExpressions.map(requirementOf)),
    fields: new Selector(matchFields.map(requirementOf)),
  }
}

function requirementOf({ key, operator, values = [] }: SelectorRequirement): Requirement {
  return { key, operator: operator as Requirement['operator'], values }
}

function matchesTerm(term: NodeTerm, node: SchedulableNode): boolean {
  if (term === undefined) return false
  return term.labels.matches(node.metadata.labels) && term.fields.matches({ 'metadata.name': node.metadata.name })
}

/** Terms are alternatives, so names count only when every term has them; within a term requirements cut down each other. */
function namedNodes(affinity: NodeAffinity | undefined): ReadonlySet<string> | undefined {
  const terms = affinity?.requiredDuringSchedulingIgnoredDuringExecution?.nodeSelectorTerms ?? []
  const union = new Set<string>()
  for (const term of terms) {
    let names: Set<string> | undefined
    for (const field of term.matchFields ?? []) {
      if (field.key !== 'metadata.name' || field.operator !== 'In') continue
      const values = new Set(field.values ?? [])
      names = names === undefined ? values : common(names, values)
    }
    if (names === undefined) return undefined
    for (const name of names) union.add(name)
  }
  return terms.length === 0 ? undefined : union
}

/** The names in both sets. */
export function common(a: ReadonlySet<string>, b: ReadonlySet<string>): Set<string> {
  return new Set([...a].filter((name) => b.has(name)))
}

function isSet(text: string | undefined): boolean {
  return text !== undefined && text !== ''
}
