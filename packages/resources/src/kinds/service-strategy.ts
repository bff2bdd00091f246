import {
  dns1035LabelProblems,
  dns1123SubdomainProblems,
  duplicate,
  type FieldError,
  forbiddenField,
  invalidValue,
  isIPv6,
  maskTrailingDash,
  qualifiedNameProblems,
  required,
  semanticEqual,
} from '@binnacle/apimachinery'
import type { Service, ServicePort, ServiceSpec } from '../generated/types.ts'
import type { Strategy } from '../resource-definition.ts'
import {
  cidrErrors,
  inRange,
  ipErrors,
  labelErrors,
  labelKeyErrors,
  oneOf,
  optionalOneOf,
  optionalText,
  portErrors,
  specialAddressErrors,
  subdomainErrors,
} from './field-checks.ts'
import { validateLabels } from './object-meta.ts'

const affinitySecondsDefault = 10_800
const affinitySecondsMax = 86_400
const addressesMax = 2
const externallyReachable = ['NodePort', 'LoadBalancer']

/** Defaults and rules of Services; addresses and node ports are allocated by the write path. */
export const serviceStrategy: Strategy<Service> = {
  applyDefaults(service) {
    const { spec } = service
    if (spec === undefined) return
    spec.type ||= 'ClusterIP'
    spec.sessionAffinity ||= 'None'
    if (spec.sessionAffinity === 'None') delete spec.sessionAffinityConfig
    if (spec.sessionAffinity === 'ClientIP')
      spec.sessionAffinityConfig ??= { clientIP: { timeoutSeconds: affinitySecondsDefault } }
    for (const port of spec.ports ?? []) {
      port.protocol ||= 'TCP'
      if (!port.targetPort) port.targetPort = port.port
    }
    if (isReachable(spec)) spec.externalTrafficPolicy ||= 'Cluster'
    if (spec.type === 'LoadBalancer') spec.allocateLoadBalancerNodePorts ??= true
    if (spec.type !== 'ExternalName') spec.internalTrafficPolicy ??= 'Cluster'
    for (const entry of service.status?.loadBalancer?.ingress ?? []) if (entry.ip) entry.ipMode ??= 'VIP'
  },
  prepareForCreate(service) {
    service.status = { loadBalancer: {} }
  },
  prepareForUpdate(service, old) {
    if (service.spec !== undefined && old.spec !== undefined) dropFormerFields(service.spec, old.spec)
  },
  validate(service) {
    const { spec } = service
    if (spec === undefined) return [required('spec.ports')]
    return [
      ...typeErrors(spec),
      ...servicePortErrors(spec),
      ...validateLabels(spec.selector, 'spec.selector'),
      ...affinityErrors(spec),
      ...addressErrors(spec),
      ...(spec.externalIPs ?? []).flatMap((ip, index) => {
        const field = `spec.externalIPs[${index}]`
        const errors = ipErrors(field, ip)
        return errors.length > 0 ? errors : specialAddressErrors(field, ip)
      }),
      ...oneOf('spec.type', spec.type, ['ClusterIP', 'ExternalName', 'LoadBalancer', 'NodePort']),
      ...duplicatePortErrors(spec),
      ...loadBalancerErrors(spec),
      ...trafficErrors(spec),
    ]
  },
  validateUpdate(service, old) {
    const [now, before] = [service.spec, old.spec]
    if (now === undefined || before === undefined) return []
    const errors = [...addressChangeErrors(now, before), ...familyChangeErrors(now, before)]
    if (now.type === 'LoadBalancer' && before.type === 'LoadBalancer') {
      if (now.loadBalancerClass !== before.loadBalancerClass)
        errors.push(invalidValue('spec.loadBalancerClass', now.loadBalancerClass ?? null, 'may not change once set'))
    }
    if (needsHealthCheck(now) && needsHealthCheck(before) && now.healthCheckNodePort !== before.healthCheckNodePort)
      errors.push(forbiddenField('spec.healthCheckNodePort', 'field is immutable'))
    return errors
  },
  validateStatusUpdate(service) {
    const path = 'status.loadBalancer.ingress'
    const entries = service.status?.loadBalancer?.ingress ?? []
    if (service.spec?.type !== 'LoadBalancer' && entries.length > 0)
      return [forbiddenField(path, "may only be used when `spec.type` is 'LoadBalancer'")]
    return entries.flatMap((entry, index) => [
      ...(entry.ip ? ipErrors(`${path}[${index}].ip`, entry.ip) : []),
      ...optionalText(`${path}[${index}].hostname`, entry.hostname, dns1123SubdomainProblems),
    ])
  },
  validateName: (name, isPrefix) => dns1035LabelProblems(isPrefix ? maskTrailingDash(name) : name),
}

