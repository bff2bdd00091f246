import { readFileSync } from 'node:fs'
import type { ContainerStats } from '../cri/messages.ts'
import { podNameLabel, podNamespaceLabel, podUIDLabel } from '../kubelet/runtime-view.ts'

/** Processor time and memory, as measured at one moment. */
export interface Usage {
  readonly timeMs: number
  /** Processor time since the start, in nanoseconds of one core. */
  readonly cpuNanoseconds: number
  /** Cores in use since the measurement before, in billionths; undefined: there was none. */
  readonly nanoCores: number | undefined
  /** Memory that cannot be taken back without harm, and all that is used; bytes. */
  readonly workingSetBytes: number
  readonly usageBytes: number
  readonly rssBytes: number
}

/** What one container uses. */
export interface ContainerUsage extends Usage {
  readonly id: string
  readonly name: string
  readonly podUID: string
  readonly podName: string
  readonly podNamespace: string
  /** Bytes that it has written over its image. */
  readonly rootfsBytes: number
}

/** What a node uses, and each container on it. */
export interface NodeMeasurement {
  readonly node: Usage
  readonly containers: readonly ContainerUsage[]
}

/** Where measurements come from. */
export interface UsageSource {
  listContainerStats(): Promise<readonly ContainerStats[]>
}

/** The kernel counts processor time in hundredths of a second (`USER_HZ`). */
const nanosecondsPerTick = 1e7

/** Measures again and again; of two measurements it makes the use of processors between them, which runtimes do not tell (`usageNanoCores` stays 0). */
export class UsageMeter {
  readonly #source: UsageSource
  #last: NodeMeasurement | undefined

  constructor(source: UsageSource) {
    this.#source = source
  }

  /** The last measurement. */
  get last(): NodeMeasurement | undefined {
    return this.#last
  }

  /** Measures now. Containers without processor or memory figures, which have ended, are left out. @throws Error when the runtime does not answer */
  async measure(): Promise<NodeMeasurement> {
    const before = this.#last
    const stats = await this.#source.listContainerStats()
    const old = new Map(before?.containers.map((usage) => [usage.id, usage]))
    const containers = stats.flatMap((each) => containerUsage(each, old) ?? [])
    this.#last = { node: nodeUsage(before?.node), containers }
    return this.#last
  }
}

function containerUsage(
  { attributes, cpu, memory, writableLayer }: ContainerStats,
  old: ReadonlyMap<string, Usage>,
): ContainerUsage | undefined {
  const { id, labels, metadata } = attributes
  const time = Number(cpu?.timestamp ?? 0) / 1e6
  if (!cpu?.usageCoreNanoSeconds || !memory?.workingSetBytes || time === 0) return undefined
  const cpuNanoseconds = Number(cpu.usageCoreNanoSeconds.value)
  return {
    ...{ id, name: metadata.name },
    ...{ podUID: labels[podUIDLabel] ?? '', podName: labels[podNameLabel] ?? '' },
    podNamespace: labels[podNamespaceLabel] ?? '',
    timeMs: time,
    cpuNanoseconds,
    nanoCores: rateOf(old.get(id), time, cpuNanoseconds),
    workingSetBytes: Number(memory.workingSetBytes.value),
    usageBytes: Number(memory.usageBytes?.value ?? memory.workingSetBytes.value),
    rssBytes: Number(memory.rssBytes?.value ?? 0),
    rootfsBytes: Number(writableLayer?.usedBytes?.value ?? 0),
  }
}

function rateOf(before: Usage | undefined, timeMs: number, cpuNanoseconds: number): number | undefined {
  if (before === undefined || timeMs <= before.timeMs) return undefined
  return Math.max(0, Math.round(((cpuNanoseconds - before.cpuNanoseconds) / (timeMs - before.timeMs)) * 1000))
}

function nodeUsage(before: Usage | undefined): Usage {
  const timeMs = Date.now()
  const cpuNanoseconds = busyNanoseconds(readFileSync('/proc/stat', 'utf8'))
  return {
    ...{ timeMs, cpuNanoseconds, nanoCores: rateOf(before, timeMs, cpuNanoseconds) },
    ...memoryOf(readFileSync('/proc/meminfo', 'utf8')),
  }
}

/** Processor time that was not idle, by /proc/stat: user, nice, system, (idle, iowait,) irq, softirq, steal. */
export function busyNanoseconds(text: string): number {
  const ticks = (/^cpu +(.*)$/m.exec(text)?.[1] ?? '').split(' ').map(Number)
  const [user = 0, nice = 0, system = 0, , , irq = 0, softirq = 0, steal = 0] = ticks
  return (user + nice + system + irq + softirq + steal) * nanosecondsPerTick
}

/** Memory by /proc/meminfo, as the kernel accounts of its root group: the working set is without pages of files that nobody has used lately. */
export function memoryOf(text: string): Pick<Usage, 'workingSetBytes' | 'usageBytes' | 'rssBytes'> {
  const bytes = (name: string): number => Number(new RegExp(`^${name}: +(\\d+)`, 'm').exec(text)?.[1] ?? 0) * 1024
  const usageBytes = bytes('MemTotal') - bytes('MemFree')
  const workingSetBytes = Math.max(0, usageBytes - bytes('Inactive\\(file\\)'))
  return { usageBytes, workingSetBytes, rssBytes: bytes('AnonPages') }
}
