import type { PersistentVolume, PersistentVolumeClaim } from '@binnacle/resources'
import { boundByControllerAnnotation } from './volume-annotations.ts'
import { isVolumeOfClaim } from './volume-matching.ts'

/**
 * The volume with a reference to the claim; undefined when it has it already. Marked as the binder's choice where the volume was not
 * reserved for the claim (upstream `GetBindVolumeToClaim`; the binder and the scheduler both begin a binding like this).
 */
export function volumeBoundTo(volume: PersistentVolume, claim: PersistentVolumeClaim): PersistentVolume | undefined {
  const { name, namespace, uid, resourceVersion } = claim.metadata
  const reference = volume.spec?.claimRef
  const isChoice = !isVolumeOfClaim(volume, claim)
  if (!isChoice && reference?.uid === uid) return undefined
  const claimRef = {
    apiVersion: 'v1',
    kind: 'PersistentVolumeClaim',
    name,
    ...(namespace === undefined ? {} : { namespace }),
    ...(uid === undefined ? {} : { uid }),
    ...(resourceVersion === undefined ? {} : { resourceVersion }),
  }
  const annotations = isChoice
    ? { ...volume.metadata.annotations, [boundByControllerAnnotation]: 'yes' }
    : volume.metadata.annotations
  return {
    ...volume,
    metadata: { ...volume.metadata, ...(annotations === undefined ? {} : { annotations }) },
    spec: { ...volume.spec, claimRef },
  }
}
