import { forbidden, formatTime, type ResourceName, semanticEqual } from '@binnacle/apimachinery'
import {
  type CertificateSigningRequest,
  type ClusterTrustBundle,
  certificateSigningRequests,
} from '@binnacle/resources'
import type { RequestContext } from '../api-server.ts'
import { isAllowed } from '../auth/authorize.ts'
import { parsePkcs10 } from '../pkcs10.ts'

const clientSigner = 'kubernetes.io/kube-apiserver-client'

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

/** Conditions that come without times get them: those of the same state before, else now (registry/certificates `populateConditionTimestamps`). */
export function stampConditions(
  { status }: CertificateSigningRequest,
  old: CertificateSigningRequest,
  nowMs: number,
): void {
  const now = formatTime(nowMs)
  for (const condition of status?.conditions ?? []) {
    condition.lastUpdateTime ??= now
    const before = old.status?.conditions?.find(
      ({ type, status: state }) => type === condition.type && state === condition.status,
    )
    condition.lastTransitionTime ??= before?.lastTransitionTime ?? now
  }
}

/** Nobody gets a certificate by which they would be an administrator whatever roles say (plugin CertificateSubjectRestriction). @throws StatusError Forbidden */
export function checkCertificateSubject({ metadata, spec }: CertificateSigningRequest): void {
  if (spec.signerName !== clientSigner) return
  const { organizations } = parsePkcs10(Buffer.from(spec.request, 'base64').toString('utf8'))
  if (!organizations.includes('system:masters')) return
  const why = `use of ${clientSigner} signer with system:masters group is not allowed`
  throw forbidden(certificateSigningRequests, metadata.name, why)
}

/**
 * Requests are approved and signed by those who may do so for their signer (plugins CertificateApproval and CertificateSigning).
 * @throws StatusError Forbidden
 */
export function checkSigner(
  request: RequestContext,
  { metadata, status }: CertificateSigningRequest,
  old: CertificateSigningRequest,
  subresource: string | undefined,
): void {
  const { signerName } = old.spec
  const refuse = (what: string): Error => {
    const why = `user not permitted to ${what} requests with signerName "${signerName}"`
    return forbidden(certificateSigningRequests, metadata.name, why)
  }
  if (subresource === 'approval' && !mayUseSigner(request, 'approve', signerName)) throw refuse('approve')
  if (subresource !== 'status') return
  const [now, before] = [status ?? {}, old.status ?? {}]
  const isSigned =
    now.certificate !== before.certificate || !semanticEqual(now.conditions ?? [], before.conditions ?? [])
  if (isSigned && !mayUseSigner(request, 'sign', signerName)) throw refuse('sign')
}

/** A bundle in the name of a signer comes from those who may speak for it (plugin ClusterTrustBundleAttest). @throws StatusError Forbidden */
export function checkAttestation(
  request: RequestContext,
  definition: ResourceName,
  { metadata, spec: { signerName } }: ClusterTrustBundle,
): void {
  if (!signerName || mayUseSigner(request, 'attest', signerName)) return
  throw forbidden(definition, metadata.name, `user not permitted to attest for signerName "${signerName}"`)
}

// A signer is granted by its name, or all those of its domain at once.
function mayUseSigner(request: RequestContext, verb: 'approve' | 'sign' | 'attest', signerName: string): boolean {
  const signers = { group: 'certificates.k8s.io', plural: 'signers', kind: 'Signer' }
  const domain = signerName.split('/')[0] ?? ''
  return [signerName, `${domain}/*`].some((name) => isAllowed(request, verb, signers, { name }))
}
