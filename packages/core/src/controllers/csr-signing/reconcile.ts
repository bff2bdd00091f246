import { formatTime, isNotFound, type ObjectKey } from '@binnacle/apimachinery'
import { type CertificateSigningRequest, certificateSigningRequests } from '@binnacle/resources'
import { type Controller, done, type ReconcileContext, type Result } from '../../controller.ts'
import { isApproved, parseRequest, refusalOf, signers } from '../certificate-request.ts'
import { signCertificate, type SigningAuthority } from './signing-policy.ts'

/** Signs approved requests with the cluster's authority, for the signers that Kubernetes defines (`signer.go`). */
export function csrSigningController(authority: SigningAuthority): Controller {
  return {
    name: 'csrsigning',
    reconciles: certificateSigningRequests,
    reconcile: (key, context) => reconcile(key, context, authority),
  }
}

async function reconcile(key: ObjectKey, context: ReconcileContext, authority: SigningAuthority): Promise<Result> {
  // Observe.
  const request = context.informer(certificateSigningRequests).get(key)
  if (request === undefined || !isApproved(request) || request.status?.certificate) return done
  const { signerName, usages = [], expirationSeconds } = request.spec
  if (!(Object.values(signers) as string[]).includes(signerName)) return done

  // Decide.
  const requested = parseRequest(request)
  const refusal = refusalOf(requested, signerName, usages)

  // Act.
  const nowMs = context.nowMs()
  const status =
    refusal === undefined
      ? {
          ...request.status,
          certificate: Buffer.from(
            await signCertificate(authority, { requested, usages, expirationSeconds, nowMs }),
          ).toString('base64'),
        }
      : { ...request.status, conditions: [...(request.status?.conditions ?? []), failure(refusal, nowMs)] }
  await context.client.updateStatus(certificateSigningRequests, { ...request, status }).catch((error: unknown) => {
    if (!isNotFound(error)) throw error
  })
  return done
}

type RequestCondition = NonNullable<NonNullable<CertificateSigningRequest['status']>['conditions']>[number]

function failure(message: string, nowMs: number): RequestCondition {
  const now = formatTime(nowMs)
  const condition = { type: 'Failed', status: 'True', reason: 'SignerValidationFailure', message }
  return { ...condition, lastUpdateTime: now, lastTransitionTime: now }
}
