import { compareQuantities, type ObjectKey, parseQuantity } from '@binnacle/apimachinery'
import { type PersistentVolumeClaim, persistentVolumeClaims, persistentVolumes } from '@binnacle/resources'
import { type Controller, done, type ReconcileContext, type Result } from '../../controller.ts'
import { requestedStorage } from '../../volumes/volume-matching.ts'

/**
 * Tells of claims that ask for more than their volume has (upstream `expand`). No plugin within the controller manager can expand a
 * volume any more: whoever made the volume does.
 */
export const volumeExpansionController: Controller = {
  name: 'persistentvolume-expander',
  reconciles: persistentVolumeClaims,
  reads: [persistentVolumes],
  reconcile,
}

async function reconcile(key: ObjectKey, { events, informer }: ReconcileContext): Promise<Result> {
  const claim = informer(persistentVolumeClaims).get(key)
  if (claim === undefined || !wantsMore(claim)) return done
  const volume = informer(persistentVolumes).get({ namespace: '', name: claim.spec?.volumeName ?? '' })
  if (volume?.spec?.claimRef?.uid !== claim.metadata.uid) return done
  events.record(claim, 'Normal', 'ExternalExpanding', 'waiting for an external controller to expand this PVC')
  return done
}

/** True for a bound claim that asks for more than it has. */
export function wantsMore(claim: PersistentVolumeClaim): boolean {
  const has = claim.status?.capacity?.['storage']
  if (claim.status?.phase !== 'Bound' || has === undefined) return false
  return compareQuantities(parseQuantity(requestedStorage(claim)), parseQuantity(has)) > 0
}
