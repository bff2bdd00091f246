import { ageColumn, column } from '../columns.ts'
import { defineResource } from '../define-resource.ts'
import type { ResourceDefinition } from '../resource-definition.ts'
import type { PersistentVolumeClaim } from '../generated/types.ts'
import { persistentVolumeClaimStrategy } from './persistent-volume-claim-strategy.ts'
import { persistentVolumes } from './persistent-volumes.ts'
import { pods } from './pods.ts'

/** A request for storage. */
export const persistentVolumeClaims: ResourceDefinition<PersistentVolumeClaim> = defineResource<PersistentVolumeClaim>(
  '',
  'v1',
  'persistentvolumeclaims',
  {
    shortNames: ['pvc'],
    columns: [
      column('Status', (claim: PersistentVolumeClaim) =>
        claim.metadata.deletionTimestamp === undefined ? (claim.status?.phase ?? '') : 'Terminating',
      ),
      column('Volume', (claim: PersistentVolumeClaim) => claim.spec?.volumeName ?? ''),
      column('Capacity', (claim: PersistentVolumeClaim) =>
        claim.spec?.volumeName ? (claim.status?.capacity?.['storage'] ?? '') : '',
      ),
      column('Access Modes', (claim: PersistentVolumeClaim) =>
        claim.spec?.volumeName ? accessModesText(claim.status?.accessModes) : '',
      ),
      column(
        'StorageClass',
        (claim: PersistentVolumeClaim) =>
          claim.metadata.annotations?.['volume.beta.kubernetes.io/storage-class'] ?? claim.spec?.storageClassName ?? '',
      ),
      column(
        'VolumeAttributesClass',
        (claim: PersistentVolumeClaim) => claim.spec?.volumeAttributesClassName ?? '<unset>',
      ),
      ageColumn,
      column('VolumeMode', (claim: PersistentVolumeClaim) => claim.spec?.volumeMode ?? '<unset>', { wide: true }),
    ],
    edges: {
      volume: { to: () => persistentVolumes, by: 'name', path: 'spec.volumeName' },
      pods: { to: () => pods, by: 'namedBy', path: 'spec.volumes.persistentVolumeClaim.claimName' },
    },
    strategy: persistentVolumeClaimStrategy,
  },
)

const modeNames: Record<string, string> = {
  ReadWriteOnce: 'RWO',
  ReadOnlyMany: 'ROX',
  ReadWriteMany: 'RWX',
  ReadWriteOncePod: 'RWOP',
}

/** Access modes as kubectl abbreviates them, each once, in upstream's order. */
export function accessModesText(modes: readonly string[] | undefined): string {
  return Object.entries(modeNames)
    .filter(([mode]) => modes?.includes(mode) === true)
    .map(([, name]) => name)
    .join(',')
}
