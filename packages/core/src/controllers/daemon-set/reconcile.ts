import {
  controllerOf,
  formatKey,
  isNotFound,
  jsonEqual,
  keyOf,
  type ObjectKey,
  selectorFromLabelSelector,
} from '@binnacle/apimachinery'
import { controllerRevisions, type DaemonSet, daemonSets, type Node, nodes, type Pod, pods } from '@binnacle/resources'
import { type Controller, done, type ReconcileContext, type Result } from '../../controller.ts'
import { Expectations } from '../../expectations.ts'
import { isPodTerminal } from '../../pod-state.ts'
import { claim } from '../claim.ts'
import { orphansIn } from '../orphans.ts'
import { createPods, deletePods, observePods, type PodWork } from '../pod-batches.ts'
import { FailureBackOff } from './back-off.ts'
import { podOn, targetNodeOf } from './daemon-pod.ts'
import { cleanUpHistory, findHistory, hashOf } from './history.ts'
import { nodeFitOf } from './node-fit.ts'
import { type DaemonPlan, type ObservedDaemons, planNodes, planUpdate } from './plan.ts'
import { daemonSetStatus } from './status.ts'

// Creates, and deletes, at one reconcile at the most.
const burstPodsMax = 250

interface Work extends PodWork {
  readonly backOff: FailureBackOff
}

/** Keeps one pod of each DaemonSet on every node that it is for. */
export function daemonSetController(): Controller {
  const expectations = new Expectations()
  const backOff = new FailureBackOff()
  return {
    name: 'daemonset',
    reconciles: daemonSets,
    owns: [pods],
    watches: [
      { resource: pods, keysOf: (pod: Pod, context) => orphanKeys(pod, context) },
      { resource: nodes, keysOf: (node: Node, context, old: Node | undefined) => nodeKeys(node, context, old) },
    ],
    reads: [controllerRevisions],
    prepare: (context) => observePods(daemonSets.kind, { context, expectations }),
    reconcile: (key, context) => reconcile(key, { context, expectations, backOff }),
  }
}

// An orphan concerns every set that would adopt it.
function orphanKeys(pod: Pod, context: ReconcileContext): ObjectKey[] {
  if (controllerOf(pod) !== undefined || pod.metadata.labels === undefined) return []
  return context
    .informer(daemonSets)
    .inNamespace(pod.metadata.namespace ?? '')
    .filter((set) => selectorFromLabelSelector(set.spec?.selector).matches(pod.metadata.labels))
    .map(keyOf)
}

// A node concerns the sets for which it now counts otherwise than before; its heartbeats concern nobody.
function* nodeKeys(node: Node, context: ReconcileContext, old: Node | undefined): Generator<ObjectKey> {
  const isSame =
    old !== undefined &&
    jsonEqual(node.metadata.labels, old.metadata.labels) &&
    jsonEqual(node.spec?.taints, old.spec?.taints)
  if (isSame) return
  for (const set of context.informer(daemonSets).all()) {
    const fit = nodeFitOf(set)
    const [now, before] = [fit(node), old === undefined ? undefined : fit(old)]
    if (before === undefined ? now.shouldRun || now.mayStay : !jsonEqual(now, before)) yield keyOf(set)
  }
}

async function reconcile(key: ObjectKey, work: Work): Promise<Result> {
  const { context, expectations } = work
  // Observe.
  const set = context.informer(daemonSets).get(key)
  if (set === undefined) {
    expectations.forget(formatKey(key))
    return done
  }
  if (selectsAll(set)) {
    const message = 'This daemon set is selecting all pods. A non-empty selector is required.'
    context.events.record(set, 'Warning', 'SelectingAll', message)
    return done
  }
  // What history a set that is on its way out still has, nobody knows.
  if (set.metadata.deletionTimestamp !== undefined) return done
  // Asked before the pods are looked at: what is seen in between must not make an old view count as a new one.
  const settled = expectations.satisfied(formatKey(key), context.nowMs())
  const own = await claimPods(set, context)
  const history = await findHistory(set, own, context)
  const observed = observe(set, own, hashOf(history.current), work)

  // Decide and act.
  const outcome = settled ? await advance(observed, work) : { againAfterMs: undefined, failure: undefined }
  if (settled && outcome.failure === undefined) await cleanUpHistory(set, history, own, context)

  // Report.
  const { status, againAfterMs } = daemonSetStatus(observed, settled)
  if (!jsonEqual(status, set.status))
    await context.client.updateStatus(daemonSets, { ...set, status }).catch(ignoreGone)
  if (outcome.failure !== undefined) throw new Error(outcome.failure)
  const waits = [againAfterMs, outcome.againAfterMs].filter((wait) => wait !== undefined)
  return waits.length === 0 ? done : { requeueAfterMs: Math.min(...waits) }
}