const isHeadless = (spec: ServiceSpec): boolean =>
  spec.clusterIPs?.length === 1 ? spec.clusterIPs[0] === 'None' : spec.clusterIP === 'None'
const isReachable = (spec: ServiceSpec): boolean =>
  externallyReachable.includes(spec.type ?? '') || (spec.type === 'ClusterIP' && (spec.externalIPs ?? []).length > 0)
const needsHealthCheck = (spec: ServiceSpec): boolean =>
  spec.type === 'LoadBalancer' && spec.externalTrafficPolicy === 'Local'

// What only the former type needed goes with it, unless the user changed it too (`dropTypeDependentFields`).
function dropFormerFields(now: ServiceSpec, before: ServiceSpec): void {
  const ends = (isNeeded: (spec: ServiceSpec) => boolean, field: keyof ServiceSpec): void => {
    if (isNeeded(before) && !isNeeded(now) && semanticEqual(now[field], before[field])) delete now[field]
  }
  const isBalanced = (spec: ServiceSpec): boolean => spec.type === 'LoadBalancer'
  ends(isBalanced, 'allocateLoadBalancerNodePorts')
  ends(isBalanced, 'loadBalancerClass')
  ends(needsHealthCheck, 'healthCheckNodePort')
  ends(isReachable, 'externalTrafficPolicy')
  const hadPorts = externallyReachable.includes(before.type ?? '') && !externallyReachable.includes(now.type ?? '')
  const portsOf = (spec: ServiceSpec) => (spec.ports ?? []).map((port) => port.nodePort ?? 0)
  if (hadPorts && semanticEqual(portsOf(now), portsOf(before))) for (const port of now.ports ?? []) delete port.nodePort
}

function typeErrors(spec: ServiceSpec): FieldError[] {
  const errors: FieldError[] = []
  if ((spec.ports ?? []).length === 0 && !isHeadless(spec) && spec.type !== 'ExternalName')
    errors.push(required('spec.ports'))
  if (externallyReachable.includes(spec.type ?? '') && isHeadless(spec))
    errors.push(invalidValue('spec.clusterIPs[0]', 'None', `may not be set to 'None' for ${spec.type} services`))
  if (spec.type !== 'ExternalName') return errors
  const why = 'may not be set for ExternalName services'
  if ((spec.clusterIPs ?? []).length > 0 || spec.clusterIP) errors.push(forbiddenField('spec.clusterIPs', why))
  if ((spec.ipFamilies ?? []).length > 0) errors.push(forbiddenField('spec.ipFamilies', why))
  if (spec.ipFamilyPolicy !== undefined) errors.push(forbiddenField('spec.ipFamilyPolicy', why))
  const name = (spec.externalName ?? '').replace(/\.$/, '')
  return [...errors, ...(name === '' ? [required('spec.externalName')] : subdomainErrors('spec.externalName', name))]
}

function servicePortErrors(spec: ServiceSpec): FieldError[] {
  const ports = spec.ports ?? []
  const errors: FieldError[] = []
  const names = new Set<string>()
  for (const [index, port] of ports.entries()) {
    const path = `spec.ports[${index}]`
    if (!port.name) errors.push(...(ports.length > 1 ? [required(`${path}.name`)] : []))
    else {
      errors.push(...labelErrors(`${path}.name`, port.name))
      if (names.has(port.name)) errors.push(duplicate(`${path}.name`, port.name))
      names.add(port.name)
    }
    errors.push(
      ...portErrors(`${path}.port`, port.port),
      ...oneOf(`${path}.protocol`, port.protocol, ['SCTP', 'TCP', 'UDP']),
      ...portErrors(`${path}.targetPort`, port.targetPort),
      ...(port.appProtocol === undefined ? [] : labelKeyErrors(`${path}.appProtocol`, port.appProtocol)),
    )
    if (port.nodePort && spec.type === 'ClusterIP')
      errors.push(forbiddenField(`${path}.nodePort`, "may not be used when `type` is 'ClusterIP'"))
  }
  return errors
}

