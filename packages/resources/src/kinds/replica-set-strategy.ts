import { type FieldError, invalidValue, notSupported, required, selectorFromMap } from '@binnacle/apimachinery'
import type { ReplicaSet, ReplicationController } from '../generated/types.ts'
import type { Strategy } from '../resource-definition.ts'
import { nonNegative } from './field-checks.ts'
import { applyPodTemplateDefaults } from './pod-spec-defaults.ts'
import {
  alwaysRunningErrors,
  immutableSelector,
  podTemplateErrors,
  replicaStatusErrors,
  selectorErrors,
  selectorMatchErrors,
} from './workload-validation.ts'

const statusParts = ['fullyLabeledReplicas', 'readyReplicas', 'availableReplicas']

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
    if (spec === undefined) return [required('spec.selector'), required('spec.template.spec.containers')]
    return [
      ...nonNegative('spec.replicas', spec.replicas),
      ...nonNegative('spec.minReadySeconds', spec.minReadySeconds),
      // The word "deployment" is upstream's.
      ...selectorErrors(spec.selector, 'deployment'),
      ...selectorMatchErrors(spec.selector, spec.template, 'spec.template'),
      ...podTemplateErrors(spec.template, 'spec.template'),
      ...alwaysRunningErrors(spec.template, 'ReplicaSet'),
    ]
  },
  validateUpdate: (set, old) => immutableSelector(set.spec?.selector, old.spec?.selector),
  validateStatusUpdate: (set) => replicaStatusErrors(set.status, statusParts),
}

/** Defaults and rules of ReplicationControllers: ReplicaSets with a plain map for a selector, which defaults to the template's labels. */
export const replicationControllerStrategy: Strategy<ReplicationController> = {
  applyDefaults(controller) {
    const { spec } = controller
    if (spec === undefined) return
    spec.replicas ??= 1
    const labels = spec.template?.metadata?.labels
    if (labels !== undefined && Object.keys(spec.selector ?? {}).length === 0) spec.selector = { ...labels }
    if (labels !== undefined && Object.keys(controller.metadata.labels ?? {}).length === 0)
      controller.metadata.labels = { ...labels }
    applyPodTemplateDefaults(spec.template)
  },
  prepareForCreate(controller) {
    controller.status = { replicas: 0 }
  },
  validate(controller) {
    const { spec } = controller
    return [
      ...nonNegative('spec.minReadySeconds', spec?.minReadySeconds),
      ...(Object.keys(spec?.selector ?? {}).length === 0 ? [required('spec.selector')] : []),
      ...nonNegative('spec.replicas', spec?.replicas),
      ...controllerTemplateErrors(controller),
    ]
  },
  validateStatusUpdate: (controller) => replicaStatusErrors(controller.status, statusParts),
}

function controllerTemplateErrors({ spec }: ReplicationController): FieldError[] {
  const path = 'spec.template'
  const template = spec?.template
  if (template === undefined) return [required(path)]
  const errors: FieldError[] = []
  const labels = template.metadata?.labels
  if (Object.keys(spec?.selector ?? {}).length > 0 && !selectorFromMap(spec?.selector).matches(labels))
    errors.push(invalidValue(`${path}.metadata.labels`, labels ?? null, '`selector` does not match template `labels`'))
  errors.push(...podTemplateErrors(template, path))
  if (template.spec !== undefined && template.spec.restartPolicy === undefined)
    return [...errors, notSupported(`${path}.spec.restartPolicy`, '', ['Always'])]
  return [...errors, ...alwaysRunningErrors(template, 'ReplicationController')]
}
