import type { Node, Taint } from '@binnacle/resources'

const notReady: Taint = { key: 'node.kubernetes.io/not-ready', effect: 'NoSchedule' }

/**
 * A new node takes no pods until its controller has seen it ready; otherwise pods could be placed on it before it is known what ails it
 * (plugin TaintNodesByCondition).
 */
export function taintNewNode(node: Node): void {
  const { taints = [] } = (node.spec ??= {})
  if (taints.some(({ key, effect }) => key === notReady.key && effect === notReady.effect)) return
  node.spec.taints = [...taints, { ...notReady }]
}
