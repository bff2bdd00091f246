import { setImmediate as turn } from 'node:timers/promises'
import type { BatchResult, BatchWrite, Client } from '@binnacle/client'
import { describe, expect, it } from 'vitest'
import { BatchWriter } from './batch-writer.ts'
import { Binder, type BindFailure } from './binder.ts'
import { ClusterState } from './cluster-state.ts'
import type { Plugin, Profile } from './framework.ts'
import { defaultBinder } from './plugins/default-binder.ts'
import { composeProfile } from './profile.ts'
import { SchedulingQueue, type QueuedPod } from './queue.ts'
import type { SchedulablePod } from './scheduled-objects.ts'
import { WaitingPods } from './waiting-pods.ts'

const pod: SchedulablePod = {
  apiVersion: 'v1',
  kind: 'Pod',
  metadata: { name: 'p', namespace: 'default', uid: 'p' },
  spec: { containers: [{ name: 'main' }] },
}

/** A binder with one pod that goes to node `a`, and a diary of what happened. */
class Bench {
  readonly diary: string[] = []
  readonly cluster = new ClusterState()
  readonly queue = new SchedulingQueue()
  readonly waiting = new WaitingPods((callback) => {
    this.timers.push(callback)
    return () => void (this.timers = this.timers.filter((t) => t !== callback))
  })
  readonly binder: Binder
  readonly writer: BatchWriter
  timers: (() => void)[] = []
  answer: BatchResult = { object: pod }

  constructor() {
    const writeAll = async (writes: readonly BatchWrite[]): Promise<BatchResult[]> => {
      this.diary.push(...writes.map((w) => w.verb))
      return writes.map(() => this.answer)
    }
    this.writer = new BatchWriter({ writeAll } as unknown as Client, () => {})
    this.binder = new Binder(this.cluster, this.writer, this.waiting, {
      bound: (_, nodeName) => void this.diary.push(`bound to ${nodeName}`),
      failed: ({ point, plugin, rejection }: BindFailure) =>
        void this.diary.push(`${point} ${plugin}: ${rejection.kind}: ${rejection.message}`),
    })
    this.cluster.table.setNode({ apiVersion: 'v1', kind: 'Node', metadata: { name: 'a' } })
  }

  async start(...plugins: Omit<Plugin, 'name'>[]): Promise<this> {
    const all = [...plugins, { bind: defaultBinder }].map((points) => ({ plugin: { name: 'P', ...points }, weight: 1 }))
    const profile: Profile = composeProfile('default-scheduler', () => all)
    const shape = this.cluster.shapes.shapeOf(pod)
    this.queue.set(pod, shape, undefined, 0)
    const queued = this.queue.pop() as QueuedPod
    this.binder.start(queued, profile, { cluster: this.cluster, pod, shape }, this.cluster.table.slotOf('a'))
    return await this.settle()
  }

  async settle(): Promise<this> {
    this.writer.flush()
    for (let i = 0; i < 5; i++) await turn()
    return this
  }
}

async function started(...plugins: Omit<Plugin, 'name'>[]): Promise<Bench> {
  return await new Bench().start(...plugins)
}

/** A reserve plugin that writes down what is asked of it. */
const reserving = (bench: Bench, name: string, refusal?: string): Omit<Plugin, 'name'> => ({
  reserve: {
    name,
    reserve() {
      bench.diary.push(`reserve ${name}`)
      return refusal === undefined ? undefined : { kind: 'unschedulable', message: refusal }
    },
    unreserve: () => void bench.diary.push(`unreserve ${name}`),
  },
})

const permitting = (verdict: 'allow' | { waitMs: number }, name = 'Gate'): Omit<Plugin, 'name'> => ({
  permit: { name, permit: () => (verdict === 'allow' ? verdict : { ...verdict, message: 'not yet' }) },
})

