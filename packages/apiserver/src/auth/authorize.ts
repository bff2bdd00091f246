import { forbidden, type ResourceName } from '@binnacle/apimachinery'
import type { RequestContext, UserInfo } from '../api-server.ts'

/**
 * May the user do this? In this version everyone who is authenticated may do everything, and the anonymous user nothing. It is the one place that
 * RBAC will extend: every path to the store, of either API, comes by here.
 * @throws StatusError Forbidden
 */
export function authorize(
  request: RequestContext,
  verb: string,
  resource: ResourceName,
  target: { readonly namespace?: string | undefined; readonly name?: string | undefined } = {},
): void {
  if (isAllowed(request, verb, resource, target)) return
  const { namespace, name = '' } = target
  const where = namespace ? `in the namespace "${namespace}"` : 'at the cluster scope'
  const what = `cannot ${verb} resource "${resource.plural}" in API group "${resource.group}" ${where}`
  throw forbidden(resource, name, `User "${request.user.name}" ${what}`)
}

/** The same question as a value. */
export function isAllowed(
  { user }: RequestContext,
  _verb: string,
  _resource: ResourceName,
  _target: { readonly namespace?: string | undefined; readonly name?: string | undefined },
): boolean {
  return isUserAllowed(user)
}

/** The same for a user who makes no request, as access reviews ask it. */
export function isUserAllowed({ groups }: UserInfo): boolean {
  return groups.includes('system:authenticated') || groups.includes('system:masters')
}
