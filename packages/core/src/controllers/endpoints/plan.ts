import { canonicalJson } from '@binnacle/apimachinery'
import type { EndpointAddress, EndpointSubset, Pod, Service } from '@binnacle/resources'
import { isPodReady, isPodTerminal } from '../../pod-state.ts'
import { resolvePorts, targetRefOf } from '../endpoint-addresses.ts'

const addressesMax = 1000

/** The subsets of an Endpoints object (`endpoints_controller.go`, `RepackSubsets`). Pods being deleted are not in it. */
export function planSubsets(
  service: Service,
  selected: readonly Pod[],
): { subsets: EndpointSubset[]; truncated: boolean } {
  const groups = new Map<
    string,
    { ports: EndpointSubset['ports']; ready: EndpointAddress[]; notReady: EndpointAddress[] }
  >()
  let truncated = false
  let count = 0
  for (const pod of selected.toSorted((a, b) => compareAddresses(a.status?.podIP ?? '', b.status?.podIP ?? ''))) {
    const ip = pod.status?.podIP
    if (!ip || isPodTerminal(pod)) continue
    const publish = service.spec?.publishNotReadyAddresses === true
    if (pod.metadata.deletionTimestamp !== undefined && !publish) continue
    if (++count > addressesMax) {
      truncated = true
      break
    }
    const ports = resolvePorts(service, pod).map(({ name, ...rest }) => ({ ...(name === '' ? {} : { name }), ...rest }))
    if (ports.length === 0 && (service.spec?.ports ?? []).length > 0) continue
    const key = canonicalJson(ports)
    let group = groups.get(key)
    if (group === undefined) groups.set(key, (group = { ports, ready: [], notReady: [] }))
    const address = { ip, ...(pod.spec?.nodeName ? { nodeName: pod.spec.nodeName } : {}), targetRef: targetRefOf(pod) }
    ;(publish || isPodReady(pod) ? group.ready : group.notReady).push(address)
  }
  const subsets = [...groups]
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([, { ports, ready, notReady }]) => ({
      ...(ready.length === 0 ? {} : { addresses: ready }),
      ...(notReady.length === 0 ? {} : { notReadyAddresses: notReady }),
      ...(ports === undefined || ports.length === 0 ? {} : { ports }),
    }))
  return { subsets, truncated }
}

function compareAddresses(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0
}
