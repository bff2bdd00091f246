import {
  badRequest,
  type Condition,
  findCondition,
  forbidden,
  formatTime,
  isConditionTrue,
  type KubernetesObject,
  type ObjectKey,
  selectorFromLabelSelector,
  type Status,
  StatusError,
  withCondition,
} from '@binnacle/apimachinery'
import { type Eviction, type Pod, type PodDisruptionBudget, podDisruptionBudgets, pods } from '@binnacle/resources'
import type { StoredObject, Write } from '@binnacle/store'
import type { DeleteRequest, RequestContext } from '../api-server.ts'
import { writeOptimistically } from '../optimistic-write.ts'
import { inVersion } from '../in-version.ts'
import { prepareChange, prepareDelete, type WriteEnvironment } from '../write-path.ts'
import { successStatus } from './success-status.ts'

/** More evictions than this may not be on their way at once under one budget. */
const disruptedPodsMax = 2000
/** When to ask again while a budget is still being counted. */
const retryAfterSeconds = 10

/**
 * POST pods/eviction: deletes the pod if its PodDisruptionBudget, where it has one, allows that (registry/core/pod `eviction.go`). The budget is
 * charged, and the pod says why it goes, in the same commit that deletes it: no crash leaves one without the other.
 * @throws StatusError TooManyRequests when the budget does not allow it now
 */
export async function evictPod(
  env: WriteEnvironment,
  request: RequestContext,
  key: ObjectKey,
  eviction: Eviction,
  options: { readonly dryRun: boolean },
): Promise<Status> {
  if (eviction.metadata.name !== undefined && eviction.metadata.name !== '' && eviction.metadata.name !== key.name)
    throw badRequest('name in URL does not match name in Eviction object')
  const deletion: DeleteRequest = { ...(eviction.deleteOptions as DeleteRequest | undefined), dryRun: options.dryRun }
  const pinned = deletion.preconditions?.resourceVersion !== undefined
  // A budget that this process has not seen yet counts too.
  await env.store.linearize()
  await writeOptimistically(env, { definition: pods, key, pinned }, async (current) => {
    const writes = evictionWrites(env, current, deletion)
    if (writes.length > 0 && !options.dryRun) await env.store.commit({ writes, actor: request.user.name })
  })
  return successStatus()
}

function evictionWrites(env: WriteEnvironment, current: StoredObject, deletion: DeleteRequest): readonly Write[] {
  const pod = inVersion(pods, current) as Pod
  if (!isProtected(pod)) return prepareDelete(env, pods, current, deletion).writes
  const budget = budgetOf(env, pod)
  const { writes } = prepareDelete(env, pods, current, deletion, disrupted(pod, env.nowMs()))
  if (budget === undefined || mayGoUnhealthy(pod, inVersion(podDisruptionBudgets, budget) as PodDisruptionBudget))
    return writes
  const charge = (old: KubernetesObject): KubernetesObject =>
    afterDisruption(old as PodDisruptionBudget, pod, env.nowMs())
  return [...writes, prepareChange(podDisruptionBudgets, budget, charge)]
}

/** Pods that have ended, have not begun or are going already count for no budget. */
function isProtected(pod: Pod): boolean {
  const phase = pod.status?.phase
  return (
    phase !== 'Succeeded' && phase !== 'Failed' && phase !== 'Pending' && pod.metadata.deletionTimestamp === undefined
  )
}

function budgetOf(env: WriteEnvironment, pod: Pod): StoredObject | undefined {
  const { objects } = env.store.list({
    resource: podDisruptionBudgets.storageName,
    namespace: pod.metadata.namespace,
  })
  const matching = objects.filter((object) => {
    const { spec } = inVersion(podDisruptionBudgets, object) as PodDisruptionBudget
    return selectorFromLabelSelector(spec?.selector).matches(pod.metadata.labels)
  })
  if (matching.length > 1) {
    throw new StatusError(
      'InternalError',
      'This pod has more than one PodDisruptionBudget, which the eviction subresource does not support.',
    )
  }
  return matching[0]
}

