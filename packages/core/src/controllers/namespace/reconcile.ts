import {
  findCondition,
  isNotFound,
  jsonEqual,
  type KubernetesObject,
  type ObjectKey,
  withCondition,
} from '@binnacle/apimachinery'
import type { BatchWrite } from '@binnacle/client'
import { type Namespace, namespaces, type ResourceDefinition, type ResourceRegistry } from '@binnacle/resources'
import { type Controller, done, type ReconcileContext, type Result } from '../../controller.ts'

// Every API server has heard of the deletion by then, and clients that delete a manifest file find its other objects still there
// (upstream's namespaceDeletionGracePeriod).
const graceMs = 5000
const retryMs = 500
const retryMsMax = 10_000

/** Empties namespaces that are being deleted, and lets them go when nothing is left (`namespaced_resources_deleter.go`). */
export function namespaceController(registry: ResourceRegistry): Controller {
  const resources = deletable(registry)
  return { name: 'namespace', reconciles: namespaces, reconcile: (key, context) => reconcile(key, context, resources) }
}

// Each stored resource once, pods last: what makes pods goes before them.
function deletable(registry: ResourceRegistry): readonly ResourceDefinition[] {
  const seen = new Set<string>()
  const found = registry.served.filter((definition) => {
    const wanted =
      definition.scope === 'Namespaced' &&
      definition.virtual !== true &&
      definition.verbs.includes('list') &&
      definition.verbs.includes('delete')
    if (!wanted || seen.has(definition.storageName)) return false
    seen.add(definition.storageName)
    return true
  })
  return found.toSorted((a, b) => Number(a.storageName === 'pods') - Number(b.storageName === 'pods'))
}

async function reconcile(
  key: ObjectKey,
  context: ReconcileContext,
  resources: readonly ResourceDefinition[],
): Promise<Result> {
  // Observe.
  const namespace = context.informer(namespaces).get(key)
  if (namespace === undefined || namespace.metadata.deletionTimestamp === undefined) return done
  if ((namespace.spec?.finalizers ?? []).includes('kubernetes') === false) return done

  const deletedMs = Date.parse(namespace.metadata.deletionTimestamp)
  if (context.nowMs() < deletedMs + graceMs) return { requeueAfterMs: deletedMs + graceMs - context.nowMs() }

  // Act.
  const left = await deleteContent(key.name, context, resources)

  // Report.
  const conditions = contentConditions(namespace, left, context.nowMs())
  const status = { ...namespace.status, phase: 'Terminating', conditions: [...conditions] } as NonNullable<
    Namespace['status']
  >
  if (left.remaining.size > 0) {
    if (!jsonEqual(status, namespace.status)) await context.client.updateStatus(namespaces, { ...namespace, status })
    const waitedMs = context.nowMs() - deletedMs - graceMs
    return { requeueAfterMs: Math.min(Math.max(retryMs, waitedMs / 4), retryMsMax) }
  }
  await finalize(namespace, context)
  return done
}

/** What could not be deleted yet: per resource how many, and per finalizer. */
interface Left {
  readonly remaining: ReadonlyMap<string, number>
  readonly finalizers: ReadonlyMap<string, number>
  readonly failures: readonly string[]
}

async function deleteContent(
  namespace: string,
  context: ReconcileContext,
  resources: readonly ResourceDefinition[],
): Promise<Left> {
  const remaining = new Map<string, number>()
  const finalizers = new Map<string, number>()
  const failures: string[] = []
  for (const definition of resources) {
    const { items } = await context.client.list(definition, { namespace })
    if (items.length === 0) continue
    const pending = items.filter((item) => item.metadata.deletionTimestamp === undefined)
    const writes = pending.map((item): BatchWrite => ({
      verb: 'delete',
      resource: definition,
      key: { namespace, name: item.metadata.name },
      options: { propagationPolicy: 'Background' },
    }))
    const results = writes.length === 0 ? [] : await context.client.writeAll(writes, { atomic: false })
    for (const result of results)
      if ('error' in result && !isNotFound(result.error)) failures.push(result.error.message)
    const left = await context.client.list(definition, { namespace })
    note(definition, left.items, remaining, finalizers)
  }
  return { remaining, finalizers, failures }
}

function note(
  definition: ResourceDefinition,
  items: readonly KubernetesObject[],
  remaining: Map<string, number>,
  finalizers: Map<string, number>,
): void {
  if (items.length === 0) return
  const name = definition.group === '' ? `${definition.plural}.` : definition.storageName
  remaining.set(name, items.length)
  for (const item of items)
    for (const finalizer of item.metadata.finalizers ?? [])
      finalizers.set(finalizer, (finalizers.get(finalizer) ?? 0) + 1)
}

function contentConditions(namespace: Namespace, left: Left, nowMs: number) {
  const list = (counts: ReadonlyMap<string, number>, text: string): string =>
    [...counts]
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([name, count]) => `${name} has ${count} ${text}`)
      .join(', ')
  const remain = left.remaining.size > 0
  const wait = left.finalizers.size > 0
  const failed = left.failures.length > 0
  const wanted = [
    {
      type: 'NamespaceDeletionDiscoveryFailure',
      status: 'False',
      reason: 'ResourcesDiscovered',
      message: 'All resources successfully discovered',
    },
    {
      type: 'NamespaceDeletionGroupVersionParsingFailure',
      status: 'False',
      reason: 'ParsedGroupVersions',
      message: 'All legacy kube types successfully parsed',
    },
    failed
      ? {
          type: 'NamespaceDeletionContentFailure',
          status: 'True',
          reason: 'ContentDeletionFailed',
          message: `Failed to delete all resource types, ${left.failures.length} remaining: ${left.failures[0]}`,
        }
      : {
          type: 'NamespaceDeletionContentFailure',
          status: 'False',
          reason: 'ContentDeleted',
          message: 'All content successfully deleted, may be waiting on finalization',
        },
    remain
      ? {
          type: 'NamespaceContentRemaining',
          status: 'True',
          reason: 'SomeResourcesRemain',
          message: `Some resources are remaining: ${list(left.remaining, 'resource instances')}`,
        }
      : {
          type: 'NamespaceContentRemaining',
          status: 'False',
          reason: 'ContentRemoved',
          message: 'All content successfully removed',
        },
    wait
      ? {
          type: 'NamespaceFinalizersRemaining',
          status: 'True',
          reason: 'SomeFinalizersRemain',
          message: `Some content in the namespace has finalizers remaining: ${list(left.finalizers, 'resource instances').replaceAll(' has ', ' in ')}`,
        }
      : {
          type: 'NamespaceFinalizersRemaining',
          status: 'False',
          reason: 'ContentHasNoFinalizers',
          message: 'All content-preserving finalizers finished',
        },
  ]
  let conditions = namespace.status?.conditions ?? []
  for (const condition of wanted) {
    // Only what has ever been wrong, or is now, is worth writing each time.
    if (findCondition(conditions, condition.type)?.message !== condition.message)
      conditions = withCondition(conditions, condition, nowMs) as typeof conditions
  }
  return conditions
}

async function finalize(namespace: Namespace, context: ReconcileContext): Promise<void> {
  const finalizers = (namespace.spec?.finalizers ?? []).filter((finalizer) => finalizer !== 'kubernetes')
  await context.client
    .update(namespaces, { ...namespace, spec: { ...namespace.spec, finalizers } }, { subresource: 'finalize' })
    .catch((error: unknown) => {
      if (!isNotFound(error)) throw error
    })
}
