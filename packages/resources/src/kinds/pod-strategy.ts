import { type FieldError, forbiddenField, invalidValue, semanticEqual } from '@binnacle/apimachinery'
import type { Container, Pod, PodSpec } from '../generated/types.ts'
import type { Strategy } from '../resource-definition.ts'
import { applyPodSpecDefaults } from './pod-spec-defaults.ts'
import { validatePodSpec } from './pod-spec-validation.ts'

/** Defaults, rules and graceful deletion of pods (kube-apiserver `registry/core/pod/strategy.go`). */
export const podStrategy: Strategy<Pod> = {
  applyDefaults(pod) {
    const { spec } = pod
    if (spec === undefined) return
    applyPodSpecDefaults(spec)
    spec.enableServiceLinks ??= true
    // A limit without a request asks for what it limits.
    for (const container of [...(spec.containers ?? []), ...(spec.initContainers ?? [])]) {
      const { limits } = container.resources ?? {}
      if (limits === undefined) continue
      container.resources = { ...container.resources, requests: { ...limits, ...container.resources?.requests } }
    }
  },
  prepareForCreate(pod) {
    pod.status = { phase: 'Pending', qosClass: qosClass(pod) }
  },
  validate(pod) {
    const errors = validatePodSpec(pod.spec, 'spec')
    for (const [index, container] of (pod.spec?.ephemeralContainers ?? []).entries()) {
      errors.push(forbiddenField(`spec.ephemeralContainers[${index}]`, `cannot be set on create: ${container.name}`))
    }
    return errors
  },
  validateUpdate(pod, old) {
    return validateChange(pod, old)
  },
  gracePeriodSeconds(pod, requested) {
    const wanted = requested ?? pod.spec?.terminationGracePeriodSeconds ?? 30
    // Nobody has to stop anything: the pod was never placed, or has ended.
    if (!pod.spec?.nodeName || pod.status?.phase === 'Failed' || pod.status?.phase === 'Succeeded') return 0
    return wanted < 0 ? 1 : wanted
  },
}

/** The quality of service that requests and limits lead to (`qos.ComputePodQOS`). */
export function qosClass(pod: Pod): 'Guaranteed' | 'Burstable' | 'BestEffort' {
  const containers = [...(pod.spec?.containers ?? []), ...(pod.spec?.initContainers ?? [])]
  const names = ['cpu', 'memory'] as const
  const has = (amounts: Record<string, string> | undefined, name: string): boolean =>
    amounts?.[name] !== undefined && !/^0+[A-Za-z]*$/.test(amounts[name])
  const uses = containers.some(({ resources }) =>
    names.some((name) => has(resources?.requests, name) || has(resources?.limits, name)),
  )
  if (!uses) return 'BestEffort'
  const guaranteed = containers.every(({ resources }) =>
    names.every(
      (name) =>
        has(resources?.limits, name) &&
        (resources?.requests?.[name] ?? resources?.limits?.[name]) === resources?.limits?.[name],
    ),
  )
  return guaranteed ? 'Guaranteed' : 'Burstable'
}

const mutableFields =
  'pod updates may not change fields other than `spec.containers[*].image`,`spec.initContainers[*].image`,`spec.activeDeadlineSeconds`,`spec.tolerations` (only additions to existing tolerations),`spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was previously negative)'

function validateChange(pod: Pod, old: Pod): FieldError[] {
  const errors: FieldError[] = []
  const [spec, before] = [pod.spec as PodSpec, old.spec as PodSpec]
  for (const field of ['containers', 'initContainers'] as const) {
    for (const [index, container] of (spec[field] ?? []).entries()) {
      if (!container.image)
        errors.push({ type: 'FieldValueRequired', field: `spec.${field}[${index}].image`, message: 'Required value' })
    }
  }
  const deadline = spec.activeDeadlineSeconds
  if (
    deadline !== before.activeDeadlineSeconds &&
    before.activeDeadlineSeconds !== undefined &&
    (deadline === undefined || deadline > before.activeDeadlineSeconds)
  ) {
    errors.push(
      invalidValue(
        'spec.activeDeadlineSeconds',
        deadline,
        deadline === undefined
          ? 'must not update from a positive integer to nil value'
          : 'must be less than or equal to previous value',
      ),
    )
  }
  const kept = (before.tolerations ?? []).every((toleration) =>
    (spec.tolerations ?? []).some((candidate) =>
      semanticEqual({ ...candidate, tolerationSeconds: 0 }, { ...toleration, tolerationSeconds: 0 }),
    ),
  )
  if (!kept)
    errors.push(
      forbiddenField('spec.tolerations', 'existing toleration can not be modified except its tolerationSeconds'),
    )
  if (!semanticEqual(withoutMutable(spec), withoutMutable(before))) errors.push(forbiddenField('spec', mutableFields))
  return errors
}

function withoutMutable(spec: PodSpec): unknown {
  const plain = (list: readonly Container[] | undefined) => list?.map(({ image: _image, ...rest }) => rest)
  const {
    activeDeadlineSeconds: _deadline,
    tolerations: _tolerations,
    terminationGracePeriodSeconds: _grace,
    ephemeralContainers: _ephemeral,
    ...rest
  } = spec
  return { ...rest, containers: plain(spec.containers), initContainers: plain(spec.initContainers) }
}
