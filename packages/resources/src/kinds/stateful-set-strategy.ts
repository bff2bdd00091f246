import {
  dns1123LabelProblems,
  type FieldError,
  forbiddenField,
  invalidValue,
  maskTrailingDash,
  required,
  semanticEqual,
} from '@binnacle/apimachinery'
import type { StatefulSet } from '../generated/types.ts'
import type { Strategy } from '../resource-definition.ts'
import { nonNegative, optionalOneOf } from './field-checks.ts'
import { applyPodTemplateDefaults } from './pod-spec-defaults.ts'
import {
  alwaysRunningErrors,
  replicaStatusErrors,
  selectorErrors,
  selectorMatchErrors,
  templateMetadataErrors,
} from './workload-validation.ts'

// What may change in a spec; everything else decides the identity of pods and volumes.
const mutableFields = [
  'replicas',
  'ordinals',
  'template',
  'updateStrategy',
  'revisionHistoryLimit',
  'persistentVolumeClaimRetentionPolicy',
  'minReadySeconds',
]
const managementPolicies = ['OrderedReady', 'Parallel']

/** Defaults and rules of StatefulSets. */
export const statefulSetStrategy: Strategy<StatefulSet> = {
  applyDefaults(set) {
    const { spec } = set
    if (spec === undefined) return
    spec.podManagementPolicy ||= 'OrderedReady'
    spec.updateStrategy ??= {}
    if (!spec.updateStrategy.type) {
      spec.updateStrategy.type = 'RollingUpdate'
      spec.updateStrategy.rollingUpdate ??= {}
    }
    if (spec.updateStrategy.rollingUpdate !== undefined && spec.updateStrategy.type === 'RollingUpdate')
      spec.updateStrategy.rollingUpdate.partition ??= 0
    spec.persistentVolumeClaimRetentionPolicy ??= {}
    spec.persistentVolumeClaimRetentionPolicy.whenDeleted ||= 'Retain'
    spec.persistentVolumeClaimRetentionPolicy.whenScaled ||= 'Retain'
    spec.replicas ??= 1
    spec.revisionHistoryLimit ??= 10
    for (const claim of spec.volumeClaimTemplates ?? []) {
      claim.apiVersion ||= 'v1'
      claim.kind ||= 'PersistentVolumeClaim'
      claim.status ??= { phase: 'Pending' }
      if (claim.spec !== undefined) claim.spec.volumeMode ??= 'Filesystem'
    }
    applyPodTemplateDefaults(spec.template)
  },
  prepareForCreate(set) {
    set.status = { replicas: 0 }
  },
  validate(set) {
    const { spec } = set
    if (spec === undefined) return [required('spec.selector')]
    const retention = spec.persistentVolumeClaimRetentionPolicy
    return [
      ...(managementPolicies.includes(spec.podManagementPolicy ?? '')
        ? []
        : [invalidValue('spec.podManagementPolicy', spec.podManagementPolicy, "must be 'OrderedReady' or 'Parallel'")]),
      ...updateStrategyErrors(set),
      ...optionalOneOf('spec.persistentVolumeClaimRetentionPolicy.whenDeleted', retention?.whenDeleted, [
        'Retain',
        'Delete',
      ]),
      ...optionalOneOf('spec.persistentVolumeClaimRetentionPolicy.whenScaled', retention?.whenScaled, [
        'Retain',
        'Delete',
      ]),
      ...nonNegative('spec.replicas', spec.replicas),
      ...nonNegative('spec.minReadySeconds', spec.minReadySeconds),
      ...nonNegative('spec.ordinals.start', spec.ordinals?.start),
      ...selectorErrors(spec.selector, 'statefulset'),
      ...selectorMatchErrors(spec.selector, spec.template, 'spec.template'),
      // The template's volumes are not checked, as upstream: mounts may name claim templates.
      ...templateMetadataErrors(spec.template, 'spec.template'),
      ...alwaysRunningErrors(spec.template, 'StatefulSet'),
    ]
  },
  validateUpdate(set, old) {
    const fixed = (spec: object | undefined) =>
      Object.fromEntries(Object.entries(spec ?? {}).filter(([key]) => !mutableFields.includes(key)))
    if (semanticEqual(fixed(set.spec), fixed(old.spec))) return []
    return [
      forbiddenField(
        'spec',
        "updates to statefulset spec for fields other than 'replicas', 'ordinals', 'template', 'updateStrategy', 'revisionHistoryLimit', 'persistentVolumeClaimRetentionPolicy' and 'minReadySeconds' are forbidden",
      ),
    ]
  },
  validateStatusUpdate: (set) =>
    replicaStatusErrors(set.status, ['readyReplicas', 'currentReplicas', 'updatedReplicas', 'availableReplicas']),
  validateName: (name, isPrefix) => dns1123LabelProblems(isPrefix ? maskTrailingDash(name) : name),
}

function updateStrategyErrors(set: StatefulSet): FieldError[] {
  const strategy = set.spec?.updateStrategy
  const path = 'spec.updateStrategy'
  switch (strategy?.type) {
    case undefined:
    case '':
      return [required(path)]
    case 'OnDelete':
      return strategy.rollingUpdate === undefined
        ? []
        : [
            invalidValue(
              `${path}.rollingUpdate`,
              strategy.rollingUpdate,
              "only allowed for updateStrategy 'RollingUpdate'",
            ),
          ]
    case 'RollingUpdate':
      return nonNegative(`${path}.rollingUpdate.partition`, strategy.rollingUpdate?.partition)
    default:
      return [invalidValue(path, strategy, "must be 'RollingUpdate' or 'OnDelete'")]
  }
}
