import {
  type Condition,
  findCondition,
  isConflict,
  isNotFound,
  type KubernetesObject,
  type ObjectKey,
  parseTime,
  withCondition,
} from '@binnacle/apimachinery'
import type { BatchWrite } from '@binnacle/client'
import {
  type CustomResourceDefinition,
  customResourceCleanup,
  customResourceDefinitions,
  isCrdCondition,
  type ResourceDefinition,
  storedDefinition,
} from '@binnacle/resources'
import { type Controller, done, type ReconcileContext, type Result } from '../../controller.ts'

const retryMs = 500
const batchMax = 1000
/** So long after its deletion a definition says that objects are still there, which finalizers hold back (`crd_finalizer.go`). */
const patienceMs = 60_000

/** Deletes all objects of a kind whose definition is being deleted, and lets it go when none is left. */
export const customResourceCleanupController: Controller = {
  name: 'customresource-cleanup',
  reconciles: customResourceDefinitions,
  concerns: isToBeCleaned,
  reconcile,
}

function isToBeCleaned({ metadata }: CustomResourceDefinition): boolean {
  return metadata.deletionTimestamp !== undefined && metadata.finalizers?.includes(customResourceCleanup) === true
}

async function reconcile(key: ObjectKey, context: ReconcileContext): Promise<Result> {
  // Observe.
  const seen = context.informer(customResourceDefinitions).get(key)
  if (seen === undefined || !isToBeCleaned(seen)) return done
  // Another definition may have its name by now, and must keep its objects: the cache is not enough.
  const crd = await context.client.get(customResourceDefinitions, key).catch(ignoreGone)
  if (crd === undefined || !isToBeCleaned(crd)) return done
  if (!isCrdCondition(crd, 'Established')) {
    await release(crd, context)
    return done
  }

  // Act.
  const left = await deleteObjects(storedDefinition(crd), context)

  // Report.
  if (left === 0) {
    await release(crd, context)
    return done
  }
  const isLate = context.nowMs() > parseTime(crd.metadata.deletionTimestamp) + patienceMs
  await report(crd, isLate ? stuck : inProgress, context)
  return { requeueAfterMs: isLate ? retryMs * 10 : retryMs }
}

const inProgress: Condition = {
  type: 'Terminating',
  status: 'True',
  reason: 'InstanceDeletionInProgress',
  message: 'CustomResource deletion is in progress',
}
const stuck: Condition = {
  type: 'Terminating',
  status: 'True',
  reason: 'InstanceDeletionCheck',
  message: 'could not confirm zero CustomResources remaining: timed out waiting for the condition',
}

// Gives how many are still there afterwards.
async function deleteObjects(definition: ResourceDefinition, { client }: ReconcileContext): Promise<number> {
  const { items } = await client.list(definition)
  const writes = items.filter(({ metadata }) => metadata.deletionTimestamp === undefined).map(deletionOf(definition))
  for (let from = 0; from < writes.length; from += batchMax) {
    const results = await client.writeAll(writes.slice(from, from + batchMax), { atomic: false })
    for (const result of results) if ('error' in result && !isConflict(result.error)) ignoreGone(result.error)
  }
  return items.length === 0 ? 0 : (await client.list(definition)).items.length
}

const deletionOf =
  (resource: ResourceDefinition) =>
  ({ metadata }: KubernetesObject): BatchWrite => ({
    verb: 'delete',
    resource,
    key: { namespace: metadata.namespace ?? '', name: metadata.name },
    options: { preconditions: { uid: metadata.uid ?? '' } },
  })

async function report(crd: CustomResourceDefinition, condition: Condition, context: ReconcileContext): Promise<void> {
  if (findCondition(crd.status?.conditions, condition.type)?.reason === condition.reason) return
  const conditions = [...withCondition<Condition>(crd.status?.conditions, condition, context.nowMs())]
  const status = { ...crd.status, conditions }
  await context.client.updateStatus(customResourceDefinitions, { ...crd, status }).catch(ignoreGone)
}

async function release(crd: CustomResourceDefinition, { client }: ReconcileContext): Promise<void> {
  const finalizers = (crd.metadata.finalizers ?? []).filter((finalizer) => finalizer !== customResourceCleanup)
  await client
    .update(customResourceDefinitions, { ...crd, metadata: { ...crd.metadata, finalizers } })
    .catch(ignoreGone)
}

function ignoreGone(error: unknown): undefined {
  if (isNotFound(error)) return undefined
  throw error
}
