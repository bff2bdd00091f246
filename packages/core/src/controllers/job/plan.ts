import { parseTime } from '@binnacle/apimachinery'
import type { JobSpec, Pod } from '@binnacle/resources'
import { isPodTerminating } from '../../pod-state.ts'
import { rankForDeletion } from '../replica-set/plan.ts'
import { backOffLeftMs, endedAtMs, type FailureRecord } from './back-off.ts'
import { CompletionIndexes } from './completion-indexes.ts'
import { hasCondition, isSuspended } from './conditions.ts'
import { indexFailuresAfter, indexFailuresOf, isPodFailed, replacesOnlyEnded } from './job-pods.ts'
import { indexesOf, type JobView, validIndexOf } from './job-view.ts'
import { matchPodFailurePolicy } from './pod-failure-policy.ts'

/** Pods created or deleted at one reconcile at the most. */
export const burstPodsMax = 500

/** How a job is going to end. */
export interface Ending {
  readonly type: 'Complete' | 'Failed'
  readonly reason: string
  readonly message: string
}

/** The condition that announces an end before it is one: the job's pods are still to go. */
export function announcementOf({ type }: Ending): 'SuccessCriteriaMet' | 'FailureTarget' {
  return type === 'Complete' ? 'SuccessCriteriaMet' : 'FailureTarget'
}

/**
 * Whether the job is to end before its completions are reached, and why: what has been announced stands; else the pod failure policy, the back-off
 * limit, the deadline, the limits per index and the success policy, in this order (kube-controller-manager `syncJob`).
 */
export function planEnding(view: JobView, nowMs: number): Ending | undefined {
  return announcedEnding(view) ?? failureOf(view, nowMs) ?? indexFailureOf(view) ?? policySuccessOf(view)
}

/** How a job ends whose completions are reached. */
export const completionsReached: Ending = {
  type: 'Complete',
  reason: 'CompletionsReached',
  message: 'Reached expected number of succeeded pods',
}

/** Whether enough pods have succeeded, given how many are active. A job without completions waits for all once one has succeeded. */
export function isComplete({ spec, succeeded }: JobView, active: number): boolean {
  return active === 0 && (spec.completions === undefined ? succeeded > 0 : succeeded >= spec.completions)
}

/** Milliseconds until the job's deadline; undefined where none runs. */
export function deadlineLeftMs(
  { job, spec }: JobView,
  startTime: string | undefined,
  nowMs: number,
): number | undefined {
  if (spec.activeDeadlineSeconds === undefined || startTime === undefined || isSuspended(job)) return undefined
  return parseTime(startTime) + spec.activeDeadlineSeconds * 1000 - nowMs
}

function announcedEnding({ job }: JobView): Ending | undefined {
  for (const type of ['Complete', 'Failed'] as const) {
    const announcement = announcementOf({ type, reason: '', message: '' })
    if (!hasCondition(job, announcement)) continue
    const condition = job.status?.conditions?.find((candidate) => candidate.type === announcement)
    return { type, reason: condition?.reason ?? '', message: condition?.message ?? '' }
  }
  return undefined
}

const failed = (reason: string, message: string): Ending => ({ type: 'Failed', reason, message })

function failureOf(view: JobView, nowMs: number): Ending | undefined {
  const { job, spec, pods } = view
  if (spec.podFailurePolicy !== undefined) {
    for (const pod of pods) {
      const message = isPodFailed(pod, job) ? matchPodFailurePolicy(spec.podFailurePolicy, pod).failsJob : undefined
      if (message !== undefined) return failed('PodFailurePolicy', message)
    }
  }
  if (view.failed > backoffLimitOf(spec) || restartsTooOften(view))
    return failed('BackoffLimitExceeded', 'Job has reached the specified backoff limit')
  // A job that is just being resumed begins anew.
  const startTime = hasCondition(job, 'Suspended') ? undefined : job.status?.startTime
  const leftMs = deadlineLeftMs(view, startTime, nowMs)
  if (leftMs !== undefined && leftMs <= 0)
    return failed('DeadlineExceeded', 'Job was active longer than specified deadline')
  return undefined
}

function backoffLimitOf(spec: JobSpec): number {
  return spec.backoffLimit ?? 6
}

// Pods that restart in place do not fail; their restarts count instead.
function restartsTooOften({ spec, pods }: JobView): boolean {
  if (spec.template.spec?.restartPolicy !== 'OnFailure') return false
  let restarts = 0
  for (const { status } of pods) {
    if (status?.phase !== 'Running' && status?.phase !== 'Pending') continue
    for (const container of [...(status.initContainerStatuses ?? []), ...(status.containerStatuses ?? [])])
      restarts += container.restartCount
  }
  const limit = backoffLimitOf(spec)
  return limit === 0 ? restarts > 0 : restarts >= limit
}

function indexFailureOf({ spec, indexes }: JobView): Ending | undefined {
  if (indexes?.failed === undefined) return undefined
  const count = indexes.failed.size
  if (spec.maxFailedIndexes !== undefined && count > spec.maxFailedIndexes)
    return failed('MaxFailedIndexesExceeded', 'Job has exceeded the specified maximal number of failed indexes')
  return count > 0 && count + indexes.succeeded.size >= indexes.completions
    ? failed('FailedIndexes', 'Job has failed indexes')
    : undefined
}

