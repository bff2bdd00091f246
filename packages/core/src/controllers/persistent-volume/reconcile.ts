import { isNotFound, keyOf, type ObjectKey, parseTime } from '@binnacle/apimachinery'
import type { Informer } from '@binnacle/client'
import {
  type PersistentVolume,
  type PersistentVolumeClaim,
  persistentVolumeClaims,
  persistentVolumes,
  type Pod,
  pods,
  storageClasses,
  type StorageClass,
} from '@binnacle/resources'
import { type Controller, done, type ReconcileContext, type Result } from '../../controller.ts'
import { claimsOfPod } from '../../volumes/pod-claims.ts'
import {
  bindCompletedAnnotation,
  isAnnotated,
  isDefaultClass,
  saysStorageClass,
  storageClassNameOf,
} from '../../volumes/volume-annotations.ts'
import { volumeBoundTo } from '../../volumes/volume-binding.ts'
import {
  claimBoundTo,
  claimForProvisioner,
  claimStatusBound,
  claimWithoutVolume,
  volumeInPhase,
  volumeUnbound,
} from './binding.ts'
import { type ClaimView, planClaim, planReclaim, planVolume, type PlannedEvent } from './plan.ts'

/**
 * Binds claims to volumes and sees to it that volumes whose claims are gone are reclaimed (kube-controller-manager's
 * persistentvolume-binder). One queue holds both: a key with a namespace is a claim, one without is a volume.
 */
export function persistentVolumeController(): Controller {
  /** Volumes that are just being bound, so that two claims do not reach for the same one at once. */
  const taken = new Set<string>()
  return {
    name: 'persistentvolume',
    reconciles: persistentVolumeClaims,
    watches: [
      { resource: persistentVolumes, keysOf: keysOfVolume },
      { resource: persistentVolumeClaims, keysOf: volumesOfClaim },
      { resource: storageClasses, keysOf: claimsOfClass },
      { resource: pods, keysOf: claimsThatWaitForPod },
    ],
    prepare(context) {
      context
        .informer(persistentVolumeClaims)
        .addIndex(volumeIndex, ({ spec }) => (spec?.volumeName ? [spec.volumeName] : []))
      context
        .informer(persistentVolumeClaims)
        .addIndex(unboundIndex, (claim) => (isUnbound(claim) ? [storageClassNameOf(claim)] : []))
      context
        .informer(persistentVolumes)
        .addIndex(claimIndex, ({ spec }) => (spec?.claimRef ? [textOf(spec.claimRef)] : []))
      context.informer(persistentVolumes).addIndex(classIndex, (volume) => [storageClassNameOf(volume)])
      context
        .informer(pods)
        .addIndex(podIndex, (pod) =>
          claimsOfPod(pod).map(({ claimName }) => textOf({ ...pod.metadata, name: claimName })),
        )
    },
    reconcile: (key, context) =>
      key.namespace === '' ? reconcileVolume(key, context) : reconcileClaim(key, context, taken),
  }
}

const volumeIndex = 'binder/volume'
const unboundIndex = 'binder/unbound'
const claimIndex = 'binder/claim'
const classIndex = 'binder/class'
const podIndex = 'binder/pod'

const textOf = ({ namespace = '', name = '' }: { namespace?: string; name?: string }): string => `${namespace}/${name}`
const volumeKey = (name: string): ObjectKey => ({ namespace: '', name })
const isUnbound = (claim: PersistentVolumeClaim): boolean => !isAnnotated(claim, bindCompletedAnnotation)

function* keysOfVolume(volume: PersistentVolume, context: ReconcileContext): Iterable<ObjectKey> {
  const claims = context.informer(persistentVolumeClaims)
  yield volumeKey(volume.metadata.name)
  const reference = volume.spec?.claimRef
  if (reference !== undefined) yield { namespace: reference.namespace ?? '', name: reference.name ?? '' }
  for (const claim of claims.byIndex(volumeIndex, volume.metadata.name)) yield keyOf(claim)
  if (reference === undefined && volume.status?.phase === 'Available')
    for (const claim of claims.byIndex(unboundIndex, storageClassNameOf(volume))) yield keyOf(claim)
}

