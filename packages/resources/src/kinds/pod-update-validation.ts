import {
  compareQuantities,
  dns1123SubdomainProblems,
  duplicate,
  type FieldError,
  forbiddenField,
  invalidValue,
  isIPv6,
  required,
  semanticEqual,
  tryParseQuantity,
} from '@binnacle/apimachinery'
import type { Container, Pod, PodSpec, PodStatus, Toleration } from '../generated/types.ts'
import { paddedImageErrors } from './container-validation.ts'
import { immutable, inRange, ipErrors, labelKeyErrors, optionalText } from './field-checks.ts'
import { qosClass } from './pod-qos.ts'

/** What may change in a pod, as kube-apiserver's `ValidatePodUpdate` and its siblings for the subresources. */

const secondsMax = 2_147_483_647
const mutableFields = [
  '`spec.containers[*].image`',
  '`spec.initContainers[*].image`',
  '`spec.activeDeadlineSeconds`',
  '`spec.tolerations` (only additions to existing tolerations)',
  '`spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was previously negative)',
].join(',')

/** Problems of a change of a pod itself. */
export function podUpdateErrors(pod: Pod, old: Pod): FieldError[] {
  const [spec, before] = [pod.spec, old.spec]
  if (spec === undefined || before === undefined) return immutable('spec', spec, before)
  const errors: FieldError[] = []
  for (const field of ['containers', 'initContainers'] as const) {
    const [now, then] = [spec[field] ?? [], before[field] ?? []]
    if (now.length !== then.length)
      return [...errors, forbiddenField(`spec.${field}`, 'pod updates may not add or remove containers')]
    for (const [index, container] of now.entries()) {
      const path = `spec.${field}[${index}]`
      if (!container.image) errors.push(required(`${path}.image`))
      errors.push(...paddedImageErrors(container, path))
    }
  }
  const deadline = deadlineErrors(spec, before)
  errors.push(...deadline)
  if (deadline.length > 0 && spec.activeDeadlineSeconds !== undefined) return errors
  errors.push(...addedTolerationErrors(spec.tolerations ?? [], before.tolerations ?? []))
  errors.push(...gateErrors(spec, before))
  const isGated = (before.schedulingGates ?? []).length > 0
  if (isGated) errors.push(...gatedErrors(spec, before))
  if (!semanticEqual(fixedPart(spec, before, isGated), fixedPart(before, before, isGated)))
    errors.push(forbiddenField('spec', `pod updates may not change fields other than ${mutableFields}`))
  return errors
}

function deadlineErrors(spec: PodSpec, before: PodSpec): FieldError[] {
  const field = 'spec.activeDeadlineSeconds'
  const [now, then] = [spec.activeDeadlineSeconds, before.activeDeadlineSeconds]
  if (now === undefined)
    return then === undefined ? [] : [invalidValue(field, null, 'must not update from a positive integer to nil value')]
  const errors = inRange(field, now, 0, secondsMax)
  if (errors.length === 0 && then !== undefined && then < now)
    errors.push(invalidValue(field, now, 'must be less than or equal to previous value'))
  return errors
}

function addedTolerationErrors(now: readonly Toleration[], before: readonly Toleration[]): FieldError[] {
  const withoutSeconds = ({ tolerationSeconds: _seconds, ...rest }: Toleration) => rest
  const kept = before.every((old) =>
    now.some((toleration) => semanticEqual(withoutSeconds(toleration), withoutSeconds(old))),
  )
  return kept
    ? []
    : [forbiddenField('spec.tolerations', 'existing toleration can not be modified except its tolerationSeconds')]
}

function gateErrors(spec: PodSpec, before: PodSpec): FieldError[] {
  const known = new Set((before.schedulingGates ?? []).map((gate) => gate.name))
  return (spec.schedulingGates ?? []).flatMap(({ name }, index) =>
    known.has(name)
      ? []
      : [
          forbiddenField(
            `spec.schedulingGates[${index}].name`,
            `only deletion is allowed, but found new scheduling gate '${name}'`,
          ),
        ],
  )
}

