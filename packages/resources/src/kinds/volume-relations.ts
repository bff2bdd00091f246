import type { Edge } from '../resource-definition.ts'
import { persistentVolumeClaims } from './persistent-volume-claims.ts'

/** The claims that name a storage class. */
export const persistentVolumeClaimsOf: Edge = {
  to: () => persistentVolumeClaims,
  by: 'namedBy',
  path: 'spec.storageClassName',
}
