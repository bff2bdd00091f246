import type { GeneratedResource } from './define-resource.ts'
import type { CompactSchemas } from './schemas.ts'

/**
 * Resources that the published type packages do not have, in the form that the others are generated in: metrics.k8s.io, which Kubernetes keeps in a
 * repository of its own, and the records that it is told from.
 */

const apiVersion = { n: 'apiVersion', t: 'string', d: 'The versioned schema of this representation.' }
const kind = { n: 'kind', t: 'string', d: 'The REST resource that this object represents.' }
const metadata = { n: 'metadata', t: '#io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta', d: 'Standard metadata.' }
const listOf = (schema: string, name: string): CompactSchemas => ({
  [`${schema}.${name}List`]: {
    d: `${name}List is a list of ${name}.`,
    f: [
      apiVersion,
      { n: 'items', t: `[]#${schema}.${name}`, d: 'The objects.', r: 1 },
      kind,
      { n: 'metadata', t: '#io.k8s.apimachinery.pkg.apis.meta.v1.ListMeta', d: 'Standard list metadata.' },
    ],
  },
})
const timestamp = { n: 'timestamp', t: 'time', d: 'When the measurement ended.', r: 1 as const }
const window = {
  n: 'window',
  t: 'string',
  d: 'Over which time it went on, as Go writes durations: 15s.',
  r: 1 as const,
}
const usage = { n: 'usage', t: '{}quantity', d: 'What is used of each resource: cpu and memory.', r: 1 as const }

/** The schema of PodMetrics, by its dotted name in Kubernetes. */
export const metricsSchema = 'io.k8s.metrics.pkg.apis.metrics.v1beta1'
/** Likewise of the project's own records. */
export const recordsSchema = 'dev.binnacle.metrics.v1'

/** Their structures. */
export const ownSchemas: CompactSchemas = {
  ...listOf(metricsSchema, 'NodeMetrics'),
  ...listOf(metricsSchema, 'PodMetrics'),
  ...listOf(recordsSchema, 'NodeUsage'),
  [`${metricsSchema}.NodeMetrics`]: {
    d: 'NodeMetrics sets resource usage metrics of a node.',
    f: [apiVersion, kind, metadata, timestamp, window, usage],
  },
  [`${metricsSchema}.PodMetrics`]: {
    d: 'PodMetrics sets resource usage metrics of a pod.',
    f: [
      apiVersion,
      kind,
      metadata,
      timestamp,
      window,
      { n: 'containers', t: `[]#${metricsSchema}.ContainerMetrics`, d: 'Metrics for all containers.', r: 1 },
    ],
  },
  [`${metricsSchema}.ContainerMetrics`]: {
    d: 'ContainerMetrics sets resource usage metrics of a container.',
    f: [{ n: 'name', t: 'string', d: 'The name of the container.', r: 1 }, usage],
  },
  [`${recordsSchema}.NodeUsage`]: {
    d: 'NodeUsage is what a node agent has measured last, of its node and of the pods on it: what metrics.k8s.io is told from. It has the name of the node.',
    f: [
      apiVersion,
      kind,
      metadata,
      timestamp,
      window,
      usage,
      { n: 'pods', t: `[]#${recordsSchema}.PodUsage`, d: 'The pods that were measured.' },
    ],
  },
  [`${recordsSchema}.PodUsage`]: {
    d: 'PodUsage is what the containers of a pod use.',
    f: [
      { n: 'uid', t: 'string', d: 'The uid of the pod.', r: 1 },
      { n: 'containers', t: `[]#${metricsSchema}.ContainerMetrics`, d: 'Its running containers.', r: 1 },
    ],
  },
}

const own =
  (group: string, version: string, schema: string) => (plural: string, name: string, namespaced: boolean) => ({
    group,
    version,
    plural,
    namespaced,
    kind: name,
    schema: `${schema}.${name}`,
    list: `${schema}.${name}List`,
    subresources: [],
  })
const metrics = own('metrics.k8s.io', 'v1beta1', metricsSchema)
const record = own('metrics.binnacle.dev', 'v1', recordsSchema)

/** What discovery says of them. */
export const ownResources: readonly GeneratedResource[] = [
  { ...metrics('nodes', 'NodeMetrics', false), verbs: ['get', 'list'] },
  { ...metrics('pods', 'PodMetrics', true), verbs: ['get', 'list'] },
  {
    ...record('nodeusages', 'NodeUsage', false),
    verbs: ['create', 'delete', 'deletecollection', 'get', 'list', 'patch', 'update', 'watch'],
  },
]
