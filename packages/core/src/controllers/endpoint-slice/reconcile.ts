import { formatKey, type ObjectKey } from '@binnacle/apimachinery'
import { type EndpointSlice, endpointSlices, type Node, nodes, pods, services } from '@binnacle/resources'
import { type Controller, done, type ReconcileContext, type Result } from '../../controller.ts'
import { podsOnNode } from '../../pods-on-node.ts'
import { hasNoSelector, selectedPods, servicesOfPod } from '../endpoint-addresses.ts'
import { managedByLabel, serviceNameLabel } from '../slice-packing.ts'
import { writeSlices } from '../slice-writes.ts'
import { TriggerTimes } from '../trigger-times.ts'
import { controllerName, planSlices } from './plan.ts'

const indexName = 'service'
// How soon a pod is looked at again whose node is not known: it may come, or the pod may go.
const partialRetryMs = 5000

/** Keeps the EndpointSlices of each Service that has a selector (`endpointslice_controller.go`). */
export function endpointSliceController(): Controller {
  const triggers = new TriggerTimes()
  return {
    name: 'endpointslice',
    component: 'endpoint-slice-controller',
    reconciles: services,
    watches: [
      { resource: pods, keysOf: servicesOfPod },
      { resource: endpointSlices, keysOf: ownSliceKeys },
      { resource: nodes, keysOf: servicesOnNode },
    ],
    prepare: (context) =>
      context.informer(endpointSlices).addIndex(indexName, (slice) => ownSliceKeys(slice).map(formatKey)),
    reconcile: (key, context) => reconcile(key, context, triggers),
  }
}

function ownSliceKeys(slice: EndpointSlice): ObjectKey[] {
  const name = slice.metadata.labels?.[serviceNameLabel]
  return name === undefined || slice.metadata.labels?.[managedByLabel] !== controllerName
    ? []
    : [{ namespace: slice.metadata.namespace ?? '', name }]
}

// A node that is new, or has moved to another zone, concerns the Services of its pods.
function servicesOnNode(node: Node, context: ReconcileContext, old: Node | undefined): ObjectKey[] {
  const zoneOf = ({ metadata }: Node): string | undefined => metadata.labels?.['topology.kubernetes.io/zone']
  if (old !== undefined && zoneOf(node) === zoneOf(old)) return []
  return podsOnNode(context, node.metadata.name).flatMap((pod) => servicesOfPod(pod, context, undefined))
}

async function reconcile(key: ObjectKey, context: ReconcileContext, triggers: TriggerTimes): Promise<Result> {
  // Observe.
  const service = context.informer(services).get(key)
  const existing = context.informer(endpointSlices).byIndex(indexName, formatKey(key))
  if (service === undefined) triggers.forget(formatKey(key))
  // Slices of a Service that is gone go with it: the garbage collector follows their owner reference.
  if (service === undefined || service.metadata.deletionTimestamp !== undefined || hasNoSelector(service)) return done

  // Decide.
  const selected = selectedPods(service, context)
  const { isPartial, ...plan } = planSlices(service, selected, existing, (name) =>
    context.informer(nodes).get({ namespace: '', name }),
  )

  // Act.
  await writeSlices(context, plan, triggers.next(service, selected))
  return isPartial ? { requeueAfterMs: partialRetryMs } : done
}
