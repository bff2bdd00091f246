import { parseTime, scaledValue } from '@binnacle/apimachinery'
import type { DaemonSet, Node, Pod } from '@binnacle/resources'
import { isPodReady, msUntilAvailable } from '../../pod-state.ts'
import { revisionLabel } from '../revision-history.ts'
import { isUpdated } from './daemon-pod.ts'
import type { NodeFit } from './node-fit.ts'

/** Decisions of the DaemonSet controller, free of effects (kube-controller-manager `daemon_controller.go`, `update.go`). */

/** What a decision is made on. */
export interface ObservedDaemons {
  readonly set: DaemonSet
  readonly nodes: readonly { readonly node: Node; readonly fit: NodeFit }[]
  /** The set's pods by the node that they are on or meant for. */
  readonly podsByNode: ReadonlyMap<string, readonly Pod[]>
  /** The revision label of the present template. */
  readonly hash: string
  readonly nowMs: number
  /** How long a failed pod on a node still has to wait before it is replaced, in milliseconds; 0: no longer. */
  backOffMs(nodeName: string): number
}

/** What to do. */
export interface DaemonPlan {
  /** Names of nodes that need a pod. */
  readonly nodesToRunOn: readonly string[]
  readonly podsToDelete: readonly Pod[]
  /** Those among them that have ended, with their node. */
  readonly ended: readonly { readonly pod: Pod; readonly nodeName: string }[]
  /** When a failed pod may be replaced, in milliseconds from now. */
  readonly againAfterMs: number | undefined
}

type Draft = {
  nodesToRunOn: string[]
  podsToDelete: Pod[]
  ended: { pod: Pod; nodeName: string }[]
  againAfterMs: number | undefined
}

const emptyDraft = (): Draft => ({ nodesToRunOn: [], podsToDelete: [], ended: [], againAfterMs: undefined })
const isStaying = (pod: Pod): boolean => pod.metadata.deletionTimestamp === undefined

function isAvailable({ set, nowMs }: ObservedDaemons, pod: Pod): boolean {
  return msUntilAvailable(pod, set.spec?.minReadySeconds ?? 0, nowMs) === 0
}

/** Pods on a node in the order in which they count: bound before unbound, older before younger (`podByCreationTimestampAndPhase`). */
export function byStanding(pods: readonly Pod[]): Pod[] {
  const isBound = (pod: Pod): number => (pod.spec?.nodeName ? 1 : 0)
  return pods.toSorted(
    (a, b) =>
      isBound(b) - isBound(a) ||
      parseTime(a.metadata.creationTimestamp) - parseTime(b.metadata.creationTimestamp) ||
      (a.metadata.name < b.metadata.name ? -1 : 1),
  )
}

/** One running pod on each node that should have one, none on others (`manage`). */
export function planNodes(observed: ObservedDaemons): DaemonPlan {
  const draft = emptyDraft()
  for (const { node, fit } of observed.nodes) {
    const pods = observed.podsByNode.get(node.metadata.name)
    if (fit.shouldRun && pods === undefined) draft.nodesToRunOn.push(node.metadata.name)
    else if (pods === undefined) continue
    else if (!fit.mayStay) draft.podsToDelete.push(...pods.filter(isStaying))
    else planNode(observed, node.metadata.name, { pods, shouldRun: fit.shouldRun }, draft)
  }
  // The scheduler will never bind them, and nobody else would take them away.
  const known = new Set(observed.nodes.map(({ node }) => node.metadata.name))
  for (const [nodeName, pods] of observed.podsByNode)
    if (!known.has(nodeName)) draft.podsToDelete.push(...pods.filter((pod) => !pod.spec?.nodeName && isStaying(pod)))
  return draft
}

function planNode(
  observed: ObservedDaemons,
  nodeName: string,
  { pods, shouldRun }: { pods: readonly Pod[]; shouldRun: boolean },
  draft: Draft,
): void {
  const running: Pod[] = []
  for (const pod of byStanding(pods).filter(isStaying)) {
    const phase = pod.status?.phase
    const waitMs = phase === 'Failed' ? observed.backOffMs(nodeName) : 0
    if (phase !== 'Failed' && phase !== 'Succeeded') running.push(pod)
    else if (waitMs > 0) draft.againAfterMs = Math.min(draft.againAfterMs ?? waitMs, waitMs)
    else {
      draft.ended.push({ pod, nodeName })
      draft.podsToDelete.push(pod)
    }
  }
  if (!allowsSurge(observed.set)) draft.podsToDelete.push(...running.slice(1))
  else if (running.length > 1) draft.podsToDelete.push(...surplusOfSurge(observed, running))
  else if (running.length === 0 && shouldRun) draft.nodesToRunOn.push(nodeName)
}

