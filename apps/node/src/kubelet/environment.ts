import type {
  ConfigMap,
  Container,
  EnvVar,
  ObjectFieldSelector,
  ResourceFieldSelector,
  Secret,
  Service,
} from '@binnacle/resources'
import { milliUnits, parseQuantity, wholeUnits } from '@binnacle/apimachinery'
import { containersOf, type Pod } from './pod.ts'

/** Thrown when a container cannot be made as its spec asks; the reason of its waiting is `CreateContainerConfigError`. */
export class ConfigError extends Error {}

/** Objects that a pod's containers and volumes refer to. */
export interface PodReferences {
  /** undefined: there is none of that name. */
  configMap(name: string): Promise<ConfigMap | undefined>
  secret(name: string): Promise<Secret | undefined>
}

/** What the fields of the node and the pod say at this moment. */
export interface FieldFacts {
  readonly hostIP: string
  readonly podIPs: readonly string[]
  readonly nodeName: string
  /** The node's allocatable resources, in whole units and for cpu in thousandths: a container's limits where it has none. */
  readonly allocatable: Readonly<Record<string, string>>
}

/**
 * Replaces `$(NAME)` by the variable's value; `$$` is a dollar sign, and what names no variable stays (`expansion.Expand`).
 */
export function expand(text: string, variables: ReadonlyMap<string, string>): string {
  return text.replaceAll(/\$(\$|\(([^()]*)\))/g, (whole, inner: string, name: string) => {
    if (inner === '$') return '$'
    return variables.get(name) ?? whole
  })
}

/** The variables of services: of those in the pod's namespace, and of the API server's always (kubelet `getServiceEnvVarMap`). */
export function serviceVariables(pod: Pod, services: Iterable<Service>): Map<string, string> {
  const variables = new Map<string, string>()
  const withLinks = pod.spec.enableServiceLinks !== false
  for (const service of services) {
    const { namespace, name } = service.metadata
    const isMaster = namespace === 'default' && name === 'kubernetes'
    if (!isMaster && !(withLinks && namespace === pod.metadata.namespace)) continue
    const address = service.spec?.clusterIP ?? ''
    const ports = service.spec?.ports ?? []
    const first = ports[0]
    if (address === '' || address === 'None' || first === undefined) continue
    const prefix = name.toUpperCase().replaceAll(/[-.]/g, '_')
    const host = address.includes(':') ? `[${address}]` : address
    const url = (port: typeof first): string => `${(port.protocol ?? 'TCP').toLowerCase()}://${host}:${port.port}`
    variables.set(`${prefix}_SERVICE_HOST`, address)
    variables.set(`${prefix}_SERVICE_PORT`, String(first.port))
    for (const port of ports) {
      if (port.name)
        variables.set(`${prefix}_SERVICE_PORT_${port.name.toUpperCase().replaceAll('-', '_')}`, String(port.port))
    }
    variables.set(`${prefix}_PORT`, url(first))
    for (const port of ports) {
      const protocol = port.protocol ?? 'TCP'
      const portPrefix = `${prefix}_PORT_${port.port}_${protocol.toUpperCase()}`
      variables.set(portPrefix, url(port))
      variables.set(`${portPrefix}_PROTO`, protocol.toLowerCase())
      variables.set(`${portPrefix}_PORT`, String(port.port))
      variables.set(`${portPrefix}_ADDR`, address)
    }
  }
  return variables
}

/**
 * A container's variables in the order in which they are given (kubelet `makeEnvironmentVariables`).
 * @throws ConfigError when something that they refer to is missing.
 */
export async function environmentOf(
  pod: Pod,
  container: Container,
  services: ReadonlyMap<string, string>,
  references: PodReferences,
  facts: FieldFacts,
): Promise<Map<string, string>> {
  const result = new Map<string, string>()
  for (const source of container.envFrom ?? []) {
    const values = await valuesOf(source.configMapRef, source.secretRef, references)
    for (const [name, value] of values) result.set(`${source.prefix ?? ''}${name}`, value)
  }
  // What variables refer to: those before them, and services.
  const known = new Map([...services, ...result])
  for (const variable of container.env ?? []) {
    const value = await valueOf(pod, container, variable, known, references, facts)
    if (value === undefined) continue
    known.set(variable.name, value)
    result.set(variable.name, value)
  }
  for (const [name, value] of services) if (!result.has(name)) result.set(name, value)
  return result
}

interface Reference {
  readonly name?: string
  readonly optional?: boolean
}

