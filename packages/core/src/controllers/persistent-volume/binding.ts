import { compareQuantities, jsonEqual, parseQuantity } from '@binnacle/apimachinery'
import type { PersistentVolume, PersistentVolumeClaim } from '@binnacle/resources'
import {
  betaStorageProvisionerAnnotation,
  bindCompletedAnnotation,
  boundByControllerAnnotation,
  isAnnotated,
  preResizeCapacityAnnotation,
  storageProvisionerAnnotation,
} from '../../volumes/volume-annotations.ts'

/**
 * The steps of a binding, each as the object that it leads to; undefined when the object says so already. Upstream's order: the volume's
 * spec, the volume's phase, the claim's spec, the claim's status. Whatever is missing after a crash is made up for by the next turn.
 */

/** The claim with the volume's name and the marks of a binding. */
export function claimBoundTo(
  claim: PersistentVolumeClaim,
  volume: PersistentVolume,
): PersistentVolumeClaim | undefined {
  const isChoice = claim.spec?.volumeName !== volume.metadata.name
  const annotations = {
    ...claim.metadata.annotations,
    ...(isChoice ? { [boundByControllerAnnotation]: 'yes' } : {}),
    [bindCompletedAnnotation]: 'yes',
  }
  if (!isChoice && isAnnotated(claim, bindCompletedAnnotation)) return undefined
  return {
    ...claim,
    metadata: { ...claim.metadata, annotations },
    spec: { ...claim.spec, volumeName: volume.metadata.name },
  }
}

/** The claim with the phase Bound and what the volume really offers. The size follows the volume only at the moment of the binding. */
export function claimStatusBound(
  claim: PersistentVolumeClaim,
  volume: PersistentVolume,
): PersistentVolumeClaim | undefined {
  const status = { ...claim.status, phase: 'Bound' }
  const { accessModes, capacity, volumeAttributesClassName } = volume.spec ?? {}
  if (accessModes !== undefined) status.accessModes = accessModes
  if (claim.status?.phase !== 'Bound') {
    const before = volume.metadata.annotations?.[preResizeCapacityAnnotation]
    const storage = before ?? capacity?.['storage']
    if (storage === undefined)
      throw new Error(`PersistentVolume "${volume.metadata.name}" is without a storage capacity`)
    const known = claim.status?.capacity?.['storage']
    if (known === undefined || compareQuantities(parseQuantity(known), parseQuantity(storage)) !== 0)
      status.capacity = { ...(before === undefined ? capacity : status.capacity), storage }
    if (volumeAttributesClassName !== undefined) status.currentVolumeAttributesClassName = volumeAttributesClassName
  }
  return jsonEqual(status, claim.status) ? undefined : { ...claim, status }
}

/** The claim in a phase in which it has no volume. */
export function claimWithoutVolume(
  claim: PersistentVolumeClaim,
  phase: 'Pending' | 'Lost',
): PersistentVolumeClaim | undefined {
  const { accessModes, capacity, currentVolumeAttributesClassName, ...rest } = claim.status ?? {}
  const had = accessModes !== undefined || capacity !== undefined || currentVolumeAttributesClassName !== undefined
  return rest.phase === phase && !had ? undefined : { ...claim, status: { ...rest, phase } }
}

/** The volume in a phase, with what there is to say about it. */
export function volumeInPhase(volume: PersistentVolume, phase: string, message?: string): PersistentVolume | undefined {
  if (volume.status?.phase === phase) return undefined
  const { message: _message, reason: _reason, ...rest } = volume.status ?? {}
  return { ...volume, status: { ...rest, phase, ...(message === undefined ? {} : { message }) } }
}

/** The volume without its claim. A reservation by name that a user made stays. */
export function volumeUnbound(volume: PersistentVolume): PersistentVolume {
  const { claimRef, ...spec } = volume.spec ?? {}
  if (!isAnnotated(volume, boundByControllerAnnotation)) {
    const { uid: _uid, ...reservation } = claimRef ?? {}
    return { ...volume, spec: { ...spec, claimRef: reservation } }
  }
  const { [boundByControllerAnnotation]: _mark, ...annotations } = volume.metadata.annotations ?? {}
  return { ...volume, metadata: { ...volume.metadata, annotations }, spec }
}

/** The claim that asks a provisioner for its volume. */
export function claimForProvisioner(
  claim: PersistentVolumeClaim,
  provisioner: string,
): PersistentVolumeClaim | undefined {
  if (claim.metadata.annotations?.[storageProvisionerAnnotation] === provisioner) return undefined
  const annotations = {
    ...claim.metadata.annotations,
    [betaStorageProvisionerAnnotation]: provisioner,
    [storageProvisionerAnnotation]: provisioner,
  }
  return { ...claim, metadata: { ...claim.metadata, annotations } }
}
