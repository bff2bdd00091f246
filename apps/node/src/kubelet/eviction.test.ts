import { describe, expect, it } from 'vitest'
import type { ContainerUsage } from '../stats/usage-meter.ts'
import {
  type Candidate,
  evictionMessage,
  type NodeSignals,
  type Pressure,
  pressuresOf,
  rankForEviction,
  readSignals,
} from './eviction.ts'
import { EvictionLoop } from './eviction-loop.ts'
import type { Pod } from './pod.ts'

const mebibyte = 2 ** 20
const fine: NodeSignals = {
  ...{ memoryAvailable: 100 * mebibyte, diskAvailable: 10, diskCapacity: 100, inodesFree: 5, inodes: 100 },
}
const memory: Pressure = {
  ...{ condition: 'MemoryPressure', resource: 'memory', threshold: 100 * mebibyte, available: 50 * mebibyte },
}

function candidate(name: string, usedMi: number, spec: { priority?: number; memory?: string } = {}): Candidate {
  const requests = spec.memory === undefined ? {} : { memory: spec.memory }
  const pod = {
    metadata: { name },
    spec: {
      containers: [{ name: 'main', resources: { requests } }],
      ...(spec.priority === undefined ? {} : { priority: spec.priority }),
    },
  } as unknown as Pod
  return { pod, usage: [{ name: 'main', workingSetBytes: usedMi * mebibyte, rootfsBytes: 0 } as ContainerUsage] }
}

describe('what a node is short of', () => {
  it.each<[string, Partial<NodeSignals>, string[]]>([
    ['nothing at its thresholds', {}, []],
    ['memory', { memoryAvailable: 100 * mebibyte - 1 }, ['memory']],
    ['room on the disk', { diskAvailable: 9 }, ['ephemeral-storage']],
    ['inodes', { inodesFree: 4 }, ['inodes']],
    ['no inodes where they are not counted', { inodesFree: 0, inodes: 0 }, []],
    ['several', { memoryAvailable: 0, diskAvailable: 0 }, ['memory', 'ephemeral-storage']],
  ])('is %s', (_, signals, expected) => {
    expect(pressuresOf({ ...fine, ...signals }).map(({ resource }) => resource)).toEqual(expected)
  })

  it('is read from this machine', () => {
    const signals = readSignals('/')
    expect(signals.memoryAvailable).toBeGreaterThan(0)
    expect(signals.diskCapacity).toBeGreaterThan(signals.diskAvailable)
  })
})

describe('the order of eviction', () => {
  it.each<[string, Candidate[], string[]]>([
    ['those over their requests first', [candidate('a', 50, { memory: '60Mi' }), candidate('b', 10)], ['b', 'a']],
    ['then lower priorities', [candidate('a', 9, { priority: 5 }), candidate('b', 5, { priority: 1 })], ['b', 'a']],
    ['then those that are over by more', [candidate('a', 5), candidate('b', 9)], ['b', 'a']],
    ['critical ones never', [candidate('a', 99, { priority: 2_000_000_000 }), candidate('b', 1)], ['b']],
  ])('is: %s', (_, candidates, expected) => {
    expect(rankForEviction(candidates, memory).map(({ pod }) => pod.metadata.name)).toEqual(expected)
  })
})

it('says what was short, and which containers used more than they asked for', () => {
  const low = 'The node was low on resource: memory. Threshold quantity: 100Mi, available: 50Mi. '
  expect(evictionMessage(candidate('a', 20), memory)).toBe(
    `${low}Container main was using 20Mi, request is 0, has larger consumption of memory. `,
  )
  expect(evictionMessage(candidate('a', 20, { memory: '30Mi' }), memory)).toBe(low)
})

describe('a node under pressure', () => {
  function node(signals: NodeSignals) {
    const evicted: string[] = []
    const state = { signals, nowMs: 0, changes: 0, freed: 0 }
    const candidates = [candidate('small', 1), candidate('large', 9)]
    const loop = new EvictionLoop({
      signals: () => state.signals,
      usage: async () =>
        candidates.flatMap(({ pod, usage }) => usage.map((u) => ({ ...u, podUID: pod.metadata.name }))),
      pods: () =>
        candidates
          .map(({ pod }) => ({ ...pod, metadata: { ...pod.metadata, uid: pod.metadata.name } }))
          .filter(({ metadata }) => !evicted.includes(metadata.name)),
      evict: (pod) => void evicted.push(pod.metadata.name),
      freeImages: async () => void state.freed++,
      onChange: () => void state.changes++,
      nowMs: () => state.nowMs,
    })
    return { loop, evicted, state }
  }

  it('evicts one pod a look, and keeps its condition for five minutes after', async () => {
    const { loop, evicted, state } = node({ ...fine, memoryAvailable: 0 })
    await loop.check()
    expect([evicted, [...loop.conditions], state.changes]).toEqual([['large'], ['MemoryPressure'], 1])
    state.signals = fine
    state.nowMs = 299_000
    await loop.check()
    expect([evicted, [...loop.conditions], state.changes]).toEqual([['large'], ['MemoryPressure'], 1])
    state.nowMs = 300_000
    await loop.check()
    expect([evicted, [...loop.conditions], state.changes]).toEqual([['large'], [], 2])
  })

  it('removes unused images before pods when its disk is full', async () => {
    const { loop, evicted, state } = node({ ...fine, diskAvailable: 0 })
    await loop.check()
    expect([state.freed, evicted, [...loop.conditions]]).toEqual([1, ['small'], ['DiskPressure']])
  })
})
