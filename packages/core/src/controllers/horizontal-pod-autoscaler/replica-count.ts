import { findCondition, milliUnits, parseTime, tryParseQuantity } from '@binnacle/apimachinery'
import type { Container, Pod } from '@binnacle/resources'
import type { PodUsage } from './metrics-source.ts'

/** How long after its start a pod's CPU usage may be that of its initialisation (`--horizontal-pod-autoscaler-cpu-initialization-period`). */
const cpuInitializationMs = 300_000
/** How long after its start a pod that becomes unready counts as never having been ready (`--horizontal-pod-autoscaler-initial-readiness-delay`). */
const initialReadinessMs = 30_000

/** How far usage may be from its target without being answered, as shares of the target. */
export interface Tolerances {
  readonly up: number
  readonly down: number
}

/** What is asked for of one resource metric. Values are thousandths of a unit. */
export interface ResourceTarget {
  readonly resource: string
  /** The one container that counts; undefined: the whole pod. */
  readonly container?: string | undefined
  readonly averageUtilization?: number | undefined
  readonly averageMilliValue?: number | undefined
}

/** What a metric leads to. */
export interface Proposal {
  readonly replicas: number
  /** Percent of the requests; for utilization targets. */
  readonly utilization?: number
  /** The usage of a pod on average, in thousandths. */
  readonly averageMilliValue: number
}

type Values = Map<string, number>

interface Groups {
  readonly readyCount: number
  readonly unready: ReadonlySet<string>
  readonly missing: ReadonlySet<string>
  readonly ignored: ReadonlySet<string>
}

/**
 * The number of replicas that would bring usage to its target (podautoscaler `replica_calculator.go`). Pods that are not ready or not measured count
 * so that they never make the change greater. @throws Error when it cannot be told
 */
export function proposeReplicas(
  current: number,
  target: ResourceTarget,
  tolerances: Tolerances,
  observed: { readonly pods: readonly Pod[]; readonly usage: ReadonlyMap<string, PodUsage>; readonly nowMs: number },
): Proposal {
  const { pods, usage, nowMs } = observed
  const values = valuesOf(target, usage)
  if (values.size === 0)
    throw new Error(
      `unable to get metrics for resource ${target.resource}: no metrics returned from resource metrics API`,
    )
  if (pods.length === 0) throw new Error('no pods returned by selector while calculating replica count')
  const groups = groupPods(pods, values, usage, target.resource, nowMs)
  for (const name of [...groups.ignored, ...groups.unready]) values.delete(name)
  if (values.size === 0) throw new Error('did not receive metrics for targeted pods (pods might be unready)')
  const measure =
    target.averageUtilization === undefined
      ? plainMeasure(target.averageMilliValue ?? 0)
      : utilizationMeasure(requestsOf(pods, target), target.averageUtilization)
  return replicasFor(current, values, groups, measure, tolerances)
}

interface Measure {
  ratio(values: Values): { readonly ratio: number; readonly utilization?: number; readonly averageMilliValue: number }
  /** What a pod without measurement counts as when replicas would go down. */
  fallback(pod: string): number
}

function plainMeasure(target: number): Measure {
  return {
    ratio(values) {
      const average = Math.trunc(sum(values.values()) / values.size)
      return { ratio: average / target, averageMilliValue: average }
    },
    fallback: () => target,
  }
}

function utilizationMeasure(requests: ReadonlyMap<string, number>, target: number): Measure {
  return {
    ratio(values) {
      const known = [...values].filter(([name]) => requests.has(name))
      const used = sum(known.map(([, value]) => value))
      const requested = sum(known.map(([name]) => requests.get(name) as number))
      // Without any request nothing can be said in percent.
      if (requested === 0) throw new Error('no metrics returned matched known pods')
      const utilization = Math.trunc((used * 100) / requested)
      return { ratio: utilization / target, utilization, averageMilliValue: Math.trunc(used / known.length) }
    },
    fallback: (pod) => Math.trunc(((requests.get(pod) ?? 0) * Math.max(100, target)) / 100),
  }
}

function sum(numbers: Iterable<number>): number {
  let total = 0
  for (const number of numbers) total += number
  return total
}

