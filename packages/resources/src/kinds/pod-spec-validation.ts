import {
  dns1123LabelProblems,
  dns1123SubdomainProblems,
  duplicate,
  type FieldError,
  forbiddenField,
  invalidValue,
  notSupported,
  qualifiedNameProblems,
  required,
} from '@binnacle/apimachinery'
import type { PodSpec } from '../generated/types.ts'
import { paddedImageErrors, validateContainers } from './container-validation.ts'
import {
  inRange,
  ipErrors,
  labelErrors,
  labelKeyErrors,
  oneOf,
  optionalText,
  subdomainErrors,
  textErrors,
} from './field-checks.ts'
import { validateLabels } from './object-meta.ts'
import { amountErrors, requirementErrors } from './resource-amounts-validation.ts'
import { affinityErrors, spreadErrors, tolerationErrors } from './scheduling-validation.ts'
import { hostUsersErrors, podSecurityErrors } from './security-context-validation.ts'
import { validateVolumes } from './volume-validation.ts'

/** Rules of a pod's spec, with the paths and texts of kube-apiserver's `ValidatePodSpec`. */

const secondsMax = 2_147_483_647
const nameserversMax = 3
const searchesMax = 32
const searchCharactersMax = 2048

/** Every problem of a spec; `path` is where it stands (`spec`, `spec.template.spec`). `podName` is given for real pods, not for templates. */
export function validatePodSpec(spec: PodSpec | undefined, path: string, podName?: string): FieldError[] {
  if (spec === undefined) return [required(`${path}.containers`)]
  const isPod = podName !== undefined
  return [
    ...(spec.terminationGracePeriodSeconds === undefined ? [required(`${path}.terminationGracePeriodSeconds`)] : []),
    ...validateVolumes(spec.volumes ?? [], `${path}.volumes`, podName),
    ...resourceClaimErrors(spec, `${path}.resourceClaims`),
    ...validateContainers(spec, path),
    ...(spec.resources === undefined ? [] : requirementErrors(spec.resources, `${path}.resources`, new Set())),
    ...hostNetworkErrors(spec, path, isPod),
    ...oneOf(`${path}.restartPolicy`, spec.restartPolicy, ['Always', 'OnFailure', 'Never']),
    ...oneOf(`${path}.dnsPolicy`, spec.dnsPolicy, ['ClusterFirstWithHostNet', 'ClusterFirst', 'Default', 'None']),
    ...validateLabels(spec.nodeSelector, `${path}.nodeSelector`),
    ...podSecurityErrors(spec, `${path}.securityContext`),
    ...affinityErrors(spec.affinity, `${path}.affinity`),
    ...dnsConfigErrors(spec, `${path}.dnsConfig`),
    ...gateErrors(spec, path),
    ...spreadErrors(spec, `${path}.topologySpreadConstraints`),
    ...hostUsersErrors(spec, path),
    ...nameErrors(spec, path),
    ...tolerationErrors(spec.tolerations ?? [], `${path}.tolerations`),
    ...hostAliasErrors(spec, `${path}.hostAliases`),
    ...otherErrors(spec, path),
    ...(isPod ? podOnlyErrors(spec, path) : []),
  ]
}

function nameErrors(spec: PodSpec, path: string): FieldError[] {
  return [
    ...optionalText(`${path}.serviceAccountName`, spec.serviceAccountName, dns1123SubdomainProblems),
    ...optionalText(`${path}.nodeName`, spec.nodeName, dns1123SubdomainProblems),
    ...inRange(`${path}.activeDeadlineSeconds`, spec.activeDeadlineSeconds, 1, secondsMax),
    ...optionalText(`${path}.hostname`, spec.hostname, dns1123LabelProblems),
    ...optionalText(`${path}.subdomain`, spec.subdomain, dns1123LabelProblems),
    ...optionalText(`${path}.priorityClassName`, spec.priorityClassName, dns1123SubdomainProblems),
    ...(spec.runtimeClassName === undefined ? [] : subdomainErrors(`${path}.runtimeClassName`, spec.runtimeClassName)),
  ]
}

function otherErrors(spec: PodSpec, path: string): FieldError[] {
  const errors: FieldError[] = []
  if (spec.preemptionPolicy !== undefined)
    errors.push(...oneOf(`${path}.preemptionPolicy`, spec.preemptionPolicy, ['PreemptLowerPriority', 'Never']))
  for (const [name, amount] of Object.entries(spec.overhead ?? {}))
    errors.push(...amountErrors(name, amount, `${path}.overhead[${name}]`))
  if (spec.os !== undefined) {
    if (!spec.os.name) errors.push(required(`${path}.os.name`, 'cannot be empty'))
    else if (!['linux', 'windows'].includes(spec.os.name))
      errors.push(notSupported(`${path}.os`, spec.os.name, ['linux', 'windows']))
  }
  return errors
}

