import type { ApiResource } from '../live/queries.ts'
import type { Row } from '../live/row-store.ts'
import { objectPath, resourcePathName } from '../shell/paths.ts'

// Columns of built-in kinds whose text is the name of another object.
const namedObjects: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  pods: { Node: 'nodes' },
  persistentvolumeclaims: { Volume: 'persistentvolumes', StorageClass: 'storageclasses.storage.k8s.io' },
  persistentvolumes: { StorageClass: 'storageclasses.storage.k8s.io' },
  'volumeattachments.storage.k8s.io': { PV: 'persistentvolumes', Node: 'nodes' },
  'ingresses.networking.k8s.io': { Class: 'ingressclasses.networking.k8s.io' },
}

/** Where a cell leads: the row's own object by its name, or another object that the cell names; undefined for plain text. */
export function cellLink(
  resources: readonly ApiResource[],
  resource: ApiResource,
  title: string,
  text: string,
  row: Row,
): string | undefined {
  if (text === '' || text.startsWith('<')) return undefined
  if (title === 'Name') return objectPath(resource, row.namespace, row.name)
  if (resource.plural === 'events' && title === 'Object') return involvedObject(resources, text, row.namespace)
  const pathName = namedObjects[resourcePathName(resource)]?.[title]
  const target = pathName === undefined ? undefined : resources.find((each) => resourcePathName(each) === pathName)
  return target === undefined ? undefined : objectPath(target, target.namespaced ? row.namespace : '', text)
}

// `pod/web-1`, as kubectl prints the object of an event. Events of cluster-scoped objects are in the namespace default.
function involvedObject(resources: readonly ApiResource[], text: string, namespace: string): string | undefined {
  const slash = text.indexOf('/')
  const kind = text.slice(0, slash).toLowerCase()
  const target = resources.find((each) => each.kind.toLowerCase() === kind)
  return target === undefined
    ? undefined
    : objectPath(target, target.namespaced ? namespace : '', text.slice(slash + 1))
}
