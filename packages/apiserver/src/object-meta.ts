import {
  dns1123SubdomainProblems,
  type FieldError,
  forbiddenField,
  invalidValue,
  type KubernetesObject,
  labelValueProblems,
  type ObjectMeta,
  qualifiedNameProblems,
  required,
  valueTooLong,
} from '@binnacle/apimachinery'
import type { ResourceDefinition } from '@binnacle/resources'

const annotationsBytesMax = 256 * 1024

/** Rules of metadata that all kinds share (apimachinery `ValidateObjectMeta`). */
export function validateMetadata(definition: ResourceDefinition, meta: ObjectMeta): FieldError[] {
  const errors: FieldError[] = []
  const problemsOf = (name: string, isPrefix: boolean): string[] =>
    definition.strategy.validateName?.(name, isPrefix) ??
    dns1123SubdomainProblems(isPrefix ? `${name.replace(/-$/, '')}x` : name)
  if (meta.generateName)
    for (const problem of problemsOf(meta.generateName, true))
      errors.push(invalidValue('metadata.generateName', meta.generateName, problem))
  if (!meta.name) errors.push(required('metadata.name', 'name or generateName is required'))
  else
    for (const problem of problemsOf(meta.name, false)) errors.push(invalidValue('metadata.name', meta.name, problem))
  for (const [key, value] of Object.entries(meta.labels ?? {})) {
    for (const problem of qualifiedNameProblems(key)) errors.push(invalidValue('metadata.labels', key, problem))
    for (const problem of labelValueProblems(value)) errors.push(invalidValue('metadata.labels', value, problem))
  }
  let bytes = 0
  for (const [key, value] of Object.entries(meta.annotations ?? {})) {
    for (const problem of qualifiedNameProblems(key.toLowerCase()))
      errors.push(invalidValue('metadata.annotations', key, problem))
    bytes += key.length + value.length
  }
  if (bytes > annotationsBytesMax) errors.push(valueTooLong('metadata.annotations', annotationsBytesMax))
  for (const [index, finalizer] of (meta.finalizers ?? []).entries()) {
    for (const problem of qualifiedNameProblems(finalizer))
      errors.push(invalidValue(`metadata.finalizers[${index}]`, finalizer, problem))
  }
  return [...errors, ...ownerErrors(meta)]
}

function ownerErrors(meta: ObjectMeta): FieldError[] {
  const errors: FieldError[] = []
  let controllers = 0
  for (const [index, owner] of (meta.ownerReferences ?? []).entries()) {
    const path = `metadata.ownerReferences[${index}]`
    if (!owner.apiVersion)
      errors.push(invalidValue(`${path}.apiVersion`, owner.apiVersion ?? '', 'version must not be empty'))
    if (!owner.kind) errors.push(invalidValue(`${path}.kind`, owner.kind ?? '', 'must not be empty'))
    if (!owner.name) errors.push(invalidValue(`${path}.name`, owner.name ?? '', 'must not be empty'))
    if (!owner.uid) errors.push(invalidValue(`${path}.uid`, owner.uid ?? '', 'must not be empty'))
    if (owner.controller === true && ++controllers > 1)
      errors.push(
        invalidValue(
          'metadata.ownerReferences',
          meta.ownerReferences,
          'Only one reference can have Controller set to true',
        ),
      )
  }
  return errors
}

/** What may not change in metadata (`ValidateObjectMetaUpdate`). */
export function validateMetadataUpdate(meta: ObjectMeta, old: ObjectMeta): FieldError[] {
  const errors: FieldError[] = []
  const immutable = (field: 'name' | 'namespace' | 'uid' | 'creationTimestamp'): void => {
    if ((meta[field] ?? '') !== (old[field] ?? ''))
      errors.push(invalidValue(`metadata.${field}`, meta[field] ?? '', 'field is immutable'))
  }
  immutable('name')
  immutable('namespace')
  immutable('uid')
  immutable('creationTimestamp')
  if (old.deletionTimestamp !== undefined) {
    const added = (meta.finalizers ?? []).filter((finalizer) => !(old.finalizers ?? []).includes(finalizer))
    if (added.length > 0)
      errors.push(
        forbiddenField(
          'metadata.finalizers',
          `no new finalizers can be added if the object is being deleted, found new finalizers []string{${added.map((finalizer) => JSON.stringify(finalizer)).join(', ')}}`,
        ),
      )
  }
  return errors
}

/** Metadata of a new object: what the client may not choose is set. */
export function fillMetadata(object: KubernetesObject, nowText: string, uid: string, hasGeneration: boolean): void {
  const { metadata } = object
  delete metadata.managedFields
  delete metadata.selfLink
  delete metadata.deletionTimestamp
  delete metadata.deletionGracePeriodSeconds
  metadata.uid = uid
  metadata.creationTimestamp = nowText
  if (hasGeneration) metadata.generation = 1
  else delete metadata.generation
}