function replicasFor(
  current: number,
  values: Values,
  { readyCount, unready, missing }: Groups,
  measure: Measure,
  { up, down }: Tolerances,
): Proposal {
  const { ratio, ...figures } = measure.ratio(values)
  const isClose = (share: number): boolean => share >= 1 - down && share <= 1 + up
  const scalesUpWithUnready = unready.size > 0 && ratio > 1
  if (!scalesUpWithUnready && missing.size === 0)
    return { ...figures, replicas: isClose(ratio) ? current : Math.ceil(ratio * readyCount) }
  if (ratio !== 1) for (const name of missing) values.set(name, ratio < 1 ? measure.fallback(name) : 0)
  if (scalesUpWithUnready) for (const name of unready) values.set(name, 0)
  const again = measure.ratio(values).ratio
  const turns = (ratio < 1 && again > 1) || (ratio > 1 && again < 1)
  const replicas = Math.ceil(again * values.size)
  const wrongWay = (again < 1 && replicas > current) || (again > 1 && replicas < current)
  return { ...figures, replicas: isClose(again) || turns || wrongWay ? current : replicas }
}

// A pod counts only when everything that is asked about has been measured.
function valuesOf({ resource, container }: ResourceTarget, usage: ReadonlyMap<string, PodUsage>): Values {
  const values: Values = new Map()
  for (const [pod, { containers }] of usage) {
    if (container !== undefined && !containers.has(container)) continue
    const counted = container === undefined ? [...containers.values()] : [containers.get(container)]
    const amounts = counted.map((amountsOfContainer) => amountsOfContainer?.get(resource))
    if (amounts.length > 0 && amounts.every((amount) => amount !== undefined)) values.set(pod, sum(amounts as number[]))
  }
  return values
}

function groupPods(
  pods: readonly Pod[],
  values: Values,
  usage: ReadonlyMap<string, PodUsage>,
  resource: string,
  nowMs: number,
): Groups {
  const [unready, missing, ignored] = [new Set<string>(), new Set<string>(), new Set<string>()]
  let readyCount = 0
  for (const pod of pods) {
    const { name } = pod.metadata
    const measured = usage.get(name)
    if (pod.metadata.deletionTimestamp !== undefined || pod.status?.phase === 'Failed') ignored.add(name)
    else if (pod.status?.phase === 'Pending') unready.add(name)
    else if (measured === undefined || !values.has(name)) missing.add(name)
    else if (resource === 'cpu' && isInitializing(pod, measured, nowMs)) unready.add(name)
    else readyCount++
  }
  return { readyCount, unready, missing, ignored }
}

function isInitializing(pod: Pod, { atMs, windowMs }: PodUsage, nowMs: number): boolean {
  const ready = findCondition(pod.status?.conditions, 'Ready')
  const startMs = parseTime(pod.status?.startTime)
  if (ready === undefined || Number.isNaN(startMs)) return true
  const sinceMs = parseTime(ready.lastTransitionTime)
  if (startMs + cpuInitializationMs > nowMs) return ready.status === 'False' || atMs < sinceMs + windowMs
  // Unready since its start: it has never been ready.
  return ready.status === 'False' && startMs + initialReadinessMs > sinceMs
}

function requestsOf(pods: readonly Pod[], { resource, container }: ResourceTarget): ReadonlyMap<string, number> {
  return new Map(pods.map((pod) => [pod.metadata.name, requestOf(pod, resource, container)]))
}

function requestOf(pod: Pod, resource: string, only: string | undefined): number {
  const whole = pod.spec?.resources?.requests?.[resource]
  if (only === undefined && whole !== undefined) return milli(whole)
  const runs = (container: Container): boolean => container.restartPolicy === 'Always'
  const containers = [...(pod.spec?.containers ?? []), ...(pod.spec?.initContainers ?? []).filter(runs)]
  const counted = containers.filter(({ name }) => only === undefined || name === only)
  if (counted.length === 0) throw new Error(`container ${only} not found in Pod ${pod.metadata.name}`)
  return sum(
    counted.map(({ name, resources }) => {
      const request = resources?.requests?.[resource]
      if (request === undefined)
        throw new Error(`missing request for ${resource} in container ${name} of Pod ${pod.metadata.name}`)
      return milli(request)
    }),
  )
}

const milli = (text: string): number => {
  const quantity = tryParseQuantity(text)
  return quantity === undefined ? 0 : milliUnits(quantity)
}
