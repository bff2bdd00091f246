import { required } from '@binnacle/apimachinery'
import type { ReplicaSet } from '../generated/types.ts'
import type { Strategy } from '../resource-definition.ts'
import { nonNegative } from './field-checks.ts'
import { applyPodTemplateDefaults } from './pod-spec-defaults.ts'
import { immutableSelector, selectorErrors, templateErrors } from './workload-validation.ts'

/** Defaults and rules of ReplicaSets. */
export const replicaSetStrategy: Strategy<ReplicaSet> = {
  applyDefaults(set) {
    const { spec } = set
    if (spec === undefined) return
    spec.replicas ??= 1
    applyPodTemplateDefaults(spec.template)
  },
  prepareForCreate(set) {
    set.status = { replicas: 0 }
  },
  validate(set) {
    const { spec } = set
    if (spec === undefined) return [required('spec.selector'), required('spec.template')]
    return [
      ...nonNegative('spec.replicas', spec.replicas),
      ...nonNegative('spec.minReadySeconds', spec.minReadySeconds),
      ...selectorErrors(spec.selector, spec.template, 'replica set'),
      ...templateErrors(spec.template),
    ]
  },
  validateUpdate(set, old) {
    return immutableSelector(set.spec?.selector, old.spec?.selector)
  },
}
