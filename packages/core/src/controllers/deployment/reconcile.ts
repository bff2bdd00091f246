import {
  controllerOf,
  findCondition,
  isAlreadyExists,
  isNotFound,
  jsonEqual,
  type ObjectKey,
  selectorFromLabelSelector,
} from '@binnacle/apimachinery'
import {
  type Deployment,
  type DeploymentCondition,
  deployments,
  type Pod,
  pods,
  type ReplicaSet,
  replicaSets,
} from '@binnacle/resources'
import { type Controller, done, type ReconcileContext, type Result } from '../../controller.ts'
import { isPodTerminal } from '../../pod-state.ts'
import { claim } from '../claim.ts'
import {
  isRolling,
  isScaling,
  newReplicaSetSize,
  planCleanup,
  planOldReplicaSets,
  planScaling,
  replicasOf,
  revisionAnnotation,
  type Scaling,
} from './plan.ts'
import {
  annotationsFor,
  findNewReplicaSet,
  hasTemplateOf,
  makeReplicaSet,
  nextRevision,
  sizeAnnotations,
} from './replica-set-for.ts'
import {
  condition,
  deploymentCounts,
  isComplete,
  msUntilDeadline,
  withDeploymentCondition,
  withProgress,
} from './status.ts'

/** Rolls a Deployment's template out over ReplicaSets, old and new. */
export const deploymentController: Controller = {
  name: 'deployment',
  reconciles: deployments,
  owns: [replicaSets],
  // Recreate waits for the last old pod to be gone.
  watches: [{ resource: pods, keysOf: deploymentOfPod }],
  reconcile,
}

function deploymentOfPod(pod: Pod, context: ReconcileContext, old: Pod | undefined): ObjectKey[] {
  const gone = old === undefined || isPodTerminal(pod)
  const owner = gone ? controllerOf(pod) : undefined
  if (owner?.kind !== 'ReplicaSet') return []
  const namespace = pod.metadata.namespace ?? ''
  const set = context.informer(replicaSets).get({ namespace, name: owner.name })
  const deployment = set === undefined ? undefined : controllerOf(set)
  if (deployment?.kind !== 'Deployment') return []
  const found = context.informer(deployments).get({ namespace, name: deployment.name })
  return found !== undefined && !isRolling(found) ? [{ namespace, name: deployment.name }] : []
}

/** What one reconcile has before it: the Deployment and its ReplicaSets, as far as they are known so far. */
interface Rollout {
  readonly context: ReconcileContext
  deployment: Deployment
  readonly oldSets: ReplicaSet[]
  newSet: ReplicaSet | undefined
}

async function reconcile(key: ObjectKey, context: ReconcileContext): Promise<Result> {
  // Observe.
  const deployment = context.informer(deployments).get(key)
  if (deployment === undefined) return done
  const selector = selectorFromLabelSelector(deployment.spec?.selector)
  const informer = context.informer(replicaSets)
  const candidates = new Set([
    ...informer.ownedBy(deployment.metadata.uid ?? ''),
    ...informer
      .inNamespace(key.namespace)
      .filter((set) => controllerOf(set) === undefined && selector.matches(set.metadata.labels)),
  ])
  const all = await claim({
    client: context.client,
    owner: deployment,
    ownerResource: deployments,
    resource: replicaSets,
    selector,
    candidates,
    nowMs: context.nowMs(),
  })
  const newSet = findNewReplicaSet(deployment, all)
  const rollout: Rollout = { context, deployment, oldSets: all.filter((set) => set !== newSet), newSet }

  // Decide and act, one step at a time: each step waits for what the last one led to.
  if (deployment.metadata.deletionTimestamp !== undefined) return await report(rollout, { progress: false })
  await notePause(rollout)
  if (rollout.deployment.spec?.paused === true || isScaling(deployment, all)) {
    if (rollout.newSet !== undefined) await updateNewSet(rollout)
    await scaleAll(rollout, planScaling(rollout.deployment, rollout.newSet, rollout.oldSets))
    if (rollout.deployment.spec?.paused === true) await cleanUp(rollout)
    return await report(rollout, { progress: false })
  }
  if (isRolling(deployment)) await rollForward(rollout)
  else await recreate(rollout)

  // Report.
  return await report(rollout, { progress: true })
}

async function rollForward(rollout: Rollout): Promise<void> {
  const newSet = await ensureNewSet(rollout)
  if (newSet === undefined) return
  const size =
    replicasOf(newSet) > replicasOf(rollout.deployment)
      ? replicasOf(rollout.deployment)
      : newReplicaSetSize(rollout.deployment, [...rollout.oldSets, newSet], replicasOf(newSet))
  if (replicasOf(newSet) !== replicasOf(rollout.deployment) && size !== replicasOf(newSet))
    return await scaleAll(rollout, [{ replicaSet: newSet, replicas: size }])
  const steps = planOldReplicaSets(rollout.deployment, newSet, rollout.oldSets)
  if (steps.length > 0) return await scaleAll(rollout, steps)
  await cleanUpWhenComplete(rollout)
}

