/** How often each reason was given, over all nodes. */
export type ReasonCounts = ReadonlyMap<string, number>

/** kube-scheduler's message when there is no node at all. */
export const noNodesMessage = 'no nodes available to schedule pods'

/** Why no node can take a pod, in the words of kube-scheduler's `FitError`: `0/5 nodes are available: 3 Insufficient cpu, …`. */
export function fitErrorMessage(nodeCount: number, reasons: ReasonCounts): string {
  const texts = [...reasons].map(([reason, count]) => `${count} ${reason}`).sort()
  const list = texts.length === 0 ? '' : ` ${texts.join(', ')}.`
  return `0/${nodeCount} nodes are available:${list}`
}

/** The message when a pod can run on no node whatever the nodes are. */
export function preFilterMessage(nodeCount: number, rejection: string): string {
  return `0/${nodeCount} nodes are available: ${rejection}.`
}
