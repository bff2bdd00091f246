import { formatQuantity, milliUnits, tryParseQuantity } from '@binnacle/apimachinery'
import type { HorizontalPodAutoscalerV2, MetricSpec, MetricStatus, Pod } from '@binnacle/resources'
import type { MetricsSource } from './metrics-source.ts'
import { type Proposal, proposeReplicas, type ResourceTarget, type Tolerances } from './replica-count.ts'

/** What all metrics of an autoscaler lead to; `error` is set as well when only some of them could be read. */
export interface MetricsOutcome {
  /** Undefined: it cannot be told. */
  readonly replicas: number | undefined
  /** The metric that asked for the most. */
  readonly metric: string
  readonly statuses: readonly MetricStatus[]
  /** For the condition ScalingActive and an event. */
  readonly failure?: { readonly reason: string; readonly message: string }
  readonly error?: string
}

/** What metrics are read for. */
export interface Scaled {
  readonly autoscaler: HorizontalPodAutoscalerV2
  readonly selector: string
  /** The pods that it selects. */
  readonly selected: readonly Pod[]
  readonly current: number
}

/** Asks every metric and takes the greatest answer (`computeReplicasForMetrics`). When some fail, nothing is scaled down. */
export async function replicasByMetrics(
  { autoscaler, selector, selected, current }: Scaled,
  source: MetricsSource,
  nowMs: number,
): Promise<MetricsOutcome> {
  const namespace = autoscaler.metadata.namespace ?? ''
  const specs = autoscaler.spec.metrics ?? []
  const statuses: MetricStatus[] = []
  const failures: { reason: string; message: string }[] = []
  let best: { replicas: number; metric: string } | undefined
  for (const spec of specs) {
    try {
      const target = targetOf(spec, namespace)
      const usage = await source.podUsage(namespace, selector).catch((error: Error) => {
        throw new Error(`unable to get metrics for resource ${target.resource}: ${error.message}`)
      })
      const observed = { pods: selected, usage, nowMs }
      const proposal = proposeReplicas(current, target, tolerancesOf(autoscaler), observed)
      statuses.push(statusOf(spec, target, proposal))
      if (best === undefined || proposal.replicas > best.replicas)
        best = { replicas: proposal.replicas, metric: nameOf(target) }
    } catch (error) {
      failures.push({ reason: reasonOf(spec), message: failureText(spec, error as Error) })
    }
  }
  return outcome(best, { specs, statuses, failures, current })
}

function outcome(
  best: { replicas: number; metric: string } | undefined,
  found: {
    readonly specs: readonly MetricSpec[]
    readonly statuses: readonly MetricStatus[]
    readonly failures: readonly { reason: string; message: string }[]
    readonly current: number
  },
): MetricsOutcome {
  const { specs, statuses, failures, current } = found
  const [failure] = failures
  if (failure === undefined) return { replicas: best?.replicas, metric: best?.metric ?? '', statuses }
  const error = `invalid metrics (${failures.length} invalid out of ${specs.length}), first error is: ${failure.message}`
  const cannotTell = best === undefined || best.replicas < current
  return { replicas: cannotTell ? undefined : best.replicas, metric: best?.metric ?? '', statuses, failure, error }
}

function targetOf(spec: MetricSpec, namespace: string): ResourceTarget {
  const { type, resource, containerResource } = spec
  const given = type === 'Resource' ? resource : type === 'ContainerResource' ? containerResource : undefined
  if (given === undefined) throw new Error(`failed to get ${notServed(spec, namespace)}`)
  const { averageUtilization, averageValue } = given.target
  if (averageUtilization === undefined && averageValue === undefined)
    throw new Error(
      'invalid resource metric source: neither an average utilization target nor an average value (usage) target was set',
    )
  return {
    resource: given.name,
    container: type === 'ContainerResource' ? containerResource?.container : undefined,
    ...(averageValue === undefined ? { averageUtilization } : { averageMilliValue: milliOf(averageValue) }),
  }
}

// Metrics of other types come from APIs that this cluster does not serve: each says so, as it does where no adapter is installed.
function notServed({ type, pods, object, external }: MetricSpec, namespace: string): string {
  const custom =
    'unable to fetch metrics from custom metrics API: no custom metrics API (custom.metrics.k8s.io) registered'
  if (type === 'Pods') return `pods metric value: unable to get metric ${pods?.metric.name}: ${custom}`
  if (type === 'Object') {
    const { kind = '', name = '' } = object?.describedObject ?? {}
    return `object metric value: unable to get metric ${object?.metric.name}: ${kind} on ${namespace} ${name}/${custom}`
  }
  const name = external?.metric.name ?? ''
  const missing = `the server could not find the requested resource (get ${name}.external.metrics.k8s.io)`
  return `${name} external metric value: unable to get external metric ${namespace}/${name}: unable to fetch metrics from external metrics API: ${missing}`
}

function reasonOf({ type }: MetricSpec): string {
  return `FailedGet${type}Metric`
}

function failureText({ type, resource, containerResource }: MetricSpec, { message }: Error): string {
  const given = resource ?? containerResource
  if (given === undefined) return message
  if (message.startsWith('invalid resource')) return `failed to get ${type} metric: ${message}`
  const what = given.target.averageValue === undefined ? 'utilization' : 'usage'
  return `failed to get ${given.name} ${what}: ${message}`
}

function nameOf({ resource, container, averageUtilization }: ResourceTarget): string {
  const kind = container === undefined ? 'resource' : 'container resource'
  return averageUtilization === undefined
    ? `${resource} ${kind}`
    : `${resource} ${kind} utilization (percentage of request)`
}

function statusOf({ type }: MetricSpec, { resource, container }: ResourceTarget, proposal: Proposal): MetricStatus {
  const current = {
    ...(proposal.utilization === undefined ? {} : { averageUtilization: proposal.utilization }),
    averageValue: formatQuantity({ nanos: BigInt(proposal.averageMilliValue) * 1_000_000n, format: 'DecimalSI' }),
  }
  if (container === undefined) return { type, resource: { name: resource, current } }
  return { type, containerResource: { name: resource, container, current } }
}

function milliOf(text: string): number {
  const quantity = tryParseQuantity(text)
  return quantity === undefined ? 0 : milliUnits(quantity)
}

const toleranceDefault = 0.1

function tolerancesOf({ spec }: HorizontalPodAutoscalerV2): Tolerances {
  const of = (text: string | undefined): number => (text === undefined ? toleranceDefault : milliOf(text) / 1000)
  return { up: of(spec.behavior?.scaleUp?.tolerance), down: of(spec.behavior?.scaleDown?.tolerance) }
}
