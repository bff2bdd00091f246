import {
  isAlreadyExists,
  isNamespaceTerminating,
  isNotFound,
  type ObjectKey,
  semanticEqual,
} from '@binnacle/apimachinery'
import { type Endpoints, endpoints, pods, services } from '@binnacle/resources'
import { type Controller, done, type ReconcileContext, type Result } from '../../controller.ts'
import { hasNoSelector, selectedPods, servicesOfPod } from '../endpoint-addresses.ts'
import { planSubsets } from './plan.ts'

const capacityAnnotation = 'endpoints.kubernetes.io/over-capacity'
const triggerAnnotation = 'endpoints.kubernetes.io/last-change-trigger-time'
const managedLabel = 'endpoints.kubernetes.io/managed-by'
const headlessLabel = 'service.kubernetes.io/headless'

/** Keeps the Endpoints of each Service that has a selector: the addresses of its pods. */
export const endpointsController: Controller = {
  name: 'endpoint',
  reconciles: services,
  watches: [
    { resource: pods, keysOf: servicesOfPod },
    {
      resource: endpoints,
      keysOf: (object) => [{ namespace: object.metadata.namespace ?? '', name: object.metadata.name }],
    },
  ],
  reconcile,
}

async function reconcile(key: ObjectKey, context: ReconcileContext): Promise<Result> {
  // Observe.
  const service = context.informer(services).get(key)
  const existing = context.informer(endpoints).get(key)
  if (service === undefined) {
    if (existing?.metadata.labels?.[managedLabel] === 'endpoint-controller')
      await context.client.delete(endpoints, key).catch(ignoreGone)
    return done
  }
  if (hasNoSelector(service) || service.metadata.deletionTimestamp !== undefined) return done

  // Decide.
  const { subsets, truncated } = planSubsets(service, selectedPods(service, context))
  const { [headlessLabel]: _headless, ...serviceLabels } = service.metadata.labels ?? {}
  const labels = {
    ...serviceLabels,
    [managedLabel]: 'endpoint-controller',
    ...(service.spec?.clusterIP === 'None' ? { [headlessLabel]: '' } : {}),
  }
  const { [capacityAnnotation]: _capacity, ...annotations } = existing?.metadata.annotations ?? {}
  const wanted: Endpoints = {
    ...existing,
    apiVersion: 'v1',
    kind: 'Endpoints',
    metadata: {
      ...existing?.metadata,
      name: key.name,
      namespace: key.namespace,
      labels,
      annotations: { ...annotations, ...(truncated ? { [capacityAnnotation]: 'truncated' } : {}) },
    },
    subsets,
  }
  if (Object.keys(wanted.metadata.annotations ?? {}).length === 0) delete wanted.metadata.annotations

  // Act.
  const same =
    existing !== undefined &&
    semanticEqual(existing.subsets, subsets) &&
    semanticEqual(existing.metadata.labels, labels) &&
    semanticEqual(existing.metadata.annotations ?? {}, wanted.metadata.annotations ?? {})
  if (same) return done
  delete wanted.metadata.annotations?.[triggerAnnotation]
  if (existing === undefined) await context.client.create(endpoints, wanted).catch(ignoreTaken)
  else await context.client.update(endpoints, wanted).catch(ignoreGone)
  return done
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
