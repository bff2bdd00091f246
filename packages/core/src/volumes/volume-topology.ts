import { Selector, type Requirement } from '@binnacle/apimachinery'
import type { Node, NodeSelector, NodeSelectorTerm, PersistentVolume, TopologySelectorTerm } from '@binnacle/resources'

/** From where a volume can be reached, and where one may be made. */

/** True when pods on the node can use the volume (upstream `CheckNodeAffinity`: one of the terms must hold; no terms, no limit). */
export function admitsNode(volume: PersistentVolume, node: Node): boolean {
  const required = volume.spec?.nodeAffinity?.required
  return required === undefined || selectsNode(required, node)
}

/** True when one of the selector's terms holds for the node. */
export function selectsNode({ nodeSelectorTerms }: NodeSelector, node: Node): boolean {
  return nodeSelectorTerms.some((term) => termHolds(term, node))
}

// An empty term matches nothing.
function termHolds({ matchExpressions = [], matchFields = [] }: NodeSelectorTerm, node: Node): boolean {
  if (matchExpressions.length === 0 && matchFields.length === 0) return false
  const labels = new Selector(matchExpressions.map(requirementOf))
  const fields = new Selector(matchFields.map(requirementOf))
  return labels.matches(node.metadata.labels) && fields.matches({ 'metadata.name': node.metadata.name })
}

function requirementOf({
  key,
  operator,
  values = [],
}: {
  key: string
  operator: string
  values?: string[]
}): Requirement {
  return { key, operator: operator as Requirement['operator'], values }
}

/** True when a class lets volumes be made for the node (upstream `MatchTopologySelectorTerms`: no terms, no limit). */
export function allowsTopology(terms: readonly TopologySelectorTerm[] | undefined, node: Node): boolean {
  if (terms === undefined || terms.length === 0) return true
  const labels = node.metadata.labels ?? {}
  return terms.some(
    ({ matchLabelExpressions = [] }) =>
      matchLabelExpressions.length > 0 &&
      matchLabelExpressions.every(
        ({ key, values }) => Object.hasOwn(labels, key) && values.includes(labels[key] as string),
      ),
  )
}
