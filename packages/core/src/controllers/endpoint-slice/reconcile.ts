import { isNamespaceTerminating, isNotFound, type ObjectKey } from '@binnacle/apimachinery'
import type { BatchWrite } from '@binnacle/client'
import { type EndpointSlice, endpointSlices, nodes, pods, services } from '@binnacle/resources'
import { type Controller, done, type ReconcileContext, type Result } from '../../controller.ts'
import { hasNoSelector, selectedPods, servicesOfPod } from '../endpoint-addresses.ts'
import { managedByLabel, planSlices, serviceNameLabel } from './plan.ts'

const indexName = 'service'

/** Keeps the EndpointSlices of each Service that has a selector. */
export const endpointSliceController: Controller = {
  name: 'endpointslice',
  reconciles: services,
  watches: [
    { resource: pods, keysOf: servicesOfPod },
    { resource: endpointSlices, keysOf: ownSliceKeys },
  ],
  reads: [nodes],
  prepare: (context) =>
    context
      .informer(endpointSlices)
      .addIndex(indexName, (slice) => ownSliceKeys(slice).map((key) => `${key.namespace}/${key.name}`)),
  reconcile,
}

function ownSliceKeys(slice: EndpointSlice): ObjectKey[] {
  const name = slice.metadata.labels?.[serviceNameLabel]
  return name === undefined || slice.metadata.labels?.[managedByLabel] !== 'endpointslice-controller.k8s.io'
    ? []
    : [{ namespace: slice.metadata.namespace ?? '', name }]
}

async function reconcile(key: ObjectKey, context: ReconcileContext): Promise<Result> {
  // Observe.
  const service = context.informer(services).get(key)
  // Slices of a Service that is gone go with it: the garbage collector follows their owner reference.
  if (service === undefined || service.metadata.deletionTimestamp !== undefined || hasNoSelector(service)) return done
  const existing = context.informer(endpointSlices).byIndex(indexName, `${key.namespace}/${key.name}`)

  // Decide.
  const plan = planSlices(service, selectedPods(service, context), existing, (name) =>
    context.informer(nodes).get({ namespace: '', name }),
  )

  // Act.
  const writes: BatchWrite[] = [
    ...plan.create.map((object): BatchWrite => ({ verb: 'create', resource: endpointSlices, object })),
    ...plan.update.map((object): BatchWrite => ({ verb: 'update', resource: endpointSlices, object })),
    ...plan.remove.map(({ metadata }): BatchWrite => ({
      verb: 'delete',
      resource: endpointSlices,
      key: { namespace: key.namespace, name: metadata.name },
      options: { preconditions: { uid: metadata.uid ?? '' } },
    })),
  ]
  if (writes.length === 0) return done
  // All at once: whoever watches never sees an endpoint missing in between.
  try {
    await context.client.writeAll(writes, { atomic: true })
  } catch (error) {
    if (!isNotFound(error) && !isNamespaceTerminating(error)) throw error
  }
  return done
}
