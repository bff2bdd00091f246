import { type FieldError, forbiddenField, formatTime } from '@binnacle/apimachinery'
import type { Pod, PodSpec } from '../generated/types.ts'
import type { Strategy } from '../resource-definition.ts'
import { qosClass } from './pod-qos.ts'
import { applyPodSpecDefaults } from './pod-spec-defaults.ts'
import { validatePodSpec } from './pod-spec-validation.ts'
import { ephemeralContainersErrors, podStatusErrors, podUpdateErrors, resizeErrors } from './pod-update-validation.ts'

/** Defaults, rules and graceful deletion of pods (kube-apiserver `registry/core/pod/strategy.go`). */
export const podStrategy: Strategy<Pod> = {
  applyDefaults(pod) {
    const { spec } = pod
    if (spec === undefined) return
    applyPodSpecDefaults(spec)
    spec.enableServiceLinks ??= true
    applyPodOnlyDefaults(spec)
  },
  prepareForCreate(pod) {
    pod.status = { phase: 'Pending', qosClass: qosClass(pod) }
    if ((pod.spec?.schedulingGates ?? []).length > 0)
      pod.status.conditions = [
        {
          type: 'PodScheduled',
          status: 'False',
          reason: 'SchedulingGated',
          message: 'Scheduling is blocked due to non-empty scheduling gates',
          lastTransitionTime: pod.metadata.creationTimestamp ?? formatTime(Date.now()),
        },
      ]
  },
  prepareForUpdate(pod, old) {
    // Added only through the subresource `ephemeralcontainers`.
    const { spec } = pod
    if (spec === undefined) return
    const before = old.spec?.ephemeralContainers
    if (before === undefined) delete spec.ephemeralContainers
    else spec.ephemeralContainers = before
  },
  prepareForStatusUpdate(pod, old) {
    const before = old.status?.qosClass
    if (!pod.status?.qosClass && before !== undefined) pod.status = { ...pod.status, qosClass: before }
  },
  validate(pod) {
    return validatePodSpec(pod.spec, 'spec', pod.metadata.name ?? '')
  },
  validateCreate(pod) {
    const errors: FieldError[] = []
    if ((pod.spec?.ephemeralContainers ?? []).length > 0)
      errors.push(forbiddenField('spec.ephemeralContainers', 'cannot be set on create'))
    if (pod.spec?.nodeName && (pod.spec.schedulingGates ?? []).length > 0)
      errors.push(forbiddenField('spec.nodeName', 'cannot be set until all schedulingGates have been cleared'))
    return errors
  },
  validateUpdate: podUpdateErrors,
  validateStatusUpdate: podStatusErrors,
  validateSubresourceUpdate(subresource, pod, old) {
    const changes =
      subresource === 'ephemeralcontainers'
        ? ephemeralContainersErrors(pod, old)
        : subresource === 'resize'
          ? resizeErrors(pod, old)
          : undefined
    return changes === undefined ? [] : [...validatePodSpec(pod.spec, 'spec', pod.metadata.name ?? ''), ...changes]
  },
  warnings: (pod) => (pod.spec === undefined ? [] : podSpecWarnings(pod.spec, 'spec')),
  gracePeriodSeconds(pod, requested) {
    const wanted = requested ?? pod.spec?.terminationGracePeriodSeconds ?? 0
    // Nobody has to stop anything: the pod was never placed, or has ended.
    if (!pod.spec?.nodeName || pod.status?.phase === 'Failed' || pod.status?.phase === 'Succeeded') return 0
    return wanted < 0 ? 1 : wanted
  },
}

// Templates do not get these, so that what they lead to can still depend on the pod.
function applyPodOnlyDefaults(spec: PodSpec): void {
  for (const container of [...(spec.containers ?? []), ...(spec.initContainers ?? [])]) {
    // A limit without a request asks for what it limits.
    const { limits } = container.resources ?? {}
    if (limits !== undefined)
      container.resources = { ...container.resources, requests: { ...limits, ...container.resources?.requests } }
    if (spec.hostNetwork !== true) continue
    for (const port of container.ports ?? []) if (!port.hostPort) port.hostPort = port.containerPort
  }
}

/** What a user should know of a pod's spec although it is valid (kube-apiserver `api/pod/warnings.go`). */
export function podSpecWarnings(spec: PodSpec, path: string): string[] {
  const warnings: string[] = []
  if ((spec.terminationGracePeriodSeconds ?? 0) < 0)
    warnings.push(
      `${path}.terminationGracePeriodSeconds: must be >= 0; negative values are invalid and will be treated as 1.`,
    )
  for (const field of ['initContainers', 'containers'] as const) {
    for (const [index, container] of (spec[field] ?? []).entries()) {
      const here = `${path}.${field}[${index}]`
      const names = new Set<string>()
      for (const [at, { name }] of (container.env ?? []).entries()) {
        if (names.has(name))
          warnings.push(
            `${here}.env[${at}]: hides previous definition of ${JSON.stringify(name)}, which may be dropped when using apply`,
          )
        names.add(name)
      }
    }
  }
  return warnings
}
