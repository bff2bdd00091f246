import { isIPv6 } from '@binnacle/apimachinery'
import type { Endpoint, Node, Pod, Service } from '@binnacle/resources'
import { isPodReady, isPodTerminal } from '../../pod-state.ts'
import { hostnameFor, resolvePorts, targetRefOf } from '../endpoint-addresses.ts'
import {
  type EndpointGroup,
  groupKey,
  keepPlaceholder,
  managedByLabel,
  packSlices,
  serviceNameLabel,
  type SlicePlan,
  type SliceTemplate,
} from '../slice-packing.ts'
import type { EndpointSlice } from '@binnacle/resources'
import { usesTopology } from './topology.ts'
import { zoneLabel } from './zone-capacity.ts'

/** The most endpoints of one slice (`--max-endpoints-per-slice`). */
const endpointsMax = 100
/** Who writes the slices of Services with a selector. */
export const controllerName = 'endpointslice-controller.k8s.io'
const headlessLabel = 'service.kubernetes.io/headless'
const reservedLabels = [serviceNameLabel, managedByLabel, headlessLabel]
const closeDistributions = ['PreferClose', 'PreferSameZone', 'PreferSameNode']

/** What has to be written so that a Service's slices say what its pods say. `isPartial`: a pod is left out because its node is not known yet. */
export function planSlices(
  service: Service,
  selected: readonly Pod[],
  existing: readonly EndpointSlice[],
  nodeOf: (name: string) => Node | undefined,
): SlicePlan & { readonly isPartial: boolean } {
  const published = service.spec?.publishNotReadyAddresses === true
  const present = selected.filter((pod) => !isPodTerminal(pod) && addressesOf(pod).length > 0)
  const known = present.filter(({ spec }) => published || !spec?.nodeName || nodeOf(spec.nodeName) !== undefined)
  const addressTypes = addressTypesOf(service)
  const groups = new Map<string, EndpointGroup>()
  for (const pod of known) for (const type of addressTypes) addToGroup(groups, service, pod, type, nodeOf)
  if (usesTopology(service)) takeOverHints(groups, existing)
  const template: SliceTemplate = {
    owner: service,
    labels: labelsFor(service),
    endpointsMax,
    keyOf: ({ targetRef }) => targetRef?.uid ?? '',
  }
  const plan = packSlices(groups, existing, template)
  for (const type of addressTypes) keepPlaceholder(type, existing, plan, template)
  return { ...plan, isPartial: known.length < present.length }
}

// Hints at zones are given when it is known which slices change: until then they are no reason to change one.
function takeOverHints(groups: ReadonlyMap<string, EndpointGroup>, existing: readonly EndpointSlice[]): void {
  for (const { addressType, endpoints = [] } of existing)
    for (const { targetRef, hints } of endpoints) {
      if (hints === undefined) continue
      for (const group of groups.values()) {
        const endpoint = group.addressType === addressType ? group.endpoints.get(targetRef?.uid ?? '') : undefined
        if (endpoint !== undefined) endpoint.hints = hints
      }
    }
}

/** The address types of a Service's families; slices of others go. */
export function addressTypesOf({ spec }: Service): readonly string[] {
  const families = spec?.ipFamilies ?? []
  if (families.length > 0) return families
  return [spec?.clusterIP !== undefined && isIPv6(spec.clusterIP) ? 'IPv6' : 'IPv4']
}

function addressesOf({ status }: Pod): readonly string[] {
  const addresses = (status?.podIPs ?? []).map(({ ip }) => ip)
  return addresses.length > 0 ? addresses : status?.podIP ? [status.podIP] : []
}

function addToGroup(
  groups: Map<string, EndpointGroup>,
  service: Service,
  pod: Pod,
  addressType: string,
  nodeOf: (name: string) => Node | undefined,
): void {
  const addresses = addressesOf(pod).filter((address) => isIPv6(address) === (addressType === 'IPv6'))
  if (addresses.length === 0) return
  const ports = resolvePorts(service, pod)
  const key = groupKey(addressType, ports)
  let group = groups.get(key)
  if (group === undefined) groups.set(key, (group = { addressType, ports, endpoints: new Map() }))
  group.endpoints.set(pod.metadata.uid ?? '', endpointOf(service, pod, addresses, nodeOf))
}

function endpointOf(
  service: Service,
  pod: Pod,
  addresses: readonly string[],
  nodeOf: (name: string) => Node | undefined,
): Endpoint {
  const serving = isPodReady(pod)
  const terminating = pod.metadata.deletionTimestamp !== undefined
  const ready = service.spec?.publishNotReadyAddresses === true || (serving && !terminating)
  const nodeName = pod.spec?.nodeName
  const zone = nodeName ? nodeOf(nodeName)?.metadata.labels?.[zoneLabel] : undefined
  const hostname = hostnameFor(service, pod)
  return {
    addresses: [...addresses],
    conditions: { ready, serving, terminating },
    targetRef: targetRefOf(pod),
    ...(hostname === undefined ? {} : { hostname }),
    ...(nodeName ? { nodeName } : {}),
    ...(zone === undefined ? {} : { zone }),
    ...(ready ? hintsFor(service, nodeName, zone) : {}),
  }
}

// Where an endpoint is best used from, if the Service prefers near ones (`trafficdist.go`). Proxies that do not know of nodes go by the zone.
function hintsFor(service: Service, nodeName: string | undefined, zone: string | undefined): Pick<Endpoint, 'hints'> {
  const distribution = service.spec?.trafficDistribution ?? ''
  if (!closeDistributions.includes(distribution) || usesTopology(service)) return {}
  const hints = {
    ...(distribution === 'PreferSameNode' && nodeName ? { forNodes: [{ name: nodeName }] } : {}),
    ...(zone ? { forZones: [{ name: zone }] } : {}),
  }
  return Object.keys(hints).length === 0 ? {} : { hints }
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
