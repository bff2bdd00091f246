import { invalidValue } from '@binnacle/apimachinery'
import type { PodDisruptionBudget } from '../generated/types.ts'
import type { Strategy } from '../resource-definition.ts'
import { labelSelectorErrors, nonNegative, optionalOneOf } from './field-checks.ts'
import { atMostAllErrors, intOrPercentErrors } from './workload-validation.ts'

/** Rules of PodDisruptionBudgets (kube-apiserver `ValidatePodDisruptionBudgetSpec`). */
export const podDisruptionBudgetStrategy: Strategy<PodDisruptionBudget> = {
  prepareForCreate(budget) {
    budget.status = { currentHealthy: 0, desiredHealthy: 0, disruptionsAllowed: 0, expectedPods: 0 }
  },
  validate({ spec }) {
    const { minAvailable, maxUnavailable, selector, unhealthyPodEvictionPolicy } = spec ?? {}
    const both = minAvailable !== undefined && maxUnavailable !== undefined
    return [
      ...(both ? [invalidValue('spec', spec, 'minAvailable and maxUnavailable cannot be both set')] : []),
      ...intOrPercentErrors('spec.minAvailable', minAvailable),
      ...atMostAllErrors('spec.minAvailable', minAvailable),
      ...intOrPercentErrors('spec.maxUnavailable', maxUnavailable),
      ...atMostAllErrors('spec.maxUnavailable', maxUnavailable),
      ...labelSelectorErrors('spec.selector', selector),
      ...optionalOneOf('spec.unhealthyPodEvictionPolicy', unhealthyPodEvictionPolicy, [
        'AlwaysAllow',
        'IfHealthyBudget',
      ]),
    ]
  },
  validateStatusUpdate: ({ status }) => [
    ...nonNegative('status.disruptionsAllowed', status?.disruptionsAllowed),
    ...nonNegative('status.currentHealthy', status?.currentHealthy),
    ...nonNegative('status.desiredHealthy', status?.desiredHealthy),
    ...nonNegative('status.expectedPods', status?.expectedPods),
  ],
}
