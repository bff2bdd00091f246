import {
  controllerOf,
  formatKey,
  isNamespaceTerminating,
  isNotFound,
  jsonEqual,
  type ObjectKey,
  selectorFromLabelSelector,
} from '@binnacle/apimachinery'
import type { BatchWrite } from '@binnacle/client'
import { type Pod, pods, type ReplicaSet, replicaSets } from '@binnacle/resources'
import { type Controller, done, type ReconcileContext, type Result } from '../../controller.ts'
import { Expectations } from '../../expectations.ts'
import { isPodActive } from '../../pod-state.ts'
import { claim } from '../claim.ts'
import { podFromTemplate } from '../pod-template.ts'
import { planReplicas } from './plan.ts'
import { replicaSetStatus } from './status.ts'

/** Keeps the number of pods that each ReplicaSet controls equal to `spec.replicas`. */
export function replicaSetController(): Controller {
  const expectations = new Expectations()
  return {
    name: 'replicaset',
    reconciles: replicaSets,
    owns: [pods],
    watches: [{ resource: pods, keysOf: (pod: Pod, context) => orphanKeys(pod, context) }],
    prepare: (context) => observe(expectations, context),
    reconcile: (key, context) => reconcile(key, context, expectations),
  }
}

// An orphan concerns every ReplicaSet that would adopt it.
function orphanKeys(pod: Pod, context: ReconcileContext): ObjectKey[] {
  if (controllerOf(pod) !== undefined || pod.metadata.labels === undefined) return []
  const namespace = pod.metadata.namespace ?? ''
  const matching = context
    .informer(replicaSets)
    .inNamespace(namespace)
    .filter((set) => selectorFromLabelSelector(set.spec?.selector).matches(pod.metadata.labels))
  return matching.map((set) => ({ namespace, name: set.metadata.name }))
}

function observe(expectations: Expectations, context: ReconcileContext): void {
  const ownerKey = (pod: Pod): string | undefined => {
    const owner = controllerOf(pod)
    return owner?.kind === 'ReplicaSet'
      ? formatKey({ namespace: pod.metadata.namespace ?? '', name: owner.name })
      : undefined
  }
  const seen = (pod: Pod): void => {
    const key = ownerKey(pod)
    if (key !== undefined && pod.metadata.uid !== undefined) expectations.deleteSeen(key, pod.metadata.uid)
  }
  context.informer(pods).addHandler({
    onAdd: (pod) => {
      const key = ownerKey(pod)
      if (key !== undefined) expectations.createSeen(key)
    },
    // A pod that is marked for deletion no longer counts, so that is what is waited for.
    onUpdate: (pod, old) => {
      if (pod.metadata.deletionTimestamp !== undefined && old.metadata.deletionTimestamp === undefined) seen(pod)
    },
    onDelete: seen,
  })
}

async function reconcile(key: ObjectKey, context: ReconcileContext, expectations: Expectations): Promise<Result> {
  const text = formatKey(key)
  // Observe.
  const replicaSet = context.informer(replicaSets).get(key)
  if (replicaSet === undefined) {
    expectations.forget(text)
    return done
  }
  const settled = expectations.satisfied(text, context.nowMs())
  const active = (await claimPods(replicaSet, context)).filter(isPodActive)

  // Decide.
  const deleting = replicaSet.metadata.deletionTimestamp !== undefined
  const plan =
    settled && !deleting
      ? planReplicas(replicaSet.spec?.replicas ?? 0, active, podsOnNode(replicaSet, context), context.nowMs())
      : { createCount: 0, podsToDelete: [] }

  // Act.
  let failure: { reason: string; message: string } | undefined
  if (plan.createCount > 0) failure = await createPods(replicaSet, plan.createCount, context, expectations)
  if (plan.podsToDelete.length > 0) failure = await deletePods(replicaSet, plan.podsToDelete, context, expectations)

  // Report.
  const kept = settled ? failure : keptFailure(replicaSet)
  const { status, againAfterMs } = replicaSetStatus(
    replicaSet,
    active,
    kept?.message,
    kept?.reason ?? '',
    context.nowMs(),
  )
  if (!jsonEqual(status, replicaSet.status))
    await context.client.updateStatus(replicaSets, { ...replicaSet, status }).catch(ignoreGone)
  if (failure !== undefined) throw new Error(failure.message)
  return againAfterMs === undefined ? done : { requeueAfterMs: againAfterMs }
}

function keptFailure(replicaSet: ReplicaSet): { reason: string; message: string } | undefined {
  const condition = replicaSet.status?.conditions?.find((candidate) => candidate.type === 'ReplicaFailure')
  return condition === undefined ? undefined : { reason: condition.reason ?? '', message: condition.message ?? '' }
}

function ignoreGone(error: unknown): undefined {
  if (isNotFound(error)) return undefined
  throw error
}

