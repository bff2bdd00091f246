import type { Node, PersistentVolume, PersistentVolumeClaim, StorageClass } from '@binnacle/resources'
import { provisionedByAnnotation, selectedNodeAnnotation } from '../../volumes/volume-annotations.ts'
import { requestedStorage } from '../../volumes/volume-matching.ts'

/** The provisioner's name, as storage classes give it. */
export const localPathProvisioner = 'binnacle.dev/local-path'

/** The parameter of a class that says under which directory of a node its volumes are. */
export const directoryParameter = 'path'
/** Where they are when the class says nothing. */
export const directoryDefault = '/var/lib/binnacle/volumes'

const hostnameLabel = 'kubernetes.io/hostname'
const accessModesSupported = new Set(['ReadWriteOnce', 'ReadWriteOncePod'])

/** What is to be done about a claim that asks this provisioner for its volume. */
export type ProvisioningPlan =
  | { readonly kind: 'create'; readonly volume: PersistentVolume }
  /** The scheduler has not chosen a node yet. */
  | { readonly kind: 'wait' }
  /** The chosen node is gone: the scheduler is to choose another. */
  | { readonly kind: 'reschedule'; readonly problem: string }
  | { readonly kind: 'refuse'; readonly problem: string }

/** Decides about a claim without a volume. `node` is the one that the claim's annotation names, where it exists. */
export function planProvisioning(
  claim: PersistentVolumeClaim,
  storageClass: StorageClass,
  node: Node | undefined,
): ProvisioningPlan {
  const problem = whyUnsupported(claim)
  if (problem !== undefined) return { kind: 'refuse', problem }
  const nodeName = claim.metadata.annotations?.[selectedNodeAnnotation]
  if (!nodeName)
    return storageClass.volumeBindingMode === 'WaitForFirstConsumer'
      ? { kind: 'wait' }
      : {
          kind: 'refuse',
          problem: 'no node was specified: the class must have the volumeBindingMode WaitForFirstConsumer',
        }
  if (node === undefined)
    return { kind: 'reschedule', problem: `failed to get target node: nodes "${nodeName}" not found` }
  return { kind: 'create', volume: volumeFor(claim, storageClass, node) }
}

function whyUnsupported({ spec }: PersistentVolumeClaim): string | undefined {
  if (spec?.selector !== undefined) return 'claim.Spec.Selector is not supported'
  if (spec?.dataSource !== undefined || spec?.dataSourceRef !== undefined) return 'a data source is not supported'
  if (spec?.volumeMode === 'Block') return 'block volume provisioning is not supported'
  const modes = spec?.accessModes ?? []
  if (modes.every((mode) => accessModesSupported.has(mode))) return undefined
  return 'only the access modes ReadWriteOnce and ReadWriteOncePod are supported'
}

/** What the volume of a claim is called: the same on every try, so that a claim never gets two. */
export function volumeNameFor(claim: PersistentVolumeClaim): string {
  return `pvc-${claim.metadata.uid}`
}

function volumeFor(claim: PersistentVolumeClaim, storageClass: StorageClass, node: Node): PersistentVolume {
  const name = volumeNameFor(claim)
  const { namespace = '', name: claimName, uid = '', resourceVersion = '' } = claim.metadata
  const directory = storageClass.parameters?.[directoryParameter] ?? directoryDefault
  const host = node.metadata.labels?.[hostnameLabel] ?? node.metadata.name
  const { mountOptions, reclaimPolicy = 'Delete' } = storageClass
  return {
    apiVersion: 'v1',
    kind: 'PersistentVolume',
    metadata: { name, annotations: { [provisionedByAnnotation]: localPathProvisioner } },
    spec: {
      accessModes: claim.spec?.accessModes ?? [],
      capacity: { storage: requestedStorage(claim) },
      claimRef: { apiVersion: 'v1', kind: 'PersistentVolumeClaim', namespace, name: claimName, uid, resourceVersion },
      local: { path: `${directory.replace(/\/+$/, '')}/${name}_${namespace}_${claimName}` },
      ...(mountOptions === undefined ? {} : { mountOptions }),
      nodeAffinity: {
        required: {
          nodeSelectorTerms: [{ matchExpressions: [{ key: hostnameLabel, operator: 'In', values: [host] }] }],
        },
      },
      persistentVolumeReclaimPolicy: reclaimPolicy,
      storageClassName: storageClass.metadata.name,
      volumeMode: 'Filesystem',
    },
  }
}

/** True for a volume of this provisioner that nobody needs any more. */
export function isToBeDeleted(volume: PersistentVolume): boolean {
  return (
    volume.metadata.annotations?.[provisionedByAnnotation] === localPathProvisioner &&
    volume.metadata.deletionTimestamp === undefined &&
    volume.status?.phase === 'Released' &&
    volume.spec?.persistentVolumeReclaimPolicy === 'Delete'
  )
}

const resizeConditions = new Set(['Resizing', 'FileSystemResizePending', 'ControllerResizeError', 'NodeResizeError'])

/** The status of a claim whose volume has grown to what it asks for (external-resizer `MarkAsResizeFinished`). */
export function statusExpanded({ status }: PersistentVolumeClaim, storage: string): PersistentVolumeClaim['status'] {
  const { allocatedResourceStatuses, conditions, ...rest } = status ?? {}
  const { storage: _storage, ...otherStatuses } = allocatedResourceStatuses ?? {}
  const kept = conditions?.filter(({ type }) => !resizeConditions.has(type)) ?? []
  return {
    ...rest,
    ...(Object.keys(otherStatuses).length === 0 ? {} : { allocatedResourceStatuses: otherStatuses }),
    ...(kept.length === 0 ? {} : { conditions: kept }),
    allocatedResources: { ...status?.allocatedResources, storage },
    capacity: { ...status?.capacity, storage },
  }
}
