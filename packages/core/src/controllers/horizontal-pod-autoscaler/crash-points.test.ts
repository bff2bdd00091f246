import { builtInRegistry, deployments, horizontalPodAutoscalers, pods } from '@binnacle/resources'
import { aDeployment, aPod } from '@binnacle/testing'
import { describe, it } from 'vitest'
import { expectSameEndOnStaleViews, expectSameEndWhereverKilled, type Scenario } from '../crash-points.ts'
import type { MetricsSource } from './metrics-source.ts'
import { horizontalPodAutoscalerController } from './reconcile.ts'

let milliOfEach = 0
const source: MetricsSource = {
  podUsage: async () => {
    const containers = new Map([['app', new Map([['cpu', milliOfEach]])]])
    return new Map(['p0', 'p1'].map((name) => [name, { atMs: Date.now(), windowMs: 0, containers }]))
  },
}

/** Usage rises, and later falls for longer than the window of stabilisation, which a new process begins anew. */
const scenario: Scenario = {
  controllers: () => [horizontalPodAutoscalerController(builtInRegistry(), source)],
  compares: [deployments, horizontalPodAutoscalers],
  // A new process knows no recommendations: for five minutes it says so, and a kill after every write makes it always new.
  ignores: ['lastScaleTime', 'conditions'],
  async run(bench) {
    milliOfEach = 900
    const deployment = aDeployment({ replicas: 2 })
    deployment.status = { replicas: 2 }
    bench.cluster.seed(deployments, deployment)
    for (const name of ['p0', 'p1']) {
      const pod = aPod({ name, labels: { app: 'web' }, ready: true, sinceTime: '2025-01-01T00:00:00Z' })
      pod.spec = { containers: [{ name: 'app', image: 'i', resources: { requests: { cpu: '1' } } }] }
      pod.status = { ...pod.status, startTime: '2025-01-01T00:00:00Z' }
      bench.cluster.seed(pods, pod)
    }
    bench.cluster.seed(horizontalPodAutoscalers, {
      apiVersion: 'autoscaling/v2',
      kind: 'HorizontalPodAutoscaler',
      metadata: { name: 'web', namespace: 'default' },
      spec: {
        scaleTargetRef: { apiVersion: 'apps/v1', kind: 'Deployment', name: 'web' },
        maxReplicas: 4,
        metrics: [
          { type: 'Resource', resource: { name: 'cpu', target: { type: 'Utilization', averageUtilization: 50 } } },
        ],
      },
    })
    await bench.start()
    await bench.pass(60_000)
    milliOfEach = 0
    for (let minute = 0; minute < 30; minute++) await bench.pass(60_000)
  },
}

describe('horizontalPodAutoscalerController', () => {
  it('reaches the same size wherever it is killed', () => expectSameEndWhereverKilled(scenario))
  it('reaches the same size on stale views', () => expectSameEndOnStaleViews(scenario, [1, 2, 3]))
})
