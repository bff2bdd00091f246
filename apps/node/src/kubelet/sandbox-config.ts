import { existsSync, readFileSync } from 'node:fs'
import path from 'node:path'
import type { Container } from '@binnacle/resources'
import type { DNSConfig, NamespaceOption, PodSandboxConfig, PortMapping, SecurityProfile } from '../cri/messages.ts'
import type { Pod } from './pod.ts'
import { nodeNameLabel, podNameLabel, podNamespaceLabel, podUIDLabel } from './runtime-view.ts'

/** What all sandboxes of a node have in common. */
export interface NodeNetwork {
  readonly nodeName: string
  readonly hostIP: string
  /** Where the cluster's names are asked for; empty: nowhere, and pods get what the machine has. */
  readonly clusterDNS: readonly string[]
  readonly clusterDomain: string
}

const searchesMax = 32

/** The name that a pod's processes see as their host's (kubelet `GeneratePodHostNameAndDomain`). */
export function hostnameOf(pod: Pod): string {
  const name = pod.spec.hostnameOverride ?? pod.spec.hostname ?? pod.metadata.name
  return name.slice(0, 63).replace(/[-.]+$/, '')
}

/** The pod's domain in the cluster; empty without a subdomain. */
export function domainOf(pod: Pod, clusterDomain: string): string {
  const { subdomain } = pod.spec
  return subdomain === undefined ? '' : `${subdomain}.${pod.metadata.namespace}.svc.${clusterDomain}`
}

/** Which namespaces the pod has to itself. */
export function namespacesOf({ spec }: Pod, ofContainer = false): NamespaceOption {
  const own = spec.shareProcessNamespace === true ? 'POD' : 'CONTAINER'
  return {
    network: spec.hostNetwork === true ? 'NODE' : 'POD',
    pid: spec.hostPID === true ? 'NODE' : ofContainer || own === 'POD' ? own : 'CONTAINER',
    ipc: spec.hostIPC === true ? 'NODE' : 'POD',
  }
}

/** How the runtime names a seccomp profile; a container without one runs unconfined. `root`: the node's folder of profiles. */
export function seccompOf(
  profile: { readonly type: string; readonly localhostProfile?: string } | undefined,
  root: string,
): SecurityProfile {
  if (profile?.type === 'RuntimeDefault') return { profileType: 'RuntimeDefault' }
  if (profile?.type !== 'Localhost') return { profileType: 'Unconfined' }
  return { profileType: 'Localhost', localhostRef: path.join(root, profile.localhostProfile ?? '') }
}

/** How the pod's sandbox is made (kubelet `generatePodSandboxConfig`). */
export function sandboxConfig(
  pod: Pod,
  attempt: number,
  network: NodeNetwork,
  places: { readonly logDirectory: string; readonly cgroupParent: string; readonly seccompRoot: string },
): PodSandboxConfig {
  const { name, namespace = '', uid = '', labels = {}, annotations = {} } = pod.metadata
  const context = pod.spec.securityContext ?? {}
  const dnsConfig = dnsOf(pod, network)
  const groups = [...(context.supplementalGroups ?? []), ...(context.fsGroup === undefined ? [] : [context.fsGroup])]
  return {
    metadata: { name, uid, namespace, attempt },
    hostname: pod.spec.hostNetwork === true ? '' : hostnameOf(pod),
    logDirectory: places.logDirectory,
    ...(dnsConfig === undefined ? {} : { dnsConfig }),
    portMappings: portMappings(pod),
    labels: {
      ...labels,
      [podNameLabel]: name,
      [podNamespaceLabel]: namespace,
      [podUIDLabel]: uid,
      [nodeNameLabel]: network.nodeName,
    },
    annotations,
    linux: {
      cgroupParent: places.cgroupParent,
      sysctls: Object.fromEntries((context.sysctls ?? []).map((sysctl) => [sysctl.name, sysctl.value])),
      securityContext: {
        namespaceOptions: namespacesOf(pod),
        ...(context.runAsUser === undefined ? {} : { runAsUser: { value: context.runAsUser } }),
        ...(context.runAsUser === undefined || context.runAsGroup === undefined
          ? {}
          : { runAsGroup: { value: context.runAsGroup } }),
        supplementalGroups: groups,
        privileged: allContainers(pod).some(({ securityContext }) => securityContext?.privileged === true),
        seccomp: seccompOf(context.seccompProfile ?? { type: 'RuntimeDefault' }, places.seccompRoot),
      },
    },
  }
}

function allContainers({ spec }: Pod): readonly Container[] {
  return [...(spec.initContainers ?? []), ...spec.containers]
}

function portMappings(pod: Pod): PortMapping[] {
  if (pod.spec.hostNetwork === true) return []
  const sidecars = (pod.spec.initContainers ?? []).filter(({ restartPolicy }) => restartPolicy === 'Always')
  return [...pod.spec.containers, ...sidecars].flatMap(({ ports = [] }) =>
    ports
      .filter(({ hostPort }) => (hostPort ?? 0) > 0)
      .map(({ containerPort, hostPort = 0, hostIP = '', protocol }) => ({
        protocol: (protocol ?? 'TCP') as PortMapping['protocol'],
        containerPort,
        hostPort,
        hostIp: hostIP,
      })),
  )
}

/** What the pod's resolv.conf says by its policy and its own additions (kubelet `dns.Configurer.GetPodDNS`). */
export function dnsOf(pod: Pod, { clusterDNS, clusterDomain }: NodeNetwork): DNSConfig | undefined {
  const { dnsPolicy = 'ClusterFirst', hostNetwork, dnsConfig } = pod.spec
  const own = {
    servers: dnsConfig?.nameservers ?? [],
    searches: dnsConfig?.searches ?? [],
    options: (dnsConfig?.options ?? []).map(({ name = '', value }) =>
      value === undefined ? name : `${name}:${value}`,
    ),
  }
  const usesCluster =
    clusterDNS.length > 0 &&
    (dnsPolicy === 'ClusterFirstWithHostNet' || (dnsPolicy === 'ClusterFirst' && hostNetwork !== true))
  const base = dnsPolicy === 'None' ? { servers: [], searches: [], options: [] } : hostDNS()
  const cluster = {
    servers: clusterDNS,
    searches: [
      `${pod.metadata.namespace}.svc.${clusterDomain}`,
      `svc.${clusterDomain}`,
      clusterDomain,
      ...base.searches,
    ],
    options: ['ndots:5'],
  }
  const chosen = usesCluster ? cluster : base
  const optionName = (option: string): string => option.split(':')[0] as string
  const named = new Set(own.options.map(optionName))
  return {
    servers: [...new Set([...chosen.servers, ...own.servers])],
    searches: [...new Set([...chosen.searches, ...own.searches])].slice(0, searchesMax),
    options: [...chosen.options.filter((option) => !named.has(optionName(option))), ...own.options],
  }
}

function hostDNS(): DNSConfig {
  const file = '/etc/resolv.conf'
  const lines = existsSync(file) ? readFileSync(file, 'utf8').split('\n') : []
  const words = (keyword: string): string[][] =>
    lines.map((line) => line.trim().split(/\s+/)).filter(([first]) => first === keyword)
  return {
    servers: words('nameserver').flatMap(([, server]) => (server === undefined ? [] : [server])),
    searches: words('search').at(-1)?.slice(1) ?? [],
    options: words('options').flatMap(([, ...options]) => options),
  }
}
