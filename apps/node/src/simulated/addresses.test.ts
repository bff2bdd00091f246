import { describe, expect, it } from 'vitest'
import { hostBitsFor, nodeAddress, nodesMax, podCIDR, PodAddresses } from './addresses.ts'

describe('addresses', () => {
  it('of nodes are all different', () => {
    expect(new Set(Array.from({ length: 10_000 }, (_, i) => nodeAddress(i))).size).toBe(10_000)
    expect([nodeAddress(0), nodeAddress(249), nodeAddress(250)]).toEqual(['10.0.0.1', '10.0.0.250', '10.0.1.1'])
  })

  it('of pods lie in a range of each node that has room for them twice', () => {
    expect([hostBitsFor(110), hostBitsFor(250), hostBitsFor(1000)]).toEqual([8, 9, 11])
    expect([podCIDR(0, 8), podCIDR(257, 8), podCIDR(3, 10)]).toEqual([
      '10.128.0.0/24',
      '10.129.1.0/24',
      '10.128.12.0/22',
    ])
    expect(nodesMax(8)).toBe(32_768)
  })

  it('are given out once each until none is left', () => {
    const addresses = new PodAddresses('10.128.3.0/24')
    addresses.keep('10.128.3.7')
    const taken = Array.from({ length: 253 }, () => addresses.take())
    expect(new Set(taken).size).toBe(253)
    expect(taken).not.toContain('10.128.3.7')
    expect(taken).not.toContain('10.128.3.255')
    expect(taken.filter((a) => a === undefined)).toHaveLength(1)
  })

  it('rest after they were given back', () => {
    const addresses = new PodAddresses('10.128.3.0/24')
    const first = addresses.take() as string
    addresses.release(first)
    expect(addresses.take()).not.toBe(first)
  })
})
