import { alreadyExists, notFound } from '@binnacle/apimachinery'
import type { BatchResult, BatchWrite } from '@binnacle/client'
import type { ResourceDefinition } from '@binnacle/resources'
import { describe, expect, it } from 'vitest'
import { NodeHeartbeat } from './node-heartbeat.ts'
import type { Timeline } from './timeline.ts'
import type { WriteBatcher } from './write-batcher.ts'

const leases = { group: 'coordination.k8s.io', plural: 'leases', kind: 'Lease' } as ResourceDefinition<any>
const nodes = { group: '', plural: 'nodes', kind: 'Node' } as ResourceDefinition<any>
const ok: BatchResult = { object: { apiVersion: 'v1', kind: 'Lease', metadata: { name: 'sim-0' } } }
const minutesMs = 60_000

/** One node's heartbeat, beaten by hand. */
class Bench {
  nowMs = 0
  readonly beats: number[] = []
  readonly heartbeat: NodeHeartbeat
  extra = 0

  constructor() {
    const timeline = { at: (atMs: number) => void this.beats.push(atMs) } as unknown as Timeline
    const batcher = { add: () => void this.extra++ } as unknown as WriteBatcher
    const environment = { leases, nodes, timeline, batcher, nowMs: () => this.nowMs, random: () => 0.5 }
    const identity = { index: 0, name: 'sim-0', address: '10.0.0.1', podCIDR: '10.128.0.0/24' }
    this.heartbeat = new NodeHeartbeat(environment, identity, 'uid-0', { renewedAtMs: 0, readySinceMs: 0 })
  }

  beat(atMs: number, ...results: BatchResult[]): string[] {
    this.nowMs = atMs
    const writes = this.heartbeat.takeWrites()
    this.heartbeat.written(results.length === 0 ? writes.map(() => ok) : results)
    return writes.map((w: BatchWrite) => `${w.verb} ${'resource' in w ? w.resource.plural : ''}`)
  }
}

describe('the heartbeat of a simulated node', () => {
  it('begins within the first period', () => {
    const bench = new Bench()
    bench.heartbeat.start()
    expect(bench.beats).toEqual([5000])
  })

  it('renews the lease alone', () => {
    expect(new Bench().beat(10_000)).toEqual(['patch leases'])
  })

  it('writes the conditions about every five minutes', () => {
    const bench = new Bench()
    const seconds = Array.from({ length: 120 }, (_, i) => 10 * (i + 1))
    expect(seconds.filter((s) => bench.beat(s * 1000).includes('patch nodes'))).toEqual([300, 600, 900, 1200])
  })

  it('makes the lease anew when somebody took it away', () => {
    const bench = new Bench()
    bench.beat(10_000, { error: notFound(leases, 'sim-0') })
    expect(bench.beat(20_000)).toEqual(['create leases'])
    expect(bench.beat(30_000)).toEqual(['patch leases'])
  })

  it('renews a lease that somebody else made', () => {
    const bench = new Bench()
    bench.beat(10_000, { error: notFound(leases, 'sim-0') })
    bench.beat(20_000, { error: alreadyExists(leases, 'sim-0') })
    expect(bench.beat(30_000)).toEqual(['patch leases'])
  })

  it('says at once that the node is ready when the lease had run out', () => {
    const bench = new Bench()
    bench.beat(10_000)
    bench.beat(20_000, { error: new Error('no connection') })
    bench.beat(minutesMs)
    expect(bench.extra).toBe(1)
    expect(bench.beat(minutesMs)).toEqual(['patch leases', 'patch nodes'])
    expect(bench.beat(minutesMs + 10_000)).toEqual(['patch leases'])
  })
})
