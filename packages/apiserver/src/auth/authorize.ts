import { forbidden, type ResourceName } from '@binnacle/apimachinery'
import type { RequestContext, UserInfo } from '../api-server.ts'

/**
 * May the user do this? In this version everyone who is authenticated may do everything, and the anonymous user nothing. It is the one place that
 * RBAC will extend: every path to the store, of either API, comes by here.
 * @throws StatusError Forbidden
 */
export function authorize(request: RequestContext, verb: string, resource: ResourceName): void {
  if (isUserAllowed(request.user)) return
  throw forbidden(
    resource,
    '',
    `User "${request.user.name}" cannot ${verb} resource "${resource.plural}" in API group "${resource.group}"`,
  )
}

/** The same question as a value, for access reviews. */
export function isUserAllowed({ groups }: UserInfo): boolean {
  return groups.includes('system:authenticated') || groups.includes('system:masters')
}