function policySuccessOf({ spec, indexes }: JobView): Ending | undefined {
  if (spec.successPolicy === undefined || indexes === undefined || indexes.succeeded.size === 0) return undefined
  const { completions, succeeded } = indexes
  const at = spec.successPolicy.rules.findIndex(({ succeededIndexes, succeededCount }) => {
    if (succeededIndexes === undefined) return succeededCount !== undefined && succeeded.size >= succeededCount
    const wanted = CompletionIndexes.parse(succeededIndexes, completions)
    const reached = wanted.overlapWith(succeeded)
    return wanted.size > 0 && (reached === wanted.size || (succeededCount !== undefined && reached >= succeededCount))
  })
  return at < 0 ? undefined : { type: 'Complete', reason: 'SuccessPolicy', message: `Matched rules at index ${at}` }
}

/** A pod to create: its index in an Indexed job, and the failures of that index where there is a limit per index. */
export interface NewPod {
  readonly index?: number
  readonly failures?: { readonly counted: number; readonly ignored: number }
}

/** What to do about the number of pods: create or delete, never both. */
export interface PodPlan {
  readonly create: readonly NewPod[]
  readonly podsToDelete: readonly Pod[]
  /** When back-off ends for what could not be created yet. */
  readonly againAfterMs?: number
}

/** Compares the pods that a running job should have with those it has (kube-controller-manager `manageJob`). */
export function planPods(view: JobView, failures: FailureRecord, nowMs: number): PodPlan {
  const { job, active } = view
  if (isSuspended(job)) return { create: [], podsToDelete: surplusOf(view, active.length, nowMs) }
  const wanted = wantedOf(view)
  const podsToDelete = surplusOf(view, Math.max(0, active.length - wanted), nowMs).slice(0, burstPodsMax)
  if (podsToDelete.length > 0) return { create: [], podsToDelete }
  const missing = wanted - active.length - (replacesOnlyEnded(job) ? view.terminating : 0)
  return missing > 0
    ? planCreation(view, Math.min(missing, burstPodsMax), failures, nowMs)
    : { create: [], podsToDelete }
}

function wantedOf({ spec, succeeded, active }: JobView): number {
  const parallelism = spec.parallelism ?? 1
  if (spec.completions === undefined) return succeeded > 0 ? active.length : parallelism
  return Math.max(0, Math.min(spec.completions - succeeded, parallelism))
}

// Pods that must go, at least `count`: those without a valid index and the doubled ones first, the least worth keeping of the others then.
function surplusOf({ active, indexes }: JobView, count: number, nowMs: number): readonly Pod[] {
  const ranked = (pods: readonly Pod[]): readonly Pod[] => rankForDeletion(pods, new Map(), nowMs)
  if (indexes === undefined) return count === 0 ? [] : ranked(active).slice(0, count)
  const going: Pod[] = []
  const staying: Pod[] = []
  for (const [index, pods] of Map.groupBy(active, (pod) => validIndexOf(pod, indexes.completions))) {
    const order = pods.length === 1 ? pods : ranked(pods)
    const keptCount = index === undefined ? 0 : 1
    going.push(...order.slice(0, order.length - keptCount))
    staying.push(...order.slice(order.length - keptCount))
  }
  return going.length >= count ? going : [...going, ...ranked(staying).slice(0, count - going.length)]
}

function planCreation(view: JobView, count: number, failures: FailureRecord, nowMs: number): PodPlan {
  const { indexes } = view
  if (indexes?.failed !== undefined) return planIndexesApart(view, count, nowMs)
  const waitMs = backOffLeftMs(failures, nowMs)
  if (waitMs > 0) return { create: [], podsToDelete: [], againAfterMs: waitMs }
  if (indexes === undefined) return { create: Array.from({ length: count }, () => ({})), podsToDelete: [] }
  return { create: pendingIndexes(view, count).map((index) => ({ index })), podsToDelete: [] }
}

// With a limit per index each index has a back-off of its own.
function planIndexesApart(view: JobView, count: number, nowMs: number): PodPlan {
  const create: NewPod[] = []
  let againAfterMs = Number.POSITIVE_INFINITY
  for (const index of pendingIndexes(view, count)) {
    const last = view.indexes?.lastFailed.get(index)
    const waitMs = last === undefined ? 0 : backOffLeftMs(recordOf(last), nowMs)
    if (waitMs > 0) againAfterMs = Math.min(againAfterMs, waitMs)
    else create.push({ index, failures: indexFailuresAfter(last, view.job) })
  }
  return { create, podsToDelete: [], ...(againAfterMs === Number.POSITIVE_INFINITY ? {} : { againAfterMs }) }
}

function recordOf(lastFailed: Pod): FailureRecord {
  const { counted, ignored } = indexFailuresOf(lastFailed)
  return { failures: counted + ignored + 1, lastFailureMs: endedAtMs(lastFailed) }
}

function pendingIndexes({ job, pods, active, indexes }: JobView, count: number): number[] {
  if (indexes === undefined) return []
  const { completions, succeeded, failed: failedIndexes = CompletionIndexes.none } = indexes
  const occupied = replacesOnlyEnded(job) ? [...active, ...pods.filter(isPodTerminating)] : active
  return succeeded.with(failedIndexes).with(indexesOf(occupied, completions)).firstMissing(count, completions)
}
