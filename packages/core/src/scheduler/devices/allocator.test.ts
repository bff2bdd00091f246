import type { DeviceClass, DeviceRequest, Node, ResourceClaimV1, ResourceSlice } from '@binnacle/resources'
import { aNode } from '@binnacle/testing'
import { describe, expect, it } from 'vitest'
import { type PreparedClaim, prepareClaim } from './allocation-request.ts'
import { allocationOf } from './allocation-result.ts'
import { chooseDevices } from './allocator.ts'
import { aDevice, aDeviceClass, aResourceClaim, aSharedSlice, aSlice, driver } from './device-objects.ts'
import { DevicePools } from './device-pools.ts'

const node = aNode({ name: 'node-1', labels: { rack: 'a' } })
const own = `device.attributes["${driver}"]`
const request = (fields: object = {}, name = 'req'): DeviceRequest =>
  ({ name, exactly: { deviceClassName: 'gpu', ...fields } }) as DeviceRequest
const selecting = (expression: string) => ({ selectors: [{ cel: { expression } }] })

interface Case {
  readonly claims: readonly ResourceClaimV1[]
  readonly slices: readonly ResourceSlice[]
  readonly classes?: readonly DeviceClass[]
  readonly inUse?: readonly string[]
  readonly on?: Node
}

/** The devices by claim and request, `request=device`; or why there are none. */
function outcome({ claims, slices, classes = [aDeviceClass()], inUse = [], on = node }: Case): unknown {
  const prepared = claims.map((claim) =>
    prepareClaim(claim, (name) => classes.find(({ metadata }) => metadata.name === name)),
  )
  const problem = prepared.find((claim) => 'rejection' in claim)
  if (problem !== undefined) return problem
  const found = chooseDevices(prepared as PreparedClaim[], new DevicePools(slices).reachableFrom(on), (id) =>
    inUse.some((name) => id.endsWith(`/${name}`)),
  )
  return 'reason' in found
    ? found.reason
    : found.devices.map(({ alternative, device }) => `${alternative.name}=${device.device.name}`)
}

const abc = aSlice('node-1', [
  aDevice('a', { model: 'small', numa: 0, ready: true }),
  aDevice('b', { model: 'large', numa: 1 }),
  aDevice('c', { model: 'large', numa: 1 }),
])
const claimOf = (...requests: DeviceRequest[]) => aResourceClaim('claim', { requests })
const constrained = (attribute: string, requests: DeviceRequest[], names?: string[]) =>
  aResourceClaim('claim', {
    requests,
    constraints: [{ matchAttribute: attribute, ...(names === undefined ? {} : { requests: names }) }],
  })
const none = 'cannot allocate all claims'

