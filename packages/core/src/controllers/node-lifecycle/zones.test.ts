import type { Node } from '@binnacle/resources'
import { aNode } from '@binnacle/testing'
import { describe, expect, it } from 'vitest'
import { evictionRateOf, Zones, zoneState } from './zones.ts'

const nodeIn = (zone: string, index: number, status: string): Node => ({
  ...aNode({ name: `${zone}-${index}`, labels: { 'topology.kubernetes.io/zone': zone } }),
  status: { conditions: [{ type: 'Ready', status }] },
})

/** Zones with so many ready and not ready nodes each. */
function zonesOf(counts: Record<string, readonly [ready: number, notReady: number]>): Zones {
  const zones = new Zones()
  for (const [zone, [ready, notReady]] of Object.entries(counts))
    for (let index = 0; index < ready + notReady; index++)
      zones.put(nodeIn(zone, index, index < ready ? 'True' : 'Unknown'))
  zones.takeDisturbed()
  return zones
}

describe('zoneState', () => {
  it.each([
    [0, 0, 'Normal'],
    [3, 0, 'Normal'],
    [0, 1, 'FullDisruption'],
    [1, 2, 'Normal'],
    [2, 3, 'PartialDisruption'],
    [9, 11, 'PartialDisruption'],
    [10, 10, 'Normal'],
  ])('with %i ready and %i lost nodes is %s', (ready, notReady, state) => {
    expect(zoneState(ready, notReady)).toBe(state)
  })
})

describe('evictionRateOf', () => {
  it.each([
    ['Normal', 10, 0.1],
    ['FullDisruption', 10, 0.1],
    ['PartialDisruption', 50, 0],
    ['PartialDisruption', 51, 0.01],
  ] as const)('in a zone of state %s and %i nodes is %d a second', (state, nodes, rate) => {
    expect(evictionRateOf(state, nodes)).toBe(rate)
  })
})

describe('Zones', () => {
  it('lets one node after another have its turn, each zone by itself', () => {
    const zones = zonesOf({ a: [5, 2], b: [5, 1] })
    expect(['a-5', 'a-6', 'b-5'].map((name) => zones.takeTurn(name, 1000))).toEqual([0, 10_000, 0])
    expect(zones.takeTurn('a-6', 11_000)).toBe(0)
  })

  it('lets a node keep the turn it has been given', () => {
    const zones = zonesOf({ a: [5, 2] })
    expect([zones.takeTurn('a-5', 0), zones.takeTurn('a-5', 1)]).toEqual([0, 0])
    zones.put(nodeIn('a', 5, 'True'))
    zones.put(nodeIn('a', 5, 'Unknown'))
    expect(zones.takeTurn('a-5', 3)).toBe(9997)
  })

  it('lets nobody have a turn in a small zone that has lost most of its nodes', () => {
    const zones = zonesOf({ a: [2, 2] })
    zones.put(nodeIn('a', 1, 'Unknown'))
    expect(zones.takeDisturbed().toSorted()).toEqual(['a-0', 'a-1', 'a-2', 'a-3'])
    expect(zones.takeTurn('a-1', 0)).toBe(Number.POSITIVE_INFINITY)
  })

  it('slows down by ten in a large zone', () => {
    const zones = zonesOf({ a: [20, 40] })
    expect([zones.takeTurn('a-30', 0), zones.takeTurn('a-31', 0)]).toEqual([0, 100_000])
  })

  it('tells when every zone is lost, and when one comes back', () => {
    const zones = zonesOf({ a: [0, 1], b: [1, 0] })
    expect(zones.allDisrupted).toBe(false)
    expect(zones.put(nodeIn('b', 0, 'Unknown'))).toBe(false)
    expect([zones.allDisrupted, zones.takeDisturbed().toSorted()]).toEqual([true, ['a-0', 'b-0']])
    expect(zones.put(nodeIn('a', 0, 'True'))).toBe(true)
    expect([zones.allDisrupted, zones.takeDisturbed().toSorted()]).toEqual([false, ['a-0', 'b-0']])
  })

  it('does not count nodes that are excluded', () => {
    const zones = zonesOf({ a: [0, 1] })
    const excluded = nodeIn('a', 1, 'True')
    excluded.metadata.labels = { ...excluded.metadata.labels, 'node.kubernetes.io/exclude-disruption': '' }
    zones.put(excluded)
    expect(zones.allDisrupted).toBe(true)
  })

  it('forgets nodes and zones that are gone', () => {
    const zones = zonesOf({ a: [0, 1], b: [1, 0] })
    zones.remove('b-0')
    expect(zones.allDisrupted).toBe(true)
    zones.remove('a-0')
    expect(zones.allDisrupted).toBe(false)
  })
})
