import type { ApiResource } from '../live/queries.ts'

/** `pods`, `deployments.apps`: how paths (and kubectl) name a resource. */
export function resourcePathName(resource: { readonly group: string; readonly plural: string }): string {
  return resource.group === '' ? resource.plural : `${resource.plural}.${resource.group}`
}

/** The resource that a path names; its preferred version comes first in the API's list. */
export function findResource(resources: readonly ApiResource[], pathName: string): ApiResource | undefined {
  return resources.find((resource) => resourcePathName(resource) === pathName)
}

/** The resource that a person means who writes `po`, `Pod`, `pod` or `deploy` in the address, as for kubectl. */
export function findByAlias(resources: readonly ApiResource[], word: string): ApiResource | undefined {
  const wanted = word.toLowerCase()
  return resources.find(({ kind, plural, singular, shortNames }) =>
    [plural, singular, kind.toLowerCase(), ...shortNames].includes(wanted),
  )
}

/** The resource of an owner reference or any other `apiVersion` and `kind`. */
export function findKind(resources: readonly ApiResource[], apiVersion: string, kind: string): ApiResource | undefined {
  const group = apiVersion.includes('/') ? apiVersion.slice(0, apiVersion.indexOf('/')) : ''
  return resources.find((candidate) => candidate.kind === kind && candidate.group === group)
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
