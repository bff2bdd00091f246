import { canonicalJson, isIPv6 } from '@binnacle/apimachinery'
import type { EndpointAddress, EndpointSubset, Pod, Service } from '@binnacle/resources'
import { isPodReady, isPodTerminal } from '../../pod-state.ts'
import { hostnameFor, resolvePorts, targetRefOf } from '../endpoint-addresses.ts'

/** The most addresses of one Endpoints object (`maxCapacity`). */
const addressesMax = 1000

/** The subsets of an Endpoints object (`endpoints_controller.go`, `RepackSubsets`). Pods being deleted are in it only if the Service says so. */
export function planSubsets(
  service: Service,
  selected: readonly Pod[],
): { subsets: EndpointSubset[]; truncated: boolean } {
  const publish = service.spec?.publishNotReadyAddresses === true
  const groups = new Map<
    string,
    { ports: EndpointSubset['ports']; ready: EndpointAddress[]; notReady: EndpointAddress[] }
  >()
  for (const pod of selected) {
    if (isPodTerminal(pod) || (pod.metadata.deletionTimestamp !== undefined && !publish)) continue
    const address = addressFor(service, pod)
    if (address === undefined) continue
    const ports = resolvePorts(service, pod).map(({ name, ...rest }) => ({ ...(name === '' ? {} : { name }), ...rest }))
    if (ports.length === 0 && (service.spec?.ports ?? []).length > 0) continue
    const key = canonicalJson(ports)
    let group = groups.get(key)
    if (group === undefined) groups.set(key, (group = { ports, ready: [], notReady: [] }))
    ;(publish || isPodReady(pod) ? group.ready : group.notReady).push(address)
  }
  const subsets = [...groups]
    .sort(([a], [b]) => compareText(a, b))
    .map(([, { ports, ready, notReady }]) => ({
      addresses: ready.sort(compareAddresses),
      notReadyAddresses: notReady.sort(compareAddresses),
      ports: ports ?? [],
    }))
  const truncated = truncate(subsets)
  return { subsets: subsets.map(withoutEmpty), truncated }
}

type FullSubset = Required<EndpointSubset>

// Endpoints know one address of a pod: that of the Service's first family.
function addressFor(service: Service, pod: Pod): EndpointAddress | undefined {
  const addresses = (pod.status?.podIPs ?? []).map((entry) => entry.ip)
  if (addresses.length === 0 && pod.status?.podIP) addresses.push(pod.status.podIP)
  const family = service.spec?.ipFamilies?.[0]
  const ip = family === undefined ? addresses[0] : addresses.find((text) => isIPv6(text) === (family === 'IPv6'))
  if (ip === undefined) return undefined
  const hostname = hostnameFor(service, pod)
  return {
    ip,
    ...(hostname === undefined ? {} : { hostname }),
    ...(pod.spec?.nodeName ? { nodeName: pod.spec.nodeName } : {}),
    targetRef: targetRefOf(pod),
  }
}

// Ready addresses first, and of what there is too much, from each subset its share.
function truncate(subsets: readonly FullSubset[]): boolean {
  const count = (field: 'addresses' | 'notReadyAddresses'): number =>
    subsets.reduce((sum, subset) => sum + subset[field].length, 0)
  const [ready, notReady] = [count('addresses'), count('notReadyAddresses')]
  if (ready + notReady <= addressesMax) return false
  const field = ready > addressesMax ? 'addresses' : 'notReadyAddresses'
  const [total, room] = ready > addressesMax ? [ready, addressesMax] : [notReady, addressesMax - ready]
  let left = room
  for (const [index, subset] of subsets.entries()) {
    const share = Math.floor((subset[field].length / total) * room)
    const kept = index === subsets.length - 1 ? Math.min(left, subset[field].length) : share
    subset[field] = subset[field].slice(0, kept)
    if (field === 'addresses') subset.notReadyAddresses = []
    left -= kept
  }
  return true
}

function withoutEmpty({ addresses, notReadyAddresses, ports }: FullSubset): EndpointSubset {
  return {
    ...(addresses.length === 0 ? {} : { addresses }),
    ...(notReadyAddresses.length === 0 ? {} : { notReadyAddresses }),
    ...(ports.length === 0 ? {} : { ports }),
  }
}

const compareText = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0)

function compareAddresses(a: EndpointAddress, b: EndpointAddress): number {
  return compareText(a.ip, b.ip) || compareText(a.targetRef?.uid ?? '', b.targetRef?.uid ?? '')
}