describe('the way from the decision to the binding', () => {
  it('is one write where no plugin has anything to do', async () => {
    expect((await started()).diary).toEqual(['bind', 'bound to a'])
  })

  it('gives back in reverse what was reserved when a plugin refuses', async () => {
    const bench = new Bench()
    await bench.start(reserving(bench, 'A'), reserving(bench, 'B', 'no volume'), reserving(bench, 'C'))
    expect(bench.diary).toEqual([
      'reserve A',
      'reserve B',
      'unreserve C',
      'unreserve B',
      'unreserve A',
      'Reserve B: unschedulable: no volume',
    ])
  })

  it('waits until every permit plugin that holds the pod allows it', async () => {
    const bench = await started(
      permitting({ waitMs: 1000 }, 'A'),
      permitting('allow', 'B'),
      permitting({ waitMs: 9 }, 'C'),
    )
    bench.waiting.allow('p', 'A')
    bench.waiting.allow('p', 'B')
    await bench.settle()
    expect(bench.diary).toEqual([])
    bench.waiting.allow('p', 'C')
    await bench.settle()
    expect([bench.diary, bench.timers]).toEqual([['bind', 'bound to a'], []])
  })

  it('turns a pod down that waits too long', async () => {
    const bench = new Bench()
    await bench.start(reserving(bench, 'A'), permitting({ waitMs: 15_000 }))
    for (const expire of bench.timers) expire()
    expect(bench.diary.slice(1)).toEqual([
      'unreserve A',
      'Permit Gate: unschedulable: rejected due to timeout after waiting 15s at plugin Gate',
    ])
  })

  it('binds after preBind, and only then', async () => {
    let finish = (): void => {}
    const preBind = { name: 'V', needsPreBind: () => true, preBind: () => new Promise<void>((r) => void (finish = r)) }
    const bench = await started({ preBind })
    expect(bench.diary).toEqual([])
    finish()
    await bench.settle()
    expect(bench.diary).toEqual(['bind', 'bound to a'])
  })

  it('gives back what was reserved when preBind fails', async () => {
    const bench = new Bench()
    const preBind = { name: 'V', needsPreBind: () => true, preBind: () => Promise.reject(new Error('no disk')) }
    await bench.start(reserving(bench, 'A'), { preBind })
    expect(bench.diary).toEqual(['reserve A', 'unreserve A', 'PreBind V: error: no disk'])
  })

  it('ends preBind when the pod is gone, and when it is stopped', async () => {
    const waitForEver = (_: unknown, signal: AbortSignal): Promise<void> =>
      new Promise((_resolve, reject) => signal.addEventListener('abort', () => reject(signal.reason as Error)))
    const preBind = { name: 'V', needsPreBind: () => true, preBind: waitForEver }
    const gone = await started({ preBind })
    gone.binder.cancel('p')
    const stopped = await started({ preBind })
    await Promise.all([gone.settle(), stopped.binder.stop()])
    expect([gone.diary, stopped.diary]).toEqual([
      ['PreBind V: error: the pod is gone'],
      ['PreBind V: error: the scheduler stops'],
    ])
  })

  it('leaves the binding to the first plugin that does not skip, and tells of it afterwards', async () => {
    const bench = new Bench()
    await bench.start(
      { bind: { name: 'A', bind: () => 'skip' } },
      { bind: { name: 'B', bind: async () => (bench.diary.push('B cannot'), 'skip' as const) } },
      { bind: { name: 'C', bind: async () => (bench.diary.push('C binds'), 'bound' as const) } },
      { postBind: { name: 'D', postBind: () => void bench.diary.push('D is told') } },
    )
    expect(bench.diary).toEqual(['B cannot', 'C binds', 'D is told', 'bound to a'])
  })

  it('says which plugin could not bind', async () => {
    const bench = new Bench()
    bench.answer = { error: new Error('no connection') }
    await bench.start()
    expect(bench.diary).toEqual(['bind', 'Bind DefaultBinder: error: no connection'])
  })
})
