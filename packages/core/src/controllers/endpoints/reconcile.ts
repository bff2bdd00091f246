import {
  formatKey,
  isAlreadyExists,
  isNamespaceTerminating,
  isNotFound,
  keyOf,
  type ObjectKey,
  semanticEqual,
} from '@binnacle/apimachinery'
import { type Endpoints, endpoints, pods, services } from '@binnacle/resources'
import { type Controller, done, type ReconcileContext, type Result } from '../../controller.ts'
import { hasNoSelector, selectedPods, servicesOfPod } from '../endpoint-addresses.ts'
import { triggerAnnotation } from '../slice-packing.ts'
import { TriggerTimes } from '../trigger-times.ts'
import { planSubsets } from './plan.ts'

const capacityAnnotation = 'endpoints.kubernetes.io/over-capacity'
const managedLabel = 'endpoints.kubernetes.io/managed-by'
const headlessLabel = 'service.kubernetes.io/headless'

/** Keeps the Endpoints of each Service that has a selector: the addresses of its pods. */
export function endpointsController(): Controller {
  const triggers = new TriggerTimes()
  return {
    name: 'endpoint',
    reconciles: services,
    watches: [
      { resource: pods, keysOf: servicesOfPod },
      { resource: endpoints, keysOf: (object) => [keyOf(object)] },
    ],
    reconcile: (key, context) => reconcile(key, context, triggers),
  }
}

async function reconcile(key: ObjectKey, context: ReconcileContext, triggers: TriggerTimes): Promise<Result> {
  // Observe.
  const service = context.informer(services).get(key)
  const existing = context.informer(endpoints).get(key)
  if (service === undefined) {
    triggers.forget(formatKey(key))
    if (existing?.metadata.labels?.[managedLabel] === 'endpoint-controller')
      await context.client.delete(endpoints, key).catch(ignoreGone)
    return done
  }
  if (hasNoSelector(service) || service.metadata.deletionTimestamp !== undefined) return done

  // Decide.
  const selected = selectedPods(service, context)
  const { subsets, truncated } = planSubsets(service, selected)
  const trigger = triggers.next(service, selected)
  const { [headlessLabel]: _headless, ...serviceLabels } = service.metadata.labels ?? {}
  const labels = {
    ...serviceLabels,
    [managedLabel]: 'endpoint-controller',
    ...(service.spec?.clusterIP === 'None' ? { [headlessLabel]: '' } : {}),
  }
  const {
    [capacityAnnotation]: _capacity,
    [triggerAnnotation]: _trigger,
    ...annotations
  } = existing?.metadata.annotations ?? {}
  const over = truncated ? { [capacityAnnotation]: 'truncated' } : {}
  const wanted: Endpoints = {
    ...existing,
    apiVersion: 'v1',
    kind: 'Endpoints',
    metadata: {
      ...existing?.metadata,
      name: key.name,
      namespace: key.namespace,
      labels,
      annotations: { ...annotations, ...over, ...(trigger === undefined ? {} : { [triggerAnnotation]: trigger }) },
    },
    subsets,
  }

  // Act.
  const same =
    existing !== undefined &&
    semanticEqual(existing.subsets, subsets) &&
    semanticEqual(existing.metadata.labels, labels) &&
    semanticEqual(withoutTrigger(existing.metadata.annotations), { ...annotations, ...over })
  if (same) return done
  if (Object.keys(wanted.metadata.annotations ?? {}).length === 0) delete wanted.metadata.annotations
  if (existing === undefined) await context.client.create(endpoints, wanted).catch(ignoreTaken)
  else await context.client.update(endpoints, wanted).catch(ignoreGone)
  return done
}

// When something changed says nothing by itself: it is written with what changed.
function withoutTrigger(annotations: Readonly<Record<string, string>> = {}): Record<string, string> {
  const { [triggerAnnotation]: _trigger, ...rest } = annotations
  return rest
}

function ignoreGone(error: unknown): undefined {
  if (isNotFound(error)) return undefined
  throw error
}

// Made by another meanwhile: the cache will say so, and call again.
function ignoreTaken(error: unknown): undefined {
  if (isAlreadyExists(error) || isNamespaceTerminating(error)) return undefined
  throw error
}
