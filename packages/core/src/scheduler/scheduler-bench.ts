import { setImmediate as turn, setTimeout } from 'node:timers/promises'
import type { BatchResult, BatchWrite, Client } from '@binnacle/client'
import type { ResourceDefinition } from '@binnacle/resources'
import { expect } from 'vitest'
import type { PluginDefinition } from './framework.ts'
import { defaultProfile } from './profile.ts'
import { emptyInformers } from './reference/test-handle.ts'
import type { SchedulableNode, SchedulablePod } from './scheduled-objects.ts'
import { Scheduler } from './scheduler.ts'

/** Pods, as far as a scheduler asks of their definition. */
export const pods = { group: '', plural: 'pods', kind: 'Pod' } as ResourceDefinition<any>

/** A pod without a node that asks for so much cpu. */
export function pod(
  name: string,
  cpu = '1',
  change: { metadata?: object; spec?: object; status?: object } = {},
): SchedulablePod {
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name, namespace: 'default', uid: `uid-${name}`, ...change.metadata },
    spec: { containers: [{ name: 'c', resources: { requests: { cpu } } }], ...change.spec },
    ...(change.status === undefined ? {} : { status: change.status }),
  } as SchedulablePod
}

/** A node with so much cpu. */
export function node(name: string, cpu = '4'): SchedulableNode {
  return {
    apiVersion: 'v1',
    kind: 'Node',
    metadata: { name, labels: { 'kubernetes.io/hostname': name } },
    status: { allocatable: { cpu, memory: '8Gi', pods: '110' } },
  }
}

/** A scheduler whose writes are kept rather than made, and whose time stands still until told. */
export class SchedulerBench {
  nowMs = 0
  readonly writes: BatchWrite[] = []
  readonly batches: number[] = []
  readonly events: { type: string; reason: string; message: string }[] = []
  readonly scheduler: Scheduler
  answer: (write: BatchWrite) => BatchResult = () => ({ object: pod('written') })
  /** Resolved before requests are answered. */
  hold: Promise<void> = Promise.resolve()
  #timers: { atMs: number; callback: () => void }[] = []

  /** Lines of the log are no surprise. */
  mayComplain = false
  /** Verbs of writes that fail. */
  readonly failures: string[] = []

  /** `further` are plugins besides the usual ones, `options` what the scheduler is configured with. */
  constructor(further: readonly PluginDefinition[] = [], options: ConstructorParameters<typeof Scheduler>[2] = {}) {
    const client = {
      writeAll: async (writes: readonly BatchWrite[]) => {
        this.batches.push(writes.length)
        this.writes.push(...writes)
        await this.hold
        return writes.map((write) =>
          this.failures.includes(write.verb) ? { error: new Error('no connection') } : this.answer(write),
        )
      },
    } as unknown as Client
    this.scheduler = new Scheduler(
      {
        client,
        pods,
        nowMs: () => this.nowMs,
        setTimer: (callback, afterMs) => {
          const timer = { atMs: this.nowMs + afterMs, callback }
          this.#timers.push(timer)
          return () => void (this.#timers = this.#timers.filter((t) => t !== timer))
        },
        recordEvent: (_, type, reason, message) => void this.events.push({ type, reason, message }),
        log: (_, message) => void (this.mayComplain || this.failures.length > 0 || expect.unreachable(message)),
        informer: emptyInformers(),
      },
      (handle) => [defaultProfile(handle, 'default-scheduler', further)],
      options,
    )
    this.scheduler.start()
  }

  /** Lets things happen, over a real network too, until what is asked for holds. */
  async until(holds: () => boolean): Promise<this> {
    for (let tries = 0; !holds() && tries < 2000; tries++) await setTimeout(5)
    expect(holds()).toBe(true)
    return await this.settle()
  }

  /** Lets everything happen that can happen now. */
  async settle(): Promise<this> {
    for (let i = 0; i < 20; i++) await turn()
    return this
  }

  async pass(ms: number): Promise<this> {
    this.nowMs += ms
    const due = this.#timers.filter((t) => t.atMs <= this.nowMs)
    this.#timers = this.#timers.filter((t) => t.atMs > this.nowMs)
    for (const { callback } of due) callback()
    return await this.settle()
  }

  get bound(): string[] {
    return this.writes.flatMap((w) => (w.verb === 'bind' ? [`${w.pod.name} ${w.nodeName}`] : []))
  }

  get conditions(): string[] {
    return this.writes.flatMap((w) =>
      w.verb === 'patch' && 'body' in w.patch ? [JSON.stringify(w.patch.body.status)] : [],
    )
  }
}