function duplicatePortErrors(spec: ServiceSpec): FieldError[] {
  const errors: FieldError[] = []
  const seen = new Set<string>()
  const repeats = (port: ServicePort, field: 'port' | 'nodePort'): boolean => {
    const key = `${field}/${port.protocol}/${port[field]}`
    const found = seen.has(key)
    seen.add(key)
    return found
  }
  for (const [index, port] of (spec.ports ?? []).entries())
    if (port.nodePort && repeats(port, 'nodePort'))
      errors.push(duplicate(`spec.ports[${index}].nodePort`, port.nodePort))
  for (const [index, port] of (spec.ports ?? []).entries())
    if (repeats(port, 'port')) errors.push(duplicate(`spec.ports[${index}]`, goPort(port)))
  return errors
}

// Go's ServicePort has every member, whether set or not.
function goPort(port: ServicePort): object {
  return {
    Name: '',
    Protocol: port.protocol ?? '',
    AppProtocol: null,
    Port: port.port,
    TargetPort: 0,
    NodePort: 0,
  }
}

function affinityErrors(spec: ServiceSpec): FieldError[] {
  const path = 'spec.sessionAffinityConfig'
  const errors = oneOf('spec.sessionAffinity', spec.sessionAffinity, ['ClientIP', 'None'])
  const config = spec.sessionAffinityConfig
  if (spec.sessionAffinity === 'None' && config !== undefined)
    errors.push(forbiddenField(path, 'must not be set when session affinity is None'))
  if (spec.sessionAffinity !== 'ClientIP') return errors
  const why = 'when session affinity type is ClientIP'
  const seconds = config?.clientIP?.timeoutSeconds
  if (config === undefined) errors.push(required(path, why))
  else if (config.clientIP === undefined) errors.push(required(`${path}.clientIP`, why))
  else if (seconds === undefined) errors.push(required(`${path}.clientIP.timeoutSeconds`, why))
  else if (seconds <= 0 || seconds > affinitySecondsMax)
    errors.push(
      invalidValue(
        `${path}.clientIP.timeoutSeconds`,
        seconds,
        `must be greater than 0 and less than ${affinitySecondsMax}`,
      ),
    )
  return errors
}

function addressErrors(spec: ServiceSpec): FieldError[] {
  if (spec.type === 'ExternalName') return []
  const path = 'spec.clusterIPs'
  const addresses = spec.clusterIPs ?? []
  const families = spec.ipFamilies ?? []
  const errors: FieldError[] = []
  if (spec.clusterIP) {
    if (addresses.length === 0) errors.push(required(path))
    else if (addresses[0] !== spec.clusterIP)
      errors.push(invalidValue(path, addresses, 'first value must match `clusterIP`'))
  } else if (addresses.length > 0)
    errors.push(invalidValue(path, addresses, 'must be empty when `clusterIP` is not specified'))
  for (const [index, family] of families.entries()) {
    errors.push(...optionalOneOf(`spec.ipFamilies[${index}]`, family, ['IPv4', 'IPv6']))
    if (families.indexOf(family) < index) errors.push(duplicate(`spec.ipFamilies[${index}]`, family))
  }
  errors.push(
    ...optionalOneOf('spec.ipFamilyPolicy', spec.ipFamilyPolicy, [
      'PreferDualStack',
      'RequireDualStack',
      'SingleStack',
    ]),
  )
  const malformed = addresses.flatMap((address, index) => {
    if (index > 0 || address !== 'None') return ipErrors(`${path}[${index}]`, address)
    return addresses.length > 1 ? [invalidValue(path, addresses, "'None' must be the first and only value")] : []
  })
  errors.push(...malformed)
  if (addresses.length > addressesMax) errors.push(invalidValue(path, addresses, 'may only hold up to 2 values'))
  return malformed.length > 0 ? errors : [...errors, ...familyErrors(addresses, families, isHeadless(spec))]
}

function familyErrors(addresses: readonly string[], families: readonly string[], headless: boolean): FieldError[] {
  const path = 'spec.clusterIPs'
  const errors: FieldError[] = []
  if (addresses.length > 1 && new Set(addresses.map(isIPv6)).size < 2)
    errors.push(invalidValue(path, addresses, 'may specify no more than one IP for each IP family'))
  if (headless) return errors
  for (const [index, address] of addresses.entries()) {
    const family = families[index]
    if (family === undefined || (family === 'IPv6') === isIPv6(address)) continue
    errors.push(
      invalidValue(
        `${path}[${index}]`,
        address,
        `expected an ${family} value as indicated by \`ipFamilies[${index}]\``,
      ),
    )
  }
  return errors
}

