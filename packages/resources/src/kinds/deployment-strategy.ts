import { type FieldError, invalidValue, notSupported, forbiddenField, required } from '@binnacle/apimachinery'
import type { Deployment } from '../generated/types.ts'
import type { Strategy } from '../resource-definition.ts'
import { nonNegative } from './field-checks.ts'
import { applyPodTemplateDefaults } from './pod-spec-defaults.ts'
import { immutableSelector, selectorErrors, templateErrors } from './workload-validation.ts'

/** Defaults and rules of Deployments. */
export const deploymentStrategy: Strategy<Deployment> = {
  applyDefaults(deployment) {
    const { spec } = deployment
    if (spec === undefined) return
    spec.replicas ??= 1
    spec.strategy ??= {}
    spec.strategy.type ??= 'RollingUpdate'
    if (spec.strategy.type === 'RollingUpdate') {
      spec.strategy.rollingUpdate ??= {}
      spec.strategy.rollingUpdate.maxUnavailable ??= '25%'
      spec.strategy.rollingUpdate.maxSurge ??= '25%'
    }
    spec.revisionHistoryLimit ??= 10
    spec.progressDeadlineSeconds ??= 600
    applyPodTemplateDefaults(spec.template)
  },
  validate(deployment) {
    const { spec } = deployment
    if (spec === undefined) return [required('spec.selector'), required('spec.template')]
    return [
      ...nonNegative('spec.replicas', spec.replicas),
      ...selectorErrors(spec.selector, spec.template, 'deployment'),
      ...templateErrors(spec.template),
      ...strategyErrors(deployment),
      ...nonNegative('spec.minReadySeconds', spec.minReadySeconds),
      ...nonNegative('spec.revisionHistoryLimit', spec.revisionHistoryLimit),
      ...nonNegative('spec.progressDeadlineSeconds', spec.progressDeadlineSeconds),
      ...((spec.progressDeadlineSeconds ?? 600) <= (spec.minReadySeconds ?? 0)
        ? [
            invalidValue(
              'spec.progressDeadlineSeconds',
              spec.progressDeadlineSeconds,
              'must be greater than minReadySeconds',
            ),
          ]
        : []),
    ]
  },
  validateUpdate(deployment, old) {
    return immutableSelector(deployment.spec?.selector, old.spec?.selector)
  },
}

function strategyErrors(deployment: Deployment): FieldError[] {
  const strategy = deployment.spec?.strategy
  if (strategy?.type === 'Recreate') {
    return strategy.rollingUpdate === undefined
      ? []
      : [forbiddenField('spec.strategy.rollingUpdate', "may not be specified when strategy `type` is 'Recreate'")]
  }
  if (strategy?.type !== 'RollingUpdate')
    return [notSupported('spec.strategy.type', strategy?.type, ['Recreate', 'RollingUpdate'])]
  const { maxUnavailable, maxSurge } = strategy.rollingUpdate ?? {}
  const path = 'spec.strategy.rollingUpdate'
  const errors = [
    ...amountErrors(`${path}.maxUnavailable`, maxUnavailable),
    ...amountErrors(`${path}.maxSurge`, maxSurge),
  ]
  const isZero = (value: number | string | undefined): boolean => value === 0 || value === '0%'
  if (isZero(maxUnavailable) && isZero(maxSurge))
    errors.push(invalidValue(`${path}.maxUnavailable`, maxUnavailable, 'may not be 0 when `maxSurge` is 0'))
  if (typeof maxUnavailable === 'string' && Number.parseInt(maxUnavailable, 10) > 100)
    errors.push(invalidValue(`${path}.maxUnavailable`, maxUnavailable, 'must not be greater than 100%'))
  return errors
}

function amountErrors(field: string, value: number | string | undefined): FieldError[] {
  if (typeof value === 'number') return nonNegative(field, value)
  if (typeof value === 'string' && !/^[0-9]+%$/.test(value)) {
    return [
      invalidValue(
        field,
        value,
        "a valid percent string must be a numeric string followed by an ending '%' (e.g. '1%',  or '93%', regex used for validation is '[0-9]+%')",
      ),
    ]
  }
  return []
}