async function valuesOf(
  configMapRef: Reference | undefined,
  secretRef: Reference | undefined,
  references: PodReferences,
): Promise<readonly (readonly [string, string])[]> {
  if (configMapRef !== undefined) {
    const configMap = await references.configMap(configMapRef.name ?? '')
    if (configMap === undefined && configMapRef.optional !== true)
      throw new ConfigError(`configmap "${configMapRef.name}" not found`)
    return Object.entries(configMap?.data ?? {})
  }
  const secret = await references.secret(secretRef?.name ?? '')
  if (secret === undefined && secretRef?.optional !== true)
    throw new ConfigError(`secret "${secretRef?.name}" not found`)
  return Object.entries(secret?.data ?? {}).map(([name, value]) => [
    name,
    Buffer.from(value, 'base64').toString('utf8'),
  ])
}

async function valueOf(
  pod: Pod,
  container: Container,
  { value, valueFrom }: EnvVar,
  known: ReadonlyMap<string, string>,
  references: PodReferences,
  facts: FieldFacts,
): Promise<string | undefined> {
  if (valueFrom === undefined) return expand(value ?? '', known)
  const { fieldRef, resourceFieldRef, configMapKeyRef, secretKeyRef } = valueFrom
  if (fieldRef !== undefined) return fieldValue(pod, fieldRef, facts)
  if (resourceFieldRef !== undefined) return resourceValue(pod, container, resourceFieldRef, facts)
  const { namespace } = pod.metadata
  if (configMapKeyRef !== undefined) {
    const { name = '', key, optional } = configMapKeyRef
    const configMap = await references.configMap(name)
    const found = configMap?.data?.[key]
    if (found === undefined && optional !== true) {
      if (configMap === undefined) throw new ConfigError(`configmap "${name}" not found`)
      throw new ConfigError(`couldn't find key ${key} in ConfigMap ${namespace}/${name}`)
    }
    return found
  }
  if (secretKeyRef === undefined) return undefined
  const { name = '', key, optional } = secretKeyRef
  const secret = await references.secret(name)
  const found = secret?.data?.[key]
  if (found === undefined && optional !== true) {
    if (secret === undefined) throw new ConfigError(`secret "${name}" not found`)
    throw new ConfigError(`couldn't find key ${key} in Secret ${namespace}/${name}`)
  }
  return found === undefined ? undefined : Buffer.from(found, 'base64').toString('utf8')
}

/** The value of a field of the pod (`fieldpath.ExtractFieldPathAsString`). @throws ConfigError when there is no such field. */
export function fieldValue(pod: Pod, { fieldPath }: ObjectFieldSelector, facts: FieldFacts): string {
  const { metadata, spec } = pod
  const subscript = /^metadata\.(labels|annotations)\['(.*)'\]$/.exec(fieldPath)
  if (subscript !== null) return metadata[subscript[1] as 'labels' | 'annotations']?.[subscript[2] as string] ?? ''
  switch (fieldPath) {
    case 'metadata.name':
      return metadata.name
    case 'metadata.namespace':
      return metadata.namespace ?? ''
    case 'metadata.uid':
      return metadata.uid ?? ''
    case 'metadata.labels':
      return formatMap(metadata.labels)
    case 'metadata.annotations':
      return formatMap(metadata.annotations)
    case 'spec.nodeName':
      return spec.nodeName ?? facts.nodeName
    case 'spec.serviceAccountName':
      return spec.serviceAccountName ?? ''
    case 'status.hostIP':
    case 'status.hostIPs':
      return facts.hostIP
    case 'status.podIP':
      return facts.podIPs[0] ?? ''
    case 'status.podIPs':
      return facts.podIPs.join(',')
    default:
      throw new ConfigError(`unsupported fieldPath: ${fieldPath}`)
  }
}

function formatMap(map: Readonly<Record<string, string>> | undefined): string {
  return Object.entries(map ?? {})
    .toSorted(([a], [b]) => (a < b ? -1 : 1))
    .map(([key, value]) => `${key}=${JSON.stringify(value)}`)
    .join('\n')
}

/** A request or limit as a number in units of the divisor, rounded up (`resource.ExtractContainerResourceValue`). */
export function resourceValue(
  pod: Pod,
  container: Container,
  { containerName, resource, divisor }: ResourceFieldSelector,
  facts: FieldFacts,
): string {
  const about = containerName ? containersOf(pod).find(({ name }) => name === containerName) : container
  const [kind, name = ''] = resource.split(/\.(.*)/s) as [string, string?]
  const { requests, limits } = about?.resources ?? {}
  const found = kind === 'limits' ? (limits?.[name] ?? facts.allocatable[name]) : requests?.[name]
  const amount = parseQuantity(found ?? '0')
  const unit = parseQuantity(divisor === undefined || divisor === '0' || divisor === '' ? '1' : divisor)
  if (name === 'cpu') return String(Math.ceil(milliUnits(amount) / milliUnits(unit)))
  return String(Math.ceil(wholeUnits(amount) / wholeUnits(unit)))
}
