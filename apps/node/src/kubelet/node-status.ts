import { readFileSync, statfsSync } from 'node:fs'
import { availableParallelism, hostname, networkInterfaces, release, totalmem } from 'node:os'
import { formatTime, parseTime } from '@binnacle/apimachinery'
import type { NodeCondition, NodeStatus } from '@binnacle/resources'
import type { RuntimeCondition } from '../cri/cri-client.ts'
import type { RuntimeImage } from '../cri/messages.ts'
import { architecture } from '../images/image-archive.ts'

/** The Kubernetes release whose kubelet is followed. */
const kubeletVersion = 'v1.32.4+binnacle-0.1.0'
/** Images that a node tells of, the largest first (kubelet `nodeStatusMaxImages`). */
const imagesMax = 50
/** What is kept back for the machine: kubelet evicts below this (`memory.available<100Mi`). */
const memoryReservedBytes = 100 * 2 ** 20
/** And of its disk (`nodefs.available<10%`). */
const diskReservedShare = 0.1

/** What a node is, as far as it does not change while the agent runs. */
export interface NodeFacts {
  readonly name: string
  readonly address: string
  readonly podsMax: number
  /** The addresses of its pods, where nobody gives nodes their ranges; undefined: the cluster does. */
  readonly podCIDR?: string | undefined
  readonly agentPort: number
  /** Whose file system holds volumes and images. */
  readonly dataDirectory: string
}

/** What the runtime says at this moment. */
export interface RuntimeFacts {
  readonly version: string
  /** undefined: it does not answer. */
  readonly conditions: readonly RuntimeCondition[] | undefined
  readonly images: readonly RuntimeImage[]
  /** The conditions that tell what the node is short of and hold. */
  readonly pressures: ReadonlySet<string>
}

/** The labels that a node registers with. */
export function nodeLabels({ name }: NodeFacts): Record<string, string> {
  return {
    'beta.kubernetes.io/arch': architecture,
    'beta.kubernetes.io/os': 'linux',
    'kubernetes.io/arch': architecture,
    'kubernetes.io/hostname': name,
    'kubernetes.io/os': 'linux',
  }
}

/** The name of this machine as nodes spell it. */
export function hostNodeName(): string {
  return hostname().toLowerCase()
}

/**
 * The IPv4 address by which others reach this machine: of the device that the default route leaves by, else the first that is no loopback address (the
 * machine's pods have devices, too). The loopback address where it has no other.
 */
export function hostAddress(): string {
  const devices = networkInterfaces()
  const addressOf = (device: string): string | undefined =>
    devices[device]?.find(({ family, internal }) => family === 'IPv4' && !internal)?.address
  const names = [...defaultDevices(readText('/proc/net/route')), ...Object.keys(devices)]
  return names.map(addressOf).find((address) => address !== undefined) ?? '127.0.0.1'
}

/** The devices of default routes, as the kernel lists routes: device, destination, …, mask in the eighth column. */
function defaultDevices(table: string): string[] {
  const rows = table.split('\n').map((line) => line.split('\t'))
  return rows
    .filter(([, destination, , , , , , mask]) => destination === '00000000' && mask === '00000000')
    .map(([device = '']) => device)
}

/** A node's status (kubelet `nodestatus` setters). `old`: as last written, whose times of transition stay while nothing changes. */
export function nodeStatus(
  node: NodeFacts,
  runtime: RuntimeFacts,
  old: NodeStatus | undefined,
  nowMs: number,
): NodeStatus {
  const capacity = capacityOf(node)
  return {
    addresses: [
      { type: 'InternalIP', address: node.address },
      { type: 'Hostname', address: node.name },
    ],
    capacity,
    allocatable: allocatableOf(capacity),
    conditions: conditionsOf(runtime, old?.conditions ?? [], nowMs),
    daemonEndpoints: { kubeletEndpoint: { Port: node.agentPort } },
    images: imagesOf(runtime.images),
    nodeInfo: {
      architecture,
      bootID: firstLine('/proc/sys/kernel/random/boot_id'),
      containerRuntimeVersion: runtime.version,
      kernelVersion: release(),
      kubeProxyVersion: '',
      kubeletVersion,
      machineID: firstLine('/etc/machine-id'),
      operatingSystem: 'linux',
      osImage: osImage(),
      systemUUID: firstLine('/sys/class/dmi/id/product_uuid') || firstLine('/etc/machine-id'),
    },
  }
}

function capacityOf({ podsMax, dataDirectory }: NodeFacts): Record<string, string> {
  const { blocks, bsize } = statfsSync(dataDirectory)
  return {
    cpu: String(availableParallelism()),
    memory: `${Math.floor(totalmem() / 1024)}Ki`,
    'ephemeral-storage': `${Math.floor((blocks * bsize) / 1024)}Ki`,
    'hugepages-1Gi': '0',
    'hugepages-2Mi': '0',
    pods: String(podsMax),
  }
}

