import { deviceClasses, resourceClaims, type ResourceClaimV1, type ResourceDefinition } from '@binnacle/resources'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { refusal, startTestServer, type TestServer } from '../test-server.ts'

let test: TestServer

beforeAll(async () => {
  test = await startTestServer()
  await test.createNamespace('devices')
})
afterAll(async () => await test.stop())

const metadata = (name: string) => ({ name, namespace: 'devices' })
const claim = (name: string, fields: object = {}) => ({
  metadata: metadata(name),
  spec: { devices: { requests: [{ name: 'gpu', exactly: { deviceClassName: 'gpu', ...fields } }] } },
})

describe('objects of device allocation', () => {
  it('are refused where an expression does not compile', async () => {
    const spec = { selectors: [{ cel: { expression: 'device.name ==' } }] }
    expect(await refusal(test.create(deviceClasses, { metadata: { name: 'broken' }, spec }))).toMatchObject({
      code: 422,
      details: { causes: [{ field: 'spec.selectors[0].cel.expression' }] },
    })
  })

  it('give administrators access in labelled namespaces only', async () => {
    expect(await refusal(test.create(resourceClaims, claim('admin', { adminAccess: true })))).toMatchObject({
      code: 422,
      reason: 'Invalid',
      details: { causes: [{ field: 'spec.devices.requests[0].exactly.adminAccess' }] },
    })
  })

  it('keep an allocation as it was written, until it is taken back', async () => {
    const made = await test.create(resourceClaims, claim('mine'))
    const result = { request: 'gpu', driver: 'd.example.com', pool: 'p', device: 'a' }
    const status = {
      allocation: { devices: { results: [result] } },
      reservedFor: [{ resource: 'pods', name: 'p', uid: 'u' }],
    }
    const update = async (object: ResourceClaimV1): Promise<ResourceClaimV1> => {
      const [written] = await test.server.writeAll(
        test.request,
        [{ verb: 'update', resource: resourceClaims as ResourceDefinition<any>, object, subresource: 'status' }],
        { atomic: true },
      )
      return (written as { object: ResourceClaimV1 }).object
    }
    const allocated = await update({ ...made, status })
    expect(allocated.status).toEqual(status)
    const other = { devices: { results: [{ ...result, device: 'b' }] } }
    expect(await refusal(update({ ...allocated, status: { ...status, allocation: other } }))).toMatchObject({
      code: 422,
    })
    expect((await update({ ...allocated, status: {} })).status?.allocation).toBeUndefined()
  })
})
