import { isConditionTrue } from '@binnacle/apimachinery'
import type { Node, Pod } from '@binnacle/resources'
import { isPodTerminal } from '../../pod-state.ts'

/** How many ended pods a cluster keeps (`--terminated-pod-gc-threshold`). */
export const terminatedPodsMax = 12_500
/** How long a node must be away before its pods are taken for lost (`quarantineTime`). */
export const quarantineMs = 40_000

const outOfServiceTaint = 'node.kubernetes.io/out-of-service'

/** The ended pods that are too many: evicted ones first, then the oldest. */
export function excessTerminated(pods: Iterable<Pod>, max: number): Pod[] {
  const ended = [...pods].filter(isPodTerminal)
  if (ended.length <= max) return []
  const isEvicted = (pod: Pod): number => (pod.status?.reason === 'Evicted' ? 0 : 1)
  ended.sort(
    (a, b) =>
      isEvicted(a) - isEvicted(b) ||
      compare(a.metadata.creationTimestamp ?? '', b.metadata.creationTimestamp ?? '') ||
      compare(a.metadata.name, b.metadata.name),
  )
  return ended.slice(0, ended.length - max)
}

const compare = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0)

/** True when the node's owner has said that it is off for good: nobody there will end its pods. */
export function isOutOfService(node: Node): boolean {
  return (
    !isConditionTrue(node.status?.conditions, 'Ready') &&
    (node.spec?.taints ?? []).some(({ key }) => key === outOfServiceTaint)
  )
}
