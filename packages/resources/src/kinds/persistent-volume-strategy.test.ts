import { describe, expect, it } from 'vitest'
import type { PersistentVolume, PersistentVolumeClaim } from '../generated/types.ts'
import { persistentVolumeClaimStrategy } from './persistent-volume-claim-strategy.ts'
import { persistentVolumeStrategy } from './persistent-volume-strategy.ts'
import { storageClassStrategy, volumeAttributesClassStrategy } from './storage-class-strategies.ts'

type Problems = readonly { readonly field: string; readonly message: string }[]
const texts = (problems: Problems = []): string[] => problems.map(({ field, message }) => `${field}: ${message}`)

const volume = (spec: object): PersistentVolume => ({
  apiVersion: 'v1',
  kind: 'PersistentVolume',
  metadata: { name: 'pv' },
  spec: { accessModes: ['ReadWriteOnce'], capacity: { storage: '1Gi' }, ...spec },
})
const hostPath = { path: '/data' }
const terms = [{ matchExpressions: [{ key: 'a', operator: 'Exists' }] }]
const nodeAffinity = { required: { nodeSelectorTerms: terms } }

const volumes: [spec: object, problems: string[]][] = [
  [{ hostPath }, []],
  [{ local: { path: '/mnt' }, nodeAffinity }, []],
  [{}, ['spec: Required value: must specify a volume type']],
  [{ hostPath, nfs: { server: 's', path: '/' } }, ['spec.nfs: Forbidden: may not specify more than 1 volume type']],
  [{ hostPath, capacity: {} }, ['spec.capacity: Required value']],
  [{ hostPath, capacity: { cpu: '1' } }, ['spec.capacity: Unsupported value: "cpu": supported values: "storage"']],
  [{ hostPath, capacity: { storage: '0' } }, ['spec.capacity[storage]: Invalid value: "0": must be greater than zero']],
  [{ hostPath, accessModes: [] }, ['spec.accessModes: Required value: at least 1 access mode is required']],
  [{ local: { path: '/mnt' } }, ['spec.nodeAffinity: Required value: Local volume requires node affinity']],
  [
    { hostPath, persistentVolumeReclaimPolicy: 'Keep' },
    ['spec.persistentVolumeReclaimPolicy: Unsupported value: "Keep": supported values: "Delete", "Recycle", "Retain"'],
  ],
  [
    { hostPath: { path: '/' }, persistentVolumeReclaimPolicy: 'Recycle' },
    ["spec.persistentVolumeReclaimPolicy: Forbidden: may not be 'recycle' for a hostPath mount of '/'"],
  ],
]

describe('a volume', () => {
  it.each(volumes)('%j has the problems %j', (spec, problems) => {
    expect(texts(persistentVolumeStrategy.validate?.(volume(spec)))).toEqual(problems)
  })

  it('stays what and where it is', () => {
    const old = volume({ local: { path: '/mnt' }, nodeAffinity, volumeMode: 'Filesystem' })
    const update = (spec: object) => texts(persistentVolumeStrategy.validateUpdate?.(volume(spec), old))
    expect(update({ ...old.spec, capacity: { storage: '2Gi' } })).toEqual([])
    expect(update({ ...old.spec, local: { path: '/x' } })).toEqual([
      'spec.persistentvolumesource: Forbidden: spec.persistentvolumesource is immutable after creation',
    ])
    expect(update({ ...old.spec, nodeAffinity: undefined })).toEqual([
      'spec.nodeAffinity: Invalid value: null: field is immutable',
    ])
  })

  it('remembers when its phase changed', () => {
    const old = {
      ...volume({ hostPath }),
      status: { phase: 'Available', lastPhaseTransitionTime: '2020-01-01T00:00:00Z' },
    }
    const [same, changed] = [structuredClone(old), structuredClone(old)]
    changed.status.phase = 'Bound'
    persistentVolumeStrategy.prepareForStatusUpdate?.(same, old)
    persistentVolumeStrategy.prepareForStatusUpdate?.(changed, old)
    expect(same.status.lastPhaseTransitionTime).toBe('2020-01-01T00:00:00Z')
    expect(changed.status.lastPhaseTransitionTime).not.toBe('2020-01-01T00:00:00Z')
  })
})

const claim = (spec: object): PersistentVolumeClaim => ({
  apiVersion: 'v1',
  kind: 'PersistentVolumeClaim',
  metadata: { name: 'data' },
  spec: { accessModes: ['ReadWriteOnce'], resources: { requests: { storage: '1Gi' } }, ...spec },
})

describe('a claim', () => {
  it.each([
    [{}, []],
    [{ resources: {} }, ['spec.resources[storage]: Required value']],
    [
      { resources: { requests: { storage: '-1' } } },
      ['spec.resources[storage]: Invalid value: "-1": must be greater than or equal to 0'],
    ],
    [
      { accessModes: ['ReadWriteOnce', 'ReadWriteOncePod'] },
      ['spec.accessModes: Forbidden: may not use ReadWriteOncePod with other access modes'],
    ],
    [{ volumeMode: 'Tape' }, ['spec.volumeMode: Unsupported value: "Tape": supported values: "Block", "Filesystem"']],
  ])('%j has the problems %j', (spec, problems) => {
    expect(texts(persistentVolumeClaimStrategy.validate?.(claim(spec)))).toEqual(problems)
  })

  it('says where its data comes from in both fields', () => {
    const object = claim({ dataSource: { kind: 'PersistentVolumeClaim', name: 'other' } })
    persistentVolumeClaimStrategy.prepareForCreate?.(object)
    expect(object.spec?.dataSourceRef).toEqual({ kind: 'PersistentVolumeClaim', name: 'other' })
  })
})

describe('a class', () => {
  const storageClass = { apiVersion: 'storage.k8s.io/v1', kind: 'StorageClass', metadata: { name: 's' } }

  it('has a provisioner, which stays', () => {
    const old = { ...storageClass, provisioner: 'x', reclaimPolicy: 'Delete', volumeBindingMode: 'Immediate' }
    expect(texts(storageClassStrategy.validate?.({ ...old, provisioner: '' }))).toEqual(['provisioner: Required value'])
    expect(texts(storageClassStrategy.validateUpdate?.({ ...old, provisioner: 'y' }, old))).toEqual([
      'provisioner: Forbidden: updates to provisioner are forbidden.',
    ])
    expect(texts(storageClassStrategy.validateUpdate?.({ ...old, allowVolumeExpansion: true }, old))).toEqual([])
  })

  it('of attributes has some, which stay', () => {
    const old = {
      apiVersion: 'storage.k8s.io/v1',
      kind: 'VolumeAttributesClass',
      metadata: { name: 'v' },
      driverName: 'x',
      parameters: { iops: '1' },
    }
    expect(texts(volumeAttributesClassStrategy.validate?.({ ...old, parameters: {} }))).toEqual([
      'parameters: Required value: must contain at least one key/value pair',
    ])
    expect(volumeAttributesClassStrategy.validateUpdate?.({ ...old, parameters: { iops: '2' } }, old)).toHaveLength(1)
  })
})
