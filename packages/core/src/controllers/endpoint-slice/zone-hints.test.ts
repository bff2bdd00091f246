import { aNode } from '@binnacle/testing'
import type { EndpointSlice } from '@binnacle/resources'
import { describe, expect, it } from 'vitest'
import { ZoneCapacity } from './zone-capacity.ts'
import { allocationsFor, hintSlices, isOverloaded } from './zone-hints.ts'

const even = new Map([
  ['a', 0.5],
  ['b', 0.5],
])
const thirds = new Map(['a', 'b', 'c'].map((zone) => [zone, 1 / 3]))

/** A slice of ready endpoints, in these zones, with hints at those (`a`, or `a>b` for one that is used elsewhere). */
function slice(name: string, ...zones: string[]): EndpointSlice {
  const endpoints = zones.map((text) => {
    const [zone = '', hint] = text.split('>')
    return {
      addresses: ['10.0.0.1'],
      conditions: { ready: true },
      ...(zone === '' ? {} : { zone }),
      ...(hint === undefined ? {} : { hints: { forZones: [{ name: hint }] } }),
    }
  })
  return {
    apiVersion: 'discovery.k8s.io/v1',
    kind: 'EndpointSlice',
    metadata: { name },
    addressType: 'IPv4',
    endpoints,
  }
}
function hintsOf({ endpoints = [] }: EndpointSlice): string {
  return endpoints.map(({ zone, hints }) => `${zone}>${hints?.forZones?.[0]?.name ?? ''}`).join(' ')
}

describe('the shares of zones', () => {
  const node = (name: string, zone: string | undefined, cpu = '4', over: object = {}) => {
    const made = aNode({
      name,
      labels: { ...(zone === undefined ? {} : { 'topology.kubernetes.io/zone': zone }), ...over },
    })
    return { ...made, status: { ...made.status, allocatable: { cpu } } }
  }
  const capacityOf = (...nodes: ReturnType<typeof node>[]): ZoneCapacity => {
    const capacity = new ZoneCapacity()
    for (const one of nodes) capacity.put(one)
    return capacity
  }

  it('are those of the CPU of their nodes', () => {
    const capacity = capacityOf(node('1', 'b', '3'), node('2', 'a', '500m'), node('3', 'a', '500m'))
    expect([...(capacity.ratios() ?? [])]).toEqual([
      ['a', 0.25],
      ['b', 0.75],
    ])
    capacity.remove('3')
    capacity.put(node('1', 'b', '1500m'))
    expect(capacity.ratios()?.get('a')).toBe(0.25)
  })

  it('leave out control planes and nodes that are not ready', () => {
    const away = { ...node('away', undefined), status: { conditions: [{ type: 'Ready', status: 'False' }] } }
    const control = node('control', undefined, '4', { 'node-role.kubernetes.io/control-plane': '' })
    expect(capacityOf(away as never, control, node('1', 'a'), node('2', 'b')).ratios()?.size).toBe(2)
  })

  it.each([
    ['a node without a zone', node('x', undefined)],
    ['a node without CPU', node('x', 'a', '0')],
  ])('are not known with %s', (_what, odd) => {
    const capacity = capacityOf(node('1', 'a'), node('2', 'b'), odd)
    expect(capacity.ratios()).toBeUndefined()
    capacity.remove('x')
    expect(capacity.ratios()?.size).toBe(2)
  })

  it('are not known of a single zone', () => {
    expect(capacityOf(node('1', 'a'), node('2', 'a')).ratios()).toBeUndefined()
  })
})

describe('how many endpoints a zone has', () => {
  it('is within a fifth of what would be even', () => {
    expect(allocationsFor(even, 4)).toEqual(
      new Map([
        ['a', { minimum: 2, maximum: 2, desired: 2 }],
        ['b', { minimum: 2, maximum: 2, desired: 2 }],
      ]),
    )
    expect(allocationsFor(even, 7)).toMatchObject(
      new Map([
        ['a', { minimum: 3, maximum: 4, desired: 3.5 }],
        ['b', { minimum: 3, maximum: 4, desired: 3.5 }],
      ]),
    )
  })

  it.each([
    [undefined, 9, 'Insufficient Node information: allocatable CPU or zone not specified on one or more nodes'],
    [thirds, 2, 'Insufficient number of endpoints (2 endpoints, 3 zones)'],
    [
      even,
      3,
      'Unable to allocate minimum required endpoints to each zone without exceeding overload threshold (3 endpoints, 2 zones)',
    ],
  ])('is not said of %s and %i endpoints', (ratios, endpoints, why) => {
    expect(allocationsFor(ratios, endpoints)).toBe(why)
  })

  it('may become too little', () => {
    const counts = (a: number, b: number) =>
      new Map([
        ['a', a],
        ['b', b],
      ])
    expect(isOverloaded(counts(3, 3), even)).toBe(false)
    expect(isOverloaded(counts(4, 2), even)).toBe(true)
    expect(isOverloaded(counts(3, 3), thirds)).toBe(true)
    expect(isOverloaded(counts(3, 3), undefined)).toBe(true)
    expect(isOverloaded(new Map(), undefined)).toBe(false)
  })
})

describe('hints', () => {
  const hint = (written: EndpointSlice[], unchanged: EndpointSlice[], ratios = even): string[] | string => {
    const result = hintSlices({ written, unchanged }, ratios)
    return typeof result === 'string' ? result : [...result.slices.values()].map(hintsOf)
  }

  it('are at the own zone where that is even', () => {
    expect(hint([slice('s', 'a', 'b', 'a', 'b')], [])).toEqual(['a>a b>b a>a b>b'])
  })

  it('give endpoints of a zone that has many to one that has few', () => {
    expect(hint([slice('s', 'a', 'a', 'a', 'b')], [])).toEqual(['a>b a>a a>a b>b'])
    expect(hint([slice('s', 'a', 'a', 'a', 'a', 'a', 'a')], [], thirds)).toEqual(['a>b a>b a>c a>c a>a a>a'])
  })

  it('count what stays as it is', () => {
    expect(hint([slice('new', 'a', 'a', 'a')], [slice('old', 'b>b', 'b>b', 'b>b')])).toEqual(['a>a a>a a>a'])
  })

  it.each([
    ['lacks a hint', slice('old', 'b>b', 'b', 'b>b')],
    ['hints at a zone that is gone', slice('old', 'b>b', 'b>z', 'b>b')],
    ['has more of a zone than that may have', slice('old', 'b>a', 'b>a', 'b>a', 'b>a', 'b>a')],
  ])('change a slice that %s', (_what, old) => {
    expect(hint([slice('new', 'a', 'a', 'a')], [old])).toHaveLength(2)
  })

  it('are not given to endpoints that are not ready', () => {
    const one = slice('s', 'a', 'b', 'b')
    const endpoints = [...(one.endpoints ?? []), { addresses: ['10.0.0.2'], zone: 'a', conditions: { ready: false } }]
    expect(hint([{ ...one, endpoints: endpoints.slice(1).concat(endpoints[0] as never) }], [])).toBe(
      'Unable to allocate minimum required endpoints to each zone without exceeding overload threshold (3 endpoints, 2 zones)',
    )
    expect(
      hint([{ ...slice('s', 'a', 'b'), endpoints: endpoints.slice(0, 2).concat(endpoints.slice(3)) }], []),
    ).toEqual(['a>a b>b a>'])
  })

  it('are not given when an endpoint has no zone', () => {
    expect(hint([slice('s', 'a', '', 'b', 'b')], [])).toBe('One or more endpoints do not have a zone specified')
  })
})
