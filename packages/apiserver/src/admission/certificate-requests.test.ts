import { type CertificateSigningRequest, certificateSigningRequests } from '@binnacle/resources'
import { describe, expect, it } from 'vitest'
import type { RequestContext } from '../api-server.ts'
import { admitCertificateRequest } from './certificate-requests.ts'

function aRequest(status?: CertificateSigningRequest['status']): CertificateSigningRequest {
  return {
    apiVersion: 'certificates.k8s.io/v1',
    kind: 'CertificateSigningRequest',
    metadata: { name: 'csr' },
    spec: { request: 'eA==', signerName: 'example.com/signer', username: 'system:admin', extra: { a: ['b'] } },
    ...(status === undefined ? {} : { status }),
  }
}

const approved = { type: 'Approved', status: 'True', reason: 'Because' }
const failed = { type: 'Failed', status: 'True', reason: 'Because' }
const { strategy } = certificateSigningRequests

describe('certificate signing requests', () => {
  it('say who makes them, whatever their maker says', () => {
    const request = aRequest()
    const user = { name: 'ann', uid: 'u', groups: ['system:authenticated'] }
    admitCertificateRequest({ user } as unknown as RequestContext, request)
    expect(request.spec).toMatchObject({ username: 'ann', uid: 'u', groups: ['system:authenticated'] })
    expect(request.spec.extra).toBeUndefined()
  })

  it('never change what they ask for', () => {
    const request = aRequest()
    request.spec.username = 'mallory'
    strategy.prepareForUpdate?.(request, aRequest())
    expect(request.spec.username).toBe('system:admin')
  })

  it('are not approved by a change of their status', () => {
    const request = aRequest({ conditions: [approved, failed] })
    strategy.prepareForStatusUpdate?.(request, aRequest())
    expect(request.status?.conditions).toEqual([failed])
  })

  it('keep their approval and their certificate', () => {
    const request = aRequest({})
    strategy.prepareForStatusUpdate?.(request, aRequest({ conditions: [approved], certificate: 'eA==' }))
    expect(request.status).toEqual({ conditions: [approved], certificate: 'eA==' })
  })
})
