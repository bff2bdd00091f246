import {
  controllerOf,
  isAlreadyExists,
  isNotFound,
  jsonEqual,
  type ObjectKey,
  selectorFromLabelSelector,
  shortHash,
} from '@binnacle/apimachinery'
import {
  type ControllerRevision,
  controllerRevisions,
  type PersistentVolumeClaim,
  persistentVolumeClaims,
  type Pod,
  pods,
  type StatefulSet,
  statefulSets,
} from '@binnacle/resources'
import { type Controller, done, type ReconcileContext, type Result } from '../../controller.ts'
import { claim } from '../claim.ts'
import { orphansIn } from '../orphans.ts'
import { byRevision, claimRevisions, keepsTemplate, newRevision } from '../revision-history.ts'
import { ordinalIn, parseOrdinal } from './identity.ts'
import { isOrdered, type ObservedSet, planStatefulSet, type SetPlan, type Step } from './plan.ts'
import { PodControl } from './pod-control.ts'
import { finishedStatus, revisionsInUse, statefulSetStatus } from './status.ts'

// Steps at once in a set that is not ordered.
const batchMax = 500

/** Keeps pods of stable names and claims: as many as `spec.replicas`, in order, of the newest template in the end. */
export const statefulSetController: Controller = {
  name: 'statefulset',
  reconciles: statefulSets,
  owns: [pods],
  watches: [
    { resource: pods, keysOf: (pod: Pod, context) => orphanKeys(pod, context) },
    // A pod waits for the old claim of its name to be gone, and its new one for an owner.
    {
      resource: persistentVolumeClaims,
      keysOf: (object: PersistentVolumeClaim, context) => setOfClaim(object, context),
    },
  ],
  reads: [controllerRevisions],
  reconcile,
}

// An orphan concerns every set that would adopt it.
function orphanKeys(pod: Pod, context: ReconcileContext): ObjectKey[] {
  const parsed = parseOrdinal(pod.metadata.name)
  if (parsed === undefined || controllerOf(pod) !== undefined) return []
  const key = { namespace: pod.metadata.namespace ?? '', name: parsed.parent }
  const set = context.informer(statefulSets).get(key)
  return set !== undefined && selectorFromLabelSelector(set.spec?.selector).matches(pod.metadata.labels) ? [key] : []
}

function setOfClaim({ metadata }: PersistentVolumeClaim, context: ReconcileContext): ObjectKey[] {
  const namespace = metadata.namespace ?? ''
  const parent = parseOrdinal(metadata.name)?.parent
  if (parent === undefined) return []
  return context
    .informer(statefulSets)
    .inNamespace(namespace)
    .filter((set) =>
      set.spec?.volumeClaimTemplates?.some((template) => `${template.metadata.name}-${set.metadata.name}` === parent),
    )
    .map((set) => ({ namespace, name: set.metadata.name }))
}

async function reconcile(key: ObjectKey, context: ReconcileContext): Promise<Result> {
  // Observe.
  const set = context.informer(statefulSets).get(key)
  if (set === undefined) return done
  const revisions = byRevision(await claimRevisions(set, statefulSets, context))
  const own = await claimPods(set, context)
  const found = await findRevisions(set, revisions, context)
  if (found === undefined) return done
  const { current, update, collisionCount } = found
  const observed: ObservedSet = {
    set,
    pods: own,
    current,
    update,
    claim: (name) => context.informer(persistentVolumeClaims).get({ namespace: key.namespace, name }),
    nowMs: context.nowMs(),
  }

  // Decide.
  const plan = planStatefulSet(observed)

  // Act.
  const { outdated, failure } = await carryOut(plan, set, context)

  // Report.
  const { status, againAfterMs } = statefulSetStatus(observed, collisionCount)
  status.currentReplicas = Math.max(0, (status.currentReplicas ?? 0) - outdated)
  await writeStatus(set, finishedStatus(set, status), context)
  await truncateHistory(observed, revisions, context)
  if (failure !== undefined) throw failure
  return againAfterMs === undefined ? done : { requeueAfterMs: againAfterMs }
}

async function claimPods(set: StatefulSet, context: ReconcileContext): Promise<Pod[]> {
  const informer = context.informer(pods)
  const selector = selectorFromLabelSelector(set.spec?.selector)
  const orphans = orphansIn(informer, set.metadata.namespace ?? '').filter((pod) =>
    selector.matches(pod.metadata.labels),
  )
  return await claim({
    client: context.client,
    owner: set,
    ownerResource: statefulSets,
    resource: pods,
    selector,
    // A pod of another name cannot get one that the set gives.
    belongs: (pod) => ordinalIn(set, pod) !== undefined,
    candidates: [...informer.ownedBy(set.metadata.uid ?? ''), ...orphans],
    nowMs: context.nowMs(),
  })
}