function loadBalancerErrors(spec: ServiceSpec): FieldError[] {
  const isBalanced = spec.type === 'LoadBalancer'
  const only = "may only be used when `type` is 'LoadBalancer'"
  const errors: FieldError[] = []
  const ranges = spec.loadBalancerSourceRanges ?? []
  if (ranges.length > 0 && !isBalanced) errors.push(forbiddenField('spec.LoadBalancerSourceRanges', only))
  for (const [index, range] of ranges.entries())
    errors.push(...cidrErrors(`spec.LoadBalancerSourceRanges[${index}]`, range.trim()))
  if (spec.allocateLoadBalancerNodePorts !== undefined && !isBalanced)
    errors.push(forbiddenField('spec.allocateLoadBalancerNodePorts', only))
  if (spec.loadBalancerClass !== undefined) {
    if (!isBalanced) errors.push(forbiddenField('spec.loadBalancerClass', only))
    errors.push(...optionalText('spec.loadBalancerClass', spec.loadBalancerClass, qualifiedNameProblems))
  }
  return errors
}

function trafficErrors(spec: ServiceSpec): FieldError[] {
  const policies = ['Cluster', 'Local']
  const errors: FieldError[] = []
  if (isReachable(spec)) errors.push(...oneOf('spec.externalTrafficPolicy', spec.externalTrafficPolicy, policies))
  else if (spec.externalTrafficPolicy)
    errors.push(
      invalidValue(
        'spec.externalTrafficPolicy',
        spec.externalTrafficPolicy,
        'may only be set for externally-accessible services',
      ),
    )
  if (!needsHealthCheck(spec) && spec.healthCheckNodePort)
    errors.push(
      invalidValue(
        'spec.healthCheckNodePort',
        spec.healthCheckNodePort,
        "may only be set when `type` is 'LoadBalancer' and `externalTrafficPolicy` is 'Local'",
      ),
    )
  else errors.push(...inRange('spec.healthCheckNodePort', spec.healthCheckNodePort, 1, 65_535))
  if (spec.type !== 'ExternalName')
    errors.push(...oneOf('spec.internalTrafficPolicy', spec.internalTrafficPolicy, policies))
  return [
    ...errors,
    ...optionalOneOf('spec.trafficDistribution', spec.trafficDistribution, [
      'PreferClose',
      'PreferSameZone',
      'PreferSameNode',
    ]),
  ]
}

function addressChangeErrors(now: ServiceSpec, before: ServiceSpec): FieldError[] {
  if (now.type === 'ExternalName' || before.type === 'ExternalName') return []
  if (isHeadless(now) && isHeadless(before)) return []
  const [addresses, held] = [now.clusterIPs ?? [], before.clusterIPs ?? []]
  if (addresses.length === 0 && held.length > 0)
    return [invalidValue('spec.clusterIPs[0]', addresses, 'primary clusterIP can not be unset')]
  if (addresses.length === held.length)
    return held.flatMap((address, index) =>
      address === addresses[index]
        ? []
        : [invalidValue(`spec.clusterIPs[${index}]`, addresses, 'may not change once set')],
    )
  const errors: FieldError[] = []
  if (held.length > 0 && addresses[0] !== held[0])
    errors.push(invalidValue('spec.clusterIPs[0]', addresses, 'may not change once set'))
  if (addresses.length < held.length && now.ipFamilyPolicy !== 'SingleStack')
    errors.push(
      invalidValue(
        'spec.ipFamilyPolicy',
        now.ipFamilyPolicy ?? null,
        "must be set to 'SingleStack' when releasing the secondary clusterIP",
      ),
    )
  return errors
}

function familyChangeErrors(now: ServiceSpec, before: ServiceSpec): FieldError[] {
  if (now.type === 'ExternalName' || before.type === 'ExternalName') return []
  if (isHeadless(now) || isHeadless(before)) return []
  const [families, held] = [now.ipFamilies ?? [], before.ipFamilies ?? []]
  if (semanticEqual(families, held)) return []
  const errors: FieldError[] = []
  const changed =
    families.length === held.length
      ? held.some((family, index) => family !== families[index])
      : held.length > 0 && families.length > 0 && families[0] !== held[0]
  if (changed) errors.push(invalidValue('spec.ipFamilies[0]', families, 'may not change once set'))
  if (families.length === 1 && held.length > 1 && now.ipFamilyPolicy !== 'SingleStack')
    errors.push(
      invalidValue(
        'spec.ipFamilyPolicy',
        now.ipFamilyPolicy ?? null,
        "must be set to 'SingleStack' when releasing the secondary ipFamily",
      ),
    )
  return errors
}
