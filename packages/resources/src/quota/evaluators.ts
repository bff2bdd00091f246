import {
  countQuantity,
  type KubernetesObject,
  parseTime,
  type Quantity,
  roundUpQuantity,
  tryParseQuantity,
} from '@binnacle/apimachinery'
import type { PersistentVolumeClaim, Pod, ResourceClaimV1, Service } from '../generated/types.ts'
import { isExtendedResource, isNative } from '../kinds/resource-amounts-validation.ts'
import { addInto, type Amounts, raiseTo } from './amounts.ts'
import { podLimitAmounts, podRequestAmounts } from './pod-amounts.ts'
import { claimInScope, podInScope, type QuotaScope } from './scopes.ts'

/**
 * How objects of one resource count against quotas (kube-apiserver and kube-controller-manager share `pkg/quota/v1/evaluator`): what they use, which
 * of a quota's resources that is about, and which scopes can hold for them.
 */
export interface QuotaEvaluator {
  /** True when a write of this sort can change what is used: undefined is the object itself. */
  countsUpdateOf(subresource: string | undefined): boolean
  /** True for names in a quota's `hard` that objects of this resource count against. */
  counts(resourceName: string): boolean
  inScope(scope: QuotaScope, object: KubernetesObject): boolean
  usage(object: KubernetesObject, nowMs: number): Amounts
  /** Why the object may not be created under a quota on these resources; undefined: it may. */
  refusal?(resourceNames: readonly string[], object: KubernetesObject): string | undefined
}

/** What names a resource for quotas. */
interface Counted {
  readonly group: string
  readonly plural: string
  readonly storageName: string
}

const one = countQuantity(1)

/** The evaluator of a resource: its own, or one that counts objects. */
export function quotaEvaluatorOf(resource: Counted): QuotaEvaluator {
  let evaluator = evaluators.get(resource.storageName)
  if (evaluator === undefined) evaluators.set(resource.storageName, (evaluator = objectCount(resource)))
  return evaluator
}

// The older names of some counts.
const countAliases: Readonly<Record<string, string>> = {
  configmaps: 'configmaps',
  resourcequotas: 'resourcequotas',
  replicationcontrollers: 'replicationcontrollers',
  secrets: 'secrets',
}

function objectCount({ group, plural, storageName }: Counted): QuotaEvaluator {
  const names = [`count/${group === '' ? plural : `${plural}.${group}`}`]
  const alias = countAliases[storageName]
  if (alias !== undefined) names.push(alias)
  const usage = new Map(names.map((name) => [name, one]))
  return {
    countsUpdateOf: () => false,
    counts: (name) => names.includes(name),
    inScope: () => false,
    usage: () => usage,
  }
}

const computeNames = ['cpu', 'memory', 'ephemeral-storage'] as const
const podNames = new Set<string>([
  'count/pods',
  'pods',
  ...computeNames.flatMap((name) => [name, `requests.${name}`, `limits.${name}`]),
])
/** Amounts that every container has to name once a quota is on them. */
const explicitNames = new Set(['cpu', 'memory', 'requests.cpu', 'requests.memory', 'limits.cpu', 'limits.memory'])

const podEvaluator: QuotaEvaluator = {
  countsUpdateOf: (subresource) => subresource === 'resize',
  counts: (name) =>
    podNames.has(name) ||
    name.startsWith('hugepages-') ||
    name.startsWith('requests.hugepages-') ||
    (!isNative(name) && name.startsWith('requests.')),
  inScope: (scope, object) => podInScope(scope, object as Pod),
  usage(object, nowMs) {
    const pod = object as Pod
    if (!holdsCompute(pod, nowMs)) return new Map([['count/pods', one]])
    const usage = computeUsage(podRequestAmounts(pod), podLimitAmounts(pod))
    return usage.set('count/pods', one).set('pods', one)
  },
  refusal: (names, object) => missingAmounts(names, object as Pod),
}

// Pods that have ended are counted as objects only; so are those that should have ended by now, for their node may be lost.
function holdsCompute({ metadata, status }: Pod, nowMs: number): boolean {
  if (status?.phase === 'Failed' || status?.phase === 'Succeeded') return false
  const { deletionTimestamp, deletionGracePeriodSeconds } = metadata
  if (deletionTimestamp === undefined || deletionGracePeriodSeconds === undefined) return true
  return nowMs <= parseTime(deletionTimestamp) + deletionGracePeriodSeconds * 1000
}

function computeUsage(requests: Amounts, limits: Amounts): Map<string, Quantity> {
  const usage = new Map<string, Quantity>()
  for (const name of computeNames) {
    const [request, limit] = [requests.get(name), limits.get(name)]
    if (request !== undefined) usage.set(name, request).set(`requests.${name}`, request)
    if (limit !== undefined) usage.set(`limits.${name}`, limit)
  }
  for (const [name, request] of requests) {
    if (name.startsWith('hugepages-')) usage.set(name, request)
    if (name.startsWith('hugepages-') || isExtendedResource(name)) usage.set(`requests.${name}`, request)
  }
  return usage
}

