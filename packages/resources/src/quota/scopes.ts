import { selectorFromLabelSelector } from '@binnacle/apimachinery'
import type { PersistentVolumeClaim, Pod, PodAffinityTerm, ResourceQuota } from '../generated/types.ts'
import { qosClass } from '../kinds/pod-qos.ts'

/** One of a quota's scopes, as `scopes` and `scopeSelector` both come down to. */
export interface QuotaScope {
  readonly scopeName: string
  readonly operator: string
  readonly values?: readonly string[]
}

/** The scopes of a quota: all must hold for an object that it covers. */
export function scopesOf({ spec }: ResourceQuota): readonly QuotaScope[] {
  const plain = (spec?.scopes ?? []).map((scopeName) => ({ scopeName, operator: 'Exists' }))
  return [...plain, ...(spec?.scopeSelector?.matchExpressions ?? [])]
}

/** True when a scope holds for a pod (quota `evaluator/core/pods.go`). */
export function podInScope(scope: QuotaScope, pod: Pod): boolean {
  const deadline = pod.spec?.activeDeadlineSeconds
  switch (scope.scopeName) {
    case 'Terminating':
      return deadline !== undefined && deadline >= 0
    case 'NotTerminating':
      return deadline === undefined || deadline < 0
    case 'BestEffort':
      return (pod.status?.qosClass ?? qosClass(pod)) === 'BestEffort'
    case 'NotBestEffort':
      return (pod.status?.qosClass ?? qosClass(pod)) !== 'BestEffort'
    case 'PriorityClass':
      return selectsAny(scope, [pod.spec?.priorityClassName])
    case 'CrossNamespacePodAffinity':
      return affinityTermsOf(pod).some(
        (term) => (term.namespaces ?? []).length > 0 || term.namespaceSelector !== undefined,
      )
    default:
      return false
  }
}

/** True when a scope holds for a claim: it may name a VolumeAttributesClass, have one, and be on its way to a third. */
export function claimInScope(scope: QuotaScope, { spec, status }: PersistentVolumeClaim): boolean {
  return (
    scope.scopeName === 'VolumeAttributesClass' &&
    selectsAny(scope, [
      spec?.volumeAttributesClassName,
      status?.currentVolumeAttributesClassName,
      status?.modifyVolumeStatus?.targetVolumeAttributesClassName,
    ])
  )
}

function selectsAny({ scopeName, operator, values = [] }: QuotaScope, names: readonly (string | undefined)[]): boolean {
  const selector = selectorFromLabelSelector({
    matchExpressions: [{ key: scopeName, operator, values: [...values] }],
  })
  const set = names.filter((name) => name !== undefined && name !== '')
  if (set.length === 0) return selector.matches({})
  return set.some((name) => selector.matches({ [scopeName]: name as string }))
}

function affinityTermsOf(pod: Pod): readonly PodAffinityTerm[] {
  const { podAffinity, podAntiAffinity } = pod.spec?.affinity ?? {}
  return [podAffinity, podAntiAffinity].flatMap((affinity) => [
    ...(affinity?.requiredDuringSchedulingIgnoredDuringExecution ?? []),
    ...(affinity?.preferredDuringSchedulingIgnoredDuringExecution ?? []).map((weighted) => weighted.podAffinityTerm),
  ])
}