/** A pod that waits for its gates may still be confined further. */
function gatedErrors(spec: PodSpec, before: PodSpec): FieldError[] {
  const errors: FieldError[] = []
  const selector = spec.nodeSelector ?? {}
  if (Object.entries(before.nodeSelector ?? {}).some(([key, value]) => selector[key] !== value))
    errors.push(
      invalidValue(
        'spec.nodeSelector',
        selector,
        'only additions to spec.nodeSelector are allowed (no mutations or deletions)',
      ),
    )
  const path = 'spec.affinity.nodeAffinity.requiredDuringSchedulingIgnoredDuringExecution'
  const termsOf = (of: PodSpec) =>
    of.affinity?.nodeAffinity?.requiredDuringSchedulingIgnoredDuringExecution?.nodeSelectorTerms ?? []
  const [now, then] = [termsOf(spec), termsOf(before)]
  if (then.length > 0 && now.length !== then.length)
    errors.push(
      invalidValue(
        `${path}.nodeSelectorTerms`,
        now,
        'no additions/deletions to non-empty NodeSelectorTerms list are allowed',
      ),
    )
  else
    for (const [index, old] of then.entries())
      for (const field of ['matchExpressions', 'matchFields'] as const) {
        const added = now[index]?.[field] ?? []
        if ((old[field] ?? []).some((requirement, at) => !semanticEqual(requirement, added[at])))
          errors.push(
            invalidValue(
              `${path}.nodeSelectorTerms[${index}]`,
              now[index],
              'only additions are allowed (no mutations or deletions)',
            ),
          )
      }
  return errors
}

// The spec without what may change: what is left must be equal before and after.
function fixedPart(spec: PodSpec, before: PodSpec, isGated: boolean): unknown {
  const withoutImages = (list: readonly Container[] | undefined) => list?.map(({ image: _image, ...rest }) => rest)
  const {
    activeDeadlineSeconds: _deadline,
    tolerations: _tolerations,
    schedulingGates: _gates,
    terminationGracePeriodSeconds,
    nodeSelector,
    affinity,
    ...rest
  } = spec
  const repaired = (before.terminationGracePeriodSeconds ?? 0) < 0 && terminationGracePeriodSeconds === 1
  const { nodeAffinity: _nodes, ...otherAffinity } = affinity ?? {}
  return {
    ...rest,
    containers: withoutImages(spec.containers),
    initContainers: withoutImages(spec.initContainers),
    terminationGracePeriodSeconds: repaired ? before.terminationGracePeriodSeconds : terminationGracePeriodSeconds,
    nodeSelector: isGated ? {} : nodeSelector,
    affinity: isGated ? otherAffinity : affinity,
  }
}

/** Problems of a change of a pod's status. */
export function podStatusErrors(pod: Pod, old: Pod): FieldError[] {
  const [status, before] = [pod.status ?? {}, old.status ?? {}]
  const errors: FieldError[] = []
  for (const [index, { type }] of (status.conditions ?? []).entries())
    if (!['PodScheduled', 'Ready', 'Initialized'].includes(type))
      errors.push(...labelKeyErrors(`metadata.conditions[${index}].Type`, type ?? ''))
  if (status.nominatedNodeName !== before.nominatedNodeName)
    errors.push(...optionalText('status.nominatedNodeName', status.nominatedNodeName, dns1123SubdomainProblems))
  errors.push(...immutable('status.qosClass', status.qosClass ?? '', before.qosClass ?? ''))
  errors.push(...restartErrors(status, before, old.spec))
  errors.push(...addressErrors(status))
  return errors
}

type StatusList = 'containerStatuses' | 'initContainerStatuses' | 'ephemeralContainerStatuses'

// A container that ended for good may not come back.
function restartErrors(status: PodStatus, before: PodStatus, spec: PodSpec | undefined): FieldError[] {
  const sidecars = new Set(
    (spec?.initContainers ?? []).filter(({ restartPolicy }) => restartPolicy === 'Always').map(({ name }) => name),
  )
  const check = (list: StatusList, policy: string | undefined): FieldError[] =>
    (before[list] ?? []).flatMap((old, index) => {
      const ended = old.state?.terminated
      if (policy === 'Always' || ended === undefined) return []
      if (ended.exitCode !== 0 && policy === 'OnFailure') return []
      if (list === 'initContainerStatuses' && sidecars.has(old.name)) return []
      const revived = (status[list] ?? []).some((now) => now.name === old.name && now.state?.terminated === undefined)
      return revived
        ? [forbiddenField(`status.${list}[${index}].state`, 'may not be transitioned to non-terminated state')]
        : []
    })
  return [
    ...check('containerStatuses', spec?.restartPolicy),
    ...check('initContainerStatuses', spec?.restartPolicy),
    ...check('ephemeralContainerStatuses', 'Never'),
  ]
}

function addressErrors(status: PodStatus): FieldError[] {
  const errors: FieldError[] = []
  const lists = [
    ['podIPs', status.podIPs ?? []],
    ['hostIPs', status.hostIPs ?? []],
  ] as const
  for (const [field, entries] of lists) {
    const addresses = entries.map((entry) => entry.ip ?? '')
    for (const [index, address] of addresses.entries()) {
      errors.push(...ipErrors(`status.${field}[${index}]`, address))
      if (addresses.indexOf(address) < index) errors.push(duplicate(`status.${field}[${index}]`, entries[index]))
    }
    if (addresses.length > 1 && (addresses.length > 2 || new Set(addresses.map(isIPv6)).size !== 2))
      errors.push(invalidValue(`status.${field}`, entries, 'may specify no more than one IP for each IP family'))
  }
  const first = status.hostIPs?.[0]?.ip
  if (first !== undefined && first !== status.hostIP)
    errors.push(invalidValue('status.hostIPs[0].ip', first, 'must be equal to `hostIP`'))
  return errors
}

