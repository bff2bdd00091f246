import { describe, expect, it } from 'vitest'
import type { ResourceClaimV1 } from '../generated/types.ts'
import { resourceClaimStrategy } from './resource-claim-strategies.ts'

const claim = (...requests: object[]): ResourceClaimV1 =>
  ({ metadata: { name: 'c' }, spec: { devices: { requests } } }) as unknown as ResourceClaimV1
const exactly = { deviceClassName: 'gpu' }
const path = 'spec.devices.requests[0]'

describe('a resource claim', () => {
  it.each([
    [[{ name: 'a', exactly }], []],
    [[{ name: 'a', firstAvailable: [{ name: 'x', ...exactly }] }], []],
    [[{ name: 'a' }], [`${path}: Required value: exactly one of \`exactly\` or \`firstAvailable\` is required`]],
    [[{ name: 'a', exactly: {} }], [`${path}.exactly.deviceClassName: Required value`]],
    [
      [
        { name: 'a', exactly },
        { name: 'a', exactly },
      ],
      ['spec.devices.requests[1].name: Duplicate value: "a"'],
    ],
    [
      [{ name: 'a', exactly: { ...exactly, allocationMode: 'Some' } }],
      [`${path}.exactly.allocationMode: Unsupported value: "Some": supported values: "All", "ExactCount"`],
    ],
    [
      [{ name: 'a', exactly: { ...exactly, allocationMode: 'All', count: 2 } }],
      [`${path}.exactly.count: Invalid value: 2: must not be specified when allocationMode is 'All'`],
    ],
  ])('with the requests %j has the problems %j', (requests, problems) => {
    const object = claim(...requests)
    resourceClaimStrategy.applyDefaults?.(object)
    const errors = resourceClaimStrategy.validate?.(object) ?? []
    expect(errors.map(({ field, message }) => `${field}: ${message}`)).toEqual(problems)
  })

  it('asks for one device when it says nothing of how many, and never for anything else', () => {
    const object = claim({ name: 'a', exactly: { ...exactly } })
    resourceClaimStrategy.applyDefaults?.(object)
    expect(object.spec.devices?.requests?.[0]?.exactly).toEqual({ ...exactly, allocationMode: 'ExactCount', count: 1 })
    const changed = claim({ name: 'a', exactly: { deviceClassName: 'other' } })
    expect(resourceClaimStrategy.validateUpdate?.(changed, object)).toHaveLength(1)
  })
})