function* volumesOfClaim(claim: PersistentVolumeClaim, context: ReconcileContext): Iterable<ObjectKey> {
  if (claim.spec?.volumeName) yield volumeKey(claim.spec.volumeName)
  for (const volume of context.informer(persistentVolumes).byIndex(claimIndex, textOf(claim.metadata)))
    yield volumeKey(volume.metadata.name)
}

// A class may be what claims wait for that name it, or those that name none.
function* claimsOfClass(storageClass: StorageClass, context: ReconcileContext): Iterable<ObjectKey> {
  const claims = context.informer(persistentVolumeClaims)
  for (const claim of claims.byIndex(unboundIndex, storageClass.metadata.name)) yield keyOf(claim)
  if (!isDefaultClass(storageClass)) return
  for (const claim of claims.byIndex(unboundIndex, '')) if (!saysStorageClass(claim)) yield keyOf(claim)
}

// Only a pod that has just come is news: the claim tells for whom it waits.
function* claimsThatWaitForPod(pod: Pod, context: ReconcileContext, old: Pod | undefined): Iterable<ObjectKey> {
  if (old !== undefined || pod.spec?.nodeName) return
  for (const { claimName: name } of claimsOfPod(pod)) {
    const key = { namespace: pod.metadata.namespace ?? '', name }
    const claim = context.informer(persistentVolumeClaims).get(key)
    if (claim !== undefined && isUnbound(claim)) yield key
  }
}

async function reconcileClaim(key: ObjectKey, context: ReconcileContext, taken: Set<string>): Promise<Result> {
  const claim = context.informer(persistentVolumeClaims).get(key)
  if (claim === undefined) return done
  const plan = planClaim(claim, viewOf(claim, context, taken))
  const record = ({ type, reason, message }: PlannedEvent): void => context.events.record(claim, type, reason, message)
  switch (plan.kind) {
    case 'bind':
      taken.add(plan.volume.metadata.name)
      await bind(plan.volume, claim, context).finally(() => taken.delete(plan.volume.metadata.name))
      break
    case 'pend':
      if (plan.event !== undefined) record(plan.event)
      await updateStatus(claimWithoutVolume(claim, 'Pending'), context)
      break
    case 'lose':
      await updateStatus(claimWithoutVolume(claim, 'Lost'), context)
      if (claim.status?.phase !== 'Lost') record(plan.event)
      break
    case 'setClass':
      await context.client.update(persistentVolumeClaims, {
        ...claim,
        spec: { ...claim.spec, storageClassName: plan.className },
      })
      break
    case 'provision':
      await askProvisioner(claim, plan.provisioner, context)
      break
    case 'cannotProvision':
      record(plan.event)
      break
    case 'broken':
      record(plan.event)
      throw new Error(plan.message)
  }
  return done
}

function viewOf(claim: PersistentVolumeClaim, context: ReconcileContext, taken: ReadonlySet<string>): ClaimView {
  const volumes = context.informer(persistentVolumes)
  const classes = context.informer(storageClasses)
  const text = textOf(claim.metadata)
  return {
    // Those reserved for the claim may be of any class.
    volumes: new Set([...volumes.byIndex(claimIndex, text), ...volumes.byIndex(classIndex, storageClassNameOf(claim))]),
    takenVolumes: taken,
    volume: (name) => volumes.get(volumeKey(name)),
    storageClass: (name) => classes.get(volumeKey(name)),
    get defaultClassName() {
      return defaultClassName(classes)
    },
    unscheduledPods: () =>
      context
        .informer(pods)
        .byIndex(podIndex, text)
        .filter(({ spec, status }) => !spec?.nodeName && status?.phase !== 'Succeeded' && status?.phase !== 'Failed')
        .map(({ metadata }) => metadata.name)
        .sort(),
  }
}

// The newest of several; of those made in the same second, the first by name (upstream `GetDefaultClass`).
function defaultClassName(classes: Informer<StorageClass>): string | undefined {
  return [...classes.all()]
    .filter(isDefaultClass)
    .sort(
      (a, b) =>
        parseTime(b.metadata.creationTimestamp) - parseTime(a.metadata.creationTimestamp) ||
        (a.metadata.name < b.metadata.name ? -1 : 1),
    )[0]?.metadata.name
}

