import {
  type Condition,
  formatTime,
  jsonEqual,
  keyOf,
  labelSelectorOf,
  type ObjectKey,
  withCondition,
} from '@binnacle/apimachinery'
import {
  type HorizontalPodAutoscalerV2,
  horizontalPodAutoscalers,
  type MetricStatus,
  type Pod,
  pods,
  type ResourceDefinition,
  type ResourceRegistry,
  type Scale,
} from '@binnacle/resources'
import { type Controller, done, type ReconcileContext, type Result } from '../../controller.ts'
import { normalizeReplicas, rememberScaling, type ScalingHistory } from './behavior.ts'
import { replicasByMetrics } from './metrics.ts'
import { SelectorsInUse } from './selectors-in-use.ts'
import { type MetricsSource, servedMetrics } from './metrics-source.ts'

/** How often usage is looked at (`--horizontal-pod-autoscaler-sync-period`). */
const syncMs = 15_000

interface Work {
  readonly context: ReconcileContext
  readonly registry: ResourceRegistry
  readonly metrics: MetricsSource | undefined
  readonly histories: Map<string, ScalingHistory>
  readonly selectors: SelectorsInUse
  /** When each autoscaler, by uid, looks at usage again, in milliseconds since 1970. */
  readonly dueMs: Map<string, number>
}

/**
 * Sets the replicas of what each HorizontalPodAutoscaler points at so that the usage of its pods comes to the target (kube-controller-manager
 * `podautoscaler/horizontal.go`). `metrics` is where usage comes from; by default the cluster's own metrics API.
 */
export function horizontalPodAutoscalerController(registry: ResourceRegistry, metrics?: MetricsSource): Controller {
  const histories = new Map<string, ScalingHistory>()
  const selectors = new SelectorsInUse()
  const dueMs = new Map<string, number>()
  return {
    name: 'horizontal-pod-autoscaler',
    reconciles: horizontalPodAutoscalers,
    reads: [pods],
    reconcile: (key, context) => reconcile(key, { context, registry, metrics, histories, selectors, dueMs }),
  }
}

async function reconcile(key: ObjectKey, work: Work): Promise<Result> {
  const { context, histories, selectors, dueMs } = work
  const autoscaler = context.informer(horizontalPodAutoscalers).get(key)
  const name = `${key.namespace}/${key.name}`
  if (autoscaler === undefined) {
    histories.delete(name)
    selectors.delete(key)
    dueMs.delete(name)
    return done
  }
  // Its own status writes call it too: they are no reason to look again.
  const nowMs = context.nowMs()
  const due = dueMs.get(name) ?? 0
  if (nowMs < due) return { requeueAfterMs: due - nowMs }
  dueMs.set(name, nowMs + syncMs)
  let history = histories.get(name)
  const status = new StatusDraft(autoscaler, nowMs)
  try {
    const target = await scaleOfTarget(autoscaler, work, status)
    if (target === undefined) return { requeueAfterMs: syncMs }
    if (history === undefined) {
      // After a start the present size counts as recommended, so that nothing is scaled down at once.
      history = { recommendations: [{ atMs: nowMs, replicas: target.scale.spec?.replicas ?? 0 }], ups: [], downs: [] }
      histories.set(name, history)
    }
    await autoscale({ ...work, autoscaler, status, history, ...target })
    return { requeueAfterMs: syncMs }
  } finally {
    await status.write(context)
  }
}

interface Target {
  readonly resource: ResourceDefinition<any>
  readonly scale: Scale
}

async function scaleOfTarget(
  autoscaler: HorizontalPodAutoscalerV2,
  { context, registry }: Work,
  status: StatusDraft,
): Promise<Target | undefined> {
  const { apiVersion = '', kind, name } = autoscaler.spec.scaleTargetRef
  const [group, version] = apiVersion.includes('/') ? apiVersion.split('/') : ['', apiVersion]
  try {
    const resource = registry.byKind(group as string, version as string, kind)
    if (resource === undefined)
      throw new Error(
        `unable to determine resource for scale target reference: no matches for kind "${kind}" in version "${apiVersion}"`,
      )
    const scale = await context.client.getScale(resource, { namespace: autoscaler.metadata.namespace ?? '', name })
    status.set('AbleToScale', true, {
      reason: 'SucceededGetScale',
      message: "the HPA controller was able to get the target's current scale",
    })
    return { resource, scale }
  } catch (error) {
    const { message } = error as Error
    context.events.record(autoscaler, 'Warning', 'FailedGetScale', message)
    status.set('AbleToScale', false, {
      reason: 'FailedGetScale',
      message: `the HPA controller was unable to get the target's current scale: ${message}`,
    })
    return undefined
  }
}

interface Scaling extends Work, Target {
  readonly autoscaler: HorizontalPodAutoscalerV2
  readonly status: StatusDraft
  readonly history: ScalingHistory
}

async function autoscale(scaling: Scaling): Promise<void> {
  const { autoscaler, status, scale } = scaling
  const { maxReplicas, minReplicas = 1 } = autoscaler.spec
  const current = scale.spec?.replicas ?? 0
  status.replicas(current, current)
  if (current === 0 && minReplicas !== 0) {
    const message = 'scaling is disabled since the replica count of the target is zero'
    status.set('ScalingActive', false, { reason: 'ScalingDisabled', message })
    status.replicas(current, 0)
  } else if (current > maxReplicas)
    await rescale(scaling, maxReplicas, 'Current number of replicas above Spec.MaxReplicas')
  else if (current < minReplicas)
    await rescale(scaling, minReplicas, 'Current number of replicas below Spec.MinReplicas')
  else await followMetrics(scaling, current, minReplicas)
}