async function recreate(rollout: Rollout): Promise<void> {
  if (rollout.newSet !== undefined) await updateNewSet(rollout)
  const active = rollout.oldSets.filter((set) => replicasOf(set) > 0)
  if (active.length > 0)
    return await scaleAll(
      rollout,
      active.map((replicaSet) => ({ replicaSet, replicas: 0 })),
    )
  const informer = rollout.context.informer(pods)
  const running = rollout.oldSets.some((set) =>
    informer.ownedBy(set.metadata.uid ?? '').some((pod) => !isPodTerminal(pod)),
  )
  if (running) return
  const newSet = await ensureNewSet(rollout)
  if (newSet === undefined) return
  if (replicasOf(newSet) !== replicasOf(rollout.deployment))
    await scaleAll(rollout, [{ replicaSet: newSet, replicas: replicasOf(rollout.deployment) }])
  await cleanUpWhenComplete(rollout)
}

/** The ReplicaSet of the present template, made if there is none; undefined when its name is taken by another and the next pass has to choose again. */
async function ensureNewSet(rollout: Rollout): Promise<ReplicaSet | undefined> {
  if (rollout.newSet !== undefined) {
    await updateNewSet(rollout)
    return rollout.newSet
  }
  const { context, deployment, oldSets } = rollout
  const wanted = makeReplicaSet(deployment, oldSets)
  try {
    rollout.newSet = await context.client.create(replicaSets, wanted)
  } catch (error) {
    if (isAlreadyExists(error)) rollout.newSet = await resolveCollision(rollout, wanted)
    else {
      await reportFailedCreate(rollout, wanted, error as Error)
      throw error
    }
  }
  if (rollout.newSet === undefined) return undefined
  if (replicasOf(rollout.newSet) > 0) recordScaling(rollout, rollout.newSet, 0, replicasOf(rollout.newSet))
  await noteRevision(
    rollout,
    rollout.newSet,
    'NewReplicaSetCreated',
    `Created new replica set "${rollout.newSet.metadata.name}"`,
  )
  return rollout.newSet
}

// The name is taken: by ourselves, seen with an old cache, or by another template with the same hash.
async function resolveCollision({ context, deployment }: Rollout, wanted: ReplicaSet): Promise<ReplicaSet | undefined> {
  const { namespace = '', name } = wanted.metadata
  const existing = await context.client.get(replicaSets, { namespace, name })
  if (controllerOf(existing)?.uid === deployment.metadata.uid && hasTemplateOf(existing, deployment)) return existing
  const status = { ...deployment.status, collisionCount: (deployment.status?.collisionCount ?? 0) + 1 }
  await context.client.updateStatus(deployments, { ...deployment, status })
  return undefined
}

async function reportFailedCreate(rollout: Rollout, wanted: ReplicaSet, error: Error): Promise<void> {
  const { context, deployment } = rollout
  const message = `Failed to create new replica set "${wanted.metadata.name}": ${error.message}`
  context.events.record(deployment, 'Warning', 'ReplicaSetCreateError', message)
  const failed = condition('Progressing', 'False', 'ReplicaSetCreateError', message, context.nowMs())
  await writeStatus(rollout, {
    ...deployment.status,
    conditions: withDeploymentCondition(deployment.status?.conditions ?? [], failed),
  })
}

async function updateNewSet(rollout: Rollout): Promise<void> {
  const { context, deployment, oldSets } = rollout
  const newSet = rollout.newSet as ReplicaSet
  const annotations = annotationsFor(deployment, newSet.metadata.annotations ?? {}, nextRevision(oldSets))
  const { minReadySeconds } = deployment.spec ?? {}
  const sameSpec = (newSet.spec?.minReadySeconds ?? 0) === (minReadySeconds ?? 0)
  if (!jsonEqual(annotations, newSet.metadata.annotations) || !sameSpec) {
    const spec = { ...newSet.spec, ...(minReadySeconds === undefined ? {} : { minReadySeconds }) } as NonNullable<
      ReplicaSet['spec']
    >
    rollout.newSet = await context.client.update(replicaSets, {
      ...newSet,
      metadata: { ...newSet.metadata, annotations },
      spec,
    })
  }
  const hasProgress = findCondition(deployment.status?.conditions, 'Progressing') !== undefined
  await noteRevision(
    rollout,
    rollout.newSet as ReplicaSet,
    hasProgress ? undefined : 'FoundNewReplicaSet',
    `Found new replica set "${newSet.metadata.name}"`,
  )
}

