import { isNamespaceTerminating, isNotFound, keyOf } from '@binnacle/apimachinery'
import type { BatchWrite } from '@binnacle/client'
import { type EndpointSlice, endpointSlices } from '@binnacle/resources'
import type { ReconcileContext } from '../controller.ts'
import { type SlicePlan, triggerAnnotation } from './slice-packing.ts'

/** Writes slices, all at once: whoever watches never sees an endpoint missing in between. `trigger`: the time of the change that they follow. */
export async function writeSlices(
  context: ReconcileContext,
  plan: SlicePlan,
  trigger: string | undefined,
): Promise<void> {
  const writes: BatchWrite[] = [
    ...plan.create.map((slice): BatchWrite => ({
      verb: 'create',
      resource: endpointSlices,
      object: marked(slice, trigger),
    })),
    ...plan.update.map((slice): BatchWrite => ({
      verb: 'update',
      resource: endpointSlices,
      object: marked(slice, trigger),
    })),
    ...plan.remove.map((slice): BatchWrite => ({
      verb: 'delete',
      resource: endpointSlices,
      key: keyOf(slice),
      options: { preconditions: { uid: slice.metadata.uid ?? '' } },
    })),
  ]
  if (writes.length === 0) return
  try {
    await context.client.writeAll(writes, { atomic: true })
  } catch (error) {
    // A slice that is gone makes its event, and the key comes again.
    if (!isNotFound(error) && !isNamespaceTerminating(error)) throw error
  }
}

function marked(slice: EndpointSlice, trigger: string | undefined): EndpointSlice {
  const { [triggerAnnotation]: _old, ...annotations } = slice.metadata.annotations ?? {}
  if (trigger !== undefined) annotations[triggerAnnotation] = trigger
  const metadata = { ...slice.metadata, annotations }
  if (Object.keys(annotations).length === 0) delete (metadata as { annotations?: unknown }).annotations
  return { ...slice, metadata }
}
