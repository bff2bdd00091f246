import { ageColumn, column } from '../columns.ts'
import { defineResource } from '../define-resource.ts'
import type { ResourceDefinition } from '../resource-definition.ts'
import type { PersistentVolume } from '../generated/types.ts'
import { persistentVolumeStrategy } from './persistent-volume-strategy.ts'
import { accessModesText } from './persistent-volume-claims.ts'

/** A piece of storage. */
export const persistentVolumes: ResourceDefinition<PersistentVolume> = defineResource<PersistentVolume>(
  '',
  'v1',
  'persistentvolumes',
  {
    shortNames: ['pv'],
    columns: [
      column('Capacity', (volume: PersistentVolume) => volume.spec?.capacity?.['storage'] ?? ''),
      column('Access Modes', (volume: PersistentVolume) => accessModesText(volume.spec?.accessModes)),
      column('Reclaim Policy', (volume: PersistentVolume) => volume.spec?.persistentVolumeReclaimPolicy ?? ''),
      column('Status', (volume: PersistentVolume) =>
        volume.metadata.deletionTimestamp === undefined ? (volume.status?.phase ?? '') : 'Terminating',
      ),
      column('Claim', (volume: PersistentVolume) =>
        volume.spec?.claimRef === undefined ? '' : `${volume.spec.claimRef.namespace}/${volume.spec.claimRef.name}`,
      ),
      column('StorageClass', (volume: PersistentVolume) => volume.spec?.storageClassName ?? ''),
      column(
        'VolumeAttributesClass',
        (volume: PersistentVolume) => volume.spec?.volumeAttributesClassName ?? '<unset>',
      ),
      column('Reason', (volume: PersistentVolume) => volume.status?.reason ?? ''),
      ageColumn,
      column('VolumeMode', (volume: PersistentVolume) => volume.spec?.volumeMode ?? '<unset>', { wide: true }),
    ],
    strategy: persistentVolumeStrategy,
  },
)
