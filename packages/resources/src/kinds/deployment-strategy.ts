import { type FieldError, forbiddenField, invalidValue, notSupported, required } from '@binnacle/apimachinery'
import type { Deployment } from '../generated/types.ts'
import type { Strategy } from '../resource-definition.ts'
import { nonNegative } from './field-checks.ts'
import { applyPodTemplateDefaults } from './pod-spec-defaults.ts'
import {
  alwaysRunningErrors,
  atMostAllErrors,
  immutableSelector,
  intOrPercentErrors,
  intOrPercentNumber,
  podTemplateErrors,
  replicaStatusErrors,
  selectorErrors,
  selectorMatchErrors,
} from './workload-validation.ts'

/** Defaults and rules of Deployments. */
export const deploymentStrategy: Strategy<Deployment> = {
  applyDefaults(deployment) {
    const { spec } = deployment
    if (spec === undefined) return
    spec.replicas ??= 1
    spec.strategy ??= {}
    spec.strategy.type ||= 'RollingUpdate'
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
    if (spec === undefined) return [required('spec.selector'), required('spec.template.spec.containers')]
    return [
      ...nonNegative('spec.replicas', spec.replicas),
      ...selectorErrors(spec.selector, 'deployment'),
      ...selectorMatchErrors(spec.selector, spec.template, 'spec.template'),
      ...podTemplateErrors(spec.template, 'spec.template'),
      ...alwaysRunningErrors(spec.template, 'ReplicaSet'),
      ...strategyErrors(deployment),
      ...nonNegative('spec.minReadySeconds', spec.minReadySeconds),
      ...nonNegative('spec.revisionHistoryLimit', spec.revisionHistoryLimit),
      ...progressErrors(spec.progressDeadlineSeconds, spec.minReadySeconds ?? 0),
    ]
  },
  validateUpdate: (deployment, old) => immutableSelector(deployment.spec?.selector, old.spec?.selector),
  validateStatusUpdate: (deployment) => [
    ...replicaStatusErrors(deployment.status, ['updatedReplicas', 'readyReplicas', 'availableReplicas']),
    ...nonNegative('status.unavailableReplicas', deployment.status?.unavailableReplicas),
  ],
}

function progressErrors(seconds: number | undefined, minReadySeconds: number): FieldError[] {
  if (seconds === undefined) return []
  const errors = nonNegative('spec.progressDeadlineSeconds', seconds)
  if (seconds <= minReadySeconds)
    errors.push(invalidValue('spec.progressDeadlineSeconds', seconds, 'must be greater than minReadySeconds'))
  return errors
}

function strategyErrors(deployment: Deployment): FieldError[] {
  const strategy = deployment.spec?.strategy
  if (strategy?.type === 'Recreate') {
    return strategy.rollingUpdate === undefined
      ? []
      : [forbiddenField('spec.strategy.rollingUpdate', "may not be specified when strategy `type` is 'Recreate'")]
  }
  if (strategy?.type !== 'RollingUpdate')
    return [
      notSupported('spec.strategy', { Type: strategy?.type ?? '', RollingUpdate: null }, ['Recreate', 'RollingUpdate']),
    ]
  const path = 'spec.strategy.rollingUpdate'
  if (strategy.rollingUpdate === undefined) return [required(path, 'this should be defaulted and never be nil')]
  const { maxUnavailable, maxSurge } = strategy.rollingUpdate
  const errors = [
    ...intOrPercentErrors(`${path}.maxUnavailable`, maxUnavailable),
    ...intOrPercentErrors(`${path}.maxSurge`, maxSurge),
  ]
  if (intOrPercentNumber(maxUnavailable) === 0 && intOrPercentNumber(maxSurge) === 0)
    errors.push(invalidValue(`${path}.maxUnavailable`, maxUnavailable, 'may not be 0 when `maxSurge` is 0'))
  return [...errors, ...atMostAllErrors(`${path}.maxUnavailable`, maxUnavailable)]
}
