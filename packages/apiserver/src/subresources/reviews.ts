import {
  badRequest,
  type FieldError,
  formatTime,
  invalid,
  invalidValue,
  type KubernetesObject,
  required,
} from '@binnacle/apimachinery'
import type {
  LocalSubjectAccessReview,
  SelfSubjectRulesReview,
  SubjectAccessReview,
  TokenReview,
  UserInfo as WireUserInfo,
} from '@binnacle/resources'
import type { RequestContext, UserInfo } from '../api-server.ts'
import type { Authenticator } from '../auth/authenticate.ts'
import { isUserAllowed } from '../auth/authorize.ts'

/** Answers the kinds that are asked and never stored: reviews of tokens, users and access. @throws StatusError Invalid | BadRequest */
export async function answerReview(
  request: RequestContext,
  authenticator: Authenticator | undefined,
  object: KubernetesObject,
  namespace: string,
): Promise<KubernetesObject> {
  const metadata = { ...object.metadata, creationTimestamp: formatTime(Date.now()) }
  return { ...object, metadata, status: await statusOf(request, authenticator, object, namespace) } as KubernetesObject
}

async function statusOf(
  request: RequestContext,
  authenticator: Authenticator | undefined,
  object: KubernetesObject,
  namespace: string,
): Promise<object> {
  switch (object.kind) {
    case 'SelfSubjectReview':
      return { userInfo: wireUser(request.user) }
    case 'TokenReview':
      return await reviewToken(authenticator, object as TokenReview)
    case 'SelfSubjectRulesReview':
      return rulesOf(request.user, object as SelfSubjectRulesReview)
    case 'SelfSubjectAccessReview':
      checkAttributes(object as SubjectAccessReview, [])
      return access(request.user)
    case 'LocalSubjectAccessReview':
      checkLocal(object as LocalSubjectAccessReview, namespace)
      return access(subjectOf(object as LocalSubjectAccessReview))
    default:
      checkAttributes(object as SubjectAccessReview, subjectErrors(object as SubjectAccessReview))
      return access(subjectOf(object as SubjectAccessReview))
  }
}

function access(user: UserInfo): object {
  return isUserAllowed(user) ? { allowed: true, reason: 'every authenticated user is allowed' } : { allowed: false }
}

// Whoever is asked about has passed authentication, unless the question names the anonymous user.
function subjectOf({ spec }: SubjectAccessReview): UserInfo {
  const groups = spec?.groups ?? []
  const anonymous = spec?.user === 'system:anonymous' || groups.includes('system:unauthenticated')
  return { name: spec?.user ?? '', groups: anonymous ? groups : [...groups, 'system:authenticated'] }
}

function subjectErrors({ spec }: SubjectAccessReview): FieldError[] {
  if (spec?.user || (spec?.groups ?? []).length > 0) return []
  return [required('spec.user', 'at least one of user or group must be specified')]
}

function checkAttributes(review: SubjectAccessReview, errors: FieldError[]): void {
  const { resourceAttributes, nonResourceAttributes } = review.spec ?? {}
  const one = 'cannot be specified in combination with resourceAttributes'
  if (resourceAttributes !== undefined && nonResourceAttributes !== undefined) {
    errors.push(invalidValue('spec.nonResourceAttributes', nonResourceAttributes, one))
  }
  if (resourceAttributes === undefined && nonResourceAttributes === undefined) {
    const why = 'exactly one of nonResourceAttributes or resourceAttributes must be specified'
    errors.push(invalidValue('spec.resourceAttributes', null, why))
  }
  if (errors.length > 0) {
    throw invalid({ group: 'authorization.k8s.io', plural: '', kind: review.kind }, review.metadata.name ?? '', errors)
  }
}

function checkLocal(review: LocalSubjectAccessReview, namespace: string): void {
  const errors = subjectErrors(review)
  const { resourceAttributes, nonResourceAttributes } = review.spec ?? {}
  if (nonResourceAttributes !== undefined) {
    const why = 'disallowed on this kind of request'
    errors.push(invalidValue('spec.nonResourceAttributes', nonResourceAttributes, why))
  }
  if (resourceAttributes !== undefined && (resourceAttributes.namespace ?? '') !== namespace) {
    const why = 'must match metadata.namespace'
    errors.push(invalidValue('spec.resourceAttributes.namespace', resourceAttributes.namespace ?? '', why))
  }
  checkAttributes(review, errors)
}

function rulesOf(user: UserInfo, { spec }: SelfSubjectRulesReview): object {
  if (!spec?.namespace) throw badRequest('no namespace on request')
  if (!isUserAllowed(user)) return { incomplete: false, resourceRules: [], nonResourceRules: [] }
  return {
    incomplete: false,
    resourceRules: [{ verbs: ['*'], apiGroups: ['*'], resources: ['*'] }],
    nonResourceRules: [{ verbs: ['*'], nonResourceURLs: ['*'] }],
  }
}

function wireUser({ name, uid, groups, extra }: UserInfo): WireUserInfo {
  return {
    username: name,
    ...(uid === undefined ? {} : { uid }),
    groups: [...groups],
    ...(extra === undefined
      ? {}
      : { extra: Object.fromEntries(Object.entries(extra).map(([key, values]) => [key, [...values]])) }),
  }
}

async function reviewToken(authenticator: Authenticator | undefined, { spec }: TokenReview): Promise<object> {
  if (!spec?.token) throw badRequest('token is required for TokenReview in authentication')
  const audiences = spec.audiences !== undefined && spec.audiences.length > 0 ? spec.audiences : undefined
  const verified = (await authenticator?.verifyToken(spec.token, audiences)) ?? 'invalid bearer token'
  if (typeof verified === 'string') return { user: {}, error: verified }
  return { authenticated: true, user: wireUser(verified.user), audiences: [...verified.audiences] }
}
