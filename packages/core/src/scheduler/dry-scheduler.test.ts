import { describe, expect, it } from 'vitest'
import { DryScheduler } from './dry-scheduler.ts'
import type { SchedulablePod } from './scheduled-objects.ts'

function pod(name: string, cpu: string, priority: number): SchedulablePod {
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name, namespace: 'one', uid: name },
    spec: { priority, containers: [{ name: 'a', resources: { requests: { cpu } } }] },
  }
}

describe('DryScheduler', () => {
  it('places pods until nothing fits, and then makes room for more important ones', () => {
    const scheduler = new DryScheduler()
    for (const name of ['a', 'b'])
      scheduler.setNode({
        apiVersion: 'v1',
        kind: 'Node',
        metadata: { name },
        status: { allocatable: { cpu: '2', memory: '8Gi', pods: '10' } },
      })
    const first = scheduler.decide(pod('low-0', '2', 0))
    const second = scheduler.decide(pod('low-1', '2', 0))
    expect([first, second].sort()).toEqual(['a', 'b'])
    expect(scheduler.decide(pod('low-2', '1', 0))).toBeUndefined()
    expect(['a', 'b']).toContain(scheduler.decide(pod('high-0', '2', 10)))
    expect(['a', 'b']).toContain(scheduler.decide(pod('high-1', '2', 10)))
    expect(scheduler.decide(pod('high-2', '2', 10))).toBeUndefined()
  })
})
