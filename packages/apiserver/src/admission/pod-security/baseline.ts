import type { Container, SELinuxOptions } from '@binnacle/resources'
import {
  type Check,
  type CheckedContainer,
  type CheckedPod,
  containersOf,
  containersWhere,
  hasOwnUsers,
  named,
  plural,
  quoted,
  settersText,
  sorted,
  type Violation,
} from './check.ts'

/** The rules of the level baseline (Pod Security Standards; pod-security-admission `policy/check_*.go`). */
export const baselineChecks: readonly Check[] = [
  { id: 'appArmorProfile', level: 'baseline', versions: [{ since: 0, violationOf: appArmor }] },
  { id: 'capabilities_baseline', level: 'baseline', versions: [{ since: 0, violationOf: capabilities }] },
  { id: 'hostNamespaces', level: 'baseline', versions: [{ since: 0, violationOf: hostNamespaces }] },
  { id: 'hostPathVolumes', level: 'baseline', versions: [{ since: 0, violationOf: hostPathVolumes }] },
  { id: 'hostPorts', level: 'baseline', versions: [{ since: 0, violationOf: hostPorts }] },
  { id: 'hostProbesAndHostLifecycle', level: 'baseline', versions: [{ since: 34, violationOf: hostProbes }] },
  { id: 'privileged', level: 'baseline', versions: [{ since: 0, violationOf: privileged }] },
  {
    id: 'procMount',
    level: 'baseline',
    versions: [
      { since: 0, violationOf: procMount },
      { since: 35, violationOf: (pod) => (hasOwnUsers(pod) ? undefined : procMount(pod)) },
    ],
  },
  {
    id: 'seLinuxOptions',
    level: 'baseline',
    versions: [
      { since: 0, violationOf: (pod) => seLinux(pod, seLinuxTypes) },
      { since: 31, violationOf: (pod) => seLinux(pod, [...seLinuxTypes, 'container_engine_t']) },
    ],
  },
  {
    id: 'seccompProfile_baseline',
    level: 'baseline',
    versions: [
      { since: 0, violationOf: seccompAnnotations },
      { since: 19, violationOf: seccomp },
    ],
  },
  { id: 'sysctls', level: 'baseline', versions: sysctlVersions() },
  { id: 'windowsHostProcess', level: 'baseline', versions: [{ since: 0, violationOf: hostProcess }] },
]

const appArmorPrefix = 'container.apparmor.security.beta.kubernetes.io/'

function appArmor(pod: CheckedPod): Violation | undefined {
  const isBad = (type: string | undefined): type is string =>
    type !== undefined && type !== 'RuntimeDefault' && type !== 'Localhost'
  const podType = pod.spec.securityContext?.appArmorProfile?.type
  const bad = containersWhere(pod, (context) => isBad(context?.appArmorProfile?.type))
  const types = [podType, ...containersOf(pod).map(({ securityContext }) => securityContext?.appArmorProfile?.type)]
  const annotations = Object.entries(pod.annotations)
    .filter(([key, value]) => key.startsWith(appArmorPrefix) && !isAllowedAppArmorAnnotation(value))
    .map(([key, value]) => `${key}=${JSON.stringify(value)}`)
    .sort()
  const values = [...sorted(types.filter(isBad)), ...annotations]
  const fields = settersText(isBad(podType), bad)
  const setters = [
    ...(fields === '' ? [] : [fields]),
    ...(annotations.length > 0 ? [plural('annotation', annotations.length)] : []),
  ]
  if (setters.length === 0) return undefined
  return {
    reason: plural('forbidden AppArmor profile', values.length),
    detail: `${setters.join(' and ')} must not set AppArmor profile type to ${quoted(values)}`,
  }
}

function isAllowedAppArmorAnnotation(value: string): boolean {
  return value === '' || value === 'runtime/default' || value.startsWith('localhost/')
}

const defaultCapabilities = new Set(
  'AUDIT_WRITE CHOWN DAC_OVERRIDE FOWNER FSETID KILL MKNOD NET_BIND_SERVICE SETFCAP SETGID SETPCAP SETUID SYS_CHROOT'.split(
    ' ',
  ),
)