async function followMetrics(scaling: Scaling, current: number, min: number): Promise<void> {
  const { autoscaler, status, scale, context, history } = scaling
  const selector = scale.status?.selector ?? ''
  if (selector === '') {
    context.events.record(autoscaler, 'Warning', 'SelectorRequired', 'selector is required')
    const message = "the HPA target's scale is missing a selector"
    status.set('ScalingActive', false, { reason: 'InvalidSelector', message })
    return
  }
  const selected = selectedPods(context, autoscaler, selector)
  const ambiguous = scaling.selectors.put(keyOf(autoscaler), selector, selected)
  if (ambiguous !== undefined) {
    context.events.record(autoscaler, 'Warning', 'AmbiguousSelector', ambiguous)
    status.set('ScalingActive', false, { reason: 'AmbiguousSelector', message: ambiguous })
    return
  }
  const source = scaling.metrics ?? servedMetrics(context.client)
  const outcome = await replicasByMetrics({ autoscaler, selector, selected, current }, source, context.nowMs())
  status.metrics(outcome.statuses)
  if (outcome.failure !== undefined)
    context.events.record(autoscaler, 'Warning', outcome.failure.reason, outcome.failure.message)
  if (outcome.replicas === undefined) {
    const { reason = 'FailedGetResourceMetric', message = 'no metrics are specified' } = outcome.failure ?? {}
    const why = `the HPA was unable to compute the replica count: ${message}`
    status.set('ScalingActive', false, { reason, message: why })
    context.events.record(autoscaler, 'Warning', 'FailedComputeMetricsReplicas', outcome.error ?? message)
    return
  }
  status.set('ScalingActive', true, {
    reason: 'ValidMetricFound',
    message: `the HPA was able to successfully calculate a replica count from ${outcome.metric}`,
  })
  const wish = { current, desired: outcome.replicas, min, max: autoscaler.spec.maxReplicas }
  const normalized = normalizeReplicas(wish, autoscaler.spec.behavior, history, context.nowMs())
  status.set('AbleToScale', true, normalized.able)
  status.set('ScalingLimited', normalized.limited, normalized.limit)
  if (normalized.replicas === current) return
  const reason = outcome.replicas > current ? `${outcome.metric} above target` : 'All metrics below target'
  await rescale(scaling, normalized.replicas, reason)
}

function selectedPods(context: ReconcileContext, { metadata }: HorizontalPodAutoscalerV2, selector: string): Pod[] {
  const parsed = labelSelectorOf(selector)
  const inNamespace = context.informer(pods).inNamespace(metadata.namespace ?? '')
  return inNamespace.filter((pod) => parsed.matches(pod.metadata.labels))
}

async function rescale(scaling: Scaling, replicas: number, reason: string): Promise<void> {
  const { autoscaler, resource, scale, status, context, history } = scaling
  const current = scale.spec?.replicas ?? 0
  try {
    await context.client.updateScale(resource, { ...scale, spec: { replicas } })
  } catch (error) {
    const { message } = error as Error
    const text = `New size: ${replicas}; reason: ${reason}; error: ${message}`
    context.events.record(autoscaler, 'Warning', 'FailedRescale', text)
    status.set('AbleToScale', false, {
      reason: 'FailedUpdateScale',
      message: `the HPA controller was unable to update the target scale: ${message}`,
    })
    return
  }
  context.events.record(autoscaler, 'Normal', 'SuccessfulRescale', `New size: ${replicas}; reason: ${reason}`)
  status.set('AbleToScale', true, {
    reason: 'SucceededRescale',
    message: `the HPA controller was able to update the target scale to ${replicas}`,
  })
  status.replicas(current, replicas)
  status.rescaled()
  rememberScaling(history, autoscaler.spec.behavior, { from: current, to: replicas, nowMs: context.nowMs() })
}

type Status = NonNullable<HorizontalPodAutoscalerV2['status']>

/** The status as it comes to be during one look; written once, if it says something new. */
class StatusDraft {
  readonly #autoscaler: HorizontalPodAutoscalerV2
  readonly #nowMs: number
  #status: Status

  constructor(autoscaler: HorizontalPodAutoscalerV2, nowMs: number) {
    this.#autoscaler = autoscaler
    this.#nowMs = nowMs
    this.#status = { desiredReplicas: 0, ...autoscaler.status }
  }

  set(type: string, holds: boolean, why: { readonly reason: string; readonly message: string }): void {
    const condition: Condition = { type, status: holds ? 'True' : 'False', ...why }
    const conditions = withCondition(
      this.#status.conditions as readonly Condition[] | undefined,
      condition,
      this.#nowMs,
    )
    this.#status = { ...this.#status, conditions: [...conditions] }
  }

  replicas(currentReplicas: number, desiredReplicas: number): void {
    this.#status = { ...this.#status, currentReplicas, desiredReplicas }
  }

  metrics(currentMetrics: readonly MetricStatus[]): void {
    const { currentMetrics: _old, ...rest } = this.#status
    this.#status = currentMetrics.length === 0 ? rest : { ...rest, currentMetrics: [...currentMetrics] }
  }

  rescaled(): void {
    this.#status = { ...this.#status, lastScaleTime: formatTime(this.#nowMs) }
  }

  async write({ client }: ReconcileContext): Promise<void> {
    if (!jsonEqual(this.#status, this.#autoscaler.status))
      await client.updateStatus(horizontalPodAutoscalers, { ...this.#autoscaler, status: this.#status })
  }
}
