import {
  dns1035LabelProblems,
  dns1123LabelProblems,
  dns1123SubdomainProblems,
  duplicate,
  type FieldError,
  forbiddenField,
  invalidValue,
  ipProblems,
  notSupported,
  portNumberProblems,
  required,
} from '@binnacle/apimachinery'
import type { Service, ServicePort } from '../generated/types.ts'
import type { Strategy } from '../resource-definition.ts'

const affinitySecondsDefault = 10_800

/** Defaults and rules of Services; addresses and node ports are allocated by the write path. */
export const serviceStrategy: Strategy<Service> = {
  applyDefaults(service) {
    const { spec } = service
    if (spec === undefined) return
    spec.type ??= 'ClusterIP'
    spec.sessionAffinity ??= 'None'
    if (spec.sessionAffinity === 'ClientIP')
      spec.sessionAffinityConfig ??= { clientIP: { timeoutSeconds: affinitySecondsDefault } }
    for (const port of spec.ports ?? []) {
      port.protocol ??= 'TCP'
      port.targetPort ??= port.port
    }
    const external = spec.type === 'NodePort' || spec.type === 'LoadBalancer'
    if (external) spec.externalTrafficPolicy ??= 'Cluster'
    if (spec.type === 'LoadBalancer') spec.allocateLoadBalancerNodePorts ??= true
    if (spec.type !== 'ExternalName') spec.internalTrafficPolicy ??= 'Cluster'
  },
  validate(service) {
    const { spec } = service
    if (spec === undefined) return [required('spec')]
    const errors: FieldError[] = []
    if (!['ClusterIP', 'NodePort', 'LoadBalancer', 'ExternalName'].includes(spec.type ?? ''))
      errors.push(notSupported('spec.type', spec.type, ['ClusterIP', 'ExternalName', 'LoadBalancer', 'NodePort']))
    if (!['None', 'ClientIP'].includes(spec.sessionAffinity ?? ''))
      errors.push(notSupported('spec.sessionAffinity', spec.sessionAffinity, ['ClientIP', 'None']))
    if (spec.type === 'ExternalName') errors.push(...externalNameErrors(service))
    else if ((spec.ports ?? []).length === 0 && !(spec.clusterIP === 'None')) errors.push(required('spec.ports'))
    errors.push(...portErrors(spec.ports ?? [], spec.type ?? ''))
    for (const [index, ip] of (spec.externalIPs ?? []).entries())
      for (const problem of ipProblems(ip)) errors.push(invalidValue(`spec.externalIPs[${index}]`, ip, problem))
    if (spec.clusterIP && spec.clusterIP !== 'None')
      for (const problem of ipProblems(spec.clusterIP))
        errors.push(invalidValue('spec.clusterIPs[0]', spec.clusterIP, problem))
    return errors
  },
  validateUpdate(service, old) {
    const [now, before] = [service.spec, old.spec]
    const errors: FieldError[] = []
    const keepsAddress = now?.type !== 'ExternalName' && before?.type !== 'ExternalName'
    if (keepsAddress && before?.clusterIP && now?.clusterIP && now.clusterIP !== before.clusterIP)
      errors.push(invalidValue('spec.clusterIPs[0]', now.clusterIP, 'may not change once set'))
    return errors
  },
  validateName: (name, isPrefix) => dns1035LabelProblems(isPrefix ? `${name.slice(0, 58)}x` : name),
}

function externalNameErrors(service: Service): FieldError[] {
  const name = (service.spec?.externalName ?? '').replace(/\.$/, '')
  const errors: FieldError[] =
    name === ''
      ? [required('spec.externalName')]
      : dns1123SubdomainProblems(name).map((problem) => invalidValue('spec.externalName', name, problem))
  if (service.spec?.clusterIP)
    errors.push(forbiddenField('spec.clusterIPs[0]', 'may not be set for ExternalName services'))
  return errors
}

function portErrors(ports: readonly ServicePort[], type: string): FieldError[] {
  const errors: FieldError[] = []
  const names = new Set<string>()
  const numbers = new Set<string>()
  for (const [index, port] of ports.entries()) {
    const path = `spec.ports[${index}]`
    if (ports.length > 1 && !port.name) errors.push(required(`${path}.name`))
    if (port.name) {
      for (const problem of dns1123LabelProblems(port.name))
        errors.push(invalidValue(`${path}.name`, port.name, problem))
      if (names.has(port.name)) errors.push(duplicate(`${path}.name`, port.name))
      names.add(port.name)
    }
    for (const problem of portNumberProblems(port.port)) errors.push(invalidValue(`${path}.port`, port.port, problem))
    if (!['TCP', 'UDP', 'SCTP'].includes(port.protocol ?? ''))
      errors.push(notSupported(`${path}.protocol`, port.protocol, ['SCTP', 'TCP', 'UDP']))
    if (typeof port.targetPort === 'number')
      for (const problem of portNumberProblems(port.targetPort))
        errors.push(invalidValue(`${path}.targetPort`, port.targetPort, problem))
    if (port.nodePort && type === 'ClusterIP')
      errors.push(forbiddenField(`${path}.nodePort`, "may not be used when `type` is 'ClusterIP'"))
    const identity = `${port.protocol}/${port.port}`
    if (numbers.has(identity))
      errors.push({
        type: 'FieldValueDuplicate',
        field: path,
        message: `Duplicate value: {"port":${port.port},"protocol":"${port.protocol}"}`,
      })
    numbers.add(identity)
  }
  return errors
}