/** Problems of a change by the subresource `ephemeralcontainers`: what is there stays as it is. */
export function ephemeralContainersErrors(pod: Pod, old: Pod): FieldError[] {
  if (old.metadata.annotations?.['kubernetes.io/config.mirror'] !== undefined)
    return [forbiddenField('', 'static pods do not support ephemeral containers')]
  const now = new Map((pod.spec?.ephemeralContainers ?? []).map((container) => [container.name, container]))
  return (old.spec?.ephemeralContainers ?? []).flatMap((container) => {
    const changed = now.get(container.name)
    const text = `existing ephemeral containers ${JSON.stringify(container.name)} may not be`
    if (changed === undefined) return [forbiddenField('spec.ephemeralContainers', `${text} removed\n`)]
    return semanticEqual(changed, container) ? [] : [forbiddenField('spec.ephemeralContainers', `${text} changed\n`)]
  })
}

/** Problems of a change by the subresource `resize`: only cpu and memory of containers that run. */
export function resizeErrors(pod: Pod, old: Pod): FieldError[] {
  if (old.metadata.annotations?.['kubernetes.io/config.mirror'] !== undefined)
    return [forbiddenField('', 'static pods cannot be resized')]
  if (old.spec?.os?.name === 'windows') return [forbiddenField('', 'windows pods cannot be resized')]
  const errors: FieldError[] = []
  if ((old.status?.qosClass ?? qosClass(old)) !== qosClass(pod))
    errors.push(
      invalidValue('spec', pod.status?.qosClass ?? '', 'Pod QOS Class may not change as a result of resizing'),
    )
  for (const field of ['initContainers', 'containers'] as const) {
    const [now, then] = [pod.spec?.[field] ?? [], old.spec?.[field] ?? []]
    for (const [index, before] of then.entries()) {
      const container = now[index]
      if (container === undefined) continue
      const runs = field === 'containers' || before.restartPolicy === 'Always'
      if (runs) errors.push(...shrinkErrors(container, before, `spec.${field}[${index}].resources`))
      else if (!semanticEqual(container, before))
        errors.push(forbiddenField('spec', 'resources for non-sidecar init containers are immutable'))
    }
  }
  if (errors.length === 0 && !semanticEqual(unsized(pod.spec), unsized(old.spec)))
    errors.push(forbiddenField('spec', 'only cpu and memory resources are mutable'))
  return errors
}

function shrinkErrors(container: Container, before: Container, path: string): FieldError[] {
  const errors: FieldError[] = []
  for (const field of ['requests', 'limits'] as const) {
    const now = container.resources?.[field] ?? {}
    if (Object.keys(before.resources?.[field] ?? {}).some((name) => now[name] === undefined))
      errors.push(forbiddenField(`${path}.${field}`, `resource ${field} cannot be removed`))
  }
  const policy = container.resizePolicy?.find((entry) => entry.resourceName === 'memory')?.restartPolicy
  const [limit, old] = [container.resources?.limits?.['memory'], before.resources?.limits?.['memory']]
  if (policy === 'RestartContainer' || limit === undefined) return errors
  const [now, then] = [tryParseQuantity(limit), old === undefined ? undefined : tryParseQuantity(old)]
  const field = `${path}.limits[memory]`
  if (then === undefined)
    errors.push(forbiddenField(field, 'memory limits cannot be added unless resizePolicy is RestartContainer'))
  else if (now !== undefined && compareQuantities(now, then) < 0)
    errors.push(forbiddenField(field, 'memory limits cannot be decreased unless resizePolicy is RestartContainer'))
  return errors
}

// The spec without the amounts of cpu and memory.
function unsized(spec: PodSpec | undefined): unknown {
  const others = (amounts: Record<string, string> | undefined) => {
    const { cpu: _cpu, memory: _memory, ...rest } = amounts ?? {}
    return rest
  }
  const strip = (list: readonly Container[] | undefined) =>
    list?.map((container) => ({
      ...container,
      resizePolicy: [],
      resources: {
        ...container.resources,
        limits: others(container.resources?.limits),
        requests: others(container.resources?.requests),
      },
    }))
  return { ...spec, containers: strip(spec?.containers), initContainers: strip(spec?.initContainers) }
}
