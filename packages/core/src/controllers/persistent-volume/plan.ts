import type { PersistentVolume, PersistentVolumeClaim, StorageClass } from '@binnacle/resources'
import {
  bindCompletedAnnotation,
  boundByControllerAnnotation,
  isAnnotated,
  noProvisioner,
  provisionedByAnnotation,
  saysStorageClass,
  selectedNodeAnnotation,
  storageClassNameOf,
} from '../../volumes/volume-annotations.ts'
import { findMatchingVolume, isVolumeOfClaim, volumeModesDiffer, whyUnsuitable } from '../../volumes/volume-matching.ts'

/** An event to record: of what type, why, and in which words. */
export interface PlannedEvent {
  readonly type: 'Normal' | 'Warning'
  readonly reason: string
  readonly message: string
}

/** What is to be done about a claim. */
export type ClaimPlan =
  | { readonly kind: 'bind'; readonly volume: PersistentVolume }
  /** Nothing can be done yet. */
  | { readonly kind: 'pend'; readonly event?: PlannedEvent }
  /** Its data is gone, or is another's. The event is recorded when the claim is not known to be lost already. */
  | { readonly kind: 'lose'; readonly event: PlannedEvent }
  | { readonly kind: 'setClass'; readonly className: string }
  | { readonly kind: 'provision'; readonly provisioner: string }
  /** Provisioning cannot even begin. */
  | { readonly kind: 'cannotProvision'; readonly event: PlannedEvent }
  /** The claim contradicts itself: somebody changed what only the binder may write. */
  | { readonly kind: 'broken'; readonly event: PlannedEvent; readonly message: string }

/** What a decision about a claim looks at. */
export interface ClaimView {
  readonly volumes: Iterable<PersistentVolume>
  /** Volumes that are just being bound to other claims. */
  readonly takenVolumes: ReadonlySet<string>
  volume(name: string): PersistentVolume | undefined
  storageClass(name: string): StorageClass | undefined
  /** The class of claims that name none; undefined when there is no such class. */
  readonly defaultClassName: string | undefined
  /** Names of pods that use the claim and have no node. */
  unscheduledPods(): readonly string[]
}

/** Decides about a claim (kube-controller-manager `syncClaim`). */
export function planClaim(claim: PersistentVolumeClaim, view: ClaimView): ClaimPlan {
  if (isAnnotated(claim, bindCompletedAnnotation)) return planBoundClaim(claim, view)
  return claim.spec?.volumeName ? planClaimOfVolume(claim, claim.spec.volumeName, view) : planUnboundClaim(claim, view)
}

function planUnboundClaim(claim: PersistentVolumeClaim, view: ClaimView): ClaimPlan {
  const className = storageClassNameOf(claim)
  const waitsForConsumer = view.storageClass(className)?.volumeBindingMode === 'WaitForFirstConsumer'
  const volume = findMatchingVolume(claim, view.volumes, { waitsForConsumer, excluded: view.takenVolumes })
  if (volume !== undefined) return { kind: 'bind', volume }
  if (!saysStorageClass(claim) && view.defaultClassName !== undefined)
    return { kind: 'setClass', className: view.defaultClassName }
  if (waitsForConsumer && !isAnnotated(claim, selectedNodeAnnotation))
    return { kind: 'pend', event: waitingForConsumer(view.unscheduledPods()) }
  if (className !== '') return planProvisioning(className, view)
  const message = 'no persistent volumes available for this claim and no storage class is set'
  return { kind: 'pend', event: { type: 'Normal', reason: 'FailedBinding', message } }
}

function waitingForConsumer(podNames: readonly string[]): PlannedEvent {
  if (podNames.length === 0) {
    const message = 'waiting for first consumer to be created before binding'
    return { type: 'Normal', reason: 'WaitForFirstConsumer', message }
  }
  const pods = podNames.length === 1 ? `pod ${podNames[0]}` : `pods ${podNames.join(',')}`
  return { type: 'Normal', reason: 'WaitForPodScheduled', message: `waiting for ${pods} to be scheduled` }
}

function planProvisioning(className: string, view: ClaimView): ClaimPlan {
  const storageClass = view.storageClass(className)
  const failed = (message: string): ClaimPlan => ({
    kind: 'cannotProvision',
    event: { type: 'Warning', reason: 'ProvisioningFailed', message },
  })
  if (storageClass === undefined) return failed(`storageclass.storage.k8s.io "${className}" not found`)
  const { provisioner } = storageClass
  // Names of this prefix belong to plugins within the controller manager, and none of those makes volumes any more.
  if (provisioner === noProvisioner || provisioner.startsWith('kubernetes.io/'))
    return failed(`no volume plugin matched name: ${provisioner}`)
  return { kind: 'provision', provisioner }
}

