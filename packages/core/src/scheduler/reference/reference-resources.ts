import { type NodeResourcesFitArgs, type ResourceSpec } from '../plugin-args.ts'
import type { ContainerSpec, SchedulablePod } from '../scheduled-objects.ts'
import type { ReferenceNode } from './reference-scheduler.ts'

/** What is said of a node's resources once more, as plainly as it can be said. */

const units: Readonly<Record<string, number>> = { m: 1 / 1000, Mi: 1024 ** 2, Gi: 1024 ** 3, '': 1 }

/** Reads the few forms of quantities that the tests write. */
function amount(resource: string, quantity: string | number | undefined): number {
  const [, digits = '0', unit = ''] = /^(\d+)(\D*)$/.exec(String(quantity ?? '0')) ?? []
  return Number(digits) * (units[unit] ?? 1) * (resource === 'cpu' ? 1000 : 1)
}

/** What a pod takes of a resource; `assumed` stands for containers that do not say. */
function referenceRequest(pod: SchedulablePod, resource: string, assumed = 0): number {
  const of = (c: ContainerSpec): number => {
    const quantity = c.resources?.requests?.[resource]
    return quantity === undefined ? assumed : amount(resource, quantity)
  }
  const sum = (containers: readonly ContainerSpec[]): number => containers.reduce((total, c) => total + of(c), 0)
  const inits = pod.spec.initContainers ?? []
  const isSidecar = (c: ContainerSpec): boolean => c.restartPolicy === 'Always'
  const whenStarting = inits.map((c, i) => {
    const before = sum(inits.slice(0, i).filter(isSidecar))
    return before + of(c)
  })
  const running = sum(pod.spec.containers) + sum(inits.filter(isSidecar))
  return Math.max(running, ...whenStarting) + amount(resource, pod.spec.overhead?.[resource])
}

const resourcesOf = (pod: SchedulablePod): string[] => {
  const containers = [...(pod.spec.initContainers ?? []), ...pod.spec.containers]
  return [
    ...new Set([
      ...containers.flatMap((c) => Object.keys(c.resources?.requests ?? {})),
      ...Object.keys(pod.spec.overhead ?? {}),
    ]),
  ]
}

const isIgnored = (resource: string, { ignoredResources, ignoredResourceGroups }: NodeResourcesFitArgs): boolean =>
  ignoredResources.includes(resource) || ignoredResourceGroups.some((group) => resource.startsWith(`${group}/`))

/** What the node has too little of for the pod. */
export function referenceFit(pod: SchedulablePod, { node, pods }: ReferenceNode, args: NodeResourcesFitArgs): string[] {
  const allocatable = node.status?.allocatable ?? {}
  const reasons: string[] = []
  if (pods.length + 1 > amount('pods', allocatable.pods)) reasons.push('Too many pods')
  for (const resource of resourcesOf(pod).filter((r) => !isIgnored(r, args))) {
    const wanted = referenceRequest(pod, resource)
    const taken = pods.reduce((sum, p) => sum + referenceRequest(p, resource), 0)
    if (wanted > 0 && taken + wanted > amount(resource, allocatable[resource])) reasons.push(`Insufficient ${resource}`)
  }
  return reasons
}

const assumedByResource: Readonly<Record<string, number>> = { cpu: 100, memory: 200 * 1024 * 1024 }

/** What would be taken, with the pod, of those of the resources that the node has and that count for the pod. */
function uses(
  pod: SchedulablePod,
  { node, pods }: ReferenceNode,
  resources: readonly ResourceSpec[],
  isAssuming: boolean,
): { taken: number; total: number; weight: number }[] {
  return resources.flatMap(({ name, weight }) => {
    const total = amount(name, node.status?.allocatable?.[name])
    if (total === 0 || (name.includes('/') && referenceRequest(pod, name) === 0)) return []
    const assumed = isAssuming ? assumedByResource[name] : 0
    return [{ taken: [...pods, pod].reduce((sum, p) => sum + referenceRequest(p, name, assumed), 0), total, weight }]
  })
}

/** NodeResourcesFit's score. */
export function referenceFitScore(
  pod: SchedulablePod,
  node: ReferenceNode,
  { scoringStrategy: { type, resources, requestedToCapacityRatio } }: NodeResourcesFitArgs,
): number {
  const points = requestedToCapacityRatio?.shape ?? []
  const scored = uses(pod, node, resources, true)
    .map(({ taken, total, weight }) => {
      if (type === 'LeastAllocated')
        return { weight, score: taken > total ? 0 : Math.floor(((total - taken) * 100) / total) }
      if (type === 'MostAllocated') return { weight, score: taken > total ? 100 : Math.floor((taken * 100) / total) }
      return { weight, score: onLine(points, taken > total ? 100 : Math.floor((taken * 100) / total)) }
    })
    .filter(({ score }) => type !== 'RequestedToCapacityRatio' || score > 0)
  const weights = scored.reduce((sum, { weight }) => sum + weight, 0)
  const mean = scored.reduce((sum, { score, weight }) => sum + score * weight, 0) / (weights === 0 ? 1 : weights)
  return type === 'RequestedToCapacityRatio' ? Math.round(mean) : Math.floor(mean)
}

/** The value at `x` of the line through the points, in hundredths. */
function onLine(points: readonly { readonly utilization: number; readonly score: number }[], x: number): number {
  if (x <= (points[0]?.utilization ?? 0)) return 10 * (points[0]?.score ?? 0)
  for (const [i, to] of points.entries()) {
    const from = points[i - 1]
    if (from === undefined || x > to.utilization) continue
    const slope = ((to.score - from.score) * 10 * (x - from.utilization)) / (to.utilization - from.utilization)
    return from.score * 10 + Math.trunc(slope)
  }
  return 10 * (points.at(-1)?.score ?? 0)
}

/** NodeResourcesBalancedAllocation's score. */
export function referenceBalance(pod: SchedulablePod, node: ReferenceNode, resources: readonly ResourceSpec[]): number {
  if (resources.every(({ name }) => referenceRequest(pod, name) === 0)) return 0
  const shares = uses(pod, node, resources, false).map(({ taken, total }) => Math.min(1, taken / total))
  const mean = shares.reduce((a, b) => a + b, 0) / shares.length
  const variance = shares.reduce((sum, share) => sum + (share - mean) ** 2, 0) / shares.length
  const [a = 0, b = a] = shares
  const deviation = shares.length > 2 ? Math.sqrt(variance) : Math.abs(a - b) / 2
  return Math.trunc((1 - deviation) * 100)
}
