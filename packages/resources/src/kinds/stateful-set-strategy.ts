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
import { nonNegative, optionalOneOf, optionalText } from './field-checks.ts'
import { validateLabels } from './object-meta.ts'
import { validateClaimSpec } from './persistent-volume-claim-strategy.ts'
import { applyPodTemplateDefaults } from './pod-spec-defaults.ts'
import { validatePodSpec } from './pod-spec-validation.ts'
import {
  alwaysRunningErrors,
  atMostAllErrors,
  intOrPercentErrors,
  intOrPercentNumber,
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
      ...templateMetadataErrors(spec.template, 'spec.template'),
      ...alwaysRunningErrors(spec.template, 'StatefulSet'),
    ]
  },
  validateCreate: (set) => [
    ...optionalText('spec.serviceName', set.spec?.serviceName, dns1123LabelProblems),
    ...podErrors(set),
    ...claimTemplateErrors(set),
  ],
  validateUpdate(set, old) {
    // What was stored before these rules were made may stay as it is.
    const errors = podErrors(old).length === 0 ? podErrors(set) : []
    const fixed = (spec: object | undefined) =>
      Object.fromEntries(Object.entries(spec ?? {}).filter(([key]) => !mutableFields.includes(key)))
    if (semanticEqual(fixed(set.spec), fixed(old.spec))) return errors
    return [
      ...errors,
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

// The containers may mount what the claim templates give.
function podErrors({ spec }: StatefulSet): FieldError[] {
  const template = spec?.template.spec
  if (template === undefined) return []
  const names = (spec?.volumeClaimTemplates ?? []).map(({ metadata }) => metadata.name)
  const volumes = [
    ...names.map((name) => ({ name, persistentVolumeClaim: { claimName: name } })),
    ...(template.volumes ?? []).filter(({ name }) => !names.includes(name)),
  ]
  return validatePodSpec({ ...template, volumes }, 'spec.template.spec')
}

function claimTemplateErrors({ spec }: StatefulSet): FieldError[] {
  return (spec?.volumeClaimTemplates ?? []).flatMap(({ metadata, spec: claim }, index) => {
    const path = `spec.volumeClaimTemplates[${index}]`
    return [...validateLabels(metadata.labels, `${path}.labels`), ...validateClaimSpec(claim ?? {}, `${path}.spec`)]
  })
}

function maxUnavailableErrors(path: string, value: number | string | undefined): FieldError[] {
  if (value === undefined) return []
  return [
    ...intOrPercentErrors(path, value),
    ...(intOrPercentNumber(value) === 0 ? [invalidValue(path, value, 'cannot be 0')] : []),
    ...atMostAllErrors(path, value),
  ]
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
      return [
        ...nonNegative(`${path}.rollingUpdate.partition`, strategy.rollingUpdate?.partition),
        ...maxUnavailableErrors(`${path}.rollingUpdate.maxUnavailable`, strategy.rollingUpdate?.maxUnavailable),
      ]
    default:
      return [invalidValue(path, strategy, "must be 'RollingUpdate' or 'OnDelete'")]
  }
}
