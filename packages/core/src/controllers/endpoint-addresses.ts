import { type ObjectKey, selectorFromMap, semanticEqual } from '@binnacle/apimachinery'
import { type Pod, pods, type Service, type ServicePort, services } from '@binnacle/resources'
import type { ReconcileContext } from '../controller.ts'
import { isPodReady, isPodTerminal } from '../pod-state.ts'

/** What Endpoints and EndpointSlices have in common: which pods stand behind a Service, on which ports. */

/** The Services whose selector matches a pod, now or before its last change. */
export function servicesOfPod(pod: Pod, context: ReconcileContext, old: Pod | undefined): ObjectKey[] {
  if (old !== undefined && !concernsEndpoints(pod, old)) return []
  const namespace = pod.metadata.namespace ?? ''
  return context
    .informer(services)
    .inNamespace(namespace)
    .filter((service) => {
      const selector = selectorFromMap(service.spec?.selector)
      return selector.matches(pod.metadata.labels) || (old !== undefined && selector.matches(old.metadata.labels))
    })
    .map((service) => ({ namespace, name: service.metadata.name }))
}

function concernsEndpoints(pod: Pod, old: Pod): boolean {
  return (
    !semanticEqual(pod.metadata.labels, old.metadata.labels) ||
    pod.metadata.deletionTimestamp !== old.metadata.deletionTimestamp ||
    pod.status?.podIP !== old.status?.podIP ||
    !semanticEqual(pod.status?.podIPs, old.status?.podIPs) ||
    pod.spec?.nodeName !== old.spec?.nodeName ||
    isPodReady(pod) !== isPodReady(old) ||
    isPodTerminal(pod) !== isPodTerminal(old)
  )
}

/** A port of a Service as one pod serves it. */
export interface ResolvedPort {
  readonly name: string
  readonly port: number
  readonly protocol: string
  readonly appProtocol?: string
}

/** The ports of a Service on a pod; named target ports are looked up in its containers, those it does not have are left out. */
export function resolvePorts(service: Service, pod: Pod): readonly ResolvedPort[] {
  return (service.spec?.ports ?? []).flatMap((port) => {
    const number = targetPort(port, pod)
    if (number === undefined) return []
    return [
      {
        name: port.name ?? '',
        port: number,
        protocol: port.protocol ?? 'TCP',
        ...(port.appProtocol === undefined ? {} : { appProtocol: port.appProtocol }),
      },
    ]
  })
}

function targetPort(port: ServicePort, pod: Pod): number | undefined {
  const target = port.targetPort ?? port.port
  if (typeof target === 'number') return target === 0 ? port.port : target
  const sidecars = (pod.spec?.initContainers ?? []).filter((container) => container.restartPolicy === 'Always')
  for (const container of [...(pod.spec?.containers ?? []), ...sidecars]) {
    const found = container.ports?.find(
      (candidate) => candidate.name === target && (candidate.protocol ?? 'TCP') === (port.protocol ?? 'TCP'),
    )
    if (found !== undefined) return found.containerPort
  }
  return undefined
}

/** The pods that a Service selects, by the cache. */
export function selectedPods(service: Service, context: ReconcileContext): readonly Pod[] {
  const selector = selectorFromMap(service.spec?.selector)
  return context
    .informer(pods)
    .inNamespace(service.metadata.namespace ?? '')
    .filter((pod) => selector.matches(pod.metadata.labels))
}

/** How an endpoint refers to its pod. */
export function targetRefOf(pod: Pod) {
  return { kind: 'Pod', namespace: pod.metadata.namespace ?? '', name: pod.metadata.name, uid: pod.metadata.uid ?? '' }
}

/** True for Services whose endpoints nobody but their owner writes. */
export function hasNoSelector(service: Service): boolean {
  return (
    service.spec?.selector === undefined ||
    Object.keys(service.spec.selector).length === 0 ||
    service.spec.type === 'ExternalName'
  )
}

/** The name under which a pod of a headless Service is found by itself; undefined when it has none there. */
export function hostnameFor(service: Service, { spec }: Pod): string | undefined {
  return spec?.hostname && spec.subdomain === service.metadata.name ? spec.hostname : undefined
}