async function claimPods(replicaSet: ReplicaSet, context: ReconcileContext): Promise<Pod[]> {
  const informer = context.informer(pods)
  const selector = selectorFromLabelSelector(replicaSet.spec?.selector)
  const namespace = replicaSet.metadata.namespace ?? ''
  // Owned ones by index; only orphans of the namespace have to be searched.
  const orphans = informer
    .byIndex(orphanIndex(context), namespace)
    .filter((pod) => selector.matches(pod.metadata.labels))
  const candidates = [...informer.ownedBy(replicaSet.metadata.uid ?? ''), ...orphans]
  return await claim({
    client: context.client,
    owner: replicaSet,
    ownerResource: replicaSets,
    resource: pods,
    selector,
    candidates,
    nowMs: context.nowMs(),
  })
}

const indexed = new WeakSet<object>()

function orphanIndex(context: ReconcileContext): string {
  const informer = context.informer(pods)
  if (!indexed.has(informer)) {
    indexed.add(informer)
    informer.addIndex('orphans', (pod) => (controllerOf(pod) === undefined ? [pod.metadata.namespace ?? ''] : []))
  }
  return 'orphans'
}

// Counted over all pods of the owning Deployment's ReplicaSets: what stays should be spread as a whole.
function podsOnNode(replicaSet: ReplicaSet, context: ReconcileContext): ReadonlyMap<string, number> {
  const counts = new Map<string, number>()
  const deployment = controllerOf(replicaSet)
  const sets = deployment === undefined ? [replicaSet] : context.informer(replicaSets).ownedBy(deployment.uid)
  for (const set of sets) {
    for (const pod of context.informer(pods).ownedBy(set.metadata.uid ?? '')) {
      const node = pod.spec?.nodeName
      if (node && isPodActive(pod)) counts.set(node, (counts.get(node) ?? 0) + 1)
    }
  }
  return counts
}

async function createPods(
  replicaSet: ReplicaSet,
  count: number,
  context: ReconcileContext,
  expectations: Expectations,
): Promise<{ reason: string; message: string } | undefined> {
  const key = formatKey({ namespace: replicaSet.metadata.namespace ?? '', name: replicaSet.metadata.name })
  const pod = podFromTemplate(replicaSet, replicaSet.spec?.template)
  // The first batch is small: where every create is refused (a quota, a bad template), few are tried.
  let batch = 1
  for (let created = 0; created < count;) {
    const size = Math.min(batch, count - created)
    expectations.expectCreates(key, size, context.nowMs())
    const writes = Array.from({ length: size }, (): BatchWrite => ({ verb: 'create', resource: pods, object: pod }))
    const results = await context.client
      .writeAll(writes, { atomic: false })
      .catch((error: Error) => writes.map(() => ({ error })))
    let failed: Error | undefined
    for (const result of results) {
      if ('object' in result)
        context.events.record(replicaSet, 'Normal', 'SuccessfulCreate', `Created pod: ${result.object.metadata.name}`)
      else {
        expectations.createSeen(key)
        failed = result.error
      }
    }
    if (failed !== undefined) {
      if (isNamespaceTerminating(failed)) return undefined
      context.events.record(replicaSet, 'Warning', 'FailedCreate', `Error creating: ${failed.message}`)
      return { reason: 'FailedCreate', message: failed.message }
    }
    created += size
    batch *= 2
  }
  return undefined
}

async function deletePods(
  replicaSet: ReplicaSet,
  victims: readonly Pod[],
  context: ReconcileContext,
  expectations: Expectations,
): Promise<{ reason: string; message: string } | undefined> {
  const key = formatKey({ namespace: replicaSet.metadata.namespace ?? '', name: replicaSet.metadata.name })
  expectations.expectDeletes(
    key,
    victims.map((pod) => pod.metadata.uid ?? ''),
    context.nowMs(),
  )
  const writes = victims.map((pod): BatchWrite => ({
    verb: 'delete',
    resource: pods,
    key: { namespace: pod.metadata.namespace ?? '', name: pod.metadata.name },
    options: { preconditions: { uid: pod.metadata.uid ?? '' } },
  }))
  const results = await context.client
    .writeAll(writes, { atomic: false })
    .catch((error: Error) => writes.map(() => ({ error })))
  let failed: Error | undefined
  for (const [index, result] of results.entries()) {
    const pod = victims[index] as Pod
    if ('object' in result)
      context.events.record(replicaSet, 'Normal', 'SuccessfulDelete', `Deleted pod: ${pod.metadata.name}`)
    else {
      expectations.deleteSeen(key, pod.metadata.uid ?? '')
      if (!isNotFound(result.error)) failed = result.error
    }
  }
  if (failed === undefined) return undefined
  context.events.record(replicaSet, 'Warning', 'FailedDelete', `Error deleting: ${failed.message}`)
  return { reason: 'FailedDelete', message: failed.message }
}
