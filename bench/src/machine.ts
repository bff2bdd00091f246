import { readFileSync } from 'node:fs'
import { cpus, loadavg } from 'node:os'
import { setTimeout as sleep } from 'node:timers/promises'

const quietSampleMs = 1000
const quietShareMin = 0.9

/** What the figures were measured on. */
export interface Machine {
  readonly cores: number
  readonly cpu: string
  readonly memoryGigabytes: number
}

/** This machine. */
export function machine(): Machine {
  const kilobytes = Number(/MemTotal:\s+(\d+)/.exec(readFileSync('/proc/meminfo', 'utf8'))?.[1] ?? 0)
  return {
    cores: cpus().length,
    cpu: cpus()[0]?.model.trim() ?? 'unknown',
    memoryGigabytes: Math.round(kilobytes / 1024 / 1024),
  }
}

/** Waits at most so long until nine tenths of the processors' time are idle; gives the idle share it last saw. */
export async function waitUntilQuiet(msMax: number): Promise<number> {
  const deadlineMs = Date.now() + msMax
  for (;;) {
    const before = cpuTimes()
    await sleep(quietSampleMs)
    const after = cpuTimes()
    const idle = (after.idle - before.idle) / Math.max(1, after.all - before.all)
    if (idle >= quietShareMin || Date.now() >= deadlineMs) return idle
  }
}

/** The load average of the last minute. */
export function loadNow(): number {
  return loadavg()[0] ?? 0
}

function cpuTimes(): { idle: number; all: number } {
  let idle = 0
  let all = 0
  for (const { times } of cpus()) {
    idle += times.idle
    all += times.user + times.nice + times.sys + times.irq + times.idle
  }
  return { idle, all }
}