/** Copies the revision to the Deployment, and notes that a ReplicaSet was found or made. */
async function noteRevision(
  rollout: Rollout,
  newSet: ReplicaSet,
  reason: string | undefined,
  message: string,
): Promise<void> {
  const { context } = rollout
  const revision = newSet.metadata.annotations?.[revisionAnnotation] ?? ''
  if (rollout.deployment.metadata.annotations?.[revisionAnnotation] !== revision) {
    const metadata = {
      ...rollout.deployment.metadata,
      annotations: { ...rollout.deployment.metadata.annotations, [revisionAnnotation]: revision },
    }
    rollout.deployment = await context.client.update(deployments, { ...rollout.deployment, metadata })
  }
  if (reason === undefined || rollout.deployment.spec?.progressDeadlineSeconds === 2_147_483_647) return
  const noted = condition('Progressing', 'True', reason, message, context.nowMs())
  await writeStatus(rollout, {
    ...rollout.deployment.status,
    conditions: withDeploymentCondition(rollout.deployment.status?.conditions ?? [], noted),
  })
}

// Pausing and resuming restart the progress deadline.
async function notePause(rollout: Rollout): Promise<void> {
  const { deployment, context } = rollout
  const current = findCondition(deployment.status?.conditions, 'Progressing') as DeploymentCondition | undefined
  if (deployment.spec?.progressDeadlineSeconds === undefined || current?.reason === 'ProgressDeadlineExceeded') return
  const paused = deployment.spec.paused === true
  const isNoted = current?.reason === 'DeploymentPaused'
  if (paused === isNoted) return
  const next = paused
    ? condition('Progressing', 'Unknown', 'DeploymentPaused', 'Deployment is paused', context.nowMs())
    : condition('Progressing', 'Unknown', 'DeploymentResumed', 'Deployment is resumed', context.nowMs())
  await writeStatus(rollout, {
    ...deployment.status,
    conditions: withDeploymentCondition(deployment.status?.conditions ?? [], next),
  })
}

async function scaleAll(rollout: Rollout, scalings: readonly Scaling[]): Promise<void> {
  for (const { replicaSet, replicas } of scalings) {
    const annotations = { ...replicaSet.metadata.annotations, ...sizeAnnotations(rollout.deployment) }
    const before = replicasOf(replicaSet)
    if (before === replicas && jsonEqual(annotations, replicaSet.metadata.annotations)) continue
    const spec = { ...replicaSet.spec, replicas } as NonNullable<ReplicaSet['spec']>
    const scaled = await rollout.context.client.update(replicaSets, {
      ...replicaSet,
      metadata: { ...replicaSet.metadata, annotations },
      spec,
    })
    replace(rollout, replicaSet, scaled)
    if (before !== replicas) recordScaling(rollout, scaled, before, replicas)
  }
}

function replace(rollout: Rollout, old: ReplicaSet, next: ReplicaSet): void {
  if (rollout.newSet?.metadata.uid === old.metadata.uid) rollout.newSet = next
  const index = rollout.oldSets.findIndex((set) => set.metadata.uid === old.metadata.uid)
  if (index >= 0) rollout.oldSets[index] = next
}

function recordScaling({ context, deployment }: Rollout, set: ReplicaSet, from: number, to: number): void {
  context.events.record(
    deployment,
    'Normal',
    'ScalingReplicaSet',
    `Scaled ${to > from ? 'up' : 'down'} replica set ${set.metadata.name} from ${from} to ${to}`,
  )
}

async function cleanUpWhenComplete(rollout: Rollout): Promise<void> {
  const all = [...rollout.oldSets, ...(rollout.newSet === undefined ? [] : [rollout.newSet])]
  const status = deploymentCounts(rollout.deployment, all, rollout.newSet, rollout.context.nowMs())
  if (isComplete(rollout.deployment, status)) await cleanUp(rollout)
}

async function cleanUp({ context, deployment, oldSets }: Rollout): Promise<void> {
  for (const set of planCleanup(deployment, oldSets)) {
    await context.client
      .delete(replicaSets, { namespace: set.metadata.namespace ?? '', name: set.metadata.name })
      .catch((error: unknown) => {
        if (!isNotFound(error)) throw error
      })
  }
}

async function report(rollout: Rollout, { progress }: { progress: boolean }): Promise<Result> {
  const { context, deployment, newSet, oldSets } = rollout
  const all = newSet === undefined ? oldSets : [...oldSets, newSet]
  const counts = deploymentCounts(deployment, all, newSet, context.nowMs())
  const status = progress ? withProgress(deployment, counts, all, newSet, context.nowMs()) : counts
  await writeStatus(rollout, status)
  const wait = progress ? msUntilDeadline(deployment, status, context.nowMs()) : undefined
  return wait === undefined ? done : { requeueAfterMs: wait }
}

async function writeStatus(rollout: Rollout, status: NonNullable<Deployment['status']>): Promise<void> {
  if (jsonEqual(status, rollout.deployment.status)) return
  try {
    rollout.deployment = await rollout.context.client.updateStatus(deployments, { ...rollout.deployment, status })
  } catch (error) {
    if (!isNotFound(error)) throw error
  }
}
