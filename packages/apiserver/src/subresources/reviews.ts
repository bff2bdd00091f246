import { formatTime, type KubernetesObject } from '@binnacle/apimachinery'
import type { RequestContext, UserInfo } from '../api-server.ts'
import type { Authenticator } from '../auth/authenticate.ts'
import { isAllowed } from '../auth/authorize.ts'

type Json = Record<string, any>

/** Answers the kinds that are asked and never stored: reviews of tokens, users and access. */
export async function answerReview(
  request: RequestContext,
  authenticator: Authenticator | undefined,
  object: KubernetesObject,
): Promise<KubernetesObject> {
  const spec = ((object as unknown as Json)['spec'] ?? {}) as Json
  const metadata = { ...object.metadata, creationTimestamp: formatTime(Date.now()) }
  const withStatus = (status: Json): KubernetesObject =>
    ({ ...object, metadata, status }) as unknown as KubernetesObject
  switch (object.kind) {
    case 'SelfSubjectReview':
      return withStatus({ userInfo: userInfo(request.user) })
    case 'TokenReview':
      return withStatus(await reviewToken(authenticator, spec))
    case 'SelfSubjectRulesReview':
      return withStatus({
        incomplete: false,
        resourceRules: [{ verbs: ['*'], apiGroups: ['*'], resources: ['*'] }],
        nonResourceRules: [{ verbs: ['*'], nonResourceURLs: ['*'] }],
      })
    case 'SelfSubjectAccessReview':
      return withStatus(access(isAllowed(request)))
    default: {
      // About somebody else: whoever the API would let in is allowed.
      const groups = (spec['groups'] ?? []) as string[]
      return withStatus(access(spec['user'] !== 'system:anonymous' && !groups.includes('system:unauthenticated')))
    }
  }
}

const access = (allowed: boolean): Json =>
  allowed ? { allowed, reason: 'every authenticated user is allowed' } : { allowed }

function userInfo(user: UserInfo): Json {
  return {
    username: user.name,
    ...(user.uid === undefined ? {} : { uid: user.uid }),
    groups: [...user.groups],
    ...(user.extra === undefined ? {} : { extra: user.extra }),
  }
}

async function reviewToken(authenticator: Authenticator | undefined, spec: Json): Promise<Json> {
  const audiences = (spec['audiences'] as string[] | undefined) ?? []
  const token = String(spec['token'] ?? '')
  try {
    const user =
      (audiences.length > 0 ? await authenticator?.serviceAccountUser(token, audiences) : undefined) ??
      (await authenticator?.authenticate({ bearerToken: token }))
    if (user !== undefined)
      return {
        authenticated: true,
        user: userInfo(user),
        audiences: audiences.length > 0 ? audiences : [authenticator?.audience],
      }
  } catch {
    // Said below.
  }
  return { user: {}, error: 'invalid bearer token' }
}
