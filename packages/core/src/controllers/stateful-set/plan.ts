import { scaledValue } from '@binnacle/apimachinery'
import type { ControllerRevision, PersistentVolumeClaim, Pod, PodTemplateSpec, StatefulSet } from '@binnacle/resources'
import { isPodReady, isPodTerminal, msUntilAvailable } from '../../pod-state.ts'
import { revisionLabel, templateOf } from '../revision-history.ts'
import {
  claimsFor,
  deletesScaledDownClaims,
  hasIdentity,
  hasStaleOwner,
  hasStorage,
  isInRange,
  ordinalIn,
  ownersToSet,
  podOf,
  startOrdinal,
} from './identity.ts'

/** Decisions of the StatefulSet controller, free of effects (kube-controller-manager `stateful_set_control.go`). */

/** What a decision is made on. */
export interface ObservedSet {
  readonly set: StatefulSet
  readonly pods: readonly Pod[]
  /** The revision that pods below the partition have or get. */
  readonly current: ControllerRevision
  /** The revision of the set's template. */
  readonly update: ControllerRevision
  /** A claim of the set's namespace as the cache has it. */
  claim(name: string): PersistentVolumeClaim | undefined
  readonly nowMs: number
}

/** One thing to do about one pod: `claims` makes those that are missing and sets the owners of the others, `owners` only the latter. */
export interface Step {
  readonly verb: 'create' | 'update' | 'delete' | 'claims' | 'owners'
  readonly pod: Pod
  readonly ordinal: number
}

/** What to do, in phases: one begins when all of the one before has succeeded. Steps of one phase may run together unless the set is ordered. */
export interface SetPlan {
  readonly replicas: readonly Step[]
  readonly condemnedClaims: readonly Step[]
  readonly condemned: readonly Step[]
  /** Deletes of pods that come back with the new template: the status no longer counts them as current. */
  readonly outdated: readonly Step[]
}

const nothing: SetPlan = { replicas: [], condemnedClaims: [], condemned: [], outdated: [] }

/** True for a set that waits for each pod before it turns to the next. */
export function isOrdered(set: StatefulSet): boolean {
  return set.spec?.podManagementPolicy !== 'Parallel'
}

/** The name of the revision that a pod was made from. */
export function revisionNameOf(pod: Pod): string | undefined {
  return pod.metadata.labels?.[revisionLabel]
}

const isCreated = (pod: Pod): boolean => pod.metadata.uid !== undefined
const isTerminating = (pod: Pod): boolean => pod.metadata.deletionTimestamp !== undefined

/** The pod runs and is ready, and has been for `minReadySeconds`. */
function isAvailable({ set, nowMs }: ObservedSet, pod: Pod): boolean {
  return isRunningAndReady(pod) && msUntilAvailable(pod, set.spec?.minReadySeconds ?? 0, nowMs) === 0
}

/** The pod runs and its Ready condition is true. */
export function isRunningAndReady(pod: Pod): boolean {
  return pod.status?.phase === 'Running' && isPodReady(pod)
}

const isUnavailable = (observed: ObservedSet, pod: Pod): boolean => !isAvailable(observed, pod) || isTerminating(pod)

/** Compares what is wanted with what is there: first the pods that stay, then those that the set has no room for, then those of an old template. */
export function planStatefulSet(observed: ObservedSet): SetPlan {
  const { set } = observed
  if (set.metadata.deletionTimestamp !== undefined) return nothing
  const [replicas, condemned] = sorted(observed)
  const stays = stepsUntilBlocked(set, replicas, (pod) => replicaSteps(observed, pod))
  if (stays.blocked) return { ...nothing, replicas: stays.steps }
  const condemnedClaims = condemned
    .filter((pod) => knownClaims(observed, pod).some((claim) => ownersToSet(claim, set, pod) !== undefined))
    .map((pod) => step('owners', set, pod))
  const firstUnavailable = [...replicas, ...condemned.toReversed()].find((pod) => isUnavailable(observed, pod))
  const goes = stepsUntilBlocked(set, condemned, (pod) => condemnedSteps(observed, pod, firstUnavailable))
  const plan = { ...nothing, replicas: stays.steps, condemnedClaims, condemned: goes.steps }
  if (goes.blocked || set.spec?.updateStrategy?.type === 'OnDelete') return plan
  return { ...plan, outdated: outdatedPods(observed, replicas).map((pod) => step('delete', set, pod)) }
}

interface PodSteps {
  readonly steps: readonly Step[]
  /** An ordered set does nothing more until this pod has changed. */
  readonly blocks: boolean
}

function stepsUntilBlocked(
  set: StatefulSet,
  pods: readonly Pod[],
  stepsOf: (pod: Pod) => PodSteps,
): { steps: Step[]; blocked: boolean } {
  const steps: Step[] = []
  for (const pod of pods) {
    const { steps: some, blocks } = stepsOf(pod)
    steps.push(...some)
    if (blocks && isOrdered(set)) return { steps, blocked: true }
  }
  return { steps, blocked: false }
}

const step = (verb: Step['verb'], set: StatefulSet, pod: Pod): Step => ({
  verb,
  pod,
  ordinal: ordinalIn(set, pod) as number,
})