function allocatableOf(capacity: Readonly<Record<string, string>>): Record<string, string> {
  const kibibytes = (name: string): number => Number.parseInt(capacity[name] ?? '0', 10)
  return {
    ...capacity,
    memory: `${Math.max(0, kibibytes('memory') - memoryReservedBytes / 1024)}Ki`,
    'ephemeral-storage': String(Math.floor(kibibytes('ephemeral-storage') * 1024 * (1 - diskReservedShare))),
  }
}

/** What a node says of its rooms, in kubelet's words. Process numbers are not looked at. */
const pressureTexts = [
  {
    type: 'MemoryPressure',
    enough: { reason: 'KubeletHasSufficientMemory', message: 'kubelet has sufficient memory available' },
    short: { reason: 'KubeletHasInsufficientMemory', message: 'kubelet has insufficient memory available' },
  },
  {
    type: 'DiskPressure',
    enough: { reason: 'KubeletHasNoDiskPressure', message: 'kubelet has no disk pressure' },
    short: { reason: 'KubeletHasDiskPressure', message: 'kubelet has disk pressure' },
  },
  {
    type: 'PIDPressure',
    enough: { reason: 'KubeletHasSufficientPID', message: 'kubelet has sufficient PID available' },
    short: { reason: 'KubeletHasInsufficientPID', message: 'kubelet has insufficient PID available' },
  },
]

function conditionsOf(
  { conditions, pressures }: RuntimeFacts,
  old: readonly NodeCondition[],
  nowMs: number,
): NodeCondition[] {
  const problem = runtimeProblem(conditions)
  const rooms = pressureTexts.map((room) =>
    pressures.has(room.type)
      ? { type: room.type, status: 'True', ...room.short }
      : { type: room.type, status: 'False', ...room.enough },
  )
  const ready =
    problem === undefined
      ? { type: 'Ready', status: 'True', reason: 'KubeletReady', message: 'kubelet is posting ready status' }
      : { type: 'Ready', status: 'False', reason: 'KubeletNotReady', message: problem }
  const now = formatTime(nowMs)
  return [...rooms, ready].map((next) => {
    const before = old.find(({ type }) => type === next.type)
    const since = before?.status === next.status ? before.lastTransitionTime : undefined
    return { ...next, lastHeartbeatTime: now, lastTransitionTime: since ?? now }
  })
}

function runtimeProblem(conditions: readonly RuntimeCondition[] | undefined): string | undefined {
  if (conditions === undefined) return 'container runtime is down'
  const missing = conditions.filter(({ status }) => !status)
  if (missing.length === 0) return undefined
  const about = { RuntimeReady: 'container runtime not ready', NetworkReady: 'container runtime network not ready' }
  return missing
    .map(({ type, reason, message }) => {
      const what = about[type as keyof typeof about] ?? type
      return `${what}: ${type}=false reason:${reason} message:${message}`
    })
    .join(', ')
}

function imagesOf(images: readonly RuntimeImage[]): { names: string[]; sizeBytes: number }[] {
  return images
    .map(({ repoTags, repoDigests, size }) => ({ names: [...repoDigests, ...repoTags], sizeBytes: Number(size) }))
    .filter(({ names }) => names.length > 0)
    .toSorted((a, b) => b.sizeBytes - a.sizeBytes)
    .slice(0, imagesMax)
}

function osImage(): string {
  const line = readText('/etc/os-release').match(/^PRETTY_NAME="?([^"\n]*)"?$/m)
  return line?.[1] ?? 'Linux'
}

function firstLine(file: string): string {
  return readText(file).split('\n')[0]?.trim() ?? ''
}

function readText(file: string): string {
  try {
    return readFileSync(file, 'utf8')
  } catch {
    return ''
  }
}

/** True when what changed is more than the time of the heartbeat, so that it is to be written at once (kubelet `nodeStatusHasChanged`). */
export function hasChanged(old: NodeStatus | undefined, next: NodeStatus): boolean {
  const text = (status: NodeStatus | undefined): string =>
    JSON.stringify(status, (key, value: unknown) => (key === 'lastHeartbeatTime' ? undefined : value))
  return text(old) !== text(next)
}

/** Milliseconds since the last heartbeat that was written; Infinity: there was none. */
export function msSinceHeartbeat(status: NodeStatus | undefined, nowMs: number): number {
  const atMs = parseTime(status?.conditions?.find(({ type }) => type === 'Ready')?.lastHeartbeatTime)
  return Number.isNaN(atMs) ? Number.POSITIVE_INFINITY : nowMs - atMs
}