/** A pod that is not ready may be evicted without asking the budget where its policy says so. */
function mayGoUnhealthy(pod: Pod, { spec, status }: PodDisruptionBudget): boolean {
  if (isConditionTrue(pod.status?.conditions, 'Ready')) return false
  if (spec?.unhealthyPodEvictionPolicy === 'AlwaysAllow') return true
  const [current, desired] = [status?.currentHealthy ?? 0, status?.desiredHealthy ?? 0]
  return desired > 0 && current >= desired
}

/** The budget after one more disruption. @throws StatusError when it allows none */
export function afterDisruption(budget: PodDisruptionBudget, pod: Pod, nowMs: number): PodDisruptionBudget {
  const { metadata, status } = budget
  const name = metadata.name
  if ((status?.observedGeneration ?? 0) < (metadata.generation ?? 0)) {
    throw tooManyDisruptions(`The disruption budget ${name} is still being processed by the server.`, retryAfterSeconds)
  }
  const allowed = status?.disruptionsAllowed ?? 0
  if (allowed < 0) throw forbidden(podDisruptionBudgets, name, 'pdb disruptions allowed is negative')
  if (Object.keys(status?.disruptedPods ?? {}).length > disruptedPodsMax) {
    const why = 'DisruptedPods map too big - too many evictions not confirmed by PDB controller'
    throw forbidden(podDisruptionBudgets, name, why)
  }
  if (allowed === 0) throw tooManyDisruptions(whyNone(budget))
  const exhausted: Condition = {
    type: 'DisruptionAllowed',
    status: 'False',
    reason: 'InsufficientPods',
    message: '',
    ...(status?.observedGeneration === undefined ? {} : { observedGeneration: status.observedGeneration }),
  }
  const conditions = status?.conditions as readonly Condition[] | undefined
  return {
    ...budget,
    status: {
      ...status,
      disruptionsAllowed: allowed - 1,
      conditions: [...(allowed === 1 ? withCondition(conditions, exhausted, nowMs) : (conditions ?? []))],
      disruptedPods: { ...status?.disruptedPods, [pod.metadata.name]: formatTime(nowMs) },
    } as NonNullable<PodDisruptionBudget['status']>,
  }
}

function whyNone({ metadata: { name }, status }: PodDisruptionBudget): string {
  const condition = findCondition(status?.conditions as readonly Condition[] | undefined, 'DisruptionAllowed')
  if (condition?.reason === 'SyncFailed') {
    return `The disruption budget ${name} does not allow evicting pods currently because it failed sync: ${condition.message ?? ''}`
  }
  const [desired, current] = [status?.desiredHealthy ?? 0, status?.currentHealthy ?? 0]
  if (current <= desired)
    return `The disruption budget ${name} needs ${desired} healthy pods and has ${current} currently`
  return `The disruption budget ${name} does not allow evicting pods currently`
}

function tooManyDisruptions(message: string, seconds?: number): StatusError {
  return new StatusError('TooManyRequests', "Cannot evict pod as it would violate the pod's disruption budget.", {
    ...(seconds === undefined ? {} : { retryAfterSeconds: seconds }),
    causes: [{ reason: 'DisruptionBudget', message }],
  })
}

/** The pod saying in its status why it goes, as the Job controller and people want to know. */
function disrupted(pod: Pod, nowMs: number): Pod {
  const condition: Condition = {
    type: 'DisruptionTarget',
    status: 'True',
    reason: 'EvictionByEvictionAPI',
    message: 'Eviction API: evicting',
  }
  const conditions = withCondition(pod.status?.conditions as readonly Condition[] | undefined, condition, nowMs)
  return { ...pod, status: { ...pod.status, conditions: [...conditions] } } as Pod
}
