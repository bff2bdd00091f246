import type { Endpoint, EndpointSlice } from '@binnacle/resources'
import { aService } from '@binnacle/testing'
import { describe, expect, it } from 'vitest'
import { type EndpointGroup, groupKey, keepPlaceholder, packSlices, type SliceTemplate } from './slice-packing.ts'

const ports = [{ name: 'http', port: 80, protocol: 'TCP' }]
const labels = { app: 'web' }
const template: SliceTemplate = {
  owner: aService(),
  labels,
  endpointsMax: 10,
  keyOf: ({ addresses }) => addresses[0] ?? '',
}
const endpoint = (address: number): Endpoint => ({ addresses: [String(address)] })
const range = (from: number, to: number): number[] => Array.from({ length: to - from }, (_, index) => from + index)

function aSlice(name: string, addresses: readonly number[], over: Partial<EndpointSlice> = {}): EndpointSlice {
  return {
    apiVersion: 'discovery.k8s.io/v1',
    kind: 'EndpointSlice',
    metadata: { name, namespace: 'default', labels },
    addressType: 'IPv4',
    endpoints: addresses.map(endpoint),
    ports,
    ...over,
  }
}

function wanted(addresses: readonly number[]): Map<string, EndpointGroup> {
  const endpoints = new Map(addresses.map((address) => [String(address), endpoint(address)]))
  return new Map([[groupKey('IPv4', ports), { addressType: 'IPv4', ports, endpoints }]])
}

/** The plan in a few words: sizes of what is created, sizes of what is updated by name, names of what is removed. */
function pack(addresses: readonly number[], existing: readonly EndpointSlice[]) {
  const { create, update, remove } = packSlices(wanted(addresses), existing, template)
  return {
    create: create.map(({ endpoints }) => endpoints?.length),
    update: Object.fromEntries(update.map(({ metadata, endpoints }) => [metadata.name, endpoints?.length])),
    remove: remove.map(({ metadata }) => metadata.name),
  }
}
const nothing = { create: [], update: {}, remove: [] }

describe('packSlices', () => {
  it.each<[string, number[], EndpointSlice[], object]>([
    ['nothing to change', range(0, 5), [aSlice('a', range(0, 5))], nothing],
    ['no slice yet', range(0, 25), [], { ...nothing, create: [10, 10, 5] }],
    ['an endpoint that is gone', range(0, 4), [aSlice('a', range(0, 5))], { ...nothing, update: { a: 4 } }],
    ['a slice whose endpoints are gone', [0], [aSlice('a', [0]), aSlice('b', [1])], { ...nothing, remove: ['b'] }],
    [
      'a slice that is changed anyway: new ones go there',
      [...range(0, 4), ...range(20, 23), 10],
      [aSlice('a', range(0, 5)), aSlice('b', [10])],
      { ...nothing, update: { a: 7 } },
    ],
    [
      'an unchanged slice with room for all: the fullest of those',
      [...range(0, 5), ...range(10, 17), 20, 21],
      [aSlice('a', range(0, 5)), aSlice('b', range(10, 17))],
      { ...nothing, update: { b: 9 } },
    ],
    [
      'no slice with room for all: a new one, and those that are stay as they are',
      [...range(0, 9), 20, 21],
      [aSlice('a', range(0, 9))],
      { ...nothing, create: [2] },
    ],
  ])('with %s', (_, addresses, existing, plan) => {
    expect(pack(addresses, existing)).toEqual(plan)
  })

  it('removes slices of other ports and address types', () => {
    const others = [aSlice('ports', [0], { ports: [] }), aSlice('six', [0], { addressType: 'IPv6' })]
    expect(pack([0], [aSlice('a', [0]), ...others])).toEqual({ ...nothing, remove: ['ports', 'six'] })
  })

  it('updates slices whose labels differ', () => {
    const slice = aSlice('a', [0])
    slice.metadata.labels = { old: 'yes' }
    expect(pack([0], [slice]).update).toEqual({ a: 1 })
  })
})

describe('keepPlaceholder', () => {
  const keep = (existing: EndpointSlice[], addresses: number[] = []) => {
    const groups = addresses.length === 0 ? new Map<string, EndpointGroup>() : wanted(addresses)
    const plan = packSlices(groups, existing, template)
    keepPlaceholder('IPv4', existing, plan, template)
    return [plan.create, plan.update, plan.remove].map((slices) => slices.map((slice) => slice.endpoints?.length))
  }

  it('makes an empty slice where there is none', () => expect(keep([])).toEqual([[0], [], []]))
  it('empties one of the slices that would go', () => {
    expect(keep([aSlice('a', [0]), aSlice('b', [1])])).toEqual([[], [0], [1]])
  })
  it('leaves an empty slice as it is', () => expect(keep([aSlice('a', [], { ports: [] })])).toEqual([[], [], []]))
  it('makes none where there are endpoints', () => expect(keep([], [0])).toEqual([[1], [], []]))
})
