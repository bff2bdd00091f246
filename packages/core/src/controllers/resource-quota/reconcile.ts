import { formatKey, isNotFound, jsonEqual, type KubernetesObject, type ObjectKey } from '@binnacle/apimachinery'
import {
  type ResourceDefinition,
  type ResourceQuota,
  quotaEvaluatorOf,
  type ResourceRegistry,
  resourceQuotas,
  sameAmounts,
} from '@binnacle/resources'
import { type Controller, done, type ReconcileContext, type Result, type WatchSpec } from '../../controller.ts'
import { isOutOfDate, planStatus } from './plan.ts'

/** Every quota is counted anew after this time, for what no event tells of: pods that should have ended (`--resource-quota-sync-period`). */
const resyncMs = 300_000
/**
 * So soon after its limits have changed a quota is counted once more: what API servers let in before they knew of them is charged nowhere. Longer than
 * any of them is behind.
 */
const recountMs = 5000

interface Work {
  readonly context: ReconcileContext
  readonly counted: readonly ResourceDefinition[]
  /** Quotas under which something was freed or changed since they were counted. */
  readonly stale: Set<string>
  /** When each quota is counted anew at the latest, in milliseconds since 1970. */
  readonly dueMs: Map<string, number>
}

/**
 * Keeps `status.used` of each ResourceQuota true. What is created is charged by the API server in the same commit as the object; here is counted what
 * goes away or changes, and everything when a quota is new or its limits change, and once more a little later. Events are counted nowhere, as in
 * kube-controller-manager.
 */
export function resourceQuotaController(registry: ResourceRegistry): Controller {
  const stale = new Set<string>()
  const dueMs = new Map<string, number>()
  return {
    name: 'resourcequota',
    reconciles: resourceQuotas,
    watches: countedResources(registry).map((resource) => watchOf(resource, stale)),
    watchOf: (resource) => watchOf(resource, stale),
    prepare(context) {
      context.informer(resourceQuotas).addHandler({
        onUpdate(quota, old) {
          if (!jsonEqual(quota.spec, old.spec)) stale.add(formatKey(keyIn(quota)))
        },
      })
    },
    // Asked anew each time: custom kinds come and go.
    reconcile: (key, context) => reconcile(key, { context, counted: countedResources(registry), stale, dueMs }),
  }
}

function countedResources(registry: ResourceRegistry): readonly ResourceDefinition[] {
  const byStorageName = new Map<string, ResourceDefinition>()
  for (const resource of registry.served) {
    const canBeCounted = resource.scope === 'Namespaced' && resource.virtual !== true
    if (!canBeCounted || !['list', 'watch', 'delete'].every((verb) => resource.verbs.includes(verb as 'list'))) continue
    if (resource.storageName !== 'events' && !byStorageName.has(resource.storageName))
      byStorageName.set(resource.storageName, resource)
  }
  return [...byStorageName.values()]
}

const keyIn = ({ metadata }: KubernetesObject): ObjectKey => ({
  namespace: metadata.namespace ?? '',
  name: metadata.name,
})

// What is added has been charged; what is deleted, or uses something else than before, has to be counted.
function watchOf(resource: ResourceDefinition, stale: Set<string>): WatchSpec {
  const evaluator = quotaEvaluatorOf(resource)
  return {
    resource,
    keysOf(object, context, old) {
      const quotas = context.informer(resourceQuotas).inNamespace(object.metadata.namespace ?? '')
      if (quotas.length === 0) return []
      const isThere = context.informer(resource).get(keyIn(object)) !== undefined
      if (isThere && old === undefined) return []
      const nowMs = context.nowMs()
      if (isThere && sameAmounts(evaluator.usage(object, nowMs), evaluator.usage(old as KubernetesObject, nowMs)))
        return []
      const keys = quotas.filter((quota) => counts(quota, resource)).map(keyIn)
      for (const key of keys) stale.add(formatKey(key))
      return keys
    },
  }
}

function counts({ spec }: ResourceQuota, resource: ResourceDefinition): boolean {
  const evaluator = quotaEvaluatorOf(resource)
  return Object.keys(spec?.hard ?? {}).some((name) => evaluator.counts(name))
}

async function reconcile(key: ObjectKey, { context, counted, stale, dueMs }: Work): Promise<Result> {
  const text = formatKey(key)
  // Observe.
  const quota = context.informer(resourceQuotas).get(key)
  if (quota === undefined) {
    stale.delete(text)
    dueMs.delete(text)
    return done
  }
  const nowMs = context.nowMs()
  // Most changes of a quota are charges: they are right as they are.
  const due = dueMs.get(text) ?? 0
  if (!stale.has(text) && !isOutOfDate(quota) && nowMs < due) return { requeueAfterMs: due - nowMs }
  const afterMs = isOutOfDate(quota) ? recountMs : resyncMs
  stale.delete(text)
  const concerned = counted.filter((resource) => counts(quota, resource))
  const cached = concerned.map((resource) => ({
    resource,
    objects: context.informer(resource).inNamespace(key.namespace),
  }))

  try {
    // Decide, act and report: what the caches say is only a reason to look closer.
    if (planStatus(quota, cached, nowMs) !== undefined) await writeStatus(key, concerned, context)
  } catch (error) {
    stale.add(text)
    throw error
  }
  dueMs.set(text, nowMs + afterMs)
  return { requeueAfterMs: afterMs }
}

// The quota is read before what it counts, and written only if nobody has charged it since: so nothing that was created meanwhile is forgotten.
async function writeStatus(
  key: ObjectKey,
  concerned: readonly ResourceDefinition[],
  { client, nowMs }: ReconcileContext,
): Promise<void> {
  const quota = await client.get(resourceQuotas, key).catch((error: unknown) => {
    if (isNotFound(error)) return undefined
    throw error
  })
  if (quota === undefined) return
  const lists = await Promise.all(
    concerned.map(async (resource) => {
      const { items } = await client.list(resource, { namespace: key.namespace })
      return { resource, objects: items }
    }),
  )
  const status = planStatus(quota, lists, nowMs())
  if (status !== undefined) await client.updateStatus(resourceQuotas, { ...quota, status })
}