function selectsAll({ spec }: DaemonSet): boolean {
  const { matchLabels = {}, matchExpressions = [] } = spec?.selector ?? {}
  return Object.keys(matchLabels).length + matchExpressions.length === 0
}

function ignoreGone(error: unknown): undefined {
  if (isNotFound(error)) return undefined
  throw error
}

async function claimPods(set: DaemonSet, context: ReconcileContext): Promise<Pod[]> {
  const informer = context.informer(pods)
  const selector = selectorFromLabelSelector(set.spec?.selector)
  const orphans = orphansIn(informer, set.metadata.namespace ?? '').filter((pod) =>
    selector.matches(pod.metadata.labels),
  )
  return await claim({
    client: context.client,
    owner: set,
    ownerResource: daemonSets,
    resource: pods,
    selector,
    candidates: [...informer.ownedBy(set.metadata.uid ?? ''), ...orphans],
    nowMs: context.nowMs(),
  })
}

function observe(set: DaemonSet, own: readonly Pod[], hash: string, { context, backOff }: Work): ObservedDaemons {
  const fitOf = nodeFitOf(set)
  const podsByNode = new Map<string, Pod[]>()
  for (const pod of own) {
    // One that has ended and is being deleted is in nobody's way.
    const nodeName = isPodTerminal(pod) && pod.metadata.deletionTimestamp !== undefined ? undefined : targetNodeOf(pod)
    if (nodeName === undefined) continue
    const there = podsByNode.get(nodeName)
    if (there === undefined) podsByNode.set(nodeName, [pod])
    else there.push(pod)
  }
  return {
    set,
    nodes: [...context.informer(nodes).all()].map((node) => ({ node, fit: fitOf(node) })),
    podsByNode,
    hash,
    nowMs: context.nowMs(),
    backOffMs: (nodeName) => backOff.remainingMs(backOffKey(set, nodeName), context.nowMs()),
  }
}

// A new generation begins anew.
function backOffKey({ metadata, status }: DaemonSet, nodeName: string): string {
  return `${metadata.uid}/${status?.observedGeneration ?? 0}/${nodeName}`
}

interface Outcome {
  readonly againAfterMs: number | undefined
  readonly failure: string | undefined
}

/** First every node gets what it needs; what that leads to is waited for before an update goes on. */
async function advance(observed: ObservedDaemons, work: Work): Promise<Outcome> {
  const plan = planNodes(observed)
  const { againAfterMs } = plan
  if (plan.nodesToRunOn.length > 0 || plan.podsToDelete.length > 0)
    return { againAfterMs, failure: await carryOut(plan, observed, work) }
  if (observed.set.spec?.updateStrategy?.type !== 'RollingUpdate') return { againAfterMs, failure: undefined }
  return { againAfterMs, failure: await carryOut(planUpdate(observed), observed, work) }
}

async function carryOut(
  { nodesToRunOn, podsToDelete, ended }: DaemonPlan,
  { set, hash }: ObservedDaemons,
  work: Work,
): Promise<string | undefined> {
  for (const { pod, nodeName } of ended) recordEnd(set, pod, nodeName, work)
  const wanted = nodesToRunOn.slice(0, burstPodsMax).map((nodeName) => podOn(set, nodeName, hash))
  const failures = [
    wanted.length > 0 ? await createPods(set, wanted, work) : undefined,
    podsToDelete.length > 0 ? await deletePods(set, podsToDelete.slice(0, burstPodsMax), work) : undefined,
  ].filter((failure) => failure !== undefined)
  return failures.length === 0 ? undefined : failures.map(({ message }) => message).join(', ')
}

function recordEnd(set: DaemonSet, pod: Pod, nodeName: string, { context, backOff }: Work): void {
  const which = `daemon pod ${pod.metadata.namespace}/${pod.metadata.name} on node ${nodeName}`
  if (pod.status?.phase === 'Succeeded') {
    context.events.record(set, 'Normal', 'SucceededDaemonPod', `Found succeeded ${which}, will try to delete it`)
    return
  }
  backOff.next(backOffKey(set, nodeName), context.nowMs())
  context.events.record(set, 'Warning', 'FailedDaemonPod', `Found failed ${which}, will try to kill it`)
}
