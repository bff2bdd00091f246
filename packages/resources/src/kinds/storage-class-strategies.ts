import { type FieldError, forbiddenField, required, semanticEqual } from '@binnacle/apimachinery'
import type { StorageClass, VolumeAttributesClass } from '../generated/types.ts'
import type { Strategy } from '../resource-definition.ts'
import { immutable, oneOf, present } from './field-checks.ts'

const forbidden = (now: unknown, old: unknown, field: string): FieldError[] =>
  semanticEqual(now, old) ? [] : [forbiddenField(field, `updates to ${field} are forbidden.`)]

/** Defaults and rules of storage classes. */
export const storageClassStrategy: Strategy<StorageClass> = {
  applyDefaults(storage) {
    storage.reclaimPolicy ??= 'Delete'
    storage.volumeBindingMode ??= 'Immediate'
  },
  validate: (storage) => [
    ...present('provisioner', storage.provisioner),
    ...oneOf('reclaimPolicy', storage.reclaimPolicy, ['Delete', 'Retain']),
    ...oneOf('volumeBindingMode', storage.volumeBindingMode, ['Immediate', 'WaitForFirstConsumer']),
  ],
  validateUpdate: (storage, old) => [
    ...forbidden(storage.parameters ?? {}, old.parameters ?? {}, 'parameters'),
    ...forbidden(storage.provisioner, old.provisioner, 'provisioner'),
    ...forbidden(storage.reclaimPolicy, old.reclaimPolicy, 'reclaimPolicy'),
    ...immutable('volumeBindingMode', storage.volumeBindingMode, old.volumeBindingMode),
  ],
}

/** Rules of the changeable attributes of volumes. */
export const volumeAttributesClassStrategy: Strategy<VolumeAttributesClass> = {
  validate: (attributes) => [
    ...present('driverName', attributes.driverName),
    ...(Object.keys(attributes.parameters ?? {}).length === 0
      ? [required('parameters', 'must contain at least one key/value pair')]
      : []),
  ],
  validateUpdate: (attributes, old) => [
    ...immutable('driverName', attributes.driverName, old.driverName),
    ...immutable('parameters', attributes.parameters, old.parameters),
  ],
}
