import { findCondition, formatTime, isNotFound, type KubernetesObject, type ObjectKey } from '@binnacle/apimachinery'
import {
  type CertificateSigningRequest,
  certificateSigningRequests,
  type ResourceDefinition,
  type ResourceRegistry,
} from '@binnacle/resources'
import { type Controller, done, type ReconcileContext, type Result } from '../../controller.ts'
import { parseRequest, refusalOf, type RequestedCertificate, signers } from '../certificate-request.ts'

/** Approves what kubelets ask for to become clients, where the requester may have it (`sarapprove.go`). Serving certificates are for people to approve. */
export function csrApprovingController(registry: ResourceRegistry): Controller {
  const reviews = registry.byResource('authorization.k8s.io', 'v1', 'subjectaccessreviews')
  return {
    name: 'csrapproving',
    reconciles: certificateSigningRequests,
    reconcile: (key, context) => reconcile(key, context, reviews),
  }
}

/** What kubelets may ask for: under which right, and what is said of it. */
const recognised = [
  {
    subresource: 'selfnodeclient',
    message: 'Auto approving self kubelet client certificate after SubjectAccessReview.',
    matches: (request: CertificateSigningRequest, { commonName }: RequestedCertificate) =>
      request.spec.username === commonName,
  },
  {
    subresource: 'nodeclient',
    message: 'Auto approving kubelet client certificate after SubjectAccessReview.',
    matches: () => true,
  },
]

async function reconcile(
  key: ObjectKey,
  context: ReconcileContext,
  reviews: ResourceDefinition | undefined,
): Promise<Result> {
  // Observe.
  const request = context.informer(certificateSigningRequests).get(key)
  if (request === undefined || reviews === undefined || isDecided(request)) return done
  const { signerName, usages = [] } = request.spec
  if (signerName !== signers.kubeletClient) return done

  // Decide.
  const requested = parseRequest(request)
  if (refusalOf(requested, signerName, usages) !== undefined) return done
  for (const { subresource, message, matches } of recognised) {
    if (!matches(request, requested) || !(await mayCreate(request, subresource, reviews, context))) continue
    await approve(request, message, context)
    return done
  }
  return done
}

function isDecided({ status }: CertificateSigningRequest): boolean {
  const has = (type: string): boolean => findCondition(status?.conditions, type) !== undefined
  return Boolean(status?.certificate) || has('Approved') || has('Denied')
}

async function mayCreate(
  { spec }: CertificateSigningRequest,
  subresource: string,
  reviews: ResourceDefinition,
  { client }: ReconcileContext,
): Promise<boolean> {
  const { username = '', uid = '', groups = [], extra = {} } = spec
  const resourceAttributes = {
    group: 'certificates.k8s.io',
    version: '*',
    resource: 'certificatesigningrequests',
    subresource,
    verb: 'create',
  }
  const review = {
    apiVersion: 'authorization.k8s.io/v1',
    kind: 'SubjectAccessReview',
    metadata: {},
    spec: { user: username, uid, groups, extra, resourceAttributes },
  } as unknown as KubernetesObject
  const answer = (await client.create(reviews, review)) as KubernetesObject & { status?: { allowed?: boolean } }
  return answer.status?.allowed === true
}

async function approve(request: CertificateSigningRequest, message: string, context: ReconcileContext): Promise<void> {
  const now = formatTime(context.nowMs())
  const condition = { type: 'Approved', status: 'True', reason: 'AutoApproved', message }
  const times = { lastUpdateTime: now, lastTransitionTime: now }
  const conditions = [...(request.status?.conditions ?? []), { ...condition, ...times }]
  await context.client
    .update(
      certificateSigningRequests,
      { ...request, status: { ...request.status, conditions } },
      { subresource: 'approval' },
    )
    .catch((error: unknown) => {
      if (!isNotFound(error)) throw error
    })
}