// Two pods may be on a node while the old one serves until the new one does.
function surplusOfSurge(observed: ObservedDaemons, running: readonly Pod[]): Pod[] {
  const isNew = (pod: Pod): boolean => pod.metadata.labels?.[revisionLabel] === observed.hash
  const newest = running.find(isNew)
  const old = running.find((pod) => !isNew(pod))
  const surplus = running.filter((pod) => pod !== newest && pod !== old)
  if (newest !== undefined && old !== undefined && (!isPodReady(old) || isAvailable(observed, newest)))
    surplus.push(old)
  return surplus
}

function allowsSurge(set: DaemonSet): boolean {
  const { type, rollingUpdate } = set.spec?.updateStrategy ?? {}
  return type === 'RollingUpdate' && scaledValue(rollingUpdate?.maxSurge ?? 0, 100, true) > 0
}

/** How many pods an update may take away and add at once (`updatedDesiredNodeCounts`). */
function updateBounds(set: DaemonSet, desired: number): { unavailable: number; surge: number } {
  const { maxUnavailable = 1, maxSurge = 0 } = set.spec?.updateStrategy?.rollingUpdate ?? {}
  const unavailable = scaledValue(maxUnavailable, desired, true)
  const surge = scaledValue(maxSurge, desired, true)
  return unavailable === 0 && surge === 0 && desired > 0 ? { unavailable: 1, surge } : { unavailable, surge }
}

interface NodePods {
  readonly nodeName: string
  readonly newPod: Pod | undefined
  readonly oldPod: Pod | undefined
  /** Several of one kind: there is something to clean up first. */
  readonly isUnclear: boolean
}

function podsOfNode(observed: ObservedDaemons, nodeName: string, pods: readonly Pod[]): NodePods {
  const staying = pods.filter(isStaying)
  const [fresh, old] = [true, false].map((updated) =>
    staying.filter((pod) => isUpdated(observed.set, pod, observed.hash) === updated),
  ) as [Pod[], Pod[]]
  return { nodeName, newPod: fresh[0], oldPod: old[0], isUnclear: fresh.length > 1 || old.length > 1 }
}

/** The next step of a rolling update (`rollingUpdate`), once {@link planNodes} has nothing left to do. */
export function planUpdate(observed: ObservedDaemons): DaemonPlan {
  const desired = observed.nodes.filter(({ fit }) => fit.shouldRun).map(({ node }) => node.metadata.name)
  const byNode = new Map([
    ...observed.podsByNode,
    ...desired.filter((name) => !observed.podsByNode.has(name)).map(none),
  ])
  const nodes = [...byNode].map(([nodeName, pods]) => podsOfNode(observed, nodeName, pods))
  const bounds = updateBounds(observed.set, desired.length)
  if (bounds.surge === 0) return { ...emptyDraft(), podsToDelete: replaceable(observed, nodes, bounds.unavailable) }
  return planSurge(observed, nodes, { surge: bounds.surge, desired: desired.length })
}

const none = (nodeName: string): [string, readonly Pod[]] => [nodeName, []]

/** Old pods that may go so that new ones come: those that are unavailable anyway, and others within the bound. */
function replaceable(observed: ObservedDaemons, nodes: readonly NodePods[], maxUnavailable: number): Pod[] {
  const replacements: Pod[] = []
  const candidates: Pod[] = []
  let unavailable = 0
  for (const { newPod, oldPod, isUnclear } of nodes) {
    if (isUnclear || (newPod === undefined) === (oldPod === undefined)) unavailable++
    else if (newPod !== undefined) unavailable += isAvailable(observed, newPod) ? 0 : 1
    else if (oldPod !== undefined) (isAvailable(observed, oldPod) ? candidates : replacements).push(oldPod)
  }
  return [...replacements, ...candidates.slice(0, Math.max(0, maxUnavailable - unavailable))]
}

function planSurge(
  observed: ObservedDaemons,
  nodes: readonly NodePods[],
  { surge, desired }: { surge: number; desired: number },
): DaemonPlan {
  const draft = emptyDraft()
  const fits = new Map(observed.nodes.map(({ node, fit }) => [node.metadata.name, fit]))
  const candidates: string[] = []
  const misplaced: Pod[] = []
  let [surging, available] = [0, 0]
  for (const { nodeName, newPod, oldPod, isUnclear } of nodes) {
    const counted = oldPod ?? newPod
    if (isUnclear) surging++
    else if (counted !== undefined && isAvailable(observed, counted)) available++
    if (isUnclear || oldPod === undefined) continue
    const isOldAvailable = isAvailable(observed, oldPod)
    if (newPod === undefined) {
      if (fits.get(nodeName)?.shouldRun !== true) misplaced.push(oldPod)
      else if (isOldAvailable) candidates.push(nodeName)
      else draft.nodesToRunOn.push(nodeName)
    } else if (isOldAvailable && !isAvailable(observed, newPod)) surging++
    else draft.podsToDelete.push(oldPod)
  }
  // A pod where none should be any more serves until another does.
  draft.podsToDelete.push(...misplaced.slice(0, Math.max(0, available - desired)))
  draft.nodesToRunOn.push(...candidates.slice(0, Math.max(0, surge - surging)))
  return draft
}
