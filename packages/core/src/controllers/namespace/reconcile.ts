import { isConflict, isNotFound, jsonEqual, type KubernetesObject, type ObjectKey } from '@binnacle/apimachinery'
import type { BatchWrite } from '@binnacle/client'
import { type Namespace, namespaces, pods, type ResourceDefinition, type ResourceRegistry } from '@binnacle/resources'
import { type Controller, done, type ReconcileContext, type Result } from '../../controller.ts'
import { contentConditions, type Left } from './conditions.ts'

// Every API server has heard of the deletion by then, and clients that delete a manifest file find its other objects still there
// (upstream's namespaceDeletionGracePeriod).
const graceMs = 5000
const retryMs = 500
const retryMsMax = 10_000
const batchMax = 1000

/** Empties namespaces that are being deleted, and lets them go when nothing is left (`namespaced_resources_deleter.go`). */
export function namespaceController(registry: ResourceRegistry): Controller {
  return { name: 'namespace', reconciles: namespaces, reconcile: (key, context) => reconcile(key, context, registry) }
}

async function reconcile(key: ObjectKey, context: ReconcileContext, registry: ResourceRegistry): Promise<Result> {
  // Observe.
  const seen = context.informer(namespaces).get(key)
  if (seen === undefined || !isToBeEmptied(seen)) return done
  const deletedMs = Date.parse(seen.metadata.deletionTimestamp ?? '')
  if (context.nowMs() < deletedMs + graceMs) return { requeueAfterMs: deletedMs + graceMs - context.nowMs() }
  // Another namespace may have its name by now, and must keep what is in it: the cache is not enough.
  const namespace = await context.client.get(namespaces, key).catch(ignoreGone)
  if (namespace === undefined || !isToBeEmptied(namespace)) return done

  // Act.
  const left = await deleteContent(key.name, context, deletable(registry))

  // Report.
  if (left.remaining.size === 0 && left.failures.length === 0) {
    await finalize(namespace, context)
    return done
  }
  const conditions = contentConditions(namespace, left, context.nowMs())
  const status = { ...namespace.status, phase: 'Terminating', conditions: [...conditions] }
  if (!jsonEqual(status, namespace.status)) await context.client.updateStatus(namespaces, { ...namespace, status })
  const waitedMs = context.nowMs() - deletedMs - graceMs
  return { requeueAfterMs: Math.min(Math.max(retryMs, waitedMs / 4), retryMsMax) }
}

function isToBeEmptied({ metadata, spec }: Namespace): boolean {
  return metadata.deletionTimestamp !== undefined && (spec?.finalizers ?? []).includes('kubernetes')
}

// Each stored resource once. Asked anew each time: custom resources come and go.
function deletable(registry: ResourceRegistry): readonly ResourceDefinition[] {
  const found = new Map<string, ResourceDefinition>()
  for (const definition of registry.served) {
    const { scope, virtual, verbs, storageName } = definition
    if (scope !== 'Namespaced' || virtual === true || found.has(storageName)) continue
    if (verbs.includes('list') && verbs.includes('delete')) found.set(storageName, definition)
  }
  return [...found.values()]
}

interface Progress {
  readonly remaining: Map<string, number>
  readonly finalizers: Map<string, number>
  readonly failures: string[]
}

// Pods first, until none is left: what protects them and what they use outlives them (OrderedNamespaceDeletion).
async function deleteContent(
  namespace: string,
  context: ReconcileContext,
  resources: readonly ResourceDefinition[],
): Promise<Left> {
  const left: Progress = { remaining: new Map(), finalizers: new Map(), failures: [] }
  const isPods = ({ storageName }: ResourceDefinition): boolean => storageName === pods.storageName
  await deleteAllOf(namespace, context, resources.filter(isPods), left)
  if (left.remaining.size > 0 || left.failures.length > 0) return left
  await deleteAllOf(
    namespace,
    context,
    resources.filter((definition) => !isPods(definition)),
    left,
  )
  return left
}

async function deleteAllOf(
  namespace: string,
  context: ReconcileContext,
  resources: readonly ResourceDefinition[],
  left: Progress,
): Promise<void> {
  const found = await listAll(namespace, context, resources, left)
  const writes = found.flatMap(({ definition, items }) =>
    items
      .filter(({ metadata }) => metadata.deletionTimestamp === undefined)
      .map((item) => deleteWrite(definition, item)),
  )
  for (let from = 0; from < writes.length; from += batchMax) {
    const results = await context.client.writeAll(writes.slice(from, from + batchMax), { atomic: false })
    for (const result of results)
      if ('error' in result && !isNotFound(result.error) && !isConflict(result.error))
        left.failures.push(result.error.message)
  }
  const occupied = found.filter(({ items }) => items.length > 0).map(({ definition }) => definition)
  for (const { definition, items } of await listAll(namespace, context, occupied, left)) note(definition, items, left)
}

async function listAll(
  namespace: string,
  context: ReconcileContext,
  resources: readonly ResourceDefinition[],
  left: Progress,
): Promise<{ definition: ResourceDefinition; items: readonly KubernetesObject[] }[]> {
  const lists = await Promise.all(
    resources.map(async (definition) => {
      try {
        const { items } = await context.client.list(definition, { namespace })
        return { definition, items }
      } catch (error) {
        left.failures.push((error as Error).message)
        return { definition, items: [] }
      }
    }),
  )
  return lists
}

function deleteWrite(resource: ResourceDefinition, { metadata }: KubernetesObject): BatchWrite {
  return {
    verb: 'delete',
    resource,
    key: { namespace: metadata.namespace ?? '', name: metadata.name },
    options: { propagationPolicy: 'Background', preconditions: { uid: metadata.uid ?? '' } },
  }
}

function note(definition: ResourceDefinition, items: readonly KubernetesObject[], left: Progress): void {
  if (items.length === 0) return
  left.remaining.set(`${definition.plural}.${definition.group}`, items.length)
  for (const { metadata } of items)
    for (const finalizer of metadata.finalizers ?? [])
      left.finalizers.set(finalizer, (left.finalizers.get(finalizer) ?? 0) + 1)
}

async function finalize(namespace: Namespace, context: ReconcileContext): Promise<void> {
  const finalizers = (namespace.spec?.finalizers ?? []).filter((finalizer) => finalizer !== 'kubernetes')
  await context.client
    .update(namespaces, { ...namespace, spec: { ...namespace.spec, finalizers } }, { subresource: 'finalize' })
    .catch(ignoreGone)
}

function ignoreGone(error: unknown): undefined {
  if (isNotFound(error)) return undefined
  throw error
}
