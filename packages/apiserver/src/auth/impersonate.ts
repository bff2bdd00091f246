import { badRequest, forbidden } from '@binnacle/apimachinery'
import type { UserInfo } from '../api-server.ts'
import { isUserAllowed } from './authorize.ts'

/** As whom a request wants to act: the headers `Impersonate-User`, `-Group`, `-Uid` and `-Extra-…`. */
export interface Impersonation {
  readonly user?: string | undefined
  readonly uid?: string | undefined
  readonly groups?: readonly string[] | undefined
  readonly extra?: Readonly<Record<string, readonly string[]>> | undefined
}

/**
 * The user that a request acts as (apiserver `filters/impersonation.go`); the user itself when it asks for nobody else.
 * @throws StatusError BadRequest without a user to act as | Forbidden
 */
export function impersonate(user: UserInfo, wanted: Impersonation): UserInfo {
  const { user: name, uid, groups = [], extra = {} } = wanted
  const hasExtra = Object.keys(extra).length > 0
  if (!name) {
    if (!uid && groups.length === 0 && !hasExtra) return user
    throw badRequest('requested groups, a uid or extra without impersonating a user')
  }
  if (!isUserAllowed(user)) {
    const why = `User "${user.name}" cannot impersonate resource "users" in API group "" at the cluster scope`
    throw forbidden({ group: '', plural: 'users', kind: 'User' }, name, why)
  }
  const own = groups.length > 0 ? groups : serviceAccountGroups(name)
  const implied = name === 'system:anonymous' ? 'system:unauthenticated' : 'system:authenticated'
  return {
    name,
    ...(uid ? { uid } : {}),
    groups: own.includes(implied) ? own : [...own, implied],
    ...(hasExtra ? { extra } : {}),
  }
}

function serviceAccountGroups(name: string): readonly string[] {
  const [, namespace] = /^system:serviceaccount:([^:]+):[^:]+$/.exec(name) ?? []
  return namespace === undefined ? [] : ['system:serviceaccounts', `system:serviceaccounts:${namespace}`]
}