function capabilities(pod: CheckedPod): Violation | undefined {
  const addedBy = ({ securityContext }: CheckedContainer): string[] =>
    (securityContext?.capabilities?.add ?? []).filter((capability) => !defaultCapabilities.has(capability))
  const bad = containersOf(pod).filter((container) => addedBy(container).length > 0)
  if (bad.length === 0) return undefined
  const [names, added] = [bad.map(({ name }) => name), sorted(bad.flatMap(addedBy))]
  return {
    reason: 'non-default capabilities',
    detail: `${named('container', names)} must not include ${quoted(added)} in securityContext.capabilities.add`,
  }
}

function hostNamespaces({ spec }: CheckedPod): Violation | undefined {
  const shared = (['hostNetwork', 'hostPID', 'hostIPC'] as const).filter((field) => spec[field] === true)
  if (shared.length === 0) return undefined
  return { reason: 'host namespaces', detail: shared.map((field) => `${field}=true`).join(', ') }
}

function hostPathVolumes({ spec }: CheckedPod): Violation | undefined {
  const names = (spec.volumes ?? []).filter(({ hostPath }) => hostPath !== undefined).map(({ name }) => name)
  return names.length === 0 ? undefined : { reason: 'hostPath volumes', detail: named('volume', names) }
}

function hostPorts(pod: CheckedPod): Violation | undefined {
  const portsOf = ({ ports }: CheckedContainer): string[] =>
    (ports ?? []).flatMap(({ hostPort }) => (hostPort ? [`${hostPort}`] : []))
  const bad = containersOf(pod).filter((container) => portsOf(container).length > 0)
  if (bad.length === 0) return undefined
  const ports = sorted(bad.flatMap(portsOf))
  const names = bad.map(({ name }) => name)
  const uses = bad.length === 1 ? 'uses' : 'use'
  return {
    reason: 'hostPort',
    detail: `${named('container', names)} ${uses} ${plural('hostPort', ports.length)} ${ports.join(', ')}`,
  }
}

type Target = { readonly httpGet?: { host?: string }; readonly tcpSocket?: { host?: string } } | undefined

function hostProbes(pod: CheckedPod): Violation | undefined {
  const hostsOf = ({ livenessProbe, readinessProbe, startupProbe, lifecycle }: CheckedContainer): string[] => {
    const targets: Target[] = [livenessProbe, readinessProbe, startupProbe, lifecycle?.postStart, lifecycle?.preStop]
    return targets
      .flatMap((target) => [target?.httpGet?.host, target?.tcpSocket?.host])
      .filter((host): host is string => Boolean(host))
  }
  const bad = containersOf(pod).filter((container) => hostsOf(container).length > 0)
  if (bad.length === 0) return undefined
  const names = sorted(bad.map(({ name }) => name))
  const hosts = sorted(bad.flatMap(hostsOf))
  const uses = names.length === 1 ? 'uses' : 'use'
  return {
    reason: 'probe or lifecycle host',
    detail: `${named('container', names)} ${uses} ${plural('probe or lifecycle host', hosts.length)} ${quoted(hosts)}`,
  }
}

function privileged(pod: CheckedPod): Violation | undefined {
  const names = containersWhere(pod, (context) => context?.privileged === true)
  if (names.length === 0) return undefined
  return { reason: 'privileged', detail: `${named('container', names)} must not set securityContext.privileged=true` }
}

/** Paths of /proc are hidden from every container. */
export function procMount(pod: CheckedPod): Violation | undefined {
  const typeOf = (context: Container['securityContext']): string | undefined =>
    context?.procMount === 'Default' ? undefined : context?.procMount
  const names = containersWhere(pod, (context) => typeOf(context) !== undefined)
  if (names.length === 0) return undefined
  const types = sorted(containersOf(pod).flatMap(({ securityContext }) => typeOf(securityContext) ?? []))
  return {
    reason: 'procMount',
    detail: `${named('container', names)} must not set securityContext.procMount to ${quoted(types)}`,
  }
}

const seLinuxTypes = ['', 'container_t', 'container_init_t', 'container_kvm_t']

