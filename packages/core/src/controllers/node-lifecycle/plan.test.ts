import type { Node } from '@binnacle/resources'
import { aNode } from '@binnacle/testing'
import { describe, expect, it } from 'vitest'
import { conditionTaints, evictionTaint, plannedLabels, plannedTaints, unknownConditions } from './plan.ts'

const nowMs = Date.UTC(2026, 0, 1)
const now = '2026-01-01T00:00:00Z'

function aNodeWith(conditions: Record<string, string>, taints: NonNullable<Node['spec']>['taints'] = []): Node {
  const list = Object.entries(conditions).map(([type, status]) => ({ type, status }))
  return { ...aNode(), spec: { taints }, status: { conditions: list } }
}

describe('conditionTaints', () => {
  it.each([
    [{ Ready: 'True' }, []],
    [{ Ready: 'False' }, ['node.kubernetes.io/not-ready']],
    [{ Ready: 'Unknown' }, ['node.kubernetes.io/unreachable']],
    [{ Ready: 'True', MemoryPressure: 'True' }, ['node.kubernetes.io/memory-pressure']],
    [{ Ready: 'True', DiskPressure: 'True' }, ['node.kubernetes.io/disk-pressure']],
    [{ Ready: 'True', PIDPressure: 'True' }, ['node.kubernetes.io/pid-pressure']],
    [{ Ready: 'True', NetworkUnavailable: 'True' }, ['node.kubernetes.io/network-unavailable']],
    [{ Ready: 'True', MemoryPressure: 'Unknown', NetworkUnavailable: 'False' }, []],
  ])('repeats %o as %o', (conditions, keys) => {
    expect(conditionTaints(aNodeWith(conditions as unknown as Record<string, string>))).toEqual(keys)
  })

  it('repeats that the node is cordoned', () => {
    const node = { ...aNode(), spec: { unschedulable: true } }
    expect(conditionTaints(node)).toEqual(['node.kubernetes.io/unschedulable'])
  })
})

describe('evictionTaint', () => {
  it.each([
    ['True', undefined],
    ['False', 'node.kubernetes.io/not-ready'],
    ['Unknown', 'node.kubernetes.io/unreachable'],
  ])('for a node whose Ready is %s is %s', (status, key) => {
    expect(evictionTaint(aNodeWith({ Ready: status }))).toBe(key)
  })

  it('is none for a node that has not reported yet', () => {
    expect(evictionTaint(aNodeWith({}))).toBeUndefined()
  })
})

describe('plannedTaints', () => {
  const notReady = 'node.kubernetes.io/not-ready'
  const unreachable = 'node.kubernetes.io/unreachable'
  const dedicated = { key: 'dedicated', value: 'gpu', effect: 'NoSchedule' }

  it('adds what is wanted behind the taints of others', () => {
    const wanted = { noSchedule: [notReady], noExecute: notReady }
    expect(plannedTaints(aNodeWith({}, [dedicated]), wanted, nowMs)).toEqual([
      dedicated,
      { key: notReady, effect: 'NoSchedule', timeAdded: now },
      { key: notReady, effect: 'NoExecute', timeAdded: now },
    ])
  })

  it('exchanges one eviction taint for the other', () => {
    const node = aNodeWith({}, [{ key: notReady, effect: 'NoExecute' }])
    const planned = plannedTaints(node, { noSchedule: [], noExecute: unreachable }, nowMs)
    expect(planned).toEqual([{ key: unreachable, effect: 'NoExecute', timeAdded: now }])
  })

  it('takes away what is no longer wanted, and nothing else', () => {
    const others = [dedicated, { key: notReady, effect: 'PreferNoSchedule' }]
    const node = aNodeWith({}, [...others, { key: unreachable, effect: 'NoSchedule' }])
    expect(plannedTaints(node, { noSchedule: [], noExecute: undefined }, nowMs)).toEqual(others)
  })

  it('is undefined when all is as it should be', () => {
    const node = aNodeWith({}, [dedicated, { key: notReady, effect: 'NoSchedule', timeAdded: 'before' }])
    expect(plannedTaints(node, { noSchedule: [notReady], noExecute: undefined }, nowMs)).toBeUndefined()
  })
})

describe('unknownConditions', () => {
  it('makes what the node has said Unknown, and says of the rest that it never said it', () => {
    const node = aNodeWith({ Ready: 'True', NetworkUnavailable: 'False' })
    const found = unknownConditions(node, nowMs)?.map(({ type, status, reason }) => [type, status, reason])
    expect(found).toEqual([
      ['Ready', 'Unknown', 'NodeStatusUnknown'],
      ['NetworkUnavailable', 'False', undefined],
      ['MemoryPressure', 'Unknown', 'NodeStatusNeverUpdated'],
      ['DiskPressure', 'Unknown', 'NodeStatusNeverUpdated'],
      ['PIDPressure', 'Unknown', 'NodeStatusNeverUpdated'],
    ])
  })

  it('is undefined for a node that is Unknown already', () => {
    const unknown = { Ready: 'Unknown', MemoryPressure: 'Unknown', DiskPressure: 'Unknown', PIDPressure: 'Unknown' }
    expect(unknownConditions(aNodeWith(unknown), nowMs)).toBeUndefined()
  })
})

describe('plannedLabels', () => {
  it('repeats operating system and architecture under their old names', () => {
    const labels = { 'kubernetes.io/os': 'linux', 'kubernetes.io/arch': 'arm64', 'beta.kubernetes.io/arch': 'amd64' }
    expect(plannedLabels(aNode({ labels }))).toEqual({
      ...labels,
      'beta.kubernetes.io/os': 'linux',
      'beta.kubernetes.io/arch': 'arm64',
    })
  })

  it('invents nothing', () => {
    expect(plannedLabels(aNode({ labels: { a: 'b' } }))).toBeUndefined()
  })
})
