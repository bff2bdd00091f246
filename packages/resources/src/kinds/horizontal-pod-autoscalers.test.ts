import { describe, expect, it } from 'vitest'
import type { HorizontalPodAutoscalerV2 } from '../generated/types.ts'
import { horizontalPodAutoscalers } from './horizontal-pod-autoscalers.ts'

const { strategy } = horizontalPodAutoscalers
const anAutoscaler = (spec: object): HorizontalPodAutoscalerV2 =>
  ({
    apiVersion: 'autoscaling/v2',
    kind: 'HorizontalPodAutoscaler',
    metadata: { name: 'web' },
    spec: { scaleTargetRef: { kind: 'Deployment', name: 'web' }, maxReplicas: 3, ...spec },
  }) as HorizontalPodAutoscalerV2
const problems = (spec: object) =>
  (strategy.validate?.(anAutoscaler(spec)) ?? []).map(({ field, message }) => `${field}: ${message}`)

describe('a HorizontalPodAutoscaler', () => {
  it('gets the rates that its behaviour leaves open', () => {
    const autoscaler = anAutoscaler({ behavior: { scaleDown: { selectPolicy: 'Disabled' } } })
    strategy.applyDefaults?.(autoscaler)
    expect(autoscaler.spec.behavior).toEqual({
      scaleUp: {
        stabilizationWindowSeconds: 0,
        selectPolicy: 'Max',
        policies: [
          { type: 'Pods', value: 4, periodSeconds: 15 },
          { type: 'Percent', value: 100, periodSeconds: 15 },
        ],
      },
      scaleDown: { selectPolicy: 'Disabled', policies: [{ type: 'Percent', value: 100, periodSeconds: 15 }] },
    })
  })

  it('without behaviour gets none', () => {
    const autoscaler = anAutoscaler({})
    strategy.applyDefaults?.(autoscaler)
    expect(autoscaler.spec.behavior).toBeUndefined()
    expect(problems({})).toEqual([])
  })

  it('may ask for every kind of metric', () => {
    const metrics = [
      { type: 'Resource', resource: { name: 'cpu', target: { type: 'Utilization', averageUtilization: 50 } } },
      {
        type: 'ContainerResource',
        containerResource: { name: 'memory', container: 'app', target: { type: 'AverageValue', averageValue: '1Gi' } },
      },
      { type: 'Pods', pods: { metric: { name: 'requests' }, target: { type: 'AverageValue', averageValue: '1k' } } },
      {
        type: 'Object',
        object: {
          describedObject: { kind: 'Ingress', name: 'main' },
          metric: { name: 'requests' },
          target: { type: 'Value', value: '2k' },
        },
      },
      {
        type: 'External',
        external: { metric: { name: 'queue' }, target: { type: 'AverageValue', averageValue: '30' } },
      },
    ]
    expect(problems({ metrics })).toEqual([])
  })

  it.each([
    [{ minReplicas: 0 }, 'spec.minReplicas: Invalid value: 0: must be greater than or equal to 1'],
    [{ maxReplicas: 0 }, 'spec.maxReplicas: Invalid value: 0: must be greater than 0'],
    [{ minReplicas: 4 }, 'spec.maxReplicas: Invalid value: 3: must be greater than or equal to `minReplicas`'],
    [{ scaleTargetRef: { kind: 'Deployment' } }, 'spec.scaleTargetRef.name: Required value'],
    [
      { behavior: { scaleUp: { policies: [{ type: 'Some', value: 1, periodSeconds: 1 }] } } },
      'spec.behavior.scaleUp.policies[0].type: Unsupported value: "Some": supported values: "Percent", "Pods"',
    ],
    [
      { behavior: { scaleDown: { stabilizationWindowSeconds: 3601 } } },
      'spec.behavior.scaleDown.stabilizationWindowSeconds: Invalid value: 3601: must be less than or equal to 3600',
    ],
    [
      { metrics: [{ type: 'CPU' }] },
      'spec.metrics[0].type: Unsupported value: "CPU": supported values: "ContainerResource", "External", "Object", "Pods", "Resource"',
    ],
    [
      { metrics: [{ type: 'Resource' }] },
      'spec.metrics[0].resource: Required value: must populate information for the given metric source',
    ],
    [
      { metrics: [{ type: 'Resource', resource: { name: 'cpu', target: { type: 'Utilization' } } }] },
      'spec.metrics[0].resource.target.averageUtilization: Required value: must set either a target raw value or a target utilization',
    ],
    [
      { metrics: [{ type: 'Resource', resource: { name: 'cpu', target: { type: 'Half', averageValue: '-1' } } }] },
      'spec.metrics[0].resource.target.averageValue: Invalid value: "-1": must be positive',
    ],
    [
      { metrics: [{ type: 'Resource', resource: { name: 'cpu', target: { type: 'Half', averageValue: '1' } } }] },
      'spec.metrics[0].resource.target.type: Invalid value: "Half": must be either Utilization, Value, or AverageValue',
    ],
    [
      {
        metrics: [
          {
            type: 'ContainerResource',
            containerResource: { name: 'cpu', target: { type: 'Utilization', averageUtilization: 0 } },
          },
        ],
      },
      'spec.metrics[0].containerResource.target.averageUtilization: Invalid value: 0: must be greater than 0',
    ],
    [
      {
        metrics: [
          { type: 'Pods', pods: { metric: { name: 'a/b' }, target: { type: 'AverageValue', averageValue: '1' } } },
        ],
      },
      'spec.metrics[0].pods.metric.name: Invalid value: "a/b": may not contain \'/\'',
    ],
    [
      {
        metrics: [
          {
            type: 'External',
            external: { metric: { name: 'queue' }, target: { type: 'Value', value: '1', averageValue: '1' } },
          },
        ],
      },
      'spec.metrics[0].external.target.value: Forbidden: may not set both a target value for metric and a per-pod target',
    ],
    [
      {
        metrics: [
          {
            type: 'Pods',
            pods: { metric: { name: 'a' }, target: { type: 'AverageValue', averageValue: '1' } },
            resource: { name: 'cpu', target: { type: 'Utilization', averageUtilization: 1 } },
          },
        ],
      },
      'spec.metrics[0].resource: Forbidden: must populate the given metric source only',
    ],
  ])('may not be %j', (spec, problem) => {
    expect(problems(spec)).toContain(problem)
  })
})