function seLinux(pod: CheckedPod, allowedTypes: readonly string[]): Violation | undefined {
  const isTypeBad = ({ type = '' }: SELinuxOptions): boolean => !allowedTypes.includes(type)
  const isBad = (options: SELinuxOptions | undefined): boolean =>
    options !== undefined && (isTypeBad(options) || Boolean(options.user) || Boolean(options.role))
  const podOptions = pod.spec.securityContext?.seLinuxOptions
  const names = containersWhere(pod, (context) => isBad(context?.seLinuxOptions))
  const setters = settersText(isBad(podOptions), names)
  if (setters === '') return undefined
  const all = [podOptions, ...containersOf(pod).map(({ securityContext }) => securityContext?.seLinuxOptions)]
  const options = all.filter((one) => one !== undefined)
  const types = sorted(options.filter(isTypeBad).map(({ type = '' }) => type))
  const data = [
    ...(types.length > 0 ? [`${plural('type', types.length)} ${quoted(types)}`] : []),
    ...(options.some(({ user }) => Boolean(user)) ? ['user may not be set'] : []),
    ...(options.some(({ role }) => Boolean(role)) ? ['role may not be set'] : []),
  ]
  return {
    reason: 'seLinuxOptions',
    detail: `${setters} set forbidden securityContext.seLinuxOptions: ${data.join('; ')}`,
  }
}

const seccompPodKey = 'seccomp.security.alpha.kubernetes.io/pod'
const seccompPrefix = 'container.seccomp.security.alpha.kubernetes.io/'

// Until 1.19 profiles were named in annotations.
function seccompAnnotations(pod: CheckedPod): Violation | undefined {
  const keys = [seccompPodKey, ...containersOf(pod).map(({ name }) => seccompPrefix + name)]
  const isBad = (value: string | undefined): value is string =>
    value !== undefined && value !== 'runtime/default' && value !== 'docker/default' && !value.startsWith('localhost/')
  const bad = sorted(
    keys.flatMap((key) => {
      const value = pod.annotations[key]
      return isBad(value) ? [`${key}=${JSON.stringify(value)}`] : []
    }),
  )
  if (bad.length === 0) return undefined
  return { reason: 'seccompProfile', detail: `forbidden ${plural('annotation', bad.length)} ${bad.join(', ')}` }
}

/** Nobody asks for another profile than those allowed. */
export function seccomp(pod: CheckedPod): Violation | undefined {
  const isBad = (type: string | undefined): type is string =>
    type !== undefined && type !== 'RuntimeDefault' && type !== 'Localhost'
  const podType = pod.spec.securityContext?.seccompProfile?.type
  const names = containersWhere(pod, (context) => isBad(context?.seccompProfile?.type))
  const setters = settersText(isBad(podType), names)
  if (setters === '') return undefined
  const types = [podType, ...containersOf(pod).map(({ securityContext }) => securityContext?.seccompProfile?.type)]
  return {
    reason: 'seccompProfile',
    detail: `${setters} must not set securityContext.seccompProfile.type to ${quoted(sorted(types.filter(isBad)))}`,
  }
}

// What each version of Kubernetes added to the settings of the kernel that are a container's own.
function sysctlVersions(): Check['versions'] {
  const added: readonly (readonly [since: number, names: readonly string[]])[] = [
    [0, ['kernel.shm_rmid_forced', ...ipv4('ip_local_port_range tcp_syncookies ping_group_range')]],
    [0, ipv4('ip_unprivileged_port_start')],
    [27, ipv4('ip_local_reserved_ports')],
    [29, ipv4('tcp_keepalive_time tcp_fin_timeout tcp_keepalive_intvl tcp_keepalive_probes')],
    [32, ipv4('tcp_rmem tcp_wmem')],
  ]
  return [0, 27, 29, 32].map((since) => {
    const allowed = new Set(added.filter(([from]) => from <= since).flatMap(([, names]) => names))
    return { since, violationOf: (pod) => sysctls(pod, allowed) }
  })
}

function ipv4(names: string): string[] {
  return names.split(' ').map((name) => `net.ipv4.${name}`)
}

function sysctls({ spec }: CheckedPod, allowed: ReadonlySet<string>): Violation | undefined {
  const names = (spec.securityContext?.sysctls ?? []).map(({ name }) => name).filter((name) => !allowed.has(name))
  return names.length === 0 ? undefined : { reason: 'forbidden sysctls', detail: names.join(', ') }
}

function hostProcess(pod: CheckedPod): Violation | undefined {
  const names = containersWhere(pod, (context) => context?.windowsOptions?.hostProcess === true)
  const setters = settersText(pod.spec.securityContext?.windowsOptions?.hostProcess === true, names)
  if (setters === '') return undefined
  return { reason: 'hostProcess', detail: `${setters} must not set securityContext.windowsOptions.hostProcess=true` }
}
