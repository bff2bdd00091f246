import {
  compareQuantities,
  dns1123SubdomainProblems,
  type FieldError,
  forbiddenField,
  notSupported,
  parseQuantity,
  required,
  semanticEqual,
  tryParseQuantity,
} from '@binnacle/apimachinery'
import type { PersistentVolumeClaim, PersistentVolumeClaimSpec } from '../generated/types.ts'
import type { Strategy } from '../resource-definition.ts'
import { labelSelectorErrors, oneOf, textErrors } from './field-checks.ts'
import { amountErrors } from './resource-amounts-validation.ts'

const accessModes = ['ReadOnlyMany', 'ReadWriteMany', 'ReadWriteOnce', 'ReadWriteOncePod']
/** A volume is a file system or a raw device. */
export const volumeModes: readonly string[] = ['Block', 'Filesystem']

/** Defaults and rules of claims (kube-apiserver `ValidatePersistentVolumeClaim` and its update). */
export const persistentVolumeClaimStrategy: Strategy<PersistentVolumeClaim> = {
  applyDefaults(claim) {
    if (claim.spec !== undefined) claim.spec.volumeMode ??= 'Filesystem'
  },
  prepareForCreate(claim) {
    claim.status = { phase: 'Pending' }
    if (claim.spec !== undefined) copyDataSource(claim.spec)
  },
  validate: (claim) => (claim.spec === undefined ? [required('spec')] : validateClaimSpec(claim.spec, 'spec')),
  validateUpdate: (claim, old) => [...frozenErrors(claim, old), ...sizeErrors(claim, old)],
}

// The two fields say the same, as far as the older one can.
function copyDataSource(spec: PersistentVolumeClaimSpec): void {
  const { dataSource, dataSourceRef } = spec
  if (dataSource !== undefined && dataSourceRef === undefined) spec.dataSourceRef = { ...dataSource }
  else if (dataSource === undefined && dataSourceRef !== undefined && dataSourceRef.namespace === undefined)
    spec.dataSource = { ...dataSourceRef }
}

/** Problems of what a claim asks for; also of the template of an ephemeral volume's claim. */
export function validateClaimSpec(spec: PersistentVolumeClaimSpec, path: string): FieldError[] {
  const errors = accessModeErrors(spec.accessModes ?? [], path)
  const storage = spec.resources?.requests?.['storage']
  if (spec.selector !== undefined) errors.push(...labelSelectorErrors(`${path}.selector`, spec.selector))
  if (storage === undefined) errors.push(required(`${path}.resources[storage]`))
  else errors.push(...storageErrors(storage, `${path}.resources[storage]`))
  for (const field of ['storageClassName', 'volumeAttributesClassName'] as const) {
    const name = spec[field]
    if (name) errors.push(...textErrors(`${path}.${field}`, name, dns1123SubdomainProblems))
  }
  if (spec.volumeMode !== undefined) errors.push(...oneOf(`${path}.volumeMode`, spec.volumeMode, volumeModes))
  return errors
}

/** Problems of the access modes of a claim or a volume. */
export function accessModeErrors(modes: readonly string[], path: string): FieldError[] {
  const field = `${path}.accessModes`
  if (modes.length === 0) return [required(field, 'at least 1 access mode is required')]
  const errors = modes
    .filter((mode) => !accessModes.includes(mode))
    .map((mode) => notSupported(field, mode, accessModes))
  if (modes.includes('ReadWriteOncePod') && modes.length > 1)
    errors.push(forbiddenField(field, 'may not use ReadWriteOncePod with other access modes'))
  return errors
}

/** Problems of an amount of storage, which must be more than nothing. */
export function storageErrors(amount: string, field: string): FieldError[] {
  const errors = amountErrors('storage', amount, field)
  const quantity = tryParseQuantity(amount)
  if (errors.length > 0 || quantity === undefined || quantity.nanos > 0n) return errors
  return [{ type: 'FieldValueInvalid', field, message: `Invalid value: "${amount}": must be greater than zero` }]
}

// Fixed so that quotas cannot be got round; the binder names the volume once, and the class of a claim that had none.
function frozenErrors(claim: PersistentVolumeClaim, old: PersistentVolumeClaim): FieldError[] {
  const [now, before] = [{ ...claim.spec }, { ...old.spec }]
  if (!before.volumeName) before.volumeName = now.volumeName as string
  if (before.storageClassName === undefined && !hasClassAnnotation(old)) delete now.storageClassName
  else if (before.storageClassName === undefined) dropUpgradedClass(now, old)
  if (old.status?.phase === 'Bound') {
    now.resources = withoutStorage(now.resources)
    before.resources = withoutStorage(before.resources)
  }
  delete now.volumeAttributesClassName
  delete before.volumeAttributesClassName
  if (semanticEqual(now, before)) return []
  const message =
    'spec is immutable after creation except resources.requests and volumeAttributesClassName for bound claims'
  return [forbiddenField('spec', message)]
}

const classAnnotation = 'volume.beta.kubernetes.io/storage-class'
const hasClassAnnotation = ({ metadata }: PersistentVolumeClaim): boolean =>
  metadata.annotations?.[classAnnotation] !== undefined

// The class may move from the annotation to the field.
function dropUpgradedClass(now: PersistentVolumeClaimSpec, old: PersistentVolumeClaim): void {
  if (now.storageClassName === old.metadata.annotations?.[classAnnotation]) delete now.storageClassName
}

function withoutStorage(resources: PersistentVolumeClaimSpec['resources']): NonNullable<typeof resources> {
  const { storage: _storage, ...requests } = resources?.requests ?? {}
  return { ...resources, requests }
}

// A request that could not be met may be lowered again, but not to what the volume already is.
function sizeErrors(claim: PersistentVolumeClaim, old: PersistentVolumeClaim): FieldError[] {
  const field = 'spec.resources.requests.storage'
  const [now, before] = [claim, old].map(({ spec }) => tryParseQuantity(spec?.resources?.requests?.['storage'] ?? '0'))
  if (now === undefined || before === undefined || compareQuantities(now, before) >= 0) return []
  const has = old.status?.capacity?.['storage']
  if (has !== undefined && compareQuantities(now, parseQuantity(has)) > 0) return []
  return [forbiddenField(field, 'field can not be less than status.capacity')]
}