describe('the allocator', () => {
  const cases: readonly (readonly [string, Case, unknown])[] = [
    ['takes the first device', { claims: [claimOf(request())], slices: [abc] }, ['req=a']],
    [
      'takes no device of another node',
      { claims: [claimOf(request())], slices: [aSlice('node-2', [aDevice('x')])] },
      none,
    ],
    ['leaves devices that others have', { claims: [claimOf(request())], slices: [abc], inUse: ['a', 'b'] }, ['req=c']],
    ['takes as many as asked for', { claims: [claimOf(request({ count: 2 }))], slices: [abc] }, ['req=a', 'req=b']],
    ['takes none when there are too few', { claims: [claimOf(request({ count: 4 }))], slices: [abc] }, none],
    [
      'goes by the selectors of the request',
      { claims: [claimOf(request(selecting(`${own}.model == "large"`)))], slices: [abc] },
      ['req=b'],
    ],
    [
      'goes by the selectors of the class too',
      {
        claims: [claimOf(request(selecting(`${own}.numa == 1`)))],
        slices: [abc],
        classes: [aDeviceClass('gpu', `${own}.model == "small"`)],
      },
      none,
    ],
    [
      'ends with an error where a selector reads what a device does not have',
      { claims: [claimOf(request(selecting(`!${own}.ready`)))], slices: [abc] },
      'claim default/claim: selector #0: CEL runtime error: No such key: ready',
    ],
    [
      'knows when a class is not there',
      { claims: [claimOf(request())], slices: [abc], classes: [] },
      { rejection: 'request req: device class gpu does not exist' },
    ],
    [
      'takes all devices that match',
      { claims: [claimOf(request({ allocationMode: 'All', ...selecting(`${own}.numa == 1`) }))], slices: [abc] },
      ['req=b', 'req=c'],
    ],
    [
      'does not take all when one is taken',
      { claims: [claimOf(request({ allocationMode: 'All' }))], slices: [abc], inUse: ['b'] },
      none,
    ],
    [
      'does not take all of none',
      { claims: [claimOf(request({ allocationMode: 'All', ...selecting('false') }))], slices: [abc] },
      none,
    ],
    [
      'gives administrators devices that others have, each once',
      { claims: [claimOf(request({ adminAccess: true, count: 3 }))], slices: [abc], inUse: ['a', 'b'] },
      ['req=a', 'req=b', 'req=c'],
    ],
    [
      'takes the first alternative that can be had',
      {
        claims: [
          claimOf({
            name: 'req',
            firstAvailable: [
              { name: 'four', deviceClassName: 'gpu', count: 4 },
              { name: 'two', deviceClassName: 'gpu', count: 2 },
            ],
          }),
        ],
        slices: [abc],
      },
      ['req/two=a', 'req/two=b'],
    ],
    [
      'takes back a choice that leaves nothing for the next claim',
      {
        claims: [
          aResourceClaim('one'),
          aResourceClaim('two', { requests: [request(selecting(`${own}.model == "small"`))] }),
        ],
        slices: [abc],
      },
      ['req=b', 'req=a'],
    ],
    [
      'finds devices that are alike',
      { claims: [constrained(`${driver}/numa`, [request({ count: 2 })])], slices: [abc] },
      ['req=b', 'req=c'],
    ],
    [
      'holds only the requests of a constraint to it',
      { claims: [constrained(`${driver}/numa`, [request(), request({}, 'other')], ['other'])], slices: [abc] },
      ['req=a', 'other=b'],
    ],
    [
      'takes no device without the attribute',
      { claims: [constrained(`${driver}/ready`, [request({ count: 2 })])], slices: [abc] },
      none,
    ],
    [
      'looks only at the newest generation of a pool',
      {
        claims: [claimOf(request())],
        slices: [
          abc,
          {
            ...aSlice('node-1', [aDevice('z')]),
            metadata: { name: 'new' },
            spec: {
              ...aSlice('node-1', [aDevice('z')]).spec,
              pool: { name: 'node-1', generation: 2, resourceSliceCount: 1 },
            },
          },
        ],
      },
      ['req=z'],
    ],
    [
      'takes nothing of a pool that is being updated',
      {
        claims: [claimOf(request())],
        slices: [{ ...abc, spec: { ...abc.spec, pool: { ...abc.spec.pool, resourceSliceCount: 2 } } }],
      },
      none,
    ],
    [
      'does not say what all devices are while a pool is being updated',
      {
        claims: [claimOf(request({ allocationMode: 'All' }))],
        slices: [{ ...abc, spec: { ...abc.spec, pool: { ...abc.spec.pool, resourceSliceCount: 2 } } }],
      },
      `claim default/claim, request req: asks for all devices, but resource pool ${driver}/node-1 is currently being updated`,
    ],
    [
      'refuses a pool with a name twice',
      { claims: [claimOf(request())], slices: [aSlice('node-1', [aDevice('a'), aDevice('a')])] },
      `pool ${driver}/node-1 is invalid: duplicate device names`,
    ],
    [
      'reaches devices of all nodes',
      { claims: [claimOf(request())], slices: [aSharedSlice('net', [aDevice('n')], { allNodes: true })] },
      ['req=n'],
    ],
    [
      'reaches devices of nodes that a selector names',
      {
        claims: [claimOf(request({ count: 1 }))],
        slices: [
          aSharedSlice('far', [aDevice('f')], { nodeSelector: rack('b') }),
          aSharedSlice('near', [aDevice('n')], { nodeSelector: rack('a') }),
        ],
      },
      ['req=n'],
    ],
    [
      'leaves tainted devices alone',
      {
        claims: [claimOf(request())],
        slices: [aSlice('node-1', [{ name: 't', taints: [{ key: 'k', effect: 'NoSchedule' }] }])],
      },
      none,
    ],
    [
      'gives a claim at most 32 devices',
      {
        claims: [claimOf(request({ count: 33 }))],
        slices: [
          aSlice(
            'node-1',
            Array.from({ length: 40 }, (_, i) => aDevice(`d${i}`)),
          ),
        ],
      },
      none,
    ],
    [
      'gives up a search that takes too long',
      {
        claims: [
          claimOf(request({ count: 12 }), request({ count: 12 }, 'second'), request(selecting('false'), 'last')),
        ],
        slices: [
          aSlice(
            'node-1',
            Array.from({ length: 30 }, (_, i) => aDevice(`d${i}`)),
          ),
        ],
      },
      'timed out trying to allocate devices',
    ],
  ]
  it.each(cases)('%s', (_name, given, expected) => expect(outcome(given)).toEqual(expected))
})

function rack(value: string) {
  return { nodeSelectorTerms: [{ matchExpressions: [{ key: 'rack', operator: 'In', values: [value] }] }] }
}

describe('an allocation', () => {
  const opaque = (value: string) => ({ opaque: { driver, parameters: { value } } })
  function allocated(claim: ResourceClaimV1, slices: ResourceSlice[], deviceClass = aDeviceClass()) {
    const prepared = prepareClaim(claim, () => deviceClass) as PreparedClaim
    const found = chooseDevices([prepared], new DevicePools(slices).reachableFrom(node), () => false)
    return allocationOf(prepared, 'devices' in found ? found.devices : [], 'node-1')
  }

  it('binds the claim to the node of its devices, and carries the settings of class and claim', () => {
    const config = [{ ...opaque('mine') }, { ...opaque('other'), requests: ['other'] }]
    const claim = aResourceClaim('claim', { requests: [request({ adminAccess: true })], config })
    const deviceClass = { ...aDeviceClass(), spec: { config: [opaque('class')] } }
    expect(allocated(claim, [abc], deviceClass)).toEqual({
      devices: {
        results: [{ request: 'req', driver, pool: 'node-1', device: 'a', adminAccess: true }],
        config: [
          { source: 'FromClass', requests: ['req'], ...opaque('class') },
          { source: 'FromClaim', ...opaque('mine') },
        ],
      },
      nodeSelector: {
        nodeSelectorTerms: [{ matchFields: [{ key: 'metadata.name', operator: 'In', values: ['node-1'] }] }],
      },
    })
  })

  it('of shared devices holds where all of them can be reached', () => {
    const claim = aResourceClaim('claim', { requests: [request({ count: 2 })] })
    const near = (name: string) => aSharedSlice(name, [aDevice(name)], { nodeSelector: rack('a') })
    expect(allocated(claim, [near('one'), near('two')]).nodeSelector).toEqual(rack('a'))
    const everywhere = aSharedSlice('net', [aDevice('n'), aDevice('m')], { allNodes: true })
    expect(allocated(claim, [everywhere]).nodeSelector).toBeUndefined()
  })
})
