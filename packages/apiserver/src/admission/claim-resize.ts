import { compareQuantities, type KubernetesObject, parseQuantity, StatusError } from '@binnacle/apimachinery'
import type { PersistentVolumeClaim, StorageClass } from '@binnacle/resources'
import type { AdmissionStore } from './admission.ts'

/** A claim may ask for more only when it is bound and its class lets volumes grow (plugin PersistentVolumeClaimResize). */
export function admitResize(store: AdmissionStore, object: KubernetesObject, old: KubernetesObject): void {
  const [claim, before] = [object as PersistentVolumeClaim, old as PersistentVolumeClaim]
  if (compareQuantities(sizeOf(claim), sizeOf(before)) <= 0) return
  if (before.status?.phase !== 'Bound') throw refusal(claim, 'Only bound persistent volume claims can be expanded')
  const name = before.metadata.annotations?.['volume.beta.kubernetes.io/storage-class'] ?? before.spec?.storageClassName
  const stored = name ? store.get({ resource: 'storageclasses.storage.k8s.io', namespace: '', name }) : undefined
  if ((stored?.parse() as StorageClass | undefined)?.allowVolumeExpansion === true) return
  throw refusal(
    claim,
    'only dynamically provisioned pvc can be resized and the storageclass that provisions the pvc must support resize',
  )
}

const sizeOf = ({ spec }: PersistentVolumeClaim) => parseQuantity(spec?.resources?.requests?.['storage'] ?? '0')

function refusal({ metadata: { name } }: PersistentVolumeClaim, why: string): StatusError {
  return new StatusError('Forbidden', `persistentvolumeclaims "${name}" is forbidden: ${why}`, {
    name,
    kind: 'persistentvolumeclaims',
  })
}