function missingAmounts(names: readonly string[], { spec }: Pod): string | undefined {
  const { requests, limits } = spec?.resources ?? {}
  // Amounts for the whole pod need none for its containers.
  if (Object.keys({ ...requests, ...limits }).length > 0) return undefined
  const needed = names.filter((name) => explicitNames.has(name)).sort()
  const missing = needed.flatMap((name) => {
    const containers = [...(spec?.containers ?? []), ...(spec?.initContainers ?? [])]
      .filter(({ resources }) => !namesAmount(name, resources))
      .map((container) => container.name)
    return containers.length === 0 ? [] : [`${name} for: ${[...new Set(containers)].sort().join(',')}`]
  })
  return missing.length === 0 ? undefined : `must specify ${missing.join('; ')}`
}

type Requirements = { requests?: Record<string, string>; limits?: Record<string, string> } | undefined

function namesAmount(name: string, resources: Requirements): boolean {
  const [kind, resource] = name.includes('.') ? name.split('.') : ['requests', name]
  return resources?.[kind as 'requests' | 'limits']?.[resource as string] !== undefined
}

const serviceNames = new Set(['count/services', 'services', 'services.nodeports', 'services.loadbalancers'])

const serviceEvaluator: QuotaEvaluator = {
  countsUpdateOf: (subresource) => subresource === undefined,
  counts: (name) => serviceNames.has(name),
  inScope: () => false,
  usage(object) {
    const { type, ports = [], allocateLoadBalancerNodePorts } = (object as Service).spec ?? {}
    const allocated = ports.filter((port) => port.nodePort !== undefined && port.nodePort !== 0)
    const balances = type === 'LoadBalancer'
    const nodePorts = balances && allocateLoadBalancerNodePorts === false ? allocated : ports
    return new Map([
      ['count/services', one],
      ['services', one],
      ['services.nodeports', countQuantity(balances || type === 'NodePort' ? nodePorts.length : 0)],
      ['services.loadbalancers', countQuantity(balances ? 1 : 0)],
    ])
  },
}

const classSuffix = '.storageclass.storage.k8s.io/'
const classAnnotation = 'volume.beta.kubernetes.io/storage-class'
const claimNames = ['persistentvolumeclaims', 'requests.storage']

const claimEvaluator: QuotaEvaluator = {
  countsUpdateOf: (subresource) => subresource === undefined,
  counts: (name) =>
    name === 'count/persistentvolumeclaims' ||
    claimNames.some((claimName) => name === claimName || name.endsWith(`${classSuffix}${claimName}`)),
  inScope: (scope, object) => claimInScope(scope, object as PersistentVolumeClaim),
  usage(object) {
    const claim = object as PersistentVolumeClaim
    const storageClass = claim.metadata.annotations?.[classAnnotation] ?? claim.spec?.storageClassName ?? ''
    const usage = new Map([
      ['count/persistentvolumeclaims', one],
      ['persistentvolumeclaims', one],
    ])
    const storage = storageOf(claim)
    if (storage !== undefined) usage.set('requests.storage', storage)
    if (storageClass === '') return usage
    usage.set(`${storageClass}${classSuffix}persistentvolumeclaims`, one)
    if (storage !== undefined) usage.set(`${storageClass}${classSuffix}requests.storage`, storage)
    return usage
  },
}

// A claim that shrinks back after a failed expansion is charged for what has been allocated meanwhile.
function storageOf({ spec, status }: PersistentVolumeClaim): Quantity | undefined {
  const asked = tryParseQuantity(spec?.resources?.requests?.['storage'] ?? '')
  const allocated = tryParseQuantity(status?.allocatedResources?.['storage'] ?? '')
  if (asked === undefined) return undefined
  return roundUpQuantity(allocated !== undefined && allocated.nanos > asked.nanos ? allocated : asked)
}

/** The most devices that one request can be given, which is charged where their number is not known (`AllocationResultsMaxSize`). */
const devicesMax = 32
const devicesSuffix = '.deviceclass.resource.k8s.io/devices'

const resourceClaimEvaluator: QuotaEvaluator = {
  countsUpdateOf: (subresource) => subresource === undefined,
  counts: (name) => name === 'count/resourceclaims.resource.k8s.io' || name.endsWith(devicesSuffix),
  inScope: () => false,
  usage(object) {
    const usage = new Map([['count/resourceclaims.resource.k8s.io', one]])
    for (const { exactly, firstAvailable = [] } of (object as ResourceClaimV1).spec?.devices?.requests ?? []) {
      const alternatives = exactly === undefined ? firstAvailable : [exactly]
      // Which alternative is chosen is known later: each class is charged for the greatest.
      const peak = new Map<string, Quantity>()
      for (const alternative of alternatives) raiseTo(peak, devicesOf(alternative))
      addInto(usage, peak)
    }
    return usage
  },
}

function devicesOf(request: { deviceClassName: string; allocationMode?: string; count?: number }): Amounts {
  const exact = request.allocationMode === undefined || request.allocationMode === 'ExactCount'
  return new Map([
    [`${request.deviceClassName}${devicesSuffix}`, countQuantity(exact ? (request.count ?? 1) : devicesMax)],
  ])
}

const evaluators = new Map<string, QuotaEvaluator>([
  ['pods', podEvaluator],
  ['services', serviceEvaluator],
  ['persistentvolumeclaims', claimEvaluator],
  ['resourceclaims.resource.k8s.io', resourceClaimEvaluator],
])
