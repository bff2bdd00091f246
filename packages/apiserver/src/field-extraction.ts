import { nodeUsages, type ResourceDefinition, type ResourceRegistry } from '@binnacle/resources'
import type { FieldExtraction } from '@binnacle/store'
import { fieldText } from './field-paths.ts'

/** Heartbeats, events and measurements would fill the history: the store keeps theirs for minutes only. */
export const briefResources: readonly string[] = ['leases.coordination.k8s.io', 'events', nodeUsages.storageName]

/** Fields by which objects are looked up so often that they have an index. */
const indexedFields: Record<string, readonly string[]> = {
  pods: ['spec.nodeName'],
  events: ['involvedObject.uid'],
}

// Selectable fields whose name is not a path within the object.
const special: Record<string, (object: any) => string> = {
  'events source': (event) => event.source?.component || event.reportingComponent || '',
  'events reportingComponent': (event) => event.reportingComponent || event.source?.component || '',
  'jobs.batch status.successful': (job) => String(job.status?.succeeded ?? 0),
  'pods spec.hostNetwork': (pod) => String(pod.spec?.hostNetwork ?? false),
  'pods status.podIPs': (pod) => pod.status?.podIPs?.[0]?.ip ?? '',
  'nodes spec.unschedulable': (node) => String(node.spec?.unschedulable ?? false),
  'replicasets.apps status.replicas': (set) => String(set.status?.replicas ?? 0),
  'replicationcontrollers status.replicas': (controller) => String(controller.status?.replicas ?? 0),
}

/** What the store extracts of each resource for field selectors and indexes: the definition in its storage version decides. */
export function fieldExtractions(registry: ResourceRegistry): (resource: string) => FieldExtraction | undefined {
  return (resource) => {
    const definition = registry.byStorageName(resource)
    return definition === undefined ? undefined : extractionOf(definition)
  }
}

function extractionOf(definition: ResourceDefinition): FieldExtraction | undefined {
  const paths = definition.selectableFields.filter((path) => !path.startsWith('metadata.'))
  if (paths.length === 0) return undefined
  const readers = paths.map((path) => [path, special[`${definition.storageName} ${path}`] ?? pathReader(path)] as const)
  return {
    indexed: indexedFields[definition.storageName] ?? [],
    extract(object) {
      const fields: Record<string, string> = {}
      for (const [path, read] of readers) fields[path] = read(object)
      return fields
    },
  }
}

function pathReader(path: string): (object: any) => string {
  const [first = '', second, ...rest] = path.split('.')
  if (second === undefined) return (object) => text(object[first])
  if (rest.length === 0) return (object) => text(object[first]?.[second])
  return (object) => fieldText(object, path)
}

const text = (value: unknown): string => (value === undefined || value === null ? '' : String(value))
