import { formatQuantity, labelSelectorOf, milliUnits, tryParseQuantity } from '@binnacle/apimachinery'
import { type HorizontalPodAutoscalerV2, type MetricSpec, type MetricStatus, type Pod, pods } from '@binnacle/resources'
import type { ReconcileContext } from '../../controller.ts'
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
  readonly current: number
}

/** Asks every metric and takes the greatest answer (`computeReplicasForMetrics`). When some fail, nothing is scaled down. */
export async function replicasByMetrics(
  { autoscaler, selector, current }: Scaled,
  source: MetricsSource,
  context: ReconcileContext,
): Promise<MetricsOutcome> {
  const namespace = autoscaler.metadata.namespace ?? ''
  const parsed = labelSelectorOf(selector)
  const selected = context
    .informer(pods)
    .inNamespace(namespace)
    .filter((pod) => parsed.matches(pod.metadata.labels))
  const specs = autoscaler.spec.metrics ?? []
  const statuses: MetricStatus[] = []
  const failures: { reason: string; message: string }[] = []
  let best: { replicas: number; metric: string } | undefined
  for (const spec of specs) {
    try {
      const target = targetOf(spec)
      const usage = await source.podUsage(namespace, selector).catch((error: Error) => {
        throw new Error(`unable to get metrics for resource ${target.resource}: ${error.message}`)
      })
      const observed = { pods: selected as readonly Pod[], usage, nowMs: context.nowMs() }
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

// Metrics of other kinds come from APIs that this cluster does not serve: each says so.
function targetOf({ type, resource, containerResource }: MetricSpec): ResourceTarget {
  const given = type === 'Resource' ? resource : type === 'ContainerResource' ? containerResource : undefined
  if (given === undefined) throw new Error(`no metrics API for metrics of type ${type} is served`)
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

function reasonOf({ type }: MetricSpec): string {
  return `FailedGet${type}Metric`
}

function failureText({ type, resource, containerResource }: MetricSpec, { message }: Error): string {
  const given = resource ?? containerResource
  if (given === undefined || message.startsWith('invalid resource')) return `failed to get ${type} metric: ${message}`
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
