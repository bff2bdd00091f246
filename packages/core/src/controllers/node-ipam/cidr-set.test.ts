import { describe, expect, it } from 'vitest'
import { CidrSet, formatCidr, parseCidr } from './cidr-set.ts'

const taken = (set: CidrSet, count: number): string[] =>
  Array.from({ length: count }, () => set.allocate()).map((cidr) => (cidr === undefined ? 'none' : formatCidr(cidr)))

describe('a range', () => {
  it.each([
    ['10.244.3.7/16', '10.244.0.0/16'],
    ['0.0.0.0/0', '0.0.0.0/0'],
    ['fd00:10:244::/56', 'fd00:10:244::/56'],
    ['fd00:0:0:1:0:0:0:9/64', 'fd00:0:0:1::/64'],
    ['::/0', '::/0'],
    ['::ffff:10.0.0.1/128', '::ffff:a00:1/128'],
    ['1:0:0:2:0:0:0:3/128', '1:0:0:2::3/128'],
    ['1:0:2:3:4:5:6:7/128', '1:0:2:3:4:5:6:7/128'],
  ])('%s is written %s', (given, text) => {
    expect(formatCidr(parseCidr(given))).toBe(text)
  })

  it.each(['10.0.0.0', '10.0.0/8', '10.0.0.0/33', 'fd00::/129', '10.0.0.0/8/8', 'x/8'])('is not %s', (text) => {
    expect(() => parseCidr(text)).toThrow(`invalid CIDR address: ${text}`)
  })
})

describe('the ranges of a cluster', () => {
  it('are given one after the other, and again once they are free', () => {
    const set = new CidrSet(parseCidr('10.244.0.0/22'), 24)
    expect(taken(set, 2)).toEqual(['10.244.0.0/24', '10.244.1.0/24'])
    set.release(parseCidr('10.244.0.0/24'))
    expect(taken(set, 4)).toEqual(['10.244.2.0/24', '10.244.3.0/24', '10.244.0.0/24', 'none'])
  })

  it('are given without those that are taken, whatever their size', () => {
    const set = new CidrSet(parseCidr('10.244.0.0/21'), 24)
    expect(set.occupy(parseCidr('10.244.1.0/24'))).toBe(true)
    expect(set.occupy(parseCidr('10.244.2.128/25'))).toBe(true)
    expect(set.occupy(parseCidr('10.244.4.0/23'))).toBe(true)
    expect(set.occupy(parseCidr('10.245.0.0/24'))).toBe(false)
    expect(set.occupy(parseCidr('fd00::/64'))).toBe(false)
    expect(taken(set, 5)).toEqual(['10.244.0.0/24', '10.244.3.0/24', '10.244.6.0/24', '10.244.7.0/24', 'none'])
  })

  it('are all taken by one that holds them', () => {
    const set = new CidrSet(parseCidr('10.244.0.0/22'), 24)
    set.occupy(parseCidr('10.0.0.0/8'))
    expect(set.allocate()).toBeUndefined()
  })

  it('may be of IPv6', () => {
    const set = new CidrSet(parseCidr('fd00:10:244::/56'), 64)
    expect(taken(set, 2)).toEqual(['fd00:10:244::/64', 'fd00:10:244:1::/64'])
  })

  it('are neither greater than the whole nor too many', () => {
    expect(() => new CidrSet(parseCidr('10.244.0.0/24'), 16)).toThrow('does not fit')
    expect(() => new CidrSet(parseCidr('10.0.0.0/8'), 33)).toThrow('does not fit')
    expect(() => new CidrSet(parseCidr('fd00::/48'), 65)).toThrow('too big')
  })
})
