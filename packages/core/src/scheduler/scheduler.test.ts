import { conflict, notFound } from '@binnacle/apimachinery'
import { describe, expect, it } from 'vitest'
import type { ClusterEvent } from './framework.ts'
import { node, pod, pods, SchedulerBench } from './scheduler-bench.ts'
import type { Scheduler } from './scheduler.ts'

describe('the scheduler', () => {
  it('binds a pod to a node that has room for it, and says so', async () => {
    const { bench, scheduler } = prepared()
    scheduler.nodeChanged(node('a'))
    scheduler.podChanged(pod('p'))
    await bench.settle()
    expect(bench.writes).toEqual([
      { verb: 'bind', pod: { namespace: 'default', name: 'p' }, podUID: 'uid-p', nodeName: 'a' },
    ])
    expect(bench.events).toEqual([
      { type: 'Normal', reason: 'Scheduled', message: 'Successfully assigned default/p to a' },
    ])
  })

  it('does nothing on the second pass', async () => {
    const { bench, scheduler } = prepared()
    scheduler.nodeChanged(node('a'))
    scheduler.podChanged(pod('p'))
    await bench.settle()
    scheduler.podChanged(pod('p', '1', { spec: { nodeName: 'a' } }))
    scheduler.podChanged(pod('p', '1', { spec: { nodeName: 'a' } }))
    scheduler.nodeChanged(node('a'))
    await bench.settle()
    expect(bench.bound).toEqual(['p a'])
  })

  it('writes the bindings of many pods together', async () => {
    const { bench, scheduler } = prepared()
    for (let i = 0; i < 10; i++) scheduler.nodeChanged(node(`n${i}`, '100'))
    for (let i = 0; i < 200; i++) scheduler.podChanged(pod(`p${i}`))
    await bench.settle()
    expect(bench.bound).toHaveLength(200)
    expect(bench.batches.length).toBeLessThan(20)
  })

  it('counts pods whose binding is still being written', async () => {
    const { bench, scheduler } = prepared()
    let release = (): void => {}
    bench.hold = new Promise((resolve) => void (release = resolve))
    scheduler.nodeChanged(node('a', '1'))
    scheduler.podChanged(pod('p'))
    await bench.settle()
    scheduler.podChanged(pod('q'))
    await bench.settle()
    expect(scheduler.figures.queue.unschedulable).toBe(1)
    release()
    await bench.settle()
    expect(bench.bound).toEqual(['p a'])
  })

  it('tells why a pod fits nowhere, once as long as nothing changes', async () => {
    const { bench, scheduler } = prepared()
    scheduler.nodeChanged(node('a', '500m'))
    scheduler.podChanged(pod('p'))
    await bench.settle()
    const message =
      '0/1 nodes are available: 1 Insufficient cpu. no new claims to deallocate, preemption: 0/1 nodes are available: 1 Preemption is not helpful for scheduling.'
    expect(bench.events.map((e) => [e.reason, e.message])).toEqual([['FailedScheduling', message]])
    expect(bench.conditions.map((c) => JSON.parse(c))).toEqual([
      {
        conditions: [
          {
            type: 'PodScheduled',
            status: 'False',
            lastTransitionTime: '1970-01-01T00:00:00Z',
            reason: 'Unschedulable',
            message,
          },
        ],
      },
    ])
    const status = { conditions: [{ type: 'PodScheduled', status: 'False', reason: 'Unschedulable', message }] }
    scheduler.podChanged(pod('p', '1', { status }))
    scheduler.nodeChanged(node('a', '600m'))
    await bench.pass(400_000)
    expect([scheduler.figures.decisions, bench.conditions.length]).toEqual([2, 1])
  })

  it('tries a waiting pod again when a node with room comes, after its back-off', async () => {
    const { bench, scheduler } = prepared()
    scheduler.podChanged(pod('p'))
    await bench.settle()
    expect(bench.events[0]?.message).toBe('no nodes available to schedule pods')
    scheduler.nodeChanged(node('a'))
    await bench.pass(999)
    expect(bench.bound).toEqual([])
    await bench.pass(1)
    expect(bench.bound).toEqual(['p a'])
  })

  it('tries a waiting pod again when another leaves room for it', async () => {
    const { bench, scheduler } = prepared()
    scheduler.nodeChanged(node('a', '1'))
    const other = pod('other', '1', { spec: { nodeName: 'a' } })
    scheduler.podChanged(other)
    scheduler.podChanged(pod('p'))
    await bench.settle()
    await bench.pass(10_000)
    scheduler.podDeleted(other)
    await bench.settle()
    expect(bench.bound).toEqual(['p a'])
  })

  it('takes a pod that has ended for gone', async () => {
    const { bench, scheduler } = prepared()
    scheduler.nodeChanged(node('a', '1'))
    scheduler.podChanged(pod('other', '1', { spec: { nodeName: 'a' }, status: { phase: 'Succeeded' } }))
    scheduler.podChanged(pod('p'))
    await bench.settle()
    expect(bench.bound).toEqual(['p a'])
  })

  it('forgets a binding that failed, and tries again after a pause', async () => {
    const { bench, scheduler } = prepared()
    bench.answer = (write) => (write.verb === 'bind' ? { error: new Error('no connection') } : { object: pod('p') })
    scheduler.nodeChanged(node('a', '1'))
    scheduler.podChanged(pod('p'))
    await bench.settle()
    expect([scheduler.cluster.placedCount, scheduler.figures.queue.backingOff]).toEqual([0, 1])
    expect(bench.conditions[0]).toContain('"reason":"SchedulerError"')
    bench.answer = () => ({ object: pod('p') })
    await bench.pass(1000)
    expect(bench.bound).toEqual(['p a', 'p a'])
  })

  it('forgets a pod that is gone when it is bound', async () => {
    const { bench, scheduler } = prepared()
    bench.answer = () => ({ error: notFound(pods, 'p') })
    scheduler.nodeChanged(node('a'))
    scheduler.podChanged(pod('p'))
    await bench.settle()
    expect([scheduler.cluster.placedCount, bench.events.length, scheduler.figures.queue.backingOff]).toEqual([0, 0, 0])
  })

  it('believes the pod where somebody else bound it first', async () => {
    const { bench, scheduler } = prepared()
    bench.answer = () => ({ error: conflict(pods, 'p') })
    scheduler.nodeChanged(node('a'))
    scheduler.nodeChanged(node('b'))
    scheduler.podChanged(pod('p'))
    await bench.settle()
    scheduler.podChanged(pod('p', '1', { spec: { nodeName: 'b' } }))
    await bench.pass(60_000)
    expect([bench.bound.length, bench.conditions.length]).toEqual([1, 0])
    expect(scheduler.cluster.placedPod('uid-p')?.nodeName).toBe('b')
  })

  it('knows what has changed of a pod meanwhile when its binding fails', async () => {
    const { bench, scheduler } = prepared()
    let release = (): void => {}
    bench.hold = new Promise((resolve) => void (release = resolve))
    bench.failures.push('bind')
    scheduler.nodeChanged(node('a'))
    scheduler.podChanged(pod('p'))
    await bench.settle()
    scheduler.podChanged(pod('p', '1', { metadata: { labels: { app: 'new' } } }))
    release()
    await bench.settle()
    const queued = scheduler.queue.get('uid-p')
    expect([queued?.state, queued?.pod.metadata.labels]).toEqual(['backingOff', { app: 'new' }])
    expect(queued?.shape).toBe(
      scheduler.cluster.shapes.shapeOf(pod('p', '1', { metadata: { labels: { app: 'new' } } })),
    )
  })

  it('does not take old news of a pod that it has just bound for a new pod', async () => {
    const { bench, scheduler } = prepared()
    scheduler.nodeChanged(node('a'))
    scheduler.podChanged(pod('p'))
    await bench.settle()
    scheduler.podChanged(pod('p', '1', { metadata: { labels: { late: 'label' } } }))
    await bench.settle()
    expect(bench.bound).toEqual(['p a'])
  })

  it('leaves alone pods of other schedulers, pods that wait at a gate and pods that are being deleted', async () => {
    const { bench, scheduler } = prepared()
    scheduler.nodeChanged(node('a'))
    scheduler.podChanged(pod('p', '1', { spec: { schedulerName: 'other' } }))
    scheduler.podChanged(pod('q', '1', { spec: { schedulingGates: [{ name: 'wait' }] } }))
    scheduler.podChanged(pod('r', '1', { metadata: { deletionTimestamp: '2026-01-01T00:00:00Z' } }))
    await bench.settle()
    expect(bench.bound).toEqual([])
    scheduler.podChanged(pod('q'))
    await bench.settle()
    expect(bench.bound).toEqual(['q a'])
  })

  it('makes room for a more important pod: marks and deletes the victim, promises the node, and binds once it is free', async () => {
    const { bench, scheduler } = prepared()
    scheduler.nodeChanged(node('a', '1'))
    const victim = pod('victim', '1', { spec: { nodeName: 'a', priority: 1 } })
    scheduler.podChanged(victim)
    const important = { spec: { priority: 10 } }
    scheduler.podChanged(pod('p', '1', important))
    await bench.settle()
    expect(bench.writes.map((w) => [w.verb, 'key' in w ? w.key.name : ''])).toEqual([
      ['patch', 'victim'],
      ['patch', 'p'],
      ['delete', 'victim'],
    ])
    expect(JSON.parse(bench.conditions[0] ?? '').conditions[0]).toMatchObject({
      type: 'DisruptionTarget',
      status: 'True',
      reason: 'PreemptionByScheduler',
      message: 'default-scheduler: preempting to accommodate a higher priority pod',
    })
    // In one patch, as kube-scheduler writes them.
    expect(JSON.parse(bench.conditions[1] ?? '')).toMatchObject({
      nominatedNodeName: 'a',
      conditions: [{ type: 'PodScheduled', status: 'False', reason: 'Unschedulable' }],
    })
    expect(bench.events.map((e) => [e.reason, e.message])).toEqual([
      ['FailedScheduling', '0/1 nodes are available: 1 Insufficient cpu.'],
      ['Preempted', 'Preempted by pod uid-p on node a'],
    ])
    // While the victim ends gracefully, nothing more is evicted; a less important pod does not get the room.
    scheduler.podDeleted(victim)
    scheduler.podChanged(pod('q', '1', { spec: { priority: 5 } }))
    await bench.settle()
    expect(bench.bound).toEqual([])
    await bench.pass(1000)
    expect(bench.bound).toEqual(['p a'])
  })

  it('does not say that a victim was preempted before it is, and tries again when it cannot be', async () => {
    const { bench, scheduler } = prepared()
    bench.failures.push('delete')
    scheduler.nodeChanged(node('a', '1'))
    scheduler.podChanged(pod('victim', '1', { spec: { nodeName: 'a', priority: 1 } }))
    scheduler.podChanged(pod('p', '1', { spec: { priority: 10 } }))
    await bench.settle()
    expect(bench.events.map((e) => e.reason)).toEqual(['FailedScheduling'])
    bench.failures.pop()
    await bench.pass(1000)
    expect(bench.events.map((e) => e.reason)).toEqual(['FailedScheduling', 'FailedScheduling', 'Preempted'])
  })

  it('does not try a pod again, and evicts nobody else for it, before its victim is being deleted', async () => {
    const { bench, scheduler } = prepared()
    let release = (): void => {}
    bench.hold = new Promise((resolve) => void (release = resolve))
    for (const name of ['a', 'b']) {
      scheduler.nodeChanged(node(name, '1'))
      scheduler.podChanged(pod(`on-${name}`, '1', { spec: { nodeName: name, priority: 1 } }))
    }
    scheduler.podChanged(pod('p', '1', { spec: { priority: 10 } }))
    await bench.settle()
    scheduler.nodeChanged(node('c', '1'))
    await bench.pass(60_000)
    const deleted = (): number => bench.writes.filter((w) => w.verb === 'delete').length
    expect([deleted(), scheduler.figures.decisions, bench.bound]).toEqual([0, 1, []])
    release()
    await bench.settle()
    // The event of the new node is not forgotten.
    await bench.pass(1000)
    expect([deleted(), bench.bound]).toEqual([1, ['p c']])
  })

  it('asks again of a gated pod after the events that its plugin names', async () => {
    let isOpen = false
    const gate = {
      name: 'Gate',
      preEnqueue: () => (isOpen ? undefined : 'closed'),
      mayHelp: (event: ClusterEvent) => event.type === 'nodeRemoved',
    }
    const bench = new SchedulerBench([{ name: 'Gate', create: () => ({ name: 'Gate', preEnqueue: gate }) }])
    const { scheduler } = bench
    for (const name of ['a', 'b']) scheduler.nodeChanged(node(name))
    scheduler.podChanged(pod('p'))
    isOpen = true
    scheduler.nodeChanged(node('c'))
    await bench.settle()
    expect([bench.bound, scheduler.figures.queue.gated]).toEqual([[], 1])
    scheduler.nodeDeleted(node('b'))
    scheduler.nodeDeleted(node('c'))
    await bench.settle()
    expect(bench.bound).toEqual(['p a'])
  })

  it('evicts nobody else for a pod whose promised node is being freed', async () => {
    const { bench, scheduler } = prepared()
    for (const name of ['a', 'b']) scheduler.nodeChanged(node(name, '1'))
    const condition = { type: 'DisruptionTarget', status: 'True', reason: 'PreemptionByScheduler' }
    const ending = { metadata: { deletionTimestamp: '2026-01-01T00:00:00Z' }, status: { conditions: [condition] } }
    scheduler.podChanged(pod('ending', '1', { ...ending, spec: { nodeName: 'a' } }))
    scheduler.podChanged(pod('other', '1', { spec: { nodeName: 'b' } }))
    scheduler.podChanged(pod('p', '1', { spec: { priority: 10 }, status: { nominatedNodeName: 'a' } }))
    await bench.settle()
    expect(bench.writes.filter((w) => w.verb === 'delete')).toEqual([])
    expect(bench.events[0]?.message).toBe(
      '0/2 nodes are available: 2 Insufficient cpu. no new claims to deallocate, preemption: not eligible due to a terminating pod on the nominated node.',
    )
  })

  it('lets others have a promised node once the pod is gone that it was promised', async () => {
    const { bench, scheduler } = prepared()
    scheduler.nodeChanged(node('a', '1'))
    const promised = pod('p', '1', {
      spec: { priority: 10, schedulingGates: [{ name: 'later' }] },
      status: { nominatedNodeName: 'a' },
    })
    scheduler.podChanged(promised)
    scheduler.podChanged(pod('q', '1', { spec: { priority: 5 } }))
    await bench.settle()
    await bench.pass(10_000)
    expect([bench.bound, scheduler.figures.queue.unschedulable]).toEqual([[], 1])
    scheduler.podDeleted(promised)
    await bench.settle()
    expect(bench.bound).toEqual(['q a'])
  })

  it('takes a promised node back for a pod that is more important still, and tries the other again', async () => {
    const { bench, scheduler } = prepared()
    scheduler.nodeChanged(node('a', '1'))
    scheduler.podChanged(pod('victim', '1', { spec: { nodeName: 'a' } }))
    scheduler.podChanged(pod('p', '1', { spec: { priority: 10 } }))
    await bench.settle()
    scheduler.podChanged(pod('urgent', '1', { spec: { priority: 20 } }))
    await bench.settle()
    const promises = bench.writes.flatMap((w) =>
      w.verb === 'patch' && 'body' in w.patch && 'nominatedNodeName' in (w.patch.body.status as object)
        ? [[w.key.name, (w.patch.body.status as { nominatedNodeName: unknown }).nominatedNodeName]]
        : [],
    )
    expect(promises).toEqual([
      ['p', 'a'],
      ['p', null],
      ['urgent', 'a'],
    ])
    expect(scheduler.figures.queue.backingOff).toBe(1)
  })

  it('says why preemption does not help', async () => {
    const { bench, scheduler } = prepared()
    scheduler.nodeChanged(node('small', '1'))
    scheduler.nodeChanged(node('full', '4'))
    scheduler.podChanged(pod('other', '4', { spec: { nodeName: 'full', priority: 10 } }))
    scheduler.podChanged(pod('p', '2', { spec: { priority: 10 } }))
    scheduler.podChanged(pod('polite', '2', { spec: { priority: 99, preemptionPolicy: 'Never' } }))
    await bench.settle()
    expect(bench.events.map((e) => e.message).sort()).toEqual([
      '0/2 nodes are available: 2 Insufficient cpu. no new claims to deallocate, preemption: 0/2 nodes are available: 1 No preemption victims found for incoming pod, 1 Preemption is not helpful for scheduling.',
      '0/2 nodes are available: 2 Insufficient cpu. no new claims to deallocate, preemption: not eligible due to preemptionPolicy=Never.',
    ])
  })

  it('tells no more in an event than fits, and all of it in the condition', async () => {
    const { bench, scheduler } = prepared()
    const effect = 'NoSchedule'
    for (let i = 0; i < 40; i++)
      scheduler.nodeChanged({ ...node(`n${i}`), spec: { taints: [{ key: `example.com/a-long-taint-${i}`, effect }] } })
    scheduler.podChanged(pod('p'))
    await bench.settle()
    const { message } = JSON.parse(bench.conditions[0] ?? '').conditions[0]
    expect([message.length > 1024, bench.events[0]?.message]).toEqual([true, `${message.slice(0, 1020)} ...`])
  })

  it('decides nothing while it is stopped', async () => {
    const { bench, scheduler } = prepared()
    await scheduler.stop()
    scheduler.nodeChanged(node('a'))
    scheduler.podChanged(pod('p'))
    await bench.settle()
    expect(bench.writes).toEqual([])
    scheduler.start()
    await bench.settle()
    expect(bench.bound).toEqual(['p a'])
  })
})

function prepared(): { bench: SchedulerBench; scheduler: Scheduler } {
  const bench = new SchedulerBench()
  return { bench, scheduler: bench.scheduler }
}
