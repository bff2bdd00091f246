import {
  builtInRegistry,
  deployments,
  events,
  type HorizontalPodAutoscalerV2,
  horizontalPodAutoscalers,
  podMetrics,
  pods,
} from '@binnacle/resources'
import { aDeployment, aPod } from '@binnacle/testing'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { ControllerBench } from '../controller-bench.ts'
import type { MetricsSource } from './metrics-source.ts'
import { horizontalPodAutoscalerController } from './reconcile.ts'

const web = { namespace: 'default', name: 'web' }
let bench: ControllerBench
let milliOfEach = 0

// Every pod uses the same.
const source: MetricsSource = {
  podUsage: async () =>
    new Map(
      bench.cluster
        .all(pods)
        .map(({ metadata }) => [
          metadata.name,
          { atMs: Date.now(), windowMs: 0, containers: new Map([['app', new Map([['cpu', milliOfEach]])]]) },
        ]),
    ),
}

function use(metrics: MetricsSource | undefined): void {
  bench = new ControllerBench({ controllers: [horizontalPodAutoscalerController(builtInRegistry(), metrics)] })
}
beforeEach(() => {
  vi.useFakeTimers({ now: Date.UTC(2026, 0, 1) })
  use(source)
})
afterEach(async () => {
  await bench.stop()
  vi.useRealTimers()
})

const anAutoscaler = (spec: Partial<HorizontalPodAutoscalerV2['spec']> = {}): HorizontalPodAutoscalerV2 => ({
  apiVersion: 'autoscaling/v2',
  kind: 'HorizontalPodAutoscaler',
  metadata: { name: 'web', namespace: 'default' },
  spec: {
    scaleTargetRef: { apiVersion: 'apps/v1', kind: 'Deployment', name: 'web' },
    minReplicas: 1,
    maxReplicas: 10,
    metrics: [{ type: 'Resource', resource: { name: 'cpu', target: { type: 'Utilization', averageUtilization: 50 } } }],
    ...spec,
  },
})

function seedWorkload(replicas: number): void {
  const deployment = aDeployment({ replicas })
  deployment.status = { replicas }
  bench.cluster.seed(deployments, deployment)
  for (let i = 0; i < replicas; i++) {
    const pod = aPod({ name: `p${i}`, labels: { app: 'web' }, ready: true, sinceTime: '2025-01-01T00:00:00Z' })
    pod.spec = { containers: [{ name: 'app', image: 'i', resources: { requests: { cpu: '1' } } }] }
    pod.status = { ...pod.status, startTime: '2025-01-01T00:00:00Z' }
    bench.cluster.seed(pods, pod)
  }
}
const replicas = () => bench.only(deployments).spec?.replicas
const conditions = () =>
  Object.fromEntries(
    (bench.only(horizontalPodAutoscalers).status?.conditions ?? []).map(({ type, status, reason }) => [
      type,
      `${status} ${reason}`,
    ]),
  )
const recorded = () => bench.cluster.all(events).map(({ reason, message }) => `${reason}: ${message}`)

