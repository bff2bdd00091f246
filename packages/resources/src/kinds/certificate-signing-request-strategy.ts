import type { CertificateSigningRequest } from '../generated/types.ts'
import type { Strategy } from '../resource-definition.ts'

type Conditions = NonNullable<NonNullable<CertificateSigningRequest['status']>['conditions']>

/** Rules of CertificateSigningRequests: what is asked for never changes, and only the `approval` subresource approves or denies. */
export const certificateSigningRequestStrategy: Strategy<CertificateSigningRequest> = {
  prepareForUpdate(request, old) {
    request.spec = old.spec
  },
  prepareForStatusUpdate(request, old) {
    const decides = ({ type }: Conditions[number]): boolean => type === 'Approved' || type === 'Denied'
    const decided = (old.status?.conditions ?? []).filter(decides)
    const others = (request.status?.conditions ?? []).filter((condition) => !decides(condition))
    if (decided.length + others.length > 0) request.status = { ...request.status, conditions: [...decided, ...others] }
    // A certificate that was issued stays.
    if (old.status?.certificate) request.status = { ...request.status, certificate: old.status.certificate }
  },
}