async function bind(volume: PersistentVolume, claim: PersistentVolumeClaim, context: ReconcileContext): Promise<void> {
  const { client } = context
  const bound = volumeBoundTo(volume, claim)
  const referring = bound === undefined ? volume : await client.update(persistentVolumes, bound)
  const inPhase = volumeInPhase(referring, 'Bound')
  if (inPhase !== undefined) await client.updateStatus(persistentVolumes, inPhase)
  const named = claimBoundTo(claim, volume)
  const naming = named === undefined ? claim : await client.update(persistentVolumeClaims, named)
  await updateStatus(claimStatusBound(naming, volume), context)
}

async function updateStatus(claim: PersistentVolumeClaim | undefined, { client }: ReconcileContext): Promise<void> {
  if (claim !== undefined) await client.updateStatus(persistentVolumeClaims, claim)
}

async function askProvisioner(
  claim: PersistentVolumeClaim,
  provisioner: string,
  { client, events }: ReconcileContext,
): Promise<void> {
  const asking = claimForProvisioner(claim, provisioner)
  if (asking !== undefined) await client.update(persistentVolumeClaims, asking)
  events.record(
    claim,
    'Normal',
    'ExternalProvisioning',
    `Waiting for a volume to be created either by the external provisioner '${provisioner}' or manually by the system administrator. If volume creation is delayed, please verify that the provisioner is running and correctly registered.`,
  )
}

async function reconcileVolume({ name }: ObjectKey, context: ReconcileContext): Promise<Result> {
  const volume = context.informer(persistentVolumes).get(volumeKey(name))
  if (volume === undefined) return done
  const claim = await claimOf(volume, context)
  const plan = planVolume(volume, claim)
  switch (plan.kind) {
    case 'leave':
      if (plan.mismatch !== undefined && claim !== undefined) {
        const { onVolume, onClaim } = plan.mismatch
        context.events.record(volume, onVolume.type, onVolume.reason, onVolume.message)
        context.events.record(claim, onClaim.type, onClaim.reason, onClaim.message)
      }
      break
    case 'phase':
      await setPhase(volume, plan.phase, context)
      break
    case 'reclaim':
      await reclaim(volume, context)
      break
    case 'unbind':
      await setPhase(await context.client.update(persistentVolumes, volumeUnbound(volume)), 'Available', context)
      break
  }
  return done
}

/** The claim that the volume refers to by name and uid. Where the cache has none, the server is asked before the volume is given up. */
async function claimOf(
  volume: PersistentVolume,
  context: ReconcileContext,
): Promise<PersistentVolumeClaim | undefined> {
  const reference = volume.spec?.claimRef
  if (!reference?.uid) return undefined
  const key = { namespace: reference.namespace ?? '', name: reference.name ?? '' }
  const cached = context.informer(persistentVolumeClaims).get(key)
  if (cached?.metadata.uid === reference.uid) return cached
  const isGivenUp = volume.status?.phase === 'Released' || volume.status?.phase === 'Failed'
  if (isGivenUp) return undefined
  const fresh = await context.client.get(persistentVolumeClaims, key).catch((error: unknown) => {
    if (isNotFound(error)) return undefined
    throw error
  })
  return fresh?.metadata.uid === reference.uid ? fresh : undefined
}

async function setPhase(
  volume: PersistentVolume,
  phase: string,
  { client }: ReconcileContext,
): Promise<PersistentVolume> {
  const changed = volumeInPhase(volume, phase)
  return changed === undefined ? volume : await client.updateStatus(persistentVolumes, changed)
}

async function reclaim(volume: PersistentVolume, context: ReconcileContext): Promise<void> {
  // A failure is left for people to see.
  const released = volume.status?.phase === 'Failed' ? volume : await setPhase(volume, 'Released', context)
  const failure = planReclaim(released)
  if (failure === undefined) return
  const failed = volumeInPhase(released, 'Failed', failure.message)
  if (failed === undefined) return
  await context.client.updateStatus(persistentVolumes, failed)
  context.events.record(volume, failure.type, failure.reason, failure.message)
}
