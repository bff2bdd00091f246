import { formatTime, isAlreadyExists, isConflict, type KubernetesObject, semanticEqual } from '@binnacle/apimachinery'
import {
  configMaps,
  endpoints,
  endpointSlices,
  namespaces,
  priorityClasses,
  type ResourceDefinition,
  serviceCidrs,
  services,
  storageClasses,
} from '@binnacle/resources'
import type { ApiServer } from './api-server.ts'
import { reconcilePolicy } from './bootstrap-policy/reconcile-policy.ts'
import { ownRequest } from './own-request.ts'

/** Where this API process can be reached, for the Service `kubernetes`. */
export interface Advertised {
  readonly address: string
  readonly port: number
  readonly serviceCidr: string
}

/** Creates what every cluster has; what is there already stays. Several API processes may do this at once. */
export async function bootstrapCluster(server: ApiServer, advertised: Advertised): Promise<void> {
  await Promise.all(
    ['default', 'kube-system', 'kube-public', 'kube-node-lease'].map((name) =>
      ensure(server, namespaces as ResourceDefinition, object('v1', 'Namespace', { name })),
    ),
  )
  await Promise.all([
    ensure(
      server,
      priorityClasses as ResourceDefinition,
      priorityClass(
        'system-cluster-critical',
        2_000_000_000,
        'Used for system critical pods that must run in the cluster, but can be moved to another node if necessary.',
      ),
    ),
    ensure(
      server,
      priorityClasses as ResourceDefinition,
      priorityClass(
        'system-node-critical',
        2_000_001_000,
        'Used for system critical pods that must not be moved from their current node.',
      ),
    ),
    ensure(server, storageClasses as ResourceDefinition, standardClass),
    ensure(server, configMaps as ResourceDefinition, tokenTracking()),
    reconcilePolicy(server),
    ensure(
      server,
      serviceCidrs as ResourceDefinition,
      object(
        'networking.k8s.io/v1',
        'ServiceCIDR',
        { name: 'kubernetes' },
        { spec: { cidrs: [advertised.serviceCidr] } },
      ),
    ),
  ])
  await ensure(
    server,
    services as ResourceDefinition,
    kubernetesService(firstAddress(advertised.serviceCidr), advertised.port),
  )
  await publishEndpoints(server, advertised)
}

function object(
  apiVersion: string,
  kind: string,
  metadata: { name: string; namespace?: string; labels?: Record<string, string> },
  rest: object = {},
): KubernetesObject {
  return { apiVersion, kind, metadata, ...rest }
}

function priorityClass(name: string, value: number, description: string): KubernetesObject {
  return object('scheduling.k8s.io/v1', 'PriorityClass', { name }, { value, description })
}

/** What claims get that name no class: a directory on the node of the first pod that uses it. */
const standardClass = {
  apiVersion: 'storage.k8s.io/v1',
  kind: 'StorageClass',
  metadata: { name: 'standard', annotations: { 'storageclass.kubernetes.io/is-default-class': 'true' } },
  provisioner: 'binnacle.dev/local-path',
  reclaimPolicy: 'Delete',
  volumeBindingMode: 'WaitForFirstConsumer',
  allowVolumeExpansion: true,
}

// From this day on the use of tokens in Secrets is noted (`legacytokentracking`).
function tokenTracking(): KubernetesObject {
  const metadata = { name: 'kube-apiserver-legacy-service-account-token-tracking', namespace: 'kube-system' }
  return object('v1', 'ConfigMap', metadata, { data: { since: formatTime(Date.now()).slice(0, 10) } })
}

function firstAddress(cidr: string): string {
  const parts = (cidr.split('/')[0] as string).split('.').map(Number)
  return [...parts.slice(0, 3), (parts[3] as number) + 1].join('.')
}

const serviceLabels = { component: 'apiserver', provider: 'kubernetes' }

function kubernetesService(clusterIP: string, port: number): KubernetesObject {
  return object(
    'v1',
    'Service',
    { name: 'kubernetes', namespace: 'default', labels: serviceLabels },
    {
      spec: { clusterIP, ports: [{ name: 'https', port: 443, protocol: 'TCP', targetPort: port }], type: 'ClusterIP' },
    },
  )
}

async function ensure(server: ApiServer, definition: ResourceDefinition, wanted: KubernetesObject): Promise<void> {
  const { name, namespace = '' } = wanted.metadata
  const isThere = (): boolean => server.store.get({ resource: definition.storageName, namespace, name }) !== undefined
  if (isThere()) return
  await server.create(ownRequest, definition, namespace, structuredClone(wanted)).catch(async (error: unknown) => {
    if (isAlreadyExists(error)) return
    // Another process may have been quicker and hold what this one asked for, such as the Service's address.
    await server.store.linearize()
    if (!isThere()) throw error
  })
}

async function publishEndpoints(server: ApiServer, { address, port }: Advertised): Promise<void> {
  const metadata = {
    name: 'kubernetes',
    namespace: 'default',
    labels: { 'endpointslice.kubernetes.io/skip-mirror': 'true' },
  }
  await put(
    server,
    endpoints as ResourceDefinition,
    object('v1', 'Endpoints', metadata, {
      subsets: [{ addresses: [{ ip: address }], ports: [{ name: 'https', port, protocol: 'TCP' }] }],
    }),
  )
  const slice = object(
    'discovery.k8s.io/v1',
    'EndpointSlice',
    { name: 'kubernetes', namespace: 'default', labels: { 'kubernetes.io/service-name': 'kubernetes' } },
    {
      addressType: 'IPv4',
      endpoints: [{ addresses: [address], conditions: { ready: true } }],
      ports: [{ name: 'https', port, protocol: 'TCP' }],
    },
  )
  await put(server, endpointSlices as ResourceDefinition, slice)
}

async function put(server: ApiServer, definition: ResourceDefinition, wanted: KubernetesObject): Promise<void> {
  const { name, namespace = '' } = wanted.metadata
  const existing = server.store.get({ resource: definition.storageName, namespace, name })
  if (existing === undefined) return await ensure(server, definition, wanted)
  const { metadata: _metadata, ...fields } = wanted
  const { metadata: _old, ...present } = existing.parse() as KubernetesObject
  if (semanticEqual(fields, present)) return
  await server.update(ownRequest, definition, { namespace, name }, structuredClone(wanted)).catch((error: unknown) => {
    if (!isConflict(error)) throw error
  })
}
