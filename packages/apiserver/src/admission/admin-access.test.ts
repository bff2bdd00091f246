import { resourceClaims, resourceClaimTemplates, type ResourceDefinition } from '@binnacle/resources'
import { describe, expect, it } from 'vitest'
import { checkAdminAccess } from './admin-access.ts'

const spec = (adminAccess: boolean) => ({
  devices: { requests: [{ name: 'gpu', exactly: { deviceClassName: 'gpu', adminAccess } }] },
})
const claim = (adminAccess: boolean) => ({
  apiVersion: 'resource.k8s.io/v1',
  kind: 'ResourceClaim',
  metadata: { name: 'c', namespace: 'monitoring' },
  spec: spec(adminAccess),
})

function check(labels: object, object: any, definition: ResourceDefinition<any> = resourceClaims): void {
  const store = { get: ({ name }: { name: string }) => ({ parse: () => ({ metadata: { name, labels } }) }) }
  checkAdminAccess(store as never, definition, object)
}

describe('access to devices for administration', () => {
  it('is for namespaces that are labelled for it', () => {
    expect(() => check({ 'resource.kubernetes.io/admin-access': 'true' }, claim(true))).not.toThrow()
    for (const labels of [{}, { 'resource.kubernetes.io/admin-access': 'yes' }])
      expect(() => check(labels, claim(true))).toThrow(
        'ResourceClaim.resource.k8s.io "c" is invalid: spec.devices.requests[0].exactly.adminAccess: Forbidden: admin access to devices requires the `resource.kubernetes.io/admin-access: true` label on the containing namespace',
      )
  })

  it('is asked for in templates as well', () => {
    const template = { metadata: { name: 't', namespace: 'x' }, spec: { spec: spec(true) } }
    expect(() => check({}, template, resourceClaimTemplates)).toThrow(/spec.spec.devices.requests\[0\]/)
  })

  it('is no matter for claims that do without', () => {
    expect(() => check({}, claim(false))).not.toThrow()
  })
})
