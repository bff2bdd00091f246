import { isIPv4, isIPv6 } from '@binnacle/apimachinery'
import type { Endpoint, EndpointAddress, Endpoints, EndpointSlice, EndpointSubset } from '@binnacle/resources'
import {
  type EndpointGroup,
  groupKey,
  managedByLabel,
  packSlices,
  serviceNameLabel,
  type SlicePlan,
  triggerAnnotation,
} from '../slice-packing.ts'

/** Who writes the slices of Endpoints that people write. */
export const controllerName = 'endpointslicemirroring-controller.k8s.io'
/** The most addresses of one subset that are mirrored (`--mirroring-max-endpoints-per-subset`), and the most endpoints of one slice. */
export const addressesMax = 1000
const skipLabel = 'endpointslice.kubernetes.io/skip-mirror'
const leaderAnnotation = 'control-plane.alpha.kubernetes.io/leader'
const lastAppliedAnnotation = 'kubectl.kubernetes.io/last-applied-configuration'
const controllerLabel = 'endpoints.kubernetes.io/managed-by'

/** True for Endpoints that are worth mirroring: no locks of leaders, none that ask not to be, none that a controller writes. */
export function isMirrored({ metadata }: Endpoints): boolean {
  return (
    metadata.labels?.[skipLabel] !== 'true' &&
    metadata.labels?.[controllerLabel] === undefined &&
    metadata.annotations?.[leaderAnnotation] === undefined
  )
}

/** What cannot be mirrored of Endpoints. */
export interface Unmirrored {
  readonly invalid: number
  readonly skipped: number
}

/** What has to be written so that slices say what Endpoints say (`endpointslicemirroring/reconciler.go`). */
export function planMirror(
  endpoints: Endpoints,
  existing: readonly EndpointSlice[],
): { plan: SlicePlan; unmirrored: Unmirrored } {
  const groups = new Map<string, EndpointGroup>()
  let [invalid, skipped] = [0, 0]
  for (const subset of endpoints.subsets ?? []) {
    const addresses = [
      ...(subset.addresses ?? []).map((address) => ({ address, ready: true })),
      ...(subset.notReadyAddresses ?? []).map((address) => ({ address, ready: false })),
    ]
    skipped += Math.max(0, addresses.length - addressesMax)
    for (const { address, ready } of addresses.slice(0, addressesMax)) {
      const type = isIPv4(address.ip) ? 'IPv4' : isIPv6(address.ip) ? 'IPv6' : undefined
      if (type === undefined) invalid++
      else addToGroup(groups, subset, type, address, ready)
    }
  }
  const plan = packSlices(groups, existing, {
    owner: endpoints,
    labels: labelsFor(endpoints),
    annotations: annotationsFor(endpoints),
    endpointsMax: addressesMax,
    keyOf: ({ addresses }) => addresses[0] ?? '',
  })
  return { plan, unmirrored: { invalid, skipped } }
}

function addToGroup(
  groups: Map<string, EndpointGroup>,
  subset: EndpointSubset,
  addressType: string,
  address: EndpointAddress,
  ready: boolean,
): void {
  const ports = (subset.ports ?? []).map((port) => ({
    name: port.name ?? '',
    port: port.port,
    protocol: port.protocol ?? 'TCP',
    ...(port.appProtocol === undefined ? {} : { appProtocol: port.appProtocol }),
  }))
  const key = groupKey(addressType, ports)
  let group = groups.get(key)
  if (group === undefined) groups.set(key, (group = { addressType, ports, endpoints: new Map() }))
  if (group.endpoints.has(address.ip)) return
  const endpoint: Endpoint = {
    addresses: [address.ip],
    conditions: { ready },
    ...(address.hostname ? { hostname: address.hostname } : {}),
    ...(address.nodeName ? { nodeName: address.nodeName } : {}),
    ...(address.targetRef === undefined ? {} : { targetRef: { ...address.targetRef } }),
  }
  group.endpoints.set(address.ip, endpoint)
}

function labelsFor({ metadata }: Endpoints): Record<string, string> {
  return { ...metadata.labels, [serviceNameLabel]: metadata.name, [managedByLabel]: controllerName }
}

function annotationsFor({ metadata }: Endpoints): Record<string, string> {
  const { [lastAppliedAnnotation]: _applied, [triggerAnnotation]: _trigger, ...rest } = metadata.annotations ?? {}
  return rest
}
