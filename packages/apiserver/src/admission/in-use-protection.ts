import type { KubernetesObject } from '@binnacle/apimachinery'

const finalizers: Readonly<Record<string, string>> = {
  persistentvolumeclaims: 'kubernetes.io/pvc-protection',
  persistentvolumes: 'kubernetes.io/pv-protection',
  'volumeattributesclasses.storage.k8s.io': 'kubernetes.io/vac-protection',
}

/** New storage objects get the finalizer that keeps them while they are in use (plugin StorageObjectInUseProtection). */
export function protectInUse(storageName: string, { metadata }: KubernetesObject): void {
  const finalizer = finalizers[storageName]
  if (finalizer === undefined || metadata.finalizers?.includes(finalizer) === true) return
  metadata.finalizers = [...(metadata.finalizers ?? []), finalizer]
}
