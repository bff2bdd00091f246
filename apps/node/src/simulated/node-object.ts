import { formatMicroTime, formatTime, type KubernetesObject } from '@binnacle/apimachinery'
import type { SimulationOptions } from './simulation-options.ts'

/** The version of the simulated runtime, as nodes report it. */
export const runtimeVersion = 'simulated://0.1.0'
/** The Kubernetes release whose kubelet is imitated. */
const kubeletVersion = 'v1.32.4+binnacle-0.1.0'
/** The label that tells simulated nodes from real ones. */
const simulatedLabel = 'binnacle.dev/simulated'

/** How long a lease holds without being renewed (kubelet `nodeLeaseDurationSeconds`). */
export const leaseSeconds = 40
const zones = ['a', 'b', 'c'] as const

/** What a node is told apart by. */
export interface NodeIdentity {
  readonly index: number
  readonly name: string
  readonly address: string
  readonly podCIDR: string
}

/** A `v1.NodeCondition`. */
interface NodeCondition {
  readonly type: string
  readonly status: string
  readonly reason: string
  readonly message: string
  readonly lastHeartbeatTime: string
  readonly lastTransitionTime: string
}

const healthy: readonly (readonly [type: string, status: string, reason: string, message: string])[] = [
  ['MemoryPressure', 'False', 'KubeletHasSufficientMemory', 'kubelet has sufficient memory available'],
  ['DiskPressure', 'False', 'KubeletHasNoDiskPressure', 'kubelet has no disk pressure'],
  ['PIDPressure', 'False', 'KubeletHasSufficientPID', 'kubelet has sufficient PID available'],
  ['Ready', 'True', 'KubeletReady', 'kubelet is posting ready status'],
]

/** The labels that a node registers with. Nodes are spread over three zones of one region. */
export function nodeLabels({ index, name }: NodeIdentity): Record<string, string> {
  return {
    [simulatedLabel]: 'true',
    'beta.kubernetes.io/arch': 'amd64',
    'beta.kubernetes.io/os': 'linux',
    'kubernetes.io/arch': 'amd64',
    'kubernetes.io/hostname': name,
    'kubernetes.io/os': 'linux',
    'topology.kubernetes.io/region': 'simulated',
    'topology.kubernetes.io/zone': `simulated-${zones[index % zones.length]}`,
  }
}

/** The node as it registers. */
export function nodeObject(
  identity: NodeIdentity,
): KubernetesObject & { spec: { podCIDR: string; podCIDRs: string[] } } {
  return {
    apiVersion: 'v1',
    kind: 'Node',
    metadata: {
      name: identity.name,
      labels: nodeLabels(identity),
      annotations: { 'volumes.kubernetes.io/controller-managed-attach-detach': 'true' },
    },
    spec: { podCIDR: identity.podCIDR, podCIDRs: [identity.podCIDR] },
  }
}

/** The status of a healthy node. `readySinceMs` is when its conditions came to be so. */
export function nodeStatus(
  identity: NodeIdentity,
  options: SimulationOptions,
  readySinceMs: number,
  nowMs: number,
): Record<string, unknown> {
  const resources = {
    cpu: options.cpu,
    memory: options.memory,
    pods: String(options.podsMax),
    'ephemeral-storage': '100Gi',
    'hugepages-1Gi': '0',
    'hugepages-2Mi': '0',
  }
  return {
    capacity: resources,
    allocatable: resources,
    conditions: nodeConditions(readySinceMs, nowMs),
    addresses: [
      { type: 'InternalIP', address: identity.address },
      { type: 'Hostname', address: identity.name },
    ],
    daemonEndpoints: { kubeletEndpoint: { Port: 10250 } },
    nodeInfo: {
      architecture: 'amd64',
      bootID: `simulated-${identity.name}`,
      containerRuntimeVersion: runtimeVersion,
      kernelVersion: 'simulated',
      kubeProxyVersion: '',
      kubeletVersion,
      machineID: `simulated-${identity.name}`,
      operatingSystem: 'linux',
      osImage: 'Simulated by Binnacle',
      systemUUID: `simulated-${identity.name}`,
    },
  }
}

/** The conditions of a healthy node. */
export function nodeConditions(readySinceMs: number, nowMs: number): NodeCondition[] {
  const times = { lastHeartbeatTime: formatTime(nowMs), lastTransitionTime: formatTime(readySinceMs) }
  return healthy.map(([type, status, reason, message]) => ({ type, status, ...times, reason, message }))
}

/** The lease by which a node shows that it lives. */
export function nodeLease(
  name: string,
  nodeUID: string,
  nowMs: number,
): KubernetesObject & { spec: Record<string, unknown> } {
  return {
    apiVersion: 'coordination.k8s.io/v1',
    kind: 'Lease',
    metadata: {
      name,
      namespace: leaseNamespace,
      ownerReferences: [{ apiVersion: 'v1', kind: 'Node', name, uid: nodeUID }],
    },
    spec: { holderIdentity: name, leaseDurationSeconds: leaseSeconds, renewTime: formatMicroTime(nowMs) },
  }
}

/** Where the leases of nodes are. */
export const leaseNamespace = 'kube-node-lease'
