import { type FieldError, invalidValue, notSupported, required, semanticEqual } from '@binnacle/apimachinery'
import type { DaemonSet } from '../generated/types.ts'
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
  selectorErrors,
  selectorMatchErrors,
} from './workload-validation.ts'

/** Defaults and rules of DaemonSets. */
export const daemonSetStrategy: Strategy<DaemonSet> = {
  applyDefaults(set) {
    const { spec } = set
    if (spec === undefined) return
    spec.updateStrategy ??= {}
    spec.updateStrategy.type ||= 'RollingUpdate'
    if (spec.updateStrategy.type === 'RollingUpdate') {
      spec.updateStrategy.rollingUpdate ??= {}
      spec.updateStrategy.rollingUpdate.maxUnavailable ??= 1
      spec.updateStrategy.rollingUpdate.maxSurge ??= 0
    }
    spec.revisionHistoryLimit ??= 10
    applyPodTemplateDefaults(spec.template)
  },
  prepareForCreate(set) {
    set.status = { currentNumberScheduled: 0, desiredNumberScheduled: 0, numberMisscheduled: 0, numberReady: 0 }
    setTemplateGeneration(set, Math.max(1, templateGenerationOf(set)))
  },
  prepareForUpdate(set, old) {
    const isSame = semanticEqual(set.spec?.template, old.spec?.template)
    setTemplateGeneration(set, templateGenerationOf(old) + (isSame ? 0 : 1))
  },
  validate(set) {
    const { spec } = set
    if (spec === undefined) return [required('spec.selector'), required('spec.template.spec.containers')]
    return [
      ...selectorErrors(spec.selector, 'daemonset'),
      ...selectorMatchErrors(spec.selector, spec.template, 'spec.template'),
      ...podTemplateErrors(spec.template, 'spec.template'),
      ...alwaysRunningErrors(spec.template, 'DaemonSet'),
      ...nonNegative('spec.minReadySeconds', spec.minReadySeconds),
      ...updateStrategyErrors(set),
      ...nonNegative('spec.revisionHistoryLimit', spec.revisionHistoryLimit),
    ]
  },
  validateUpdate: (set, old) => immutableSelector(set.spec?.selector, old.spec?.selector),
  validateStatusUpdate: (set) =>
    Object.entries(set.status ?? {}).flatMap(([field, value]) =>
      typeof value === 'number' ? nonNegative(`status.${field}`, value) : [],
    ),
}

// The generation of the template is no field of this version any more: upstream's conversion keeps it in an annotation, and its controller labels pods with it.
const templateGenerationAnnotation = 'deprecated.daemonset.template.generation'

function templateGenerationOf(set: DaemonSet): number {
  const text = set.metadata.annotations?.[templateGenerationAnnotation]
  return text !== undefined && /^-?\d+$/.test(text) ? Number(text) : 0
}

function setTemplateGeneration(set: DaemonSet, generation: number): void {
  set.metadata.annotations = { ...set.metadata.annotations, [templateGenerationAnnotation]: String(generation) }
}

function updateStrategyErrors(set: DaemonSet): FieldError[] {
  const strategy = set.spec?.updateStrategy
  const path = 'spec.updateStrategy'
  if (strategy?.type === 'OnDelete') return []
  if (strategy?.type !== 'RollingUpdate') return [notSupported(path, strategy, ['RollingUpdate', 'OnDelete'])]
  const rolling = `${path}.rollingUpdate`
  const { maxUnavailable, maxSurge } = strategy.rollingUpdate ?? {}
  if (strategy.rollingUpdate === undefined) return [required(rolling)]
  const errors = [
    ...intOrPercentErrors(`${rolling}.maxUnavailable`, maxUnavailable),
    ...atMostAllErrors(`${rolling}.maxUnavailable`, maxUnavailable),
    ...intOrPercentErrors(`${rolling}.maxSurge`, maxSurge),
    ...atMostAllErrors(`${rolling}.maxSurge`, maxSurge),
  ]
  const [takesAway, adds] = [intOrPercentNumber(maxUnavailable) !== 0, intOrPercentNumber(maxSurge) !== 0]
  if (takesAway && adds)
    errors.push(invalidValue(`${rolling}.maxSurge`, maxSurge, 'may not be set when maxUnavailable is non-zero'))
  if (!takesAway && !adds) errors.push(required(`${rolling}.maxUnavailable`, 'cannot be 0 when maxSurge is 0'))
  return errors
}
