import type { ApiResource } from '../live/queries.ts'

/** `pods`, `deployments.apps`: how paths (and kubectl) name a resource. */
export function resourcePathName(resource: { readonly group: string; readonly plural: string }): string {
  return resource.group === '' ? resource.plural : `${resource.plural}.${resource.group}`
}

/** The resource that a path names; its preferred version comes first in the API's list. */
export function findResource(resources: readonly ApiResource[], pathName: string): ApiResource | undefined {
  return resources.find((resource) => resourcePathName(resource) === pathName)
}

/** The path of a resource's table. */
export function tablePath(resource: ApiResource): string {
  return `/${resourcePathName(resource)}`
}

/** The path of one object. */
export function objectPath(
  resource: { readonly group: string; readonly plural: string },
  namespace: string,
  name: string,
): string {
  return `/${resourcePathName(resource)}/${namespace === '' ? '-' : encodeURIComponent(namespace)}/${encodeURIComponent(name)}`
}