/** The pods that the set has room for, by ordinal, those that are missing as they are to be made; and the others, the last first. */
function sorted(observed: ObservedSet): [Pod[], Pod[]] {
  const { set, pods } = observed
  const first = startOrdinal(set)
  const replicas = Array.from({ length: set.spec?.replicas ?? 0 }, (_, index) => newPod(observed, first + index))
  for (const pod of pods) if (isInRange(set, pod)) replicas[(ordinalIn(set, pod) as number) - first] = pod
  const condemned = pods.filter((pod) => ordinalIn(set, pod) !== undefined && !isInRange(set, pod))
  return [replicas, condemned.toSorted((a, b) => (ordinalIn(set, b) as number) - (ordinalIn(set, a) as number))]
}

// Pods below the partition come back as they were (`newVersionedStatefulSetPod`).
function newPod({ set, current, update }: ObservedSet, ordinal: number): Pod {
  const { updateStrategy } = set.spec ?? {}
  const below = updateStrategy?.rollingUpdate?.partition ?? set.status?.currentReplicas ?? 0
  const isHeldBack = updateStrategy?.type === 'RollingUpdate' && ordinal < startOrdinal(set) + below
  const revision = isHeldBack ? current : update
  const template: PodTemplateSpec = templateOf(revision)
  return podOf(set, ordinal, template, revision.metadata.name)
}

/** The claims of a pod that the cache has. */
function knownClaims({ set, claim }: ObservedSet, pod: Pod): PersistentVolumeClaim[] {
  return [...claimsFor(set, ordinalIn(set, pod) as number).values()].flatMap(
    ({ metadata }) => claim(metadata.name) ?? [],
  )
}

/** What a pod that stays needs (`processReplica`). */
function replicaSteps(observed: ObservedSet, pod: Pod): PodSteps {
  const { set } = observed
  // However it ended: an evicted pod may have succeeded. The next one is made when this one is gone.
  if (isPodTerminal(pod)) return { steps: isTerminating(pod) ? [] : [step('delete', set, pod)], blocks: true }
  const claims = knownClaims(observed, pod)
  if (!isCreated(pod)) {
    const isStale = deletesScaledDownClaims(set) && claims.some((claim) => hasStaleOwner(claim, pod))
    return { steps: isStale ? [] : [step('create', set, pod)], blocks: true }
  }
  const ordinal = ordinalIn(set, pod) as number
  const wrongOwners = claims.some((claim) => ownersToSet(claim, set, pod) !== undefined)
  const isPending = pod.status?.phase === 'Pending'
  const lacksClaims = claims.length < claimsFor(set, ordinal).size
  const needsClaims = isPending && (lacksClaims || wrongOwners)
  const steps = needsClaims ? [step('claims', set, pod)] : []
  const blocks = isUnavailable(observed, pod)
  if (blocks && isOrdered(set)) return { steps, blocks }
  const isRight = hasIdentity(pod) && hasStorage(set, pod, ordinal) && (needsClaims || lacksClaims || !wrongOwners)
  return { steps: isRight ? steps : [...steps, step('update', set, pod)], blocks: false }
}

/** What a pod that the set has no room for needs: to go, in an ordered set one at a time and not while another is unavailable (`processCondemned`). */
function condemnedSteps(observed: ObservedSet, pod: Pod, firstUnavailable: Pod | undefined): PodSteps {
  if (isTerminating(pod)) return { steps: [], blocks: true }
  const waits = isOrdered(observed.set) && !isAvailable(observed, pod) && pod !== firstUnavailable
  return { steps: waits ? [] : [step('delete', observed.set, pod)], blocks: true }
}

/**
 * The pods of an old template that may go now, the last first. One at a time, waiting for each, as the feature gate MaxUnavailableStatefulSet has it
 * while it is off: its state in 1.36. A set that asks for `maxUnavailable` gets what it asks for, as of 1.37.
 */
function outdatedPods(observed: ObservedSet, replicas: readonly Pod[]): Pod[] {
  const { partition = 0, maxUnavailable } = observed.set.spec?.updateStrategy?.rollingUpdate ?? {}
  const targets = replicas.slice(partition).toReversed()
  if (maxUnavailable !== undefined) return outdatedWithin(observed, maxUnavailable, replicas, targets)
  const stop = targets.find((pod) => isOutdated(observed, pod) || isUnavailable(observed, pod))
  return stop !== undefined && isOutdated(observed, stop) ? [stop] : []
}

function isOutdated({ update }: ObservedSet, pod: Pod): boolean {
  return isCreated(pod) && revisionNameOf(pod) !== update.metadata.name && !isTerminating(pod)
}

function outdatedWithin(
  observed: ObservedSet,
  maxUnavailable: number | string,
  replicas: readonly Pod[],
  targets: readonly Pod[],
): Pod[] {
  const most = Math.max(1, scaledValue(maxUnavailable, replicas.length, false))
  const budget = Math.max(0, most - replicas.filter((pod) => isUnavailable(observed, pod)).length)
  const outdated = targets.filter((pod) => isOutdated(observed, pod))
  if (isOrdered(observed.set)) return outdated.slice(0, budget)
  // In parallel, those that are unavailable anyway cost nothing, and would otherwise hold the update up for good.
  const available = outdated.filter((pod) => isAvailable(observed, pod))
  return [...outdated.filter((pod) => !isAvailable(observed, pod)), ...available.slice(0, budget)]
}
