import { formatKey, isConditionTrue, type ObjectKey } from '@binnacle/apimachinery'
import { type EndpointSlice, endpointSlices, type Node, nodes, pods, services } from '@binnacle/resources'
import { type Controller, done, type ReconcileContext, type Result } from '../../controller.ts'
import { podsOnNode } from '../../pods-on-node.ts'
import { hasNoSelector, selectedPods, servicesOfPod } from '../endpoint-addresses.ts'
import { managedByLabel, serviceNameLabel } from '../slice-packing.ts'
import { writeSlices } from '../slice-writes.ts'
import { TriggerTimes } from '../trigger-times.ts'
import { addressTypesOf, controllerName, planSlices } from './plan.ts'
import { Topology, type TopologyEvent, usesTopology } from './topology.ts'
import { zoneLabel } from './zone-capacity.ts'

const indexName = 'service'
// How soon a pod is looked at again whose node is not known: it may come, or the pod may go.
const partialRetryMs = 5000

/** Keeps the EndpointSlices of each Service that has a selector (`endpointslice_controller.go`). */
export function endpointSliceController(): Controller {
  const memory: Memory = { triggers: new TriggerTimes(), topology: new Topology() }
  return {
    name: 'endpointslice',
    component: 'endpoint-slice-controller',
    reconciles: services,
    watches: [
      { resource: pods, keysOf: servicesOfPod },
      { resource: endpointSlices, keysOf: ownSliceKeys },
      { resource: nodes, keysOf: servicesOnNode },
      { resource: nodes, keysOf: (node, _context, old) => servicesInTrouble(memory.topology, node, old) },
    ],
    prepare: (context) => listen(memory, context),
    reconcile: (key, context) => reconcile(key, context, memory),
  }
}

/** What is remembered from one look to the next. */
interface Memory {
  readonly triggers: TriggerTimes
  readonly topology: Topology
}

function listen({ topology: { capacity } }: Memory, context: ReconcileContext): void {
  context.informer(endpointSlices).addIndex(indexName, (slice) => ownSliceKeys(slice).map(formatKey))
  context.informer(nodes).addHandler({
    onAdd: (node) => capacity.put(node),
    onUpdate: (node) => capacity.put(node),
    onDelete: ({ metadata }) => capacity.remove(metadata.name),
  })
}

// What zones have changes with the nodes that are ready in them.
function servicesInTrouble(topology: Topology, node: Node, old: Node | undefined): readonly ObjectKey[] {
  const isReady = ({ status }: Node): boolean => isConditionTrue(status?.conditions, 'Ready')
  if (old !== undefined && zoneOf(node) === zoneOf(old) && isReady(node) === isReady(old)) return []
  return topology.disturbed()
}

const zoneOf = ({ metadata }: Node): string | undefined => metadata.labels?.[zoneLabel]

function ownSliceKeys(slice: EndpointSlice): ObjectKey[] {
  const name = slice.metadata.labels?.[serviceNameLabel]
  return name === undefined || slice.metadata.labels?.[managedByLabel] !== controllerName
    ? []
    : [{ namespace: slice.metadata.namespace ?? '', name }]
}

// A node that is new, or has moved to another zone, concerns the Services of its pods.
function servicesOnNode(node: Node, context: ReconcileContext, old: Node | undefined): ObjectKey[] {
  if (old !== undefined && zoneOf(node) === zoneOf(old)) return []
  return podsOnNode(context, node.metadata.name).flatMap((pod) => servicesOfPod(pod, context, undefined))
}

async function reconcile(key: ObjectKey, context: ReconcileContext, { triggers, topology }: Memory): Promise<Result> {
  // Observe.
  const service = context.informer(services).get(key)
  const existing = context.informer(endpointSlices).byIndex(indexName, formatKey(key))
  if (service === undefined) {
    triggers.forget(formatKey(key))
    topology.forget(key)
  }
  // Slices of a Service that is gone go with it: the garbage collector follows their owner reference.
  if (service === undefined || service.metadata.deletionTimestamp !== undefined || hasNoSelector(service)) return done

  // Decide.
  const selected = selectedPods(service, context)
  const { isPartial, ...plan } = planSlices(service, selected, existing, (name) =>
    context.informer(nodes).get({ namespace: '', name }),
  )
  const told: readonly TopologyEvent[] = usesTopology(service)
    ? addressTypesOf(service).flatMap((type) => topology.addHints(key, type, existing, plan))
    : topology.forget(key)

  // Act.
  await writeSlices(context, plan, triggers.next(service, selected))

  // Report.
  for (const { type, reason, message } of told) context.events.record(service, type, reason, message)
  return isPartial ? { requeueAfterMs: partialRetryMs } : done
}
