import {
  compareQuantities,
  forbidden,
  formatQuantity,
  type KubernetesObject,
  type Quantity,
  tryParseQuantity,
} from '@binnacle/apimachinery'
import {
  type Amounts,
  amountsOf,
  type Container,
  type LimitRange,
  type LimitRangeItem,
  limitRanges,
  type PersistentVolumeClaim,
  type Pod,
  podLimitAmounts,
  podRequestAmounts,
  type ResourceDefinition,
} from '@binnacle/resources'
import type { AdmissionStore } from './admission.ts'

/** The LimitRanges of a namespace: defaults for containers, bounds for containers, pods and claims (kube-apiserver plugin LimitRanger). */

const setAnnotation = 'kubernetes.io/limit-ranger'

function limitRangesIn(store: AdmissionStore, namespace: string): readonly LimitRange[] {
  return store
    .list({ resource: limitRanges.storageName, namespace })
    .objects.map((stored) => stored.parse() as LimitRange)
}

/** Fills in what a new pod's containers do not name, and says so in an annotation. */
export function applyContainerDefaults(store: AdmissionStore, pod: Pod): void {
  for (const range of limitRangesIn(store, pod.metadata.namespace ?? '')) {
    const items = range.spec?.limits.filter((item) => item.type === 'Container') ?? []
    const requests = Object.assign({}, ...items.map((item) => item.defaultRequest)) as Record<string, string>
    const limits = Object.assign({}, ...items.map((item) => item.default)) as Record<string, string>
    const notes = [
      ...(pod.spec?.containers ?? []).flatMap((container) => fill('container', container, requests, limits)),
      ...(pod.spec?.initContainers ?? []).flatMap((container) => fill('init container', container, requests, limits)),
    ]
    if (notes.length === 0) continue
    const text = `LimitRanger plugin set: ${notes.join('; ')}`
    pod.metadata.annotations = { ...pod.metadata.annotations, [setAnnotation]: text }
  }
}

function fill(
  what: string,
  container: Container,
  requests: Readonly<Record<string, string>>,
  limits: Readonly<Record<string, string>>,
): string[] {
  const own = container.resources ?? {}
  const missing = (defaults: object, named: object | undefined): string[] =>
    Object.keys(defaults)
      .filter((name) => !(name in (named ?? {})))
      .sort()
  const [newRequests, newLimits] = [missing(requests, own.requests), missing(limits, own.limits)]
  if (newRequests.length + newLimits.length === 0) return []
  container.resources = {
    ...own,
    limits: { ...limits, ...own.limits },
    requests: { ...requests, ...own.requests },
  }
  return [
    ...(newRequests.length === 0 ? [] : [`${newRequests.join(', ')} request for ${what} ${container.name}`]),
    ...(newLimits.length === 0 ? [] : [`${newLimits.join(', ')} limit for ${what} ${container.name}`]),
  ]
}

/** Holds a pod or claim against the ranges of its namespace. @throws StatusError Forbidden, for the first range that it breaks */
export function checkLimitRanges(
  store: AdmissionStore,
  definition: ResourceDefinition,
  object: KubernetesObject,
): void {
  for (const range of limitRangesIn(store, object.metadata.namespace ?? '')) {
    const items = range.spec?.limits ?? []
    const problems = new Set(
      definition.storageName === 'pods'
        ? items.flatMap((item) => podProblems(item, object as Pod))
        : items.flatMap((item) => claimProblems(item, object as PersistentVolumeClaim)),
    )
    if (problems.size === 0) continue
    const list = [...problems].join(', ')
    throw forbidden(definition, object.metadata.name, problems.size === 1 ? list : `[${list}]`)
  }
}

function podProblems(item: LimitRangeItem, pod: Pod): string[] {
  if (item.type === 'Pod') return problemsOf(item, podRequestAmounts(pod), podLimitAmounts(pod))
  if (item.type !== 'Container') return []
  const containers = [...(pod.spec?.containers ?? []), ...(pod.spec?.initContainers ?? [])]
  return containers.flatMap(({ resources }) =>
    problemsOf(item, amountsOf(resources?.requests), amountsOf(resources?.limits)),
  )
}

// A claim has requests only, which are held against the minimum and the maximum.
function claimProblems(item: LimitRangeItem, claim: PersistentVolumeClaim): string[] {
  if (item.type !== 'PersistentVolumeClaim') return []
  const requests = amountsOf(claim.spec?.resources?.requests)
  return [
    ...sorted(item.min).flatMap(([name, min]) => minProblem(subject(item, name), min, requests.get(name), undefined)),
    ...sorted(item.max).flatMap(([name, max]) => maxProblem(subject(item, name), max, requests.get(name), 'request')),
  ]
}

function problemsOf(item: LimitRangeItem, requests: Amounts, limits: Amounts): string[] {
  const problems: string[] = []
  for (const [name, min] of sorted(item.min))
    problems.push(...minProblem(subject(item, name), min, requests.get(name), limits.get(name)))
  for (const [name, max] of sorted(item.max)) {
    const request = requests.get(name)
    const ofLimit = maxProblem(subject(item, name), max, limits.get(name), 'limit')
    problems.push(
      ...(ofLimit.length > 0 || request === undefined
        ? ofLimit
        : maxProblem(subject(item, name), max, request, 'request')),
    )
  }
  for (const [name, ratio] of sorted(item.maxLimitRequestRatio))
    problems.push(...ratioProblem(item.type, name, ratio, requests.get(name), limits.get(name)))
  return problems
}

function sorted(field: Readonly<Record<string, string>> | undefined): [string, Quantity][] {
  return [...amountsOf(field)].sort(([a], [b]) => (a < b ? -1 : 1))
}

const subject = (item: LimitRangeItem, name: string): string => `${name} usage per ${item.type}`
const isBelow = (a: Quantity, b: Quantity): boolean => compareQuantities(a, b) < 0

function minProblem(what: string, min: Quantity, request: Quantity | undefined, limit: Quantity | undefined): string[] {
  const start = `minimum ${what} is ${formatQuantity(min)}`
  if (request === undefined) return [`${start}.  No request is specified`]
  if (isBelow(request, min)) return [`${start}, but request is ${formatQuantity(request)}`]
  if (limit !== undefined && isBelow(limit, min)) return [`${start}, but limit is ${formatQuantity(limit)}`]
  return []
}

function maxProblem(what: string, max: Quantity, amount: Quantity | undefined, kind: 'limit' | 'request'): string[] {
  const start = `maximum ${what} is ${formatQuantity(max)}`
  if (amount === undefined) return [`${start}.  No ${kind} is specified`]
  return isBelow(max, amount) ? [`${start}, but ${kind} is ${formatQuantity(amount)}`] : []
}

function ratioProblem(
  type: string,
  name: string,
  ratio: Quantity,
  request: Quantity | undefined,
  limit: Quantity | undefined,
): string[] {
  const start = `${name} max limit to request ratio per ${type} is ${formatQuantity(ratio)}`
  if (request === undefined || request.nanos === 0n) return [`${start}, but no request is specified or request is 0`]
  if (limit === undefined || limit.nanos === 0n) return [`${start}, but no limit is specified or limit is 0`]
  const one = (tryParseQuantity('1') as Quantity).nanos
  if (limit.nanos * one <= ratio.nanos * request.nanos) return []
  return [`${start}, but provided ratio is ${(Number(limit.nanos) / Number(request.nanos)).toFixed(6)}`]
}
