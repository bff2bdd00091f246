import { readFileSync, statfsSync } from 'node:fs'
import { formatQuantity, parseQuantity, wholeUnits } from '@binnacle/apimachinery'
import { type ContainerUsage, memoryOf } from '../stats/usage-meter.ts'
import { containersOf, type Pod } from './pod.ts'

/** What a node may run out of: bytes, and inodes. */
export interface NodeSignals {
  readonly memoryAvailable: number
  readonly diskAvailable: number
  readonly diskCapacity: number
  readonly inodesFree: number
  readonly inodes: number
}

/** Something that the node is short of. */
export interface Pressure {
  /** The node's condition, and its taint (`MemoryPressure`, `DiskPressure`). */
  readonly condition: 'MemoryPressure' | 'DiskPressure'
  readonly resource: 'memory' | 'ephemeral-storage' | 'inodes'
  readonly threshold: number
  readonly available: number
}

/** Below these, pods are evicted (kubelet's `evictionHard` by default). */
const memoryMin = 100 * 2 ** 20
const diskShareMin = 0.1
const inodesShareMin = 0.05
/** Pods of this priority or higher are never evicted (`scheduling.SystemCriticalPriority`). */
const criticalPriority = 2_000_000_000

/** Reads what is left. `directory`: on the file system of volumes, logs and images. */
export function readSignals(directory: string): NodeSignals {
  const text = readFileSync('/proc/meminfo', 'utf8')
  const total = Number(/^MemTotal: +(\d+)/m.exec(text)?.[1] ?? 0) * 1024
  const { bavail, blocks, bsize, ffree, files } = statfsSync(directory)
  return {
    memoryAvailable: total - memoryOf(text).workingSetBytes,
    ...{ diskAvailable: bavail * bsize, diskCapacity: blocks * bsize, inodesFree: ffree, inodes: files },
  }
}

/** What the node is short of, memory first (kubelet `thresholdsMet`). File systems that count no inodes never run out of them. */
export function pressuresOf(signals: NodeSignals): Pressure[] {
  const { diskAvailable, diskCapacity, inodes, inodesFree, memoryAvailable } = signals
  const all: readonly Pressure[] = [
    { condition: 'MemoryPressure', resource: 'memory', threshold: memoryMin, available: memoryAvailable },
    {
      ...{ condition: 'DiskPressure', resource: 'ephemeral-storage' },
      ...{ threshold: Math.floor(diskCapacity * diskShareMin), available: diskAvailable },
    },
    {
      ...{ condition: 'DiskPressure', resource: 'inodes' },
      ...{ threshold: Math.floor(inodes * inodesShareMin), available: inodesFree },
    },
  ]
  return all.filter(({ available, threshold }) => available < threshold)
}

/** A pod that may be evicted, and the use of its containers. */
export interface Candidate {
  readonly pod: Pod
  readonly usage: readonly ContainerUsage[]
}

/**
 * The pods that may be evicted, in the order in which they are: those that use more than they asked for first, then by priority, then by how much more
 * (kubelet `rankMemoryPressure`, `rankDiskPressure`). Critical ones are not among them.
 */
export function rankForEviction(candidates: readonly Candidate[], { resource }: Pressure): readonly Candidate[] {
  const ranked = candidates
    .filter(({ pod }) => priorityOf(pod) < criticalPriority)
    .map((candidate) => ({ candidate, excess: excessOf(candidate, resource), priority: priorityOf(candidate.pod) }))
  return ranked
    .toSorted((a, b) => Number(b.excess > 0) - Number(a.excess > 0) || a.priority - b.priority || b.excess - a.excess)
    .map(({ candidate }) => candidate)
}

const priorityOf = ({ spec }: Pod): number => spec.priority ?? 0

function excessOf({ pod, usage }: Candidate, resource: Pressure['resource']): number {
  const used = usage.reduce((sum, each) => sum + usedBy(each, resource), 0)
  return used - containersOf(pod).reduce((sum, { name }) => sum + requestOf(pod, name, resource), 0)
}

function usedBy({ workingSetBytes, rootfsBytes }: ContainerUsage, resource: Pressure['resource']): number {
  return resource === 'memory' ? workingSetBytes : rootfsBytes
}

function requestOf(pod: Pod, name: string, resource: Pressure['resource']): number {
  const request = containersOf(pod).find((container) => container.name === name)?.resources?.requests?.[resource]
  return request === undefined ? 0 : wholeUnits(parseQuantity(request))
}

const bytesText = (bytes: number): string =>
  formatQuantity({ nanos: BigInt(Math.max(0, Math.floor(bytes / 1024))) * 1024n * 1_000_000_000n, format: 'BinarySI' })

/** Why a pod was evicted, in kubelet's words (`evictionMessage`). */
export function evictionMessage({ pod, usage }: Candidate, { available, resource, threshold }: Pressure): string {
  const text = resource === 'inodes' ? String : bytesText
  const head = `The node was low on resource: ${resource}. Threshold quantity: ${text(threshold)}, available: ${text(available)}. `
  if (resource === 'inodes') return head
  const parts = usage
    .filter((each) => usedBy(each, resource) > requestOf(pod, each.name, resource))
    .map((each) => {
      const request = requestOf(pod, each.name, resource)
      const used = bytesText(usedBy(each, resource))
      return `Container ${each.name} was using ${used}, request is ${request === 0 ? '0' : bytesText(request)}, has larger consumption of ${resource}. `
    })
  return head + parts.join('')
}
