import { compareQuantities, parseQuantity, selectorFromLabelSelector } from '@binnacle/apimachinery'
import type { Node, PersistentVolume, PersistentVolumeClaim } from '@binnacle/resources'
import { storageClassNameOf } from './volume-annotations.ts'
import { admitsNode } from './volume-topology.ts'

/** Which volume suits which claim, for the binder and for the scheduler (upstream `FindMatchingVolume` and its neighbours). */

/** How {@link findMatchingVolume} is asked. */
export interface MatchOptions {
  /** The scheduler's question: the volume must be reachable from this node. */
  readonly node?: Node
  /** Names of volumes that are spoken for. */
  readonly excluded?: ReadonlySet<string>
  /** The claim waits for its first consumer: without a node, only a volume that is reserved for it will do. */
  readonly waitsForConsumer: boolean
}

/** The storage that a claim asks for. Nothing asked is nothing needed. */
export function requestedStorage(claim: PersistentVolumeClaim): string {
  return claim.spec?.resources?.requests?.['storage'] ?? '0'
}

const capacityOf = (volume: PersistentVolume) => parseQuantity(volume.spec?.capacity?.['storage'] ?? '0')

/** True when the volume is reserved for, or bound to, this very claim. A reference without a uid stands for any claim of that name. */
export function isVolumeOfClaim(volume: PersistentVolume, claim: PersistentVolumeClaim): boolean {
  const reference = volume.spec?.claimRef
  if (reference === undefined) return false
  if (reference.name !== claim.metadata.name || reference.namespace !== claim.metadata.namespace) return false
  return !reference.uid || reference.uid === claim.metadata.uid
}

/** True when one is a raw device and the other a file system. */
export function volumeModesDiffer(volume: PersistentVolume, claim: PersistentVolumeClaim): boolean {
  return (volume.spec?.volumeMode ?? 'Filesystem') !== (claim.spec?.volumeMode ?? 'Filesystem')
}

function hasAccessModes(volume: PersistentVolume, claim: PersistentVolumeClaim): boolean {
  const offered = volume.spec?.accessModes ?? []
  return (claim.spec?.accessModes ?? []).every((mode) => offered.includes(mode))
}

function attributesDiffer(volume: PersistentVolume, claim: PersistentVolumeClaim): boolean {
  return (volume.spec?.volumeAttributesClassName ?? '') !== (claim.spec?.volumeAttributesClassName ?? '')
}

function isTooSmall(volume: PersistentVolume, claim: PersistentVolumeClaim): boolean {
  return compareQuantities(capacityOf(volume), parseQuantity(requestedStorage(claim))) < 0
}

/** Why a claim that names this volume cannot have it, in upstream's words; undefined when it can. */
export function whyUnsuitable(volume: PersistentVolume, claim: PersistentVolumeClaim): string | undefined {
  if (isTooSmall(volume, claim)) return 'requested PV is too small'
  if (volume.metadata.deletionTimestamp !== undefined)
    return `the volume is marked for deletion "${volume.metadata.name}"`
  if (storageClassNameOf(volume) !== storageClassNameOf(claim)) return 'storageClassName does not match'
  if (volumeModesDiffer(volume, claim)) return 'incompatible volumeMode'
  if (!hasAccessModes(volume, claim)) return 'incompatible accessMode'
  if (attributesDiffer(volume, claim)) return 'volumeAttributesClassName does not match'
  return undefined
}

/**
 * The volume that suits the claim best: one that is reserved for it; otherwise, of those that are available, one with as few access
 * modes as can be (the binder only), and among these the smallest. Equal ones go by name.
 */
export function findMatchingVolume(
  claim: PersistentVolumeClaim,
  volumes: Iterable<PersistentVolume>,
  options: MatchOptions,
): PersistentVolume | undefined {
  const selector = claim.spec?.selector === undefined ? undefined : selectorFromLabelSelector(claim.spec.selector)
  const className = storageClassNameOf(claim)
  let best: PersistentVolume | undefined
  for (const volume of volumes) {
    if (options.excluded?.has(volume.metadata.name) === true || !isCandidate(volume, claim)) continue
    const isReachable = options.node === undefined || admitsNode(volume, options.node)
    // Reserved for the claim: nothing else may be taken in its place.
    if (isVolumeOfClaim(volume, claim)) return isReachable ? volume : undefined
    if (options.node === undefined && options.waitsForConsumer) continue
    if (volume.status?.phase !== 'Available' || !isReachable) continue
    if (selector !== undefined && !selector.matches(volume.metadata.labels)) continue
    if (storageClassNameOf(volume) !== className) continue
    if (best === undefined || isBetter(volume, best, options.node === undefined)) best = volume
  }
  return best
}

function isCandidate(volume: PersistentVolume, claim: PersistentVolumeClaim): boolean {
  if (volume.spec?.claimRef !== undefined && !isVolumeOfClaim(volume, claim)) return false
  if (volume.metadata.deletionTimestamp !== undefined) return false
  return (
    hasAccessModes(volume, claim) &&
    !volumeModesDiffer(volume, claim) &&
    !attributesDiffer(volume, claim) &&
    !isTooSmall(volume, claim)
  )
}

function isBetter(volume: PersistentVolume, best: PersistentVolume, byModes: boolean): boolean {
  const modes = (volume.spec?.accessModes?.length ?? 0) - (best.spec?.accessModes?.length ?? 0)
  if (byModes && modes !== 0) return modes < 0
  const size = compareQuantities(capacityOf(volume), capacityOf(best))
  return size === 0 ? volume.metadata.name < best.metadata.name : size < 0
}