// The claim names its volume: a user reserved it, or a binding was begun.
function planClaimOfVolume(claim: PersistentVolumeClaim, volumeName: string, view: ClaimView): ClaimPlan {
  const volume = view.volume(volumeName)
  if (volume === undefined) return { kind: 'pend' }
  const { claimRef } = volume.spec ?? {}
  if (claimRef === undefined) {
    const problem = whyUnsuitable(volume, claim)
    if (problem === undefined) return { kind: 'bind', volume }
    const message = `Cannot bind to requested volume "${volumeName}": ${problem}`
    return { kind: 'pend', event: { type: 'Warning', reason: 'VolumeMismatch', message } }
  }
  if (isVolumeOfClaim(volume, claim)) return { kind: 'bind', volume }
  // Reserved by a user for another claim: it may become free.
  if (!isAnnotated(claim, boundByControllerAnnotation)) return { kind: 'pend' }
  const message = `volume "${volumeName}" already bound to a different claim.`
  return {
    kind: 'broken',
    event: { type: 'Warning', reason: 'FailedBinding', message },
    message: `invalid binding of claim to volume "${volumeName}": volume already claimed by ${claimRef.namespace}/${claimRef.name}`,
  }
}

function planBoundClaim(claim: PersistentVolumeClaim, view: ClaimView): ClaimPlan {
  const lost = (reason: string, message: string): ClaimPlan => ({
    kind: 'lose',
    event: { type: 'Warning', reason, message },
  })
  const volumeName = claim.spec?.volumeName
  if (!volumeName)
    return lost('ClaimLost', 'Bound claim has lost reference to PersistentVolume. Data on the volume is lost!')
  const volume = view.volume(volumeName)
  if (volume === undefined)
    return lost('ClaimLost', 'Bound claim has lost its PersistentVolume. Data on the volume is lost!')
  const { claimRef } = volume.spec ?? {}
  if (claimRef === undefined || claimRef.uid === claim.metadata.uid) return { kind: 'bind', volume }
  return lost('ClaimMisbound', 'Two claims are bound to the same volume, this one is bound incorrectly')
}

/** What is to be done about a volume. */
export type VolumePlan =
  /** The claim's own turn will bring it to an end. */
  | { readonly kind: 'leave'; readonly mismatch?: { readonly onVolume: PlannedEvent; readonly onClaim: PlannedEvent } }
  | { readonly kind: 'phase'; readonly phase: 'Available' | 'Bound' }
  /** Its claim is gone for good. */
  | { readonly kind: 'reclaim' }
  /** Its claim has another volume: take the reference back. */
  | { readonly kind: 'unbind' }

/** Decides about a volume whose claim is `claim`; undefined when there is no claim of that name and uid (`syncVolume`). */
export function planVolume(volume: PersistentVolume, claim: PersistentVolumeClaim | undefined): VolumePlan {
  // A reference without a uid is a reservation: the claim has not come for it yet.
  if (!volume.spec?.claimRef?.uid) return { kind: 'phase', phase: 'Available' }
  if (claim === undefined) return { kind: 'reclaim' }
  const volumeName = claim.spec?.volumeName
  if (!volumeName)
    return volumeModesDiffer(volume, claim)
      ? { kind: 'leave', mismatch: modeMismatch(volume, claim) }
      : { kind: 'leave' }
  if (volumeName === volume.metadata.name) return { kind: 'phase', phase: 'Bound' }
  const isSpare = isAnnotated(volume, provisionedByAnnotation) && reclaimPolicyOf(volume) === 'Delete'
  return isSpare ? { kind: 'reclaim' } : { kind: 'unbind' }
}

function modeMismatch(volume: PersistentVolume, claim: PersistentVolumeClaim) {
  const [volumeName, claimName] = [volume.metadata.name, claim.metadata.name]
  const event = (message: string): PlannedEvent => ({ type: 'Warning', reason: 'VolumeMismatch', message })
  return {
    onVolume: event(
      `Cannot bind PersistentVolume to requested PersistentVolumeClaim "${claimName}" due to incompatible volumeMode.`,
    ),
    onClaim: event(
      `Cannot bind PersistentVolume "${volumeName}" to requested PersistentVolumeClaim due to incompatible volumeMode.`,
    ),
  }
}

/** What becomes of a volume when its claim is gone. */
export function reclaimPolicyOf(volume: PersistentVolume): string {
  return volume.spec?.persistentVolumeReclaimPolicy ?? 'Retain'
}

/** Why the controller itself cannot reclaim a volume: its new phase is Failed, with this event. Undefined: nothing is for it to do. */
export function planReclaim(volume: PersistentVolume): PlannedEvent | undefined {
  const failed = (reason: string, message: string): PlannedEvent => ({ type: 'Warning', reason, message })
  switch (reclaimPolicyOf(volume)) {
    case 'Retain':
      return undefined
    case 'Delete':
      // Whoever made it deletes it, once it sees it released.
      if (isAnnotated(volume, provisionedByAnnotation)) return undefined
      return failed(
        'VolumeFailedDelete',
        `error getting deleter volume plugin for volume "${volume.metadata.name}": no deletable volume plugin matched`,
      )
    case 'Recycle':
      return failed('VolumeFailedRecycle', 'No recycler plugin found for the volume!')
    default:
      return failed('VolumeUnknownReclaimPolicy', 'Volume has an unrecognized reclaim policy')
  }
}