describe('horizontalPodAutoscalerController', () => {
  it('scales up to bring usage to its target, and says so', async () => {
    milliOfEach = 900
    seedWorkload(2)
    bench.cluster.seed(horizontalPodAutoscalers, anAutoscaler())
    await bench.start()
    expect(replicas()).toBe(4)
    expect(bench.only(horizontalPodAutoscalers).status).toMatchObject({
      currentReplicas: 2,
      desiredReplicas: 4,
      lastScaleTime: '2026-01-01T00:00:00Z',
      currentMetrics: [
        { type: 'Resource', resource: { name: 'cpu', current: { averageUtilization: 90, averageValue: '900m' } } },
      ],
    })
    expect(conditions()).toEqual({
      AbleToScale: 'True SucceededRescale',
      ScalingActive: 'True ValidMetricFound',
      ScalingLimited: 'False DesiredWithinRange',
    })
    expect(recorded()).toEqual([
      'SuccessfulRescale: New size: 4; reason: cpu resource utilization (percentage of request) above target',
    ])
  })

  it('scales down only after five minutes', async () => {
    milliOfEach = 100
    seedWorkload(4)
    bench.cluster.seed(horizontalPodAutoscalers, anAutoscaler())
    await bench.start()
    expect(replicas()).toBe(4)
    expect(conditions()['AbleToScale']).toBe('True ScaleDownStabilized')
    await bench.pass(290_000)
    expect(replicas()).toBe(4)
    await bench.pass(30_000)
    expect(replicas()).toBe(1)
    expect(recorded()).toEqual(['SuccessfulRescale: New size: 1; reason: All metrics below target'])
  })

  it.each([
    [12, 10, 'New size: 10; reason: Current number of replicas above Spec.MaxReplicas'],
    [1, 3, 'New size: 3; reason: Current number of replicas below Spec.MinReplicas'],
  ])('brings %i replicas within its bounds without asking metrics', async (from, to, message) => {
    seedWorkload(from)
    bench.cluster.seed(horizontalPodAutoscalers, anAutoscaler({ minReplicas: 3 }))
    milliOfEach = 500
    await bench.start()
    expect(replicas()).toBe(to)
    expect(recorded()).toContain(`SuccessfulRescale: ${message}`)
  })

  it('leaves a target alone that was scaled to zero', async () => {
    seedWorkload(0)
    bench.cluster.seed(horizontalPodAutoscalers, anAutoscaler())
    await bench.start()
    expect(replicas()).toBe(0)
    expect(conditions()['ScalingActive']).toBe('False ScalingDisabled')
  })

  it('says that there are no metrics where nothing was measured', async () => {
    await bench.stop()
    use(undefined)
    seedWorkload(2)
    bench.cluster.seed(horizontalPodAutoscalers, anAutoscaler())
    await bench.start()
    expect(replicas()).toBe(2)
    const active = bench.only(horizontalPodAutoscalers).status?.conditions?.find(({ type }) => type === 'ScalingActive')
    expect(active).toMatchObject({
      status: 'False',
      reason: 'FailedGetResourceMetric',
      message:
        'the HPA was unable to compute the replica count: failed to get cpu utilization: unable to get metrics for resource cpu: no metrics returned from resource metrics API',
    })
  })

  it('reads what the cluster measured of the pods that the target selects', async () => {
    await bench.stop()
    use(undefined)
    seedWorkload(2)
    for (const name of ['p0', 'p1'])
      bench.cluster.seed(podMetrics, {
        apiVersion: 'metrics.k8s.io/v1beta1',
        kind: 'PodMetrics',
        metadata: { name, namespace: 'default', labels: { app: 'web' } },
        timestamp: '2026-01-01T00:00:00Z',
        window: '15s',
        containers: [{ name: 'app', usage: { cpu: '900m', memory: '64Mi' } }],
      })
    bench.cluster.seed(horizontalPodAutoscalers, anAutoscaler())
    await bench.start()
    expect(replicas()).toBe(4)
    expect(conditions()['ScalingActive']).toBe('True ValidMetricFound')
  })

  it('says that its target is not there', async () => {
    bench.cluster.seed(horizontalPodAutoscalers, anAutoscaler())
    await bench.start()
    expect(conditions()).toEqual({ AbleToScale: 'False FailedGetScale' })
    expect(recorded()).toEqual(['FailedGetScale: deployments.apps "web" not found'])
  })

  it('does not scale down while one of its metrics cannot be read, but up', async () => {
    seedWorkload(4)
    const spec = anAutoscaler().spec
    const unknown = { type: 'External', external: { metric: { name: 'queue' }, target: { type: 'Value', value: '1' } } }
    bench.cluster.seed(horizontalPodAutoscalers, anAutoscaler({ metrics: [...(spec.metrics ?? []), unknown] }))
    milliOfEach = 100
    await bench.start()
    expect(conditions()['ScalingActive']).toBe('False FailedGetExternalMetric')
    expect(recorded()).toContain(
      'FailedGetExternalMetric: failed to get queue external metric value: unable to get external metric default/queue: unable to fetch metrics from external metrics API: the server could not find the requested resource (get queue.external.metrics.k8s.io)',
    )
    milliOfEach = 900
    await bench.pass(16_000)
    expect(replicas()).toBe(8)
  })

  it('does not fight with another over the same pods: both say so until one is gone', async () => {
    milliOfEach = 900
    seedWorkload(2)
    const spec = { selector: { matchLabels: { app: 'web' } } }
    bench.cluster.seed(deployments, { ...aDeployment({ name: 'other', replicas: 2, spec }), status: { replicas: 2 } })
    const other = anAutoscaler({ scaleTargetRef: { apiVersion: 'apps/v1', kind: 'Deployment', name: 'other' } })
    bench.cluster.seed(horizontalPodAutoscalers, { ...other, metadata: { name: 'other', namespace: 'default' } })
    await bench.start()
    bench.cluster.seed(horizontalPodAutoscalers, anAutoscaler())
    await bench.pass(16_000)
    expect(recorded()).toContain(
      'AmbiguousSelector: pods by selector app=web are controlled by multiple HPAs: [{other default} {web default}]',
    )
    const reasons = () =>
      bench.cluster
        .all(horizontalPodAutoscalers)
        .map(({ status }) => status?.conditions?.find(({ type }) => type === 'ScalingActive')?.reason)
    expect(reasons()).toEqual(['AmbiguousSelector', 'AmbiguousSelector'])
    expect(bench.cluster.change(deployments, web, () => undefined).spec?.replicas).toBe(2)
    bench.cluster.remove(horizontalPodAutoscalers, { namespace: 'default', name: 'other' })
    await bench.pass(16_000)
    expect(reasons()).toEqual(['ValidMetricFound'])
    expect(bench.cluster.change(deployments, web, () => undefined).spec?.replicas).toBe(4)
  })

  it('writes nothing while usage stays where it is', async () => {
    milliOfEach = 500
    seedWorkload(3)
    bench.cluster.seed(horizontalPodAutoscalers, anAutoscaler())
    await bench.start()
    const writes = bench.writesFromHere()
    await bench.pass(600_000)
    expect(writes()).toEqual([])
    expect(bench.cluster.change(deployments, web, () => undefined).spec?.replicas).toBe(3)
  })
})
