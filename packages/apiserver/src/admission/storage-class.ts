import { type KubernetesObject, parseTime } from '@binnacle/apimachinery'
import type { PersistentVolumeClaim, StorageClass } from '@binnacle/resources'
import type { AdmissionStore } from './admission.ts'

const defaultAnnotation = 'storageclass.kubernetes.io/is-default-class'

/** A claim that names no class gets the default one, the newest if there are several (plugin DefaultStorageClass). */
export function admitClaim(store: AdmissionStore, object: KubernetesObject): void {
  const claim = object as PersistentVolumeClaim
  if (claim.spec === undefined || claim.spec.storageClassName !== undefined) return
  if (claim.metadata.annotations?.['volume.beta.kubernetes.io/storage-class'] !== undefined) return
  const defaults = store
    .list({ resource: 'storageclasses.storage.k8s.io' })
    .objects.map((stored) => stored.parse() as StorageClass)
    .filter((storage) => storage.metadata.annotations?.[defaultAnnotation] === 'true')
  const newest = defaults.sort(
    (a, b) => parseTime(b.metadata.creationTimestamp) - parseTime(a.metadata.creationTimestamp),
  )[0]
  if (newest !== undefined) claim.spec.storageClassName = newest.metadata.name
}
