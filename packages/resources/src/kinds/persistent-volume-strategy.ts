import {
  dns1123SubdomainProblems,
  type FieldError,
  forbiddenField,
  formatTime,
  notSupported,
  required,
  semanticEqual,
} from '@binnacle/apimachinery'
import type { PersistentVolume, PersistentVolumeSpec } from '../generated/types.ts'
import type { Strategy } from '../resource-definition.ts'
import { immutable, oneOf, optionalOneOf, present, textErrors } from './field-checks.ts'
import { accessModeErrors, storageErrors, volumeModes } from './persistent-volume-claim-strategy.ts'
import { nodeSelectorErrors } from './scheduling-validation.ts'
import { backstepErrors } from './volume-validation.ts'

const reclaimPolicies = ['Delete', 'Recycle', 'Retain']

/** The fields of a spec of which exactly one says what the volume is. */
const sourceFields = [
  'awsElasticBlockStore',
  'azureDisk',
  'azureFile',
  'cephfs',
  'cinder',
  'csi',
  'fc',
  'flexVolume',
  'flocker',
  'gcePersistentDisk',
  'glusterfs',
  'hostPath',
  'iscsi',
  'local',
  'nfs',
  'photonPersistentDisk',
  'portworxVolume',
  'quobyte',
  'rbd',
  'scaleIO',
  'storageos',
  'vsphereVolume',
] as const satisfies readonly (keyof PersistentVolumeSpec)[]

/** Defaults and rules of volumes (kube-apiserver `ValidatePersistentVolume` and its update). */
export const persistentVolumeStrategy: Strategy<PersistentVolume> = {
  applyDefaults({ spec }) {
    if (spec === undefined) return
    spec.persistentVolumeReclaimPolicy ||= 'Retain'
    spec.volumeMode ??= 'Filesystem'
    if (spec.hostPath !== undefined) spec.hostPath.type ??= ''
  },
  prepareForCreate(volume) {
    volume.status = { phase: 'Pending', lastPhaseTransitionTime: formatTime(Date.now()) }
  },
  prepareForStatusUpdate(volume, old) {
    if (volume.status === undefined || volume.status.phase === old.status?.phase) return
    if (volume.status.lastPhaseTransitionTime === old.status?.lastPhaseTransitionTime)
      volume.status.lastPhaseTransitionTime = formatTime(Date.now())
  },
  validate: ({ spec }) => (spec === undefined ? [required('spec')] : specErrors(spec)),
  validateUpdate({ spec = {} }, { spec: old = {} }) {
    const errors: FieldError[] = []
    if (!semanticEqual(sourcesOf(spec), sourcesOf(old)))
      errors.push(
        forbiddenField('spec.persistentvolumesource', 'spec.persistentvolumesource is immutable after creation'),
      )
    errors.push(...immutable('spec.volumeMode', spec.volumeMode, old.volumeMode))
    if (old.nodeAffinity !== undefined)
      errors.push(...immutable('spec.nodeAffinity', spec.nodeAffinity, old.nodeAffinity))
    return errors
  },
}

const sourcesOf = (spec: PersistentVolumeSpec) =>
  Object.fromEntries(sourceFields.map((field) => [field, spec[field]]).filter(([, source]) => source !== undefined))

function specErrors(spec: PersistentVolumeSpec): FieldError[] {
  const errors = [...accessModeErrors(spec.accessModes ?? [], 'spec'), ...capacityErrors(spec), ...sourceErrors(spec)]
  const policy = spec.persistentVolumeReclaimPolicy
  errors.push(...optionalOneOf('spec.persistentVolumeReclaimPolicy', policy, reclaimPolicies))
  if (spec.hostPath?.path === '/' && policy === 'Recycle')
    errors.push(
      forbiddenField('spec.persistentVolumeReclaimPolicy', "may not be 'recycle' for a hostPath mount of '/'"),
    )
  for (const field of ['storageClassName', 'volumeAttributesClassName'] as const) {
    const name = spec[field]
    if (name) errors.push(...textErrors(`spec.${field}`, name, dns1123SubdomainProblems))
  }
  if (spec.volumeAttributesClassName === '')
    errors.push(required('spec.volumeAttributesClassName', 'an empty string is disallowed'))
  if (spec.volumeMode !== undefined) errors.push(...oneOf('spec.volumeMode', spec.volumeMode, volumeModes))
  return errors
}

function capacityErrors({ capacity = {} }: PersistentVolumeSpec): FieldError[] {
  const names = Object.keys(capacity)
  if (names.length === 0) return [required('spec.capacity')]
  const storage = capacity['storage']
  if (storage === undefined || names.length > 1) return [notSupported('spec.capacity', names.join(','), ['storage'])]
  return storageErrors(storage, 'spec.capacity[storage]')
}

function sourceErrors(spec: PersistentVolumeSpec): FieldError[] {
  const errors: FieldError[] = []
  const [first, ...more] = sourceFields.filter((field) => spec[field] !== undefined)
  if (first === undefined) errors.push(required('spec', 'must specify a volume type'))
  for (const field of more) errors.push(forbiddenField(`spec.${field}`, 'may not specify more than 1 volume type'))
  const { csi, hostPath, local, nfs, nodeAffinity } = spec
  if (hostPath !== undefined)
    errors.push(...present('spec.hostPath.path', hostPath.path), ...backstepErrors('spec.hostPath.path', hostPath.path))
  if (nfs !== undefined) errors.push(...present('spec.nfs.server', nfs.server), ...present('spec.nfs.path', nfs.path))
  if (csi !== undefined)
    errors.push(...present('spec.csi.driver', csi.driver), ...present('spec.csi.volumeHandle', csi.volumeHandle))
  if (local !== undefined) {
    errors.push(...present('spec.local.path', local.path), ...backstepErrors('spec.local.path', local.path ?? ''))
    if (nodeAffinity === undefined) errors.push(required('spec.nodeAffinity', 'Local volume requires node affinity'))
  }
  if (nodeAffinity === undefined) return errors
  return nodeAffinity.required === undefined
    ? [...errors, required('spec.nodeAffinity.required', 'must specify required node constraints')]
    : [...errors, ...nodeSelectorErrors(nodeAffinity.required, 'spec.nodeAffinity.required')]
}
