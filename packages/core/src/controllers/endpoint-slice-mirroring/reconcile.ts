import { formatKey, keyOf, type ObjectKey } from '@binnacle/apimachinery'
import {
  type Endpoints,
  endpoints,
  type EndpointSlice,
  endpointSlices,
  type Service,
  services,
} from '@binnacle/resources'
import { type Controller, done, type ReconcileContext, type Result } from '../../controller.ts'
import { managedByLabel, serviceNameLabel } from '../slice-packing.ts'
import { writeSlices } from '../slice-writes.ts'
import { addressesMax, controllerName, isMirrored, planMirror, type Unmirrored } from './plan.ts'

const indexName = 'mirror'

/** Repeats in EndpointSlices what people say in Endpoints of Services without a selector (`endpointslicemirroring_controller.go`). */
export const endpointSliceMirroringController: Controller = {
  name: 'endpointslicemirroring',
  component: 'endpoint-slice-mirroring-controller',
  reconciles: endpoints,
  watches: [
    { resource: services, keysOf: (service: Service) => [keyOf(service)] },
    { resource: endpointSlices, keysOf: mirroredKeys },
  ],
  prepare: (context) =>
    context.informer(endpointSlices).addIndex(indexName, (slice) => mirroredKeys(slice).map(formatKey)),
  reconcile,
}

function mirroredKeys({ metadata }: EndpointSlice): ObjectKey[] {
  const name = metadata.labels?.[serviceNameLabel]
  return name === undefined || metadata.labels?.[managedByLabel] !== controllerName
    ? []
    : [{ namespace: metadata.namespace ?? '', name }]
}

async function reconcile(key: ObjectKey, context: ReconcileContext): Promise<Result> {
  // Observe.
  const object = context.informer(endpoints).get(key)
  const service = context.informer(services).get(key)
  const existing = context.informer(endpointSlices).byIndex(indexName, formatKey(key))
  const hasSelector = Object.keys(service?.spec?.selector ?? {}).length > 0

  // Decide and act.
  if (object === undefined || service === undefined || hasSelector || !isMirrored(object)) {
    await writeSlices(context, { create: [], update: [], remove: [...existing] }, undefined)
    return done
  }
  const { plan, unmirrored } = planMirror(object, existing)
  await writeSlices(context, plan, undefined)
  if (plan.create.length + plan.update.length + plan.remove.length > 0) report(object, unmirrored, context)
  return done
}

function report(object: Endpoints, { invalid, skipped }: Unmirrored, { events }: ReconcileContext): void {
  if (invalid > 0)
    events.record(
      object,
      'Warning',
      'InvalidIPAddress',
      `Skipped ${invalid} invalid IP addresses when mirroring to EndpointSlices`,
    )
  if (skipped > 0)
    events.record(
      object,
      'Warning',
      'TooManyAddressesToMirror',
      `A max of ${addressesMax} addresses can be mirrored to EndpointSlices per Endpoints subset. ${skipped} addresses were skipped`,
    )
}
