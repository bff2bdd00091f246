import type { FieldError } from '@binnacle/apimachinery'
import { describe, expect, it } from 'vitest'
import type { DeviceClass, ResourceClaimV1, ResourceSlice } from '../generated/types.ts'
import { deviceClassStrategy } from './device-class-strategy.ts'
import { resourceClaimStrategy } from './resource-claim-strategies.ts'
import { resourceSliceStrategy } from './resource-slice-strategy.ts'

const texts = (errors: readonly FieldError[] = []) => errors.map(({ field, message }) => `${field}: ${message}`)
const times = <T>(count: number, make: (index: number) => T): T[] => Array.from({ length: count }, (_, i) => make(i))
const driver = 'gpu.example.com'
const opaque = { driver, parameters: { mode: 'shared' } }

describe('a device class', () => {
  const ofClass = (spec: object) => texts(deviceClassStrategy.validate?.({ spec } as DeviceClass))
  it.each([
    [{}, []],
    [{ selectors: [{ cel: { expression: 'device.driver == "a"' } }], config: [{ opaque }] }, []],
    [{ selectors: [{}] }, ['spec.selectors[0].cel: Required value']],
    [
      { selectors: [{ cel: { expression: 'device.driver' } }] },
      [
        'spec.selectors[0].cel.expression: Invalid value: "device.driver": compilation failed: must evaluate to bool or the unknown type, not string',
      ],
    ],
    [
      { selectors: [{ cel: { expression: `true${' '.repeat(10_240)}` } }] },
      ['spec.selectors[0].cel.expression: Too long: may not be more than 10240 bytes'],
    ],
    [
      { selectors: times(33, () => ({ cel: { expression: 'true' } })) },
      ['spec.selectors: Too many: 33: must have at most 32 items'],
    ],
    [{ config: [{}] }, ['spec.config[0].opaque: Required value']],
    [
      { config: [{ opaque: { driver: '', parameters: 'text' } }] },
      [
        'spec.config[0].opaque.driver: Required value',
        'spec.config[0].opaque.parameters: Invalid value: "<value omitted>": must be a valid JSON object',
      ],
    ],
  ])('with %j has the problems %j', (spec, problems) => expect(ofClass(spec)).toEqual(problems))
})

describe('a resource slice', () => {
  const good = {
    driver,
    nodeName: 'node-1',
    pool: { name: 'node-1', generation: 0, resourceSliceCount: 1 },
    devices: [
      {
        name: 'gpu-0',
        attributes: { model: { string: 'a' }, 'other.example.com/version': { version: '1.2.3' } },
        capacity: { memory: { value: '1Gi' } },
      },
    ],
  }
  const slice = (change: object) =>
    ({ metadata: { name: 's' }, spec: { ...good, ...change } }) as unknown as ResourceSlice
  const reach = 'exactly one of `nodeName`, `nodeSelector`, `allNodes`, `perDeviceNodeSelection` is required'
  it.each([
    [{}, []],
    [{ nodeName: undefined }, [`spec: Required value: ${reach}`]],
    [
      { allNodes: true },
      [`spec: Invalid value: "{\`nodeName\`, \`allNodes\`}": ${reach}, but multiple fields are set`],
    ],
    [
      { nodeName: undefined, allNodes: false },
      ['spec.allNodes: Invalid value: false: must be either unset or set to true'],
    ],
    [
      { pool: { name: 'a//b', generation: -1, resourceSliceCount: 0 } },
      [
        expect.stringMatching(/^spec.pool.name: Invalid value: ""/),
        'spec.pool.resourceSliceCount: Invalid value: 0: must be greater than zero',
        'spec.pool.generation: Invalid value: -1: must be greater than or equal to zero',
      ],
    ],
    [{ devices: [{ name: 'a' }, { name: 'a' }] }, ['spec.devices[1].name: Duplicate value: "a"']],
    [
      { devices: times(129, (index) => ({ name: `d${index}` })) },
      ['spec.devices: Too many: 129: must have at most 128 items'],
    ],
    [
      { devices: [{ name: 'a', attributes: { 'has-dash': { int: 1 } } }] },
      [expect.stringMatching(/^spec.devices\[0\].attributes: Invalid value: "has-dash": a valid C identifier/)],
    ],
    [
      { devices: [{ name: 'a', attributes: { x: {}, y: { version: '1.2' } } }] },
      [
        'spec.devices[0].attributes[x]: Required value: exactly one value must be specified',
        'spec.devices[0].attributes[y].version: Invalid value: "1.2": must be a string compatible with semver.org spec 2.0.0',
      ],
    ],
    [
      { devices: [{ name: 'a', capacity: { x: { value: 'much' } } }] },
      ['spec.devices[0].capacity[x].value: Invalid value: "much": must be a quantity'],
    ],
  ])('with %j has the problems %j', (change, problems) =>
    expect(texts(resourceSliceStrategy.validate?.(slice(change)))).toEqual(problems),
  )

  it('stays with its driver, its pool and its node', () => {
    const changed = slice({ driver: 'b', nodeName: 'c', pool: { ...good.pool, name: 'd' } })
    const errors = resourceSliceStrategy.validateUpdate?.(changed, slice({}))
    expect(errors?.map(({ field }) => field)).toEqual(['spec.nodeName', 'spec.driver', 'spec.pool.name'])
    expect(resourceSliceStrategy.validateUpdate?.(slice({ devices: [] }), slice({}))).toEqual([])
  })
})

