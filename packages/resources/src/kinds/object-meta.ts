import {
  dns1123LabelProblems,
  dns1123SubdomainProblems,
  type FieldError,
  forbiddenField,
  invalidValue,
  type KubernetesObject,
  labelValueProblems,
  maskTrailingDash,
  type ObjectMeta,
  type OwnerReference,
  qualifiedNameProblems,
  required,
  semanticEqual,
  valueTooLong,
} from '@binnacle/apimachinery'
import type { ResourceDefinition } from '../resource-definition.ts'

/** Rules of metadata, the same for every kind, with the texts of apimachinery's `api/validation/objectmeta.go`. */

const annotationBytesMax = 256 * 1024
const orphanFinalizer = 'orphan'
const foregroundFinalizer = 'foregroundDeletion'
const bytes = new TextEncoder()

/** What the rules need of a resource; every definition fits. */
export type MetadataRules = Pick<ResourceDefinition<any>, 'scope' | 'strategy'>

/** Problems of the metadata of an object that is to be created; a generated name must be there already. */
export function validateObjectMeta(object: KubernetesObject, definition: MetadataRules): FieldError[] {
  const { metadata } = object
  const namespaced = definition.scope === 'Namespaced'
  return [
    ...nameErrors(metadata, definition),
    ...namespaceErrors(metadata.namespace, namespaced),
    ...validateLabels(metadata.labels, 'metadata.labels'),
    ...validateAnnotations(metadata.annotations, 'metadata.annotations'),
    ...validateOwnerReferences(metadata.ownerReferences ?? [], 'metadata.ownerReferences'),
    ...validateFinalizers(metadata.finalizers ?? [], 'metadata.finalizers'),
  ]
}

/** Problems of the metadata of an update. The write path has filled in what the caller may leave out (uid, creationTimestamp, resourceVersion). */
export function validateObjectMetaUpdate(object: KubernetesObject, old: KubernetesObject): FieldError[] {
  const [now, before] = [object.metadata, old.metadata]
  const errors: FieldError[] = []
  if (before.deletionTimestamp !== undefined) errors.push(...newFinalizerErrors(now, before))
  if (!now.resourceVersion) errors.push(invalidValue('metadata.resourceVersion', '', 'must be specified for an update'))
  for (const field of immutableMetadata) {
    if (!semanticEqual(now[field], before[field]))
      errors.push(invalidValue(`metadata.${field}`, now[field] ?? emptyOf(field), 'field is immutable'))
  }
  errors.push(
    ...validateLabels(now.labels, 'metadata.labels'),
    ...validateAnnotations(now.annotations, 'metadata.annotations'),
    ...validateOwnerReferences(now.ownerReferences ?? [], 'metadata.ownerReferences'),
  )
  if (!semanticEqual(now.finalizers, before.finalizers))
    errors.push(...validateFinalizers(now.finalizers ?? [], 'metadata.finalizers'))
  return errors
}

const immutableMetadata = [
  'name',
  'namespace',
  'uid',
  'creationTimestamp',
  'deletionTimestamp',
  'deletionGracePeriodSeconds',
] as const

// Go prints absent texts as "", absent pointers and times as null.
function emptyOf(field: (typeof immutableMetadata)[number]): string | null {
  return field === 'name' || field === 'namespace' || field === 'uid' ? '' : null
}

function nameErrors(metadata: ObjectMeta, { strategy }: MetadataRules): FieldError[] {
  const problemsOf = (name: string, isPrefix: boolean): string[] =>
    strategy.validateName?.(name, isPrefix) ?? dns1123SubdomainProblems(isPrefix ? maskTrailingDash(name) : name)
  const errors: FieldError[] = []
  if (metadata.generateName)
    for (const problem of problemsOf(metadata.generateName, true))
      errors.push(invalidValue('metadata.generateName', metadata.generateName, problem))
  if (!metadata.name) errors.push(required('metadata.name', 'name or generateName is required'))
  else
    for (const problem of problemsOf(metadata.name, false))
      errors.push(invalidValue('metadata.name', metadata.name, problem))
  return errors
}

