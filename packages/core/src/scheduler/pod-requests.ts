import { amountOf } from './resource-amounts.ts'
import type { ContainerSpec, ContainerStatusView, ResourceList, SchedulablePod } from './scheduled-objects.ts'

/** Amounts by resource name, in the units of {@link amountOf}. */
export type Amounts = Map<string, number>

/** What a pod takes of a node, and what scoring assumes that it takes. */
export interface PodRequests {
  readonly requests: Amounts
  /** As `requests`, with a container that names no cpu or memory counted at the default amount (kube-scheduler's non-zero requests). */
  readonly nonZeroCpu: number
  readonly nonZeroMemory: number
}

/** What scoring counts for a container without a cpu request: 0.1 core (kube-scheduler `DefaultMilliCPURequest`). */
export const defaultCpuMilli = 100
/** What scoring counts for a container without a memory request: 200 MB (kube-scheduler `DefaultMemoryRequest`). */
export const defaultMemoryBytes = 200 * 1024 * 1024

/** The requests of a pod as `resourcehelper.PodRequests` aggregates them: containers, init containers, sidecars, overhead, pod level. */
export function podRequests(pod: SchedulablePod): PodRequests {
  const requests = aggregate(pod, false)
  const nonZero = aggregate(pod, true)
  return { requests, nonZeroCpu: nonZero.get('cpu') ?? 0, nonZeroMemory: nonZero.get('memory') ?? 0 }
}

function aggregate(pod: SchedulablePod, assumeMissing: boolean): Amounts {
  const infeasible = isResizeInfeasible(pod)
  const of = (container: ContainerSpec, statuses: readonly ContainerStatusView[] | undefined): Amounts => {
    const amounts = containerRequests(container, statuses, infeasible)
    if (assumeMissing) {
      if (!amounts.has('cpu')) amounts.set('cpu', defaultCpuMilli)
      if (!amounts.has('memory')) amounts.set('memory', defaultMemoryBytes)
    }
    return amounts
  }
  const total: Amounts = new Map()
  for (const container of pod.spec.containers) add(total, of(container, pod.status?.containerStatuses))
  const sidecars: Amounts = new Map()
  const startPeak: Amounts = new Map()
  for (const container of pod.spec.initContainers ?? []) {
    const own = of(container, pod.status?.initContainerStatuses)
    if (container.restartPolicy === 'Always') {
      // A sidecar runs beside everything that starts after it.
      add(total, own)
      add(sidecars, own)
      raise(startPeak, sidecars)
    } else {
      add(own, sidecars)
      raise(startPeak, own)
    }
  }
  raise(total, startPeak)
  applyPodLevel(total, pod.spec.resources?.requests)
  if (pod.spec.overhead !== undefined) add(total, parsed(pod.spec.overhead))
  return total
}

/** Requests of the whole pod replace the sum of its containers' for the resources that may be set at pod level. */
function applyPodLevel(total: Amounts, requests: ResourceList | undefined): void {
  for (const [resource, quantity] of Object.entries(requests ?? {})) {
    if (resource === 'cpu' || resource === 'memory' || resource.startsWith('hugepages-')) {
      total.set(resource, amountOf(resource, quantity))
    }
  }
}

/** While a pod is resized in place it takes the greatest of what is wanted, allocated and in force. */
function containerRequests(
  container: ContainerSpec,
  statuses: readonly ContainerStatusView[] | undefined,
  infeasible: boolean,
): Amounts {
  const status = statuses?.find((s) => s.name === container.name)
  const inForce = status?.resources?.requests
  const allocated = status?.allocatedResources
  const known = inForce !== undefined || allocated !== undefined
  const amounts = infeasible && known ? new Map<string, number>() : parsed(container.resources?.requests)
  if (inForce !== undefined) raise(amounts, parsed(inForce))
  if (allocated !== undefined) raise(amounts, parsed(allocated))
  return amounts
}

function isResizeInfeasible(pod: SchedulablePod): boolean {
  return (pod.status?.conditions ?? []).some((c) => c.type === 'PodResizePending' && c.reason === 'Infeasible')
}

function parsed(list: ResourceList | undefined): Amounts {
  const amounts: Amounts = new Map()
  for (const resource in list) amounts.set(resource, amountOf(resource, list[resource] ?? 0))
  return amounts
}

function add(to: Amounts, from: Amounts): void {
  for (const [resource, amount] of from) to.set(resource, (to.get(resource) ?? 0) + amount)
}

function raise(to: Amounts, from: Amounts): void {
  for (const [resource, amount] of from) if (amount > (to.get(resource) ?? -1)) to.set(resource, amount)
}
