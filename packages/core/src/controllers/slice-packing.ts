import { canonicalJson, controllerReference, type KubernetesObject, semanticEqual } from '@binnacle/apimachinery'
import type { Endpoint, EndpointSlice } from '@binnacle/resources'
import type { ResolvedPort } from './endpoint-addresses.ts'

/** The label that leads from a slice to its Service. */
export const serviceNameLabel = 'kubernetes.io/service-name'
/** The label that says who writes a slice. */
export const managedByLabel = 'endpointslice.kubernetes.io/managed-by'
/** The annotation that says what change a slice follows: how long the way to the proxies took can be told from it. */
export const triggerAnnotation = 'endpoints.kubernetes.io/last-change-trigger-time'

/** What has to be written so that slices say what they should. */
export interface SlicePlan {
  readonly create: EndpointSlice[]
  readonly update: EndpointSlice[]
  readonly remove: EndpointSlice[]
}

/** Endpoints that belong in slices together: of one address type, on the same ports. */
export interface EndpointGroup {
  readonly addressType: string
  readonly ports: readonly ResolvedPort[]
  /** By what tells one endpoint from another for as long as it lives. */
  readonly endpoints: Map<string, Endpoint>
}

/** What the slices of an owner have in common. */
export interface SliceTemplate {
  readonly owner: KubernetesObject
  readonly labels: Readonly<Record<string, string>>
  /** Undefined: annotations are nobody's business. */
  readonly annotations?: Readonly<Record<string, string>>
  readonly endpointsMax: number
  /** The key under which an endpoint of a slice stands in its group. */
  keyOf(endpoint: Endpoint): string
}

/** What tells groups apart. */
export function groupKey(addressType: string, ports: readonly ResolvedPort[]): string {
  return `${addressType} ${canonicalJson(ports)}`
}

function keyOfSlice({ addressType, ports = [] }: EndpointSlice): string {
  const resolved = ports.map((port) => ({
    name: port.name ?? '',
    port: port.port ?? 0,
    protocol: port.protocol ?? 'TCP',
    ...(port.appProtocol === undefined ? {} : { appProtocol: port.appProtocol }),
  }))
  return groupKey(addressType, resolved)
}

/** Compares groups of endpoints with the slices there are, and changes as few of these as possible (`endpointslice/reconciler.go`). */
export function packSlices(
  groups: ReadonlyMap<string, EndpointGroup>,
  existing: readonly EndpointSlice[],
  template: SliceTemplate,
): SlicePlan {
  const plan: SlicePlan = { create: [], update: [], remove: [] }
  const byGroup = Map.groupBy(existing, keyOfSlice)
  for (const [key, slices] of byGroup) if (!groups.has(key)) plan.remove.push(...slices)
  for (const [key, group] of groups) packGroup(group, byGroup.get(key) ?? [], template, plan)
  return plan
}

interface Filling {
  readonly slice: EndpointSlice
  readonly endpoints: Endpoint[]
  changed: boolean
}

// Endpoints stay in the slice where they are and gone ones leave it. New ones fill the slices that are changed anyway, the fullest first; the rest goes
// into one unchanged slice if it has room for all of it, and into new slices otherwise.
function packGroup(
  group: EndpointGroup,
  slices: readonly EndpointSlice[],
  template: SliceTemplate,
  plan: SlicePlan,
): void {
  const { endpointsMax } = template
  const missing = new Map(group.endpoints)
  const fillings = slices.map((slice) => kept(slice, missing, template))
  const queue = [...missing.values()]
  const changed = fillings.filter((filling) => filling.changed && filling.endpoints.length > 0)
  for (const filling of changed.toSorted((a, b) => b.endpoints.length - a.endpoints.length))
    filling.endpoints.push(...queue.splice(0, Math.max(0, endpointsMax - filling.endpoints.length)))
  while (queue.length > 0) {
    const roomy = queue.length < endpointsMax ? closestFit(fillings, queue.length, endpointsMax) : undefined
    if (roomy === undefined) {
      plan.create.push(newSlice(group, queue.splice(0, endpointsMax), template))
      continue
    }
    roomy.endpoints.push(...queue.splice(0))
    roomy.changed = true
  }
  for (const { slice, endpoints, changed: isChanged } of fillings) {
    if (endpoints.length === 0) plan.remove.push(slice)
    else if (isChanged) plan.update.push(withTemplate({ ...slice, endpoints }, template))
  }
}

function kept(slice: EndpointSlice, missing: Map<string, Endpoint>, template: SliceTemplate): Filling {
  const endpoints = (slice.endpoints ?? []).flatMap((endpoint) => {
    const key = template.keyOf(endpoint)
    const next = missing.get(key)
    missing.delete(key)
    return next === undefined ? [] : [next]
  })
  return { slice, endpoints, changed: !semanticEqual(endpoints, slice.endpoints ?? []) || !isLabelled(slice, template) }
}

function isLabelled({ metadata }: EndpointSlice, { labels, annotations }: SliceTemplate): boolean {
  return (
    semanticEqual(metadata.labels, labels) &&
    (annotations === undefined || semanticEqual(metadata.annotations ?? {}, annotations))
  )
}

function closestFit(fillings: readonly Filling[], count: number, max: number): Filling | undefined {
  const fitting = fillings.filter(
    ({ endpoints, changed }) => !changed && endpoints.length > 0 && endpoints.length + count <= max,
  )
  return fitting.toSorted((a, b) => b.endpoints.length - a.endpoints.length)[0]
}

function newSlice(
  { addressType, ports }: Pick<EndpointGroup, 'addressType' | 'ports'>,
  endpoints: Endpoint[],
  template: SliceTemplate,
): EndpointSlice {
  const { name, namespace = '' } = template.owner.metadata
  const slice: EndpointSlice = {
    apiVersion: 'discovery.k8s.io/v1',
    kind: 'EndpointSlice',
    metadata: {
      name: '',
      generateName: `${name}-`,
      namespace,
      ownerReferences: [controllerReference(template.owner)],
    },
    addressType,
    endpoints,
    ports: ports.map((port) => ({ ...port })),
  }
  return withTemplate(slice, template)
}

function withTemplate(slice: EndpointSlice, { labels, annotations }: SliceTemplate): EndpointSlice {
  const metadata = { ...slice.metadata, labels: { ...labels } }
  if (annotations !== undefined) metadata.annotations = { ...annotations }
  return { ...slice, metadata }
}

/** Keeps one empty slice of an address type that has no other, so that whoever reads them can tell "none" from "not yet known". */
export function keepPlaceholder(
  addressType: string,
  existing: readonly EndpointSlice[],
  plan: SlicePlan,
  template: SliceTemplate,
): void {
  const ofType = (slice: EndpointSlice): boolean => slice.addressType === addressType
  const stays =
    existing.filter((slice) => ofType(slice) && !plan.remove.includes(slice)).length + plan.create.filter(ofType).length
  if (stays > 0) return
  const spared = plan.remove.find(ofType)
  if (spared === undefined) {
    plan.create.push(newSlice({ addressType, ports: [] }, [], template))
    return
  }
  plan.remove.splice(plan.remove.indexOf(spared), 1)
  const isEmpty = (spared.endpoints ?? []).length === 0 && (spared.ports ?? []).length === 0
  if (!isEmpty || !isLabelled(spared, template))
    plan.update.push(withTemplate({ ...spared, endpoints: [], ports: [] }, template))
}