// Templates are spared these rules for the sake of objects from before they existed.
function podOnlyErrors(spec: PodSpec, path: string): FieldError[] {
  const errors: FieldError[] = []
  if (!spec.serviceAccountName)
    for (const [index, volume] of (spec.volumes ?? []).entries())
      for (const [at, source] of (volume.projected?.sources ?? []).entries())
        if (source.serviceAccountToken !== undefined)
          errors.push(
            forbiddenField(
              `${path}.volumes[${index}].projected.sources[${at}].serviceAccountToken`,
              'must not be specified when serviceAccountName is not set',
            ),
          )
  for (const field of ['containers', 'initContainers'] as const)
    for (const [index, container] of (spec[field] ?? []).entries())
      errors.push(...paddedImageErrors(container, `${path}.${field}[${index}]`))
  return errors
}

function resourceClaimErrors(spec: PodSpec, path: string): FieldError[] {
  const errors: FieldError[] = []
  const names = new Set<string>()
  for (const [index, claim] of (spec.resourceClaims ?? []).entries()) {
    const here = `${path}[${index}]`
    const { resourceClaimName: name, resourceClaimTemplateName: template } = claim
    if (!claim.name) errors.push(required(`${here}.name`))
    else if (names.has(claim.name)) errors.push(duplicate(`${here}.name`, claim.name))
    else errors.push(...labelErrors(`${here}.name`, claim.name))
    names.add(claim.name)
    if (name !== undefined && template !== undefined)
      errors.push(
        invalidValue(here, claim, 'at most one of `resourceClaimName` or `resourceClaimTemplateName` may be specified'),
      )
    if (name === undefined && template === undefined)
      errors.push(invalidValue(here, claim, 'must specify one of: `resourceClaimName`, `resourceClaimTemplateName`'))
    if (name !== undefined) errors.push(...subdomainErrors(`${here}.resourceClaimName`, name))
    if (template !== undefined) errors.push(...subdomainErrors(`${here}.resourceClaimTemplateName`, template))
  }
  return errors
}

function hostNetworkErrors(spec: PodSpec, path: string, isPod: boolean): FieldError[] {
  if (spec.hostNetwork !== true) return []
  return (spec.containers ?? []).flatMap((container, index) =>
    (container.ports ?? []).flatMap((port, at) => {
      const hostPort = port.hostPort ?? 0
      return (isPod || hostPort !== 0) && hostPort !== port.containerPort
        ? [
            invalidValue(
              `${path}.containers[${index}].ports[${at}].hostPort`,
              hostPort,
              'must match `containerPort` when `hostNetwork` is true',
            ),
          ]
        : []
    }),
  )
}

function dnsConfigErrors(spec: PodSpec, path: string): FieldError[] {
  const config = spec.dnsConfig
  if (spec.dnsPolicy === 'None') {
    if (config === undefined) return [required(path, 'must provide `dnsConfig` when `dnsPolicy` is None')]
    if ((config.nameservers ?? []).length === 0)
      return [required(`${path}.nameservers`, 'must provide at least one DNS nameserver when `dnsPolicy` is None')]
  }
  const errors: FieldError[] = []
  const { nameservers = [], searches = [], options = [] } = config ?? {}
  if (nameservers.length > nameserversMax)
    errors.push(
      invalidValue(`${path}.nameservers`, nameservers, `must not have more than ${nameserversMax} nameservers`),
    )
  for (const [index, server] of nameservers.entries()) errors.push(...ipErrors(`${path}.nameservers[${index}]`, server))
  if (searches.length > searchesMax)
    errors.push(invalidValue(`${path}.searches`, searches, `must not have more than ${searchesMax} search paths`))
  if (searches.join(' ').length > searchCharactersMax)
    errors.push(
      invalidValue(
        `${path}.searches`,
        searches,
        `must not have more than ${searchCharactersMax} characters (including spaces) in the search list`,
      ),
    )
  for (const [index, search] of searches.entries())
    errors.push(...subdomainErrors(`${path}.searches[${index}]`, search.replace(/\.$/, '')))
  for (const [index, option] of options.entries())
    if (!option.name) errors.push(required(`${path}.options[${index}]`, 'must not be empty'))
  return errors
}

function gateErrors(spec: PodSpec, path: string): FieldError[] {
  const errors: FieldError[] = []
  for (const [index, gate] of (spec.readinessGates ?? []).entries())
    errors.push(...labelKeyErrors(`${path}.readinessGates[${index}].conditionType`, gate.conditionType ?? ''))
  const seen = new Set<string>()
  for (const [index, { name }] of (spec.schedulingGates ?? []).entries()) {
    const field = `${path}.schedulingGates[${index}]`
    errors.push(...textErrors(field, name ?? '', qualifiedNameProblems))
    if (seen.has(name)) errors.push(duplicate(field, name))
    seen.add(name)
  }
  return errors
}

function hostAliasErrors(spec: PodSpec, path: string): FieldError[] {
  return (spec.hostAliases ?? []).flatMap((alias, index) => [
    ...ipErrors(`${path}[${index}].ip`, alias.ip ?? ''),
    ...(alias.hostnames ?? []).flatMap((name, at) => subdomainErrors(`${path}[${index}].hostnames[${at}]`, name)),
  ])
}
