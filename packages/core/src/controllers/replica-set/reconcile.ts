import {
  controllerOf,
  formatKey,
  isNotFound,
  jsonEqual,
  type ObjectKey,
  type Selector,
  selectorFromLabelSelector,
} from '@binnacle/apimachinery'
import { type Pod, pods, replicaSets, type ResourceDefinition } from '@binnacle/resources'
import { type Controller, done, type ReconcileContext, type Result } from '../../controller.ts'
import { Expectations } from '../../expectations.ts'
import { isPodActive, isPodTerminating } from '../../pod-state.ts'
import { claim } from '../claim.ts'
import { orphansIn } from '../orphans.ts'
import { createPods, deletePods, observePods, type PodFailure, type PodWork } from '../pod-batches.ts'
import { podFromTemplate } from '../pod-template.ts'
import { planReplicas } from './plan.ts'
import { type ReplicatedSet, replicaSetStatus } from './status.ts'

/** A kind that asks for a number of equal pods: ReplicaSet, and ReplicationController, which differs in its selector only. */
export interface ReplicatedKind<T extends ReplicatedSet> {
  /** The controller's name: events come from `NAME-controller`. */
  readonly name: string
  readonly resource: ResourceDefinition<T>
  selectorOf(set: T): Selector
  /** Its status says how many pods are going. */
  readonly countsTerminating: boolean
}

interface Work<T extends ReplicatedSet> extends PodWork {
  readonly kind: ReplicatedKind<T>
}

/** Keeps the number of pods that each ReplicaSet controls equal to `spec.replicas`. */
export function replicaSetController(): Controller {
  return replicationOf({
    name: 'replicaset',
    resource: replicaSets,
    selectorOf: (set) => selectorFromLabelSelector(set.spec?.selector),
    countsTerminating: true,
  })
}

/** The controller of a kind of replicated pods (kube-controller-manager `replicaset/replica_set.go`, which serves both kinds too). */
export function replicationOf<T extends ReplicatedSet>(kind: ReplicatedKind<T>): Controller {
  const expectations = new Expectations()
  return {
    name: kind.name,
    reconciles: kind.resource,
    owns: [pods],
    watches: [{ resource: pods, keysOf: (pod: Pod, context) => orphanKeys(kind, pod, context) }],
    prepare: (context) => observePods(kind.resource.kind, { context, expectations }),
    reconcile: (key, context) => reconcile(key, { kind, context, expectations }),
  }
}

// An orphan concerns every set that would adopt it.
function orphanKeys<T extends ReplicatedSet>(
  kind: ReplicatedKind<T>,
  pod: Pod,
  context: ReconcileContext,
): ObjectKey[] {
  if (controllerOf(pod) !== undefined || pod.metadata.labels === undefined) return []
  const namespace = pod.metadata.namespace ?? ''
  const matching = context
    .informer(kind.resource)
    .inNamespace(namespace)
    .filter((set) => kind.selectorOf(set).matches(pod.metadata.labels))
  return matching.map((set) => ({ namespace, name: set.metadata.name }))
}

async function reconcile<T extends ReplicatedSet>(key: ObjectKey, work: Work<T>): Promise<Result> {
  const { kind, context, expectations } = work
  const text = formatKey(key)
  // Observe.
  const set = context.informer(kind.resource).get(key)
  if (set === undefined) {
    expectations.forget(text)
    return done
  }
  const settled = expectations.satisfied(text, context.nowMs())
  const claimed = await claimPods(set, work)
  const active = claimed.filter(isPodActive)
  const terminating = kind.countsTerminating ? claimed.filter(isPodTerminating).length : undefined

  // Decide.
  const deleting = set.metadata.deletionTimestamp !== undefined
  const plan =
    settled && !deleting
      ? planReplicas(set.spec?.replicas ?? 0, active, podsOnNode(set, work), context.nowMs())
      : { createCount: 0, podsToDelete: [] }

  // Act.
  let failure: PodFailure | undefined
  if (plan.createCount > 0) {
    const pod = podFromTemplate(set, set.spec?.template)
    failure = await createPods(set, Array<Pod>(plan.createCount).fill(pod), work)
  }
  if (plan.podsToDelete.length > 0) failure = await deletePods(set, plan.podsToDelete, work)

  // Report.
  const kept = settled ? failure : keptFailure(set)
  const { status, againAfterMs } = replicaSetStatus(
    set,
    { active, terminating },
    kept?.message,
    kept?.reason ?? '',
    context.nowMs(),
  )
  if (!jsonEqual(status, set.status))
    await context.client.updateStatus(kind.resource, { ...set, status }).catch(ignoreGone)
  if (failure !== undefined) throw new Error(failure.message)
  return againAfterMs === undefined ? done : { requeueAfterMs: againAfterMs }
}

function keptFailure(set: ReplicatedSet): PodFailure | undefined {
  const condition = set.status?.conditions?.find((candidate) => candidate.type === 'ReplicaFailure')
  return condition === undefined ? undefined : { reason: condition.reason ?? '', message: condition.message ?? '' }
}

function ignoreGone(error: unknown): undefined {
  if (isNotFound(error)) return undefined
  throw error
}

async function claimPods<T extends ReplicatedSet>(set: T, { kind, context }: Work<T>): Promise<Pod[]> {
  const informer = context.informer(pods)
  const selector = kind.selectorOf(set)
  const namespace = set.metadata.namespace ?? ''
  // Owned ones by index; only orphans of the namespace have to be searched.
  const orphans = orphansIn(informer, namespace).filter((pod) => selector.matches(pod.metadata.labels))
  const candidates = [...informer.ownedBy(set.metadata.uid ?? ''), ...orphans]
  return await claim({
    client: context.client,
    owner: set,
    ownerResource: kind.resource,
    resource: pods,
    selector,
    candidates,
    nowMs: context.nowMs(),
  })
}

// Counted over all pods of the owning Deployment's ReplicaSets: what stays should be spread as a whole.
function podsOnNode<T extends ReplicatedSet>(set: T, { kind, context }: Work<T>): ReadonlyMap<string, number> {
  const counts = new Map<string, number>()
  const deployment = controllerOf(set)
  const siblings = deployment === undefined ? [set] : context.informer(kind.resource).ownedBy(deployment.uid)
  for (const sibling of siblings) {
    for (const pod of context.informer(pods).ownedBy(sibling.metadata.uid ?? '')) {
      const node = pod.spec?.nodeName
      if (node && isPodActive(pod)) counts.set(node, (counts.get(node) ?? 0) + 1)
    }
  }
  return counts
}
