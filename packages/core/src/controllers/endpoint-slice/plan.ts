import { canonicalJson, controllerReference, semanticEqual } from '@binnacle/apimachinery'
import type { Endpoint, EndpointSlice, Node, Pod, Service } from '@binnacle/resources'
import { isPodReady, isPodTerminal } from '../../pod-state.ts'
import { type ResolvedPort, resolvePorts, targetRefOf } from '../endpoint-addresses.ts'

const endpointsMax = 100
const controllerName = 'endpointslice-controller.k8s.io'
/** The label that leads from a slice to its Service. */
export const serviceNameLabel = 'kubernetes.io/service-name'
/** The label that says who writes a slice. */
export const managedByLabel = 'endpointslice.kubernetes.io/managed-by'
const headlessLabel = 'service.kubernetes.io/headless'
const reservedLabels = [serviceNameLabel, managedByLabel, headlessLabel]

/** What has to be written so that a Service's slices say what its pods say. */
export interface SlicePlan {
  readonly create: readonly EndpointSlice[]
  readonly update: readonly EndpointSlice[]
  readonly remove: readonly EndpointSlice[]
}

interface WantedGroup {
  readonly ports: readonly ResolvedPort[]
  readonly endpoints: Map<string, Endpoint>
}

/** Compares the wanted endpoints with the slices, changing as few slices as possible (`endpointslice/reconciler.go`). */
export function planSlices(
  service: Service,
  selected: readonly Pod[],
  existing: readonly EndpointSlice[],
  nodeOf: (name: string) => Node | undefined,
): SlicePlan {
  const wanted = groupByPorts(service, selected, nodeOf)
  const labels = labelsFor(service)
  const plan = { create: [] as EndpointSlice[], update: [] as EndpointSlice[], remove: [] as EndpointSlice[] }
  const byPorts = Map.groupBy(existing, (slice) =>
    canonicalJson(
      (slice.ports ?? []).map((port) => ({
        name: port.name ?? '',
        port: port.port,
        protocol: port.protocol,
        ...(port.appProtocol === undefined ? {} : { appProtocol: port.appProtocol }),
      })),
    ),
  )
  for (const [ports, slices] of byPorts) if (!wanted.has(ports)) plan.remove.push(...slices)
  for (const [ports, group] of wanted) fillGroup(service, group, byPorts.get(ports) ?? [], labels, plan)
  return keepOneEmpty(service, existing, labels, plan)
}

function groupByPorts(
  service: Service,
  selected: readonly Pod[],
  nodeOf: (name: string) => Node | undefined,
): Map<string, WantedGroup> {
  const groups = new Map<string, WantedGroup>()
  for (const pod of selected) {
    if (!pod.status?.podIP || isPodTerminal(pod)) continue
    const ports = resolvePorts(service, pod)
    const key = canonicalJson(ports)
    let group = groups.get(key)
    if (group === undefined) groups.set(key, (group = { ports, endpoints: new Map() }))
    group.endpoints.set(pod.metadata.uid ?? '', endpointOf(service, pod, nodeOf))
  }
  return groups
}

function endpointOf(service: Service, pod: Pod, nodeOf: (name: string) => Node | undefined): Endpoint {
  const serving = isPodReady(pod)
  const terminating = pod.metadata.deletionTimestamp !== undefined
  const nodeName = pod.spec?.nodeName
  const zone = nodeName ? nodeOf(nodeName)?.metadata.labels?.['topology.kubernetes.io/zone'] : undefined
  const isNamed = pod.spec?.hostname && pod.spec.subdomain === service.metadata.name
  return {
    addresses: [pod.status?.podIP ?? ''],
    conditions: {
      ready: service.spec?.publishNotReadyAddresses === true || (serving && !terminating),
      serving,
      terminating,
    },
    targetRef: targetRefOf(pod),
    ...(isNamed ? { hostname: pod.spec?.hostname as string } : {}),
    ...(nodeName ? { nodeName } : {}),
    ...(zone === undefined ? {} : { zone }),
  }
}

function labelsFor(service: Service): Record<string, string> {
  const own = Object.fromEntries(
    Object.entries(service.metadata.labels ?? {}).filter(([key]) => !reservedLabels.includes(key)),
  )
  return {
    ...own,
    [serviceNameLabel]: service.metadata.name,
    [managedByLabel]: controllerName,
    ...(service.spec?.clusterIP === 'None' ? { [headlessLabel]: '' } : {}),
  }
}

// Endpoints stay in the slice where they are; gone ones leave it; new ones fill what is changed anyway, then the fullest with room, then new slices.
function fillGroup(
  service: Service,
  group: WantedGroup,
  slices: readonly EndpointSlice[],
  labels: Record<string, string>,
  plan: { create: EndpointSlice[]; update: EndpointSlice[]; remove: EndpointSlice[] },
): void {
  const missing = new Map(group.endpoints)
  const states = slices.map((slice) => {
    const kept = (slice.endpoints ?? []).flatMap((endpoint) => {
      const uid = endpoint.targetRef?.uid ?? ''
      const next = missing.get(uid)
      missing.delete(uid)
      return next === undefined ? [] : [next]
    })
    return {
      slice,
      endpoints: kept,
      changed: !semanticEqual(kept, slice.endpoints ?? []) || !semanticEqual(slice.metadata.labels, labels),
    }
  })
  const queue = [...missing.values()]
  const byRoom = states
    .filter((state) => state.endpoints.length < endpointsMax)
    .sort((a, b) => Number(b.changed) - Number(a.changed) || b.endpoints.length - a.endpoints.length)
  for (const state of byRoom) {
    if (queue.length === 0) break
    state.endpoints.push(...queue.splice(0, endpointsMax - state.endpoints.length))
    state.changed = true
  }
  while (queue.length > 0) plan.create.push(newSlice(service, labels, group.ports, queue.splice(0, endpointsMax)))
  for (const { slice, endpoints, changed } of states) {
    if (endpoints.length === 0) plan.remove.push(slice)
    else if (changed) plan.update.push({ ...slice, metadata: { ...slice.metadata, labels }, endpoints })
  }
}

function newSlice(
  service: Service,
  labels: Record<string, string>,
  ports: readonly ResolvedPort[],
  endpoints: Endpoint[],
): EndpointSlice {
  return {
    apiVersion: 'discovery.k8s.io/v1',
    kind: 'EndpointSlice',
    metadata: {
      name: '',
      generateName: `${service.metadata.name}-`,
      namespace: service.metadata.namespace ?? '',
      labels,
      ownerReferences: [controllerReference(service)],
    },
    addressType: 'IPv4',
    endpoints,
    ports: ports.map((port) => ({ ...port })),
  }
}

// A Service without endpoints keeps one empty slice, so that consumers can tell "none" from "not yet known".
function keepOneEmpty(
  service: Service,
  existing: readonly EndpointSlice[],
  labels: Record<string, string>,
  plan: SlicePlan,
): SlicePlan {
  const stays = existing.length - plan.remove.length + plan.create.length
  if (stays > 0) return plan
  const [kept, ...removed] = plan.remove
  if (kept === undefined) return { ...plan, create: [newSlice(service, labels, [], [])] }
  const empty = { ...kept, metadata: { ...kept.metadata, labels }, endpoints: [], ports: [] }
  const same =
    (kept.endpoints ?? []).length === 0 &&
    (kept.ports ?? []).length === 0 &&
    semanticEqual(kept.metadata.labels, labels)
  return { ...plan, remove: removed, update: same ? plan.update : [...plan.update, empty] }
}
