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
  ])('may not be %j', (spec, problem) => {
    expect(problems(spec)).toContain(problem)
  })
})
