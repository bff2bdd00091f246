import { describe, expect, it } from 'vitest'
import { ClusterState } from './cluster-state.ts'
import { backoffDefaults, backoffMs, SchedulingQueue, unschedulableMaxMs, type QueuedPod } from './queue.ts'
import type { SchedulablePod } from './scheduled-objects.ts'

const { shapes } = new ClusterState()

function pod(name: string, priority = 0, app = name): SchedulablePod {
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name, namespace: 'default', uid: name, labels: { app } },
    spec: { priority, containers: [{ name: 'main' }] },
  }
}

function queueOf(...pods: SchedulablePod[]): SchedulingQueue {
  const queue = new SchedulingQueue()
  for (const [i, p] of pods.entries()) queue.set(p, shapes.shapeOf(p), undefined, i)
  return queue
}

const names = (queue: SchedulingQueue): string[] => {
  const popped: string[] = []
  for (let next = queue.pop(); next !== undefined; next = queue.pop()) popped.push(next.uid)
  return popped
}

const always = (): boolean => true

describe('the scheduling queue', () => {
  it('gives pods of higher priority first, then those that wait longest', () => {
    expect(names(queueOf(pod('a'), pod('b', 5), pod('c'), pod('d', 5)))).toEqual(['b', 'd', 'a', 'c'])
  })

  it('keeps a gated pod back until it is told of it without gates', () => {
    const queue = new SchedulingQueue()
    const a = pod('a')
    queue.set(a, shapes.shapeOf(a), 'SchedulingGates', 0)
    expect(queue.pop()).toBeUndefined()
    queue.set(a, shapes.shapeOf(a), undefined, 1)
    expect(names(queue)).toEqual(['a'])
  })

  it('knows which plugin keeps a pod out, and when that is another one', () => {
    const queue = new SchedulingQueue()
    const a = pod('a')
    const keptBy = (plugin: string) => [...queue.gatedBy(plugin)].flatMap(([, pods]) => [...pods].map(({ uid }) => uid))
    queue.set(a, shapes.shapeOf(a), 'SchedulingGates', 0)
    queue.set(a, shapes.shapeOf(a), 'GangScheduling', 1)
    expect([keptBy('SchedulingGates'), keptBy('GangScheduling')]).toEqual([[], ['a']])
    queue.set(a, shapes.shapeOf(a), undefined, 2)
    expect([keptBy('GangScheduling'), names(queue)]).toEqual([[], ['a']])
  })

  it('forgets deleted pods in every state', () => {
    const queue = queueOf(pod('a'), pod('b'), pod('c'))
    queue.giveBackUnschedulable(queue.pop() as QueuedPod, 1, 0)
    queue.giveBackAfterError(queue.pop() as QueuedPod, 0)
    for (const uid of ['a', 'b', 'c']) queue.delete(uid)
    expect(queue.counts).toEqual({ active: 0, inFlight: 0, backingOff: 0, unschedulable: 0, gated: 0 })
  })

  it('leaves an unschedulable pod alone until an event may help it', () => {
    const queue = queueOf(pod('a'))
    queue.giveBackUnschedulable(queue.pop() as QueuedPod, 0b10, 0)
    queue.move((_, rejectors) => rejectors === 0b01, 60_000)
    expect(queue.counts.unschedulable).toBe(1)
    queue.move((_, rejectors) => rejectors === 0b10, 60_000)
    expect(names(queue)).toEqual(['a'])
  })

  it('backs off twice as long after each try, up to ten seconds', () => {
    expect([1, 2, 3, 4, 5, 50].map((attempts) => backoffMs(attempts, backoffDefaults))).toEqual([
      1000, 2000, 4000, 8000, 10_000, 10_000,
    ])
  })

  it('lets a pod that an event may help wait for the end of its back-off', () => {
    const queue = queueOf(pod('a'))
    queue.giveBackUnschedulable(queue.pop() as QueuedPod, 1, 0)
    queue.move(always, 400)
    expect([queue.counts.backingOff, queue.nextFlushMs]).toEqual([1, 1000])
    queue.flush(999)
    expect(queue.counts.backingOff).toBe(1)
    queue.flush(1000)
    expect(names(queue)).toEqual(['a'])
  })

  it('tries an unschedulable pod again after five minutes without an event', () => {
    const queue = queueOf(pod('a'))
    queue.giveBackUnschedulable(queue.pop() as QueuedPod, 1, 0)
    queue.flush(unschedulableMaxMs - 1)
    expect(queue.counts.unschedulable).toBe(1)
    queue.flush(unschedulableMaxMs)
    expect(names(queue)).toEqual(['a'])
  })

  it('judges an event once for all pods that are alike', () => {
    const queue = queueOf(pod('a', 0, 'web'), pod('b', 0, 'web'), pod('c', 0, 'db'))
    for (let i = 0; i < 3; i++) queue.giveBackUnschedulable(queue.pop() as QueuedPod, 1, 0)
    let judged = 0
    queue.move(() => ++judged > 0, 60_000)
    expect([judged, queue.counts.active]).toEqual([2, 3])
  })

  it('tries an unschedulable pod again when what scheduling reads of it changes, and not otherwise', () => {
    const queue = queueOf(pod('a'))
    queue.giveBackUnschedulable(queue.pop() as QueuedPod, 1, 0)
    const same = pod('a')
    queue.set(same, shapes.shapeOf(same), undefined, 60_000)
    expect(queue.counts.unschedulable).toBe(1)
    const other = pod('a', 0, 'other')
    queue.set(other, shapes.shapeOf(other), undefined, 60_000)
    expect(queue.counts.active).toBe(1)
  })

  it('ignores a pod given back that was deleted meanwhile', () => {
    const queue = queueOf(pod('a'))
    const a = queue.pop() as QueuedPod
    queue.delete('a')
    queue.giveBackUnschedulable(a, 1, 0)
    expect(queue.counts.unschedulable).toBe(0)
  })
})