describe('the lists of a claim', () => {
  const requests = [
    { name: 'a', exactly: { deviceClassName: 'gpu' } },
    { name: 'b', firstAvailable: [{ name: 'x', deviceClassName: 'gpu' }] },
  ]
  const name =
    'must be the name of a request in the claim or the name of a request and a subrequest separated by a slash'
  it.each([
    [{ constraints: [{ matchAttribute: `${driver}/numa`, requests: ['a', 'b/x'] }], config: [{ opaque }] }, []],
    [
      { constraints: [{ matchAttribute: 'numa', requests: ['c'] }, {}] },
      [
        `spec.devices.constraints[0].requests[0]: Invalid value: "c": ${name}`,
        'spec.devices.constraints[0].matchAttribute: Invalid value: "numa": must include a domain',
        'spec.devices.constraints[1].matchAttribute: Required value',
      ],
    ],
    [{ config: [{ opaque, requests: ['z'] }] }, [`spec.devices.config[0].requests[0]: Invalid value: "z": ${name}`]],
    [
      { requests: times(33, (index) => ({ name: `r${index}`, exactly: { deviceClassName: 'gpu' } })) },
      ['spec.devices.requests: Too many: 33: must have at most 32 items'],
    ],
  ])('with %j have the problems %j', (devices, problems) => {
    const claim = { metadata: { name: 'c' }, spec: { devices: { requests, ...devices } } } as unknown as ResourceClaimV1
    resourceClaimStrategy.applyDefaults?.(claim)
    expect(texts(resourceClaimStrategy.validate?.(claim))).toEqual(problems)
  })
})

describe('the status of a claim', () => {
  const result = { request: 'a', driver, pool: 'node-1', device: 'gpu-0' }
  const allocation = { devices: { results: [result] } }
  const consumer = (index: number) => ({ resource: 'pods', name: 'p', uid: `uid-${index}` })
  const claim = (status: object, metadata: object = {}) =>
    ({
      metadata: { name: 'c', ...metadata },
      spec: { devices: { requests: [{ name: 'a', exactly: { deviceClassName: 'gpu' } }] } },
      status,
    }) as ResourceClaimV1
  const gone = { deletionTimestamp: '2026-01-01T00:00:00Z' }
  it.each([
    ['is written with its reservation', claim({ allocation, reservedFor: [consumer(0)] }), claim({}), []],
    ['is taken back', claim({}), claim({ allocation }), []],
    [
      'is not reserved without devices',
      claim({ reservedFor: [consumer(0)] }),
      claim({}),
      ['status.reservedFor: Forbidden: may not be specified when `allocated` is not set'],
    ],
    [
      'does not change',
      claim({ allocation: { devices: { results: [{ ...result, device: 'gpu-1' }] } } }),
      claim({ allocation }),
      [expect.stringMatching(/^status.allocation: Invalid value: .*field is immutable$/)],
    ],
    [
      'is for the requests of the claim',
      claim({ allocation: { devices: { results: [{ ...result, request: 'z' }] } } }),
      claim({}),
      [expect.stringMatching(/^status.allocation.devices.results\[0\].request: Invalid value: "z"/)],
    ],
    [
      'has at most 256 consumers',
      claim({ allocation, reservedFor: times(257, consumer) }),
      claim({ allocation }),
      ['status.reservedFor: Too many: 257: must have at most 256 items'],
    ],
    [
      'gets no more consumers once the claim is being deleted',
      claim({ allocation, reservedFor: [consumer(0)] }, gone),
      claim({ allocation }, gone),
      [
        'status.reservedFor: Forbidden: new entries may not be added while `deallocationRequested` or `deletionTimestamp` are set',
      ],
    ],
  ])('%s', (_name, now, old, problems) =>
    expect(texts(resourceClaimStrategy.validateStatusUpdate?.(now, old))).toEqual(problems),
  )

  it('forgets what was said of devices that it gives up', () => {
    const now = claim({ devices: [result] })
    resourceClaimStrategy.prepareForStatusUpdate?.(now, claim({ allocation, devices: [result] }))
    expect(now.status).toEqual({})
  })
})
