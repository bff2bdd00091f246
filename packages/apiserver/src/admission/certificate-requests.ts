import type { CertificateSigningRequest } from '@binnacle/resources'
import type { RequestContext } from '../api-server.ts'

/** A request for a certificate says who makes it; nobody can make it for somebody else (registry/certificates `strategy.go`). */
export function admitCertificateRequest({ user }: RequestContext, { spec }: CertificateSigningRequest): void {
  spec.username = user.name
  spec.groups = [...user.groups]
  delete spec.uid
  delete spec.extra
  if (user.uid !== undefined) spec.uid = user.uid
  if (user.extra !== undefined)
    spec.extra = Object.fromEntries(Object.entries(user.extra).map(([key, values]) => [key, [...values]]))
}
