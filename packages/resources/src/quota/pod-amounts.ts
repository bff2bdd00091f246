import type { Quantity } from '@binnacle/apimachinery'
import type { Container, ContainerStatus, Pod } from '../generated/types.ts'
import { addInto, amountsOf, raiseTo } from './amounts.ts'

/**
 * What a whole pod asks for and is limited to, exactly (component-helpers `resource/helpers.go`). The scheduler has the same sums as plain numbers
 * (core `pod-requests.ts`), because it makes them for every pod that it looks at.
 */

type Field = Readonly<Record<string, string>> | undefined
type Sums = Map<string, Quantity>

/** The requests of a pod. */
export function podRequestAmounts(pod: Pod): Sums {
  const infeasible = isResizeInfeasible(pod)
  const total = aggregate(pod, (container, status) => {
    // While a pod is resized in place it takes the greatest of what is wanted, allocated and in force.
    const known = status?.resources !== undefined || status?.allocatedResources !== undefined
    return greatest([
      infeasible && known ? undefined : container.resources?.requests,
      status?.resources?.requests,
      status?.allocatedResources,
    ])
  })
  replacePodLevel(total, pod.spec?.resources?.requests)
  addInto(total, amountsOf(pod.spec?.overhead))
  return total
}

/** The limits of a pod. */
export function podLimitAmounts(pod: Pod): Sums {
  const infeasible = isResizeInfeasible(pod)
  const total = aggregate(pod, (container, status) =>
    greatest([
      infeasible && status?.resources !== undefined ? undefined : container.resources?.limits,
      status?.resources?.limits,
    ]),
  )
  replacePodLevel(total, pod.spec?.resources?.limits)
  // Overhead raises limits that are there; it makes none.
  const overhead = amountsOf(pod.spec?.overhead)
  for (const name of overhead.keys()) if ((total.get(name)?.nanos ?? 0n) === 0n) overhead.delete(name)
  addInto(total, overhead)
  return total
}

function aggregate(pod: Pod, of: (container: Container, status: ContainerStatus | undefined) => Sums): Sums {
  const statusOf = (name: string, statuses: readonly ContainerStatus[] | undefined): ContainerStatus | undefined =>
    statuses?.find((status) => status.name === name)
  const total: Sums = new Map()
  for (const container of pod.spec?.containers ?? [])
    addInto(total, of(container, statusOf(container.name, pod.status?.containerStatuses)))
  const sidecars: Sums = new Map()
  const startPeak: Sums = new Map()
  for (const container of pod.spec?.initContainers ?? []) {
    const own = of(container, statusOf(container.name, pod.status?.initContainerStatuses))
    if (container.restartPolicy === 'Always') {
      // A sidecar runs beside everything that starts after it.
      addInto(total, own)
      addInto(sidecars, own)
      raiseTo(startPeak, sidecars)
    } else {
      addInto(own, sidecars)
      raiseTo(startPeak, own)
    }
  }
  raiseTo(total, startPeak)
  return total
}

function greatest(fields: readonly Field[]): Sums {
  const peaks: Sums = new Map()
  for (const field of fields) raiseTo(peaks, amountsOf(field))
  return peaks
}

// What is set for the whole pod stands instead of the sum over its containers.
function replacePodLevel(total: Sums, field: Field): void {
  for (const [name, quantity] of amountsOf(field))
    if (name === 'cpu' || name === 'memory' || name.startsWith('hugepages-')) total.set(name, quantity)
}

function isResizeInfeasible(pod: Pod): boolean {
  return (pod.status?.conditions ?? []).some(
    (condition) => condition.type === 'PodResizePending' && condition.reason === 'Infeasible',
  )
}