function namespaceErrors(namespace: string | undefined, namespaced: boolean): FieldError[] {
  if (!namespaced) return namespace ? [forbiddenField('metadata.namespace', 'not allowed on this type')] : []
  if (!namespace) return [required('metadata.namespace')]
  return dns1123LabelProblems(namespace).map((problem) => invalidValue('metadata.namespace', namespace, problem))
}

/** Problems of labels: keys are qualified names, values label values. */
export function validateLabels(labels: Readonly<Record<string, string>> | undefined, path: string): FieldError[] {
  const errors: FieldError[] = []
  for (const key in labels) {
    for (const problem of qualifiedNameProblems(key)) errors.push(invalidValue(path, key, problem))
    const value = labels[key] as string
    for (const problem of labelValueProblems(value)) errors.push(invalidValue(path, value, problem))
  }
  return errors
}

/** Problems of annotations: keys are qualified names in any case of letters, and all of it stays below 256 KiB. */
export function validateAnnotations(
  annotations: Readonly<Record<string, string>> | undefined,
  path: string,
): FieldError[] {
  const errors: FieldError[] = []
  let size = 0
  for (const key in annotations) {
    for (const problem of qualifiedNameProblems(key.toLowerCase())) errors.push(invalidValue(path, key, problem))
    size += key.length + (annotations[key] as string).length
  }
  // A UTF-16 unit takes three bytes at most: the exact size costs, and matters only near the limit.
  if (size * 3 > annotationBytesMax && byteSize(annotations ?? {}) > annotationBytesMax)
    errors.push(valueTooLong(path, annotationBytesMax))
  return errors
}

function byteSize(map: Readonly<Record<string, string>>): number {
  let size = 0
  for (const key in map) size += bytes.encode(key).length + bytes.encode(map[key]).length
  return size
}

/** Problems of owner references: each complete, and one controller at most. */
export function validateOwnerReferences(references: readonly OwnerReference[], path: string): FieldError[] {
  const errors: FieldError[] = []
  let controller = ''
  for (const [index, reference] of references.entries()) {
    errors.push(...ownerReferenceErrors(reference, `${path}[${index}]`))
    if (reference.controller !== true) continue
    const name = `${reference.kind}/${reference.name}`
    if (controller === '') controller = name
    else
      errors.push(
        invalidValue(
          path,
          references,
          `Only one reference can have Controller set to true. Found "true" in references for ${controller} and ${name}`,
        ),
      )
  }
  return errors
}

function ownerReferenceErrors(reference: OwnerReference, path: string): FieldError[] {
  const errors: FieldError[] = []
  if (!reference.apiVersion) errors.push(required(`${path}.apiVersion`, 'must not be empty'))
  else if (!/^([^/]+\/)?[^/]+$/.test(reference.apiVersion))
    errors.push(invalidValue(`${path}.apiVersion`, reference.apiVersion, 'must be <group>/<version> or <version>'))
  for (const field of ['kind', 'name', 'uid'] as const)
    if (!reference[field]) errors.push(required(`${path}.${field}`, 'must not be empty'))
  if (reference.apiVersion === 'v1' && reference.kind === 'Event')
    errors.push(invalidValue(path, reference, '/v1, Kind=Event is disallowed from being an owner'))
  return errors
}

/** Problems of finalizers: qualified names, and not both ways of treating dependents. */
export function validateFinalizers(finalizers: readonly string[], path: string): FieldError[] {
  const errors = finalizers.flatMap((finalizer) =>
    qualifiedNameProblems(finalizer).map((problem) => invalidValue(path, finalizer, problem)),
  )
  if (finalizers.includes(orphanFinalizer) && finalizers.includes(foregroundFinalizer))
    errors.push(
      invalidValue(path, finalizers, `finalizer ${orphanFinalizer} and ${foregroundFinalizer} cannot be both set`),
    )
  return errors
}

function newFinalizerErrors(now: ObjectMeta, before: ObjectMeta): FieldError[] {
  const extra = [...new Set(now.finalizers ?? [])].filter((finalizer) => !before.finalizers?.includes(finalizer)).sort()
  if (extra.length === 0) return []
  const list = extra.map((finalizer) => JSON.stringify(finalizer)).join(', ')
  return [
    forbiddenField(
      'metadata.finalizers',
      `no new finalizers can be added if the object is being deleted, found new finalizers []string{${list}}`,
    ),
  ]
}
