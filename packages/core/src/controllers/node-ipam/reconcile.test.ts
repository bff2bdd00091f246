import { events, nodes } from '@binnacle/resources'
import { aNode } from '@binnacle/testing'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { ControllerBench } from '../controller-bench.ts'
import { expectSameEndOnStaleViews, expectSameEndWhereverKilled, type Scenario } from '../crash-points.ts'
import { type NodeAddressing, nodeIpamController } from './reconcile.ts'

const addressing: NodeAddressing = {
  clusterCidrs: ['10.244.0.0/22'],
  serviceCidrs: ['10.244.0.0/24'],
  nodeMaskSizeIPv4: 24,
  nodeMaskSizeIPv6: 64,
}
let bench: ControllerBench
const benchWith = (over: Partial<NodeAddressing> = {}): ControllerBench =>
  new ControllerBench({ controllers: () => [nodeIpamController({ ...addressing, ...over })] })

beforeEach(() => {
  vi.useFakeTimers({ now: Date.UTC(2026, 0, 1) })
  bench = benchWith()
})
afterEach(async () => {
  await bench.stop()
  vi.useRealTimers()
})

const seed = (name: string, ...podCIDRs: string[]) =>
  bench.cluster.seed(nodes, {
    ...aNode({ name }),
    spec: podCIDRs.length === 0 ? {} : { podCIDR: podCIDRs[0] as string, podCIDRs },
  })
const ranges = (of = bench) =>
  Object.fromEntries(of.cluster.all(nodes).map(({ metadata, spec }) => [metadata.name, spec?.podCIDRs?.join(' ')]))

describe('nodes', () => {
  it('get a range each, but none of Services', async () => {
    seed('a')
    seed('b')
    await bench.start()
    expect(ranges()).toEqual({ a: '10.244.1.0/24', b: '10.244.2.0/24' })
    expect(bench.cluster.all(nodes)[0]?.spec?.podCIDR).toBe('10.244.1.0/24')
  })

  it('keep those that they bring', async () => {
    seed('a')
    seed('b', '10.244.1.0/24')
    seed('c', '192.168.0.0/24')
    await bench.start()
    expect(ranges()).toEqual({ a: '10.244.2.0/24', b: '10.244.1.0/24', c: '192.168.0.0/24' })
  })

  it('leave theirs to others when they go', async () => {
    for (const name of ['a', 'b', 'c']) seed(name)
    await bench.start()
    bench.cluster.remove(nodes, { namespace: '', name: 'b' })
    await bench.settle()
    seed('d')
    await bench.settle()
    expect(ranges()).toEqual({ a: '10.244.1.0/24', c: '10.244.3.0/24', d: '10.244.2.0/24' })
  })

  it('wait when none is left, and are told of it', async () => {
    for (const name of ['a', 'b', 'c', 'd']) seed(name)
    await bench.start()
    expect(ranges()['d']).toBeUndefined()
    expect(bench.cluster.all(events)[0]).toMatchObject({
      type: 'Normal',
      reason: 'CIDRNotAvailable',
      message: 'Node d status is now: CIDRNotAvailable',
    })
    bench.cluster.remove(nodes, { namespace: '', name: 'a' })
    await bench.pass(60_000)
    expect(ranges()['d']).toBe('10.244.1.0/24')
  })

  it('get one of each family', async () => {
    bench = benchWith({ clusterCidrs: ['10.244.0.0/16', 'fd00:10:244::/56'], serviceCidrs: [] })
    seed('a')
    seed('b')
    await bench.start()
    expect(ranges()).toEqual({ a: '10.244.0.0/24 fd00:10:244::/64', b: '10.244.1.0/24 fd00:10:244:1::/64' })
  })

  it('get nothing anew when the controller begins anew', async () => {
    seed('a')
    await bench.start()
    const writes = bench.writesFromHere()
    await bench.stop()
    await bench.start()
    expect(writes()).toEqual([])
  })
})

it.each([[[]], [['10.0.0.0/16', '10.1.0.0/16']], [['10.0.0.0/16', 'fd00::/56', 'fd01::/56']]])(
  'ranges like %j are refused',
  (clusterCidrs) => {
    expect(() => nodeIpamController({ ...addressing, clusterCidrs })).toThrow(
      'one range, or one of IPv4 and one of IPv6',
    )
  },
)

describe('the ranges of nodes that come and go', () => {
  // Whoever sees a step of it never sees two nodes with the same range.
  const scenario: Scenario = {
    controllers: () => [nodeIpamController({ ...addressing, clusterCidrs: ['10.244.0.0/16'] })],
    compares: [nodes],
    ignores: ['podCIDR', 'podCIDRs'],
    async run(story) {
      const expectDistinct = (): void => {
        const all = story.cluster.all(nodes).flatMap(({ spec }) => spec?.podCIDRs ?? [])
        expect(new Set(all).size).toBe(all.length)
      }
      for (const name of ['a', 'b', 'c']) story.cluster.seed(nodes, aNode({ name }))
      await story.start()
      expectDistinct()
      story.cluster.remove(nodes, { namespace: '', name: 'a' })
      story.cluster.seed(nodes, aNode({ name: 'd' }))
      await story.settle()
      await story.pass(60_000)
      expectDistinct()
      expect(Object.values(ranges(story))).toEqual(Array(3).fill(expect.stringMatching(/^10\.244\.\d+\.0\/24$/)))
    },
  }

  it('are distinct wherever the controller is killed', () => expectSameEndWhereverKilled(scenario))
  it('are distinct on stale views', () => expectSameEndOnStaleViews(scenario, [1, 2, 3, 4, 5]))
})
