import type { Node, PersistentVolume, PersistentVolumeClaim, StorageClass } from '@binnacle/resources'

/** Claims, volumes and classes for tests, valid as they are. */

interface Built<T extends { metadata: object; spec?: object; status?: object }> {
  readonly metadata?: Partial<T['metadata']>
  readonly spec?: Partial<NonNullable<T['spec']>>
  readonly status?: T['status']
}

/** A claim for 1Gi of class `manual`. */
export function aClaim(
  name = 'data',
  { metadata, spec, status }: Built<PersistentVolumeClaim> = {},
): PersistentVolumeClaim {
  return {
    apiVersion: 'v1',
    kind: 'PersistentVolumeClaim',
    metadata: { name, namespace: 'default', uid: `uid-${name}`, ...metadata },
    spec: {
      accessModes: ['ReadWriteOnce'],
      resources: { requests: { storage: '1Gi' } },
      storageClassName: 'manual',
      volumeMode: 'Filesystem',
      ...spec,
    },
    status: status ?? { phase: 'Pending' },
  }
}

/** An available volume of 1Gi of class `manual`. */
export function aVolume(name = 'pv', { metadata, spec, status }: Built<PersistentVolume> = {}): PersistentVolume {
  return {
    apiVersion: 'v1',
    kind: 'PersistentVolume',
    metadata: { name, uid: `uid-${name}`, ...metadata },
    spec: {
      accessModes: ['ReadWriteOnce'],
      capacity: { storage: '1Gi' },
      hostPath: { path: `/data/${name}`, type: '' },
      persistentVolumeReclaimPolicy: 'Retain',
      storageClassName: 'manual',
      volumeMode: 'Filesystem',
      ...spec,
    },
    status: status ?? { phase: 'Available' },
  }
}

/** A class of the local-path provisioner that waits for the first consumer. */
export function aStorageClass(name = 'standard', fields: Partial<StorageClass> = {}): StorageClass {
  return {
    apiVersion: 'storage.k8s.io/v1',
    kind: 'StorageClass',
    metadata: { name },
    provisioner: 'binnacle.dev/local-path',
    reclaimPolicy: 'Delete',
    volumeBindingMode: 'WaitForFirstConsumer',
    ...fields,
  }
}

/** Required affinity to the nodes with a host name. */
export function onHosts(...values: string[]): NonNullable<PersistentVolume['spec']>['nodeAffinity'] & object {
  const matchExpressions = [{ key: 'kubernetes.io/hostname', operator: 'In', values }]
  return { required: { nodeSelectorTerms: [{ matchExpressions }] } }
}

/** A node with its host name. */
export function aHost(name: string, labels: Record<string, string> = {}): Node {
  return { apiVersion: 'v1', kind: 'Node', metadata: { name, labels: { 'kubernetes.io/hostname': name, ...labels } } }
}
