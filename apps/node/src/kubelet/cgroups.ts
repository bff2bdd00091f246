import { existsSync, mkdirSync, readdirSync, rmdirSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { addQuantities, milliUnits, parseQuantity, type Quantity, wholeUnits } from '@binnacle/apimachinery'
import { type Pod as ApiPod, podLimitAmounts, podRequestAmounts, type ResourceRequirements } from '@binnacle/resources'
import type { LinuxContainerResources } from '../cri/messages.ts'
import type { Pod } from './pod.ts'

const cgroupRoot = '/sys/fs/cgroup'
const quotaPeriod = 100_000
const quotaMin = 1000
const sharesMin = 2
const sharesMax = 262_144
/** Controllers of the first version in which pods have a group. */
const controllersV1 = ['cpu', 'cpuacct', 'memory', 'pids', 'cpuset', 'blkio', 'devices', 'freezer', 'systemd']

/** The share of processor time for a request (`cm.MilliCPUToShares`). */
export function cpuShares(milliCpu: number): number {
  return Math.min(sharesMax, Math.max(sharesMin, Math.floor((milliCpu * 1024) / 1000)))
}

/** The quota in a period of 100 ms for a limit (`cm.MilliCPUToQuota`); 0: none. */
export function cpuQuota(milliCpu: number): number {
  return milliCpu === 0 ? 0 : Math.max(quotaMin, Math.floor((milliCpu * quotaPeriod) / 1000))
}

/** How readily the kernel ends a container's processes when memory runs out (`qos.GetContainerOOMScoreAdjust`). */
export function oomScoreAdjust(qosClass: string, memoryRequest: number, memoryCapacity: number): number {
  if (qosClass === 'Guaranteed') return -997
  if (qosClass === 'BestEffort') return 1000
  const score = 1000 - Math.floor((1000 * memoryRequest) / memoryCapacity)
  return Math.min(999, Math.max(3, score))
}

/** What a container may use (`generateLinuxContainerResources`). */
export function containerResources(
  { requests = {}, limits = {} }: ResourceRequirements,
  qosClass: string,
  memoryCapacity: number,
): LinuxContainerResources {
  const milli = (text: string | undefined): number => (text === undefined ? 0 : milliUnits(parseQuantity(text)))
  const bytes = (text: string | undefined): number => (text === undefined ? 0 : wholeUnits(parseQuantity(text)))
  const request = requests['cpu'] ?? limits['cpu']
  return {
    cpuPeriod: quotaPeriod,
    cpuQuota: cpuQuota(milli(limits['cpu'])),
    cpuShares: cpuShares(milli(request)),
    memoryLimitInBytes: bytes(limits['memory']),
    oomScoreAdj: oomScoreAdjust(qosClass, bytes(requests['memory']), memoryCapacity),
  }
}

/** The control groups of a node's pods, with the node's name in theirs, so that several nodes fit on one machine. */
export class PodCgroups {
  readonly #base: string
  readonly #isV2: boolean

  constructor(nodeName: string) {
    this.#base = `/kubepods-${nodeName}`
    this.#isV2 = existsSync(path.join(cgroupRoot, 'cgroup.controllers'))
  }

  /** The pod's group, as runtimes take it. */
  pathOf(podUID: string, qosClass: string): string {
    const parent = qosClass === 'Guaranteed' ? this.#base : `${this.#base}/${qosClass.toLowerCase()}`
    return `${parent}/pod${podUID}`
  }

  /** Makes the pod's group with the limits of the pod as a whole (`cm.ResourceConfigForPod`). */
  create(pod: Pod, qosClass: string): void {
    const group = this.pathOf(pod.metadata.uid ?? '', qosClass)
    const limits = podLimits(pod)
    if (this.#isV2) this.#createV2(group, limits)
    else this.#createV1(group, limits)
  }

  /** Removes the pod's group wherever it is. Nothing may run in it any more. */
  remove(podUID: string): void {
    for (const qosClass of ['Guaranteed', 'Burstable', 'BestEffort']) {
      const group = this.pathOf(podUID, qosClass)
      for (const root of this.#roots()) removeGroup(path.join(root, group))
    }
  }

  /** Removes the groups that held the pods. */
  removeAll(): void {
    for (const root of this.#roots()) removeGroup(path.join(root, this.#base))
  }

  #roots(): string[] {
    if (this.#isV2) return [cgroupRoot]
    return readdirSync(cgroupRoot, { withFileTypes: true })
      .filter((entry) => entry.isDirectory())
      .map(({ name }) => path.join(cgroupRoot, name))
  }

  #createV1(group: string, { shares, quota, memory }: PodLimits): void {
    for (const controller of controllersV1) {
      const place = path.join(cgroupRoot, controller, group)
      // A group of processors that has none of its own yet takes nothing: the runtime copies its parent's.
      if (controller === 'cpuset' || !existsSync(path.join(cgroupRoot, controller))) continue
      mkdirSync(place, { recursive: true })
      if (controller === 'cpu') write(place, 'cpu.shares', shares)
      if (controller === 'cpu' && quota !== undefined) write(place, 'cpu.cfs_quota_us', quota)
      if (controller === 'memory' && memory !== undefined) write(place, 'memory.limit_in_bytes', memory)
    }
  }

  #createV2(group: string, { shares, quota, memory }: PodLimits): void {
    let place = cgroupRoot
    for (const part of group.split('/').slice(1)) {
      write(place, 'cgroup.subtree_control', '+cpu +memory +pids')
      place = path.join(place, part)
      mkdirSync(place, { recursive: true })
    }
    write(place, 'cgroup.subtree_control', '+cpu +memory +pids')
    write(place, 'cpu.weight', Math.floor(1 + ((shares - 2) * 9999) / 262_142))
    if (quota !== undefined) write(place, 'cpu.max', `${quota} ${quotaPeriod}`)
    if (memory !== undefined) write(place, 'memory.max', memory)
  }
}

interface PodLimits {
  readonly shares: number
  /** undefined: some container has no limit. */
  readonly quota: number | undefined
  readonly memory: number | undefined
}

function podLimits(pod: Pod): PodLimits {
  const requests = podRequestAmounts(pod as ApiPod)
  const limits = podLimitAmounts(pod as ApiPod)
  const all = [...pod.spec.containers, ...(pod.spec.initContainers ?? [])]
  const isLimited = (name: string): boolean => all.every(({ resources }) => resources?.limits?.[name] !== undefined)
  const zero: Quantity = { nanos: 0n, format: 'DecimalSI' }
  const cpu = addQuantities(zero, limits.get('cpu') ?? zero)
  const memory = limits.get('memory') ?? zero
  return {
    shares: cpuShares(milliUnits(requests.get('cpu') ?? zero)),
    quota: isLimited('cpu') ? cpuQuota(milliUnits(cpu)) : undefined,
    memory: isLimited('memory') ? wholeUnits(memory) : undefined,
  }
}

function write(place: string, name: string, value: string | number): void {
  try {
    writeFileSync(path.join(place, name), String(value))
  } catch {
    // The kernel has no such controller here: containers have their own limits besides.
  }
}

function removeGroup(place: string): void {
  if (!existsSync(place)) return
  for (const entry of readdirSync(place, { withFileTypes: true })) {
    if (entry.isDirectory()) removeGroup(path.join(place, entry.name))
  }
  try {
    rmdirSync(place)
  } catch {
    // Something still runs in it; the next cleaning tries again.
  }
}