interface Revisions {
  readonly current: ControllerRevision
  readonly update: ControllerRevision
  readonly collisionCount: number
}

/** The revision of the present template, made or brought to the front where need be, and that of before (`getStatefulSetRevisions`). */
async function findRevisions(
  set: StatefulSet,
  revisions: readonly ControllerRevision[],
  context: ReconcileContext,
): Promise<Revisions | undefined> {
  const newest = revisions.at(-1)
  const next = (newest?.revision ?? 0) + 1
  const equal = revisions.findLast((revision) => keepsTemplate(revision, set.spec?.template))
  let collisionCount = set.status?.collisionCount ?? 0
  let update = equal
  // A set that is on its way out gets no new history: what it had may be gone already.
  if (update === undefined && set.metadata.deletionTimestamp !== undefined) return undefined
  if (update === undefined) ({ update, collisionCount } = await createRevision(set, next, collisionCount, context))
  else if (update !== newest) update = await context.client.update(controllerRevisions, { ...update, revision: next })
  const current = revisions.find((revision) => revision.metadata.name === set.status?.currentRevision)
  return { current: current ?? update, update, collisionCount }
}

// A name that is taken by another template leads to another hash.
async function createRevision(
  set: StatefulSet,
  revision: number,
  collisionsSoFar: number,
  { client }: ReconcileContext,
): Promise<{ update: ControllerRevision; collisionCount: number }> {
  for (let collisionCount = collisionsSoFar; ; collisionCount++) {
    const hash = shortHash(set.spec?.template, collisionCount)
    const name = `${set.metadata.name.slice(0, 223)}-${hash}`
    const wanted = newRevision({ owner: set, name, hashLabel: { 'controller.kubernetes.io/hash': hash }, revision })
    try {
      return { update: await client.create(controllerRevisions, wanted), collisionCount }
    } catch (error) {
      if (!isAlreadyExists(error)) throw error
      const existing = await client.get(controllerRevisions, { namespace: set.metadata.namespace ?? '', name })
      if (keepsTemplate(existing, set.spec?.template)) return { update: existing, collisionCount }
    }
  }
}

interface Outcome {
  /** Pods of an old template that were deleted. */
  readonly outdated: number
  readonly failure: Error | undefined
}

async function carryOut(plan: SetPlan, set: StatefulSet, context: ReconcileContext): Promise<Outcome> {
  const control = new PodControl(set, context)
  let outdated = 0
  try {
    for (const phase of [plan.replicas, plan.condemnedClaims, plan.condemned]) await runPhase(phase, set, control)
    for (const step of plan.outdated) {
      await control.carryOut(step).catch(unlessGone)
      outdated++
    }
  } catch (error) {
    return { outdated, failure: error as Error }
  }
  return { outdated, failure: undefined }
}

// In order, or in batches that double: where everything is refused, little is tried.
async function runPhase(steps: readonly Step[], set: StatefulSet, control: PodControl): Promise<void> {
  let size = 1
  for (let at = 0; at < steps.length; at += size, size = Math.min(size * 2, batchMax)) {
    if (isOrdered(set)) size = 1
    const results = await Promise.allSettled(steps.slice(at, at + size).map((step) => control.carryOut(step)))
    const failed = results.find((result) => result.status === 'rejected')
    if (failed !== undefined) throw failed.reason
  }
}

function unlessGone(error: unknown): void {
  if (!isNotFound(error)) throw error
}

async function writeStatus(
  set: StatefulSet,
  status: NonNullable<StatefulSet['status']>,
  { client }: ReconcileContext,
): Promise<void> {
  if (jsonEqual(status, set.status)) return
  await client.updateStatus(statefulSets, { ...set, status }).catch(unlessGone)
}

/** Deletes the oldest revisions that neither the set nor a pod uses, beyond the limit. */
async function truncateHistory(
  { set, pods: own, current, update }: ObservedSet,
  revisions: readonly ControllerRevision[],
  { client }: ReconcileContext,
): Promise<void> {
  const limit = set.spec?.revisionHistoryLimit ?? 0
  const used = new Set([...revisionsInUse(own), current.metadata.name, update.metadata.name])
  const unused = revisions.filter((revision) => !used.has(revision.metadata.name))
  if (limit < 0) return
  for (const { metadata } of unused.slice(0, Math.max(0, unused.length - limit)))
    await client
      .delete(controllerRevisions, { namespace: metadata.namespace ?? '', name: metadata.name })
      .catch(unlessGone)
}
