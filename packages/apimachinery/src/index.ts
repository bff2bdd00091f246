/**
 * The vocabulary of the Kubernetes API: objects, keys, labels, fields, quantities, times, conditions, patches, Status errors, and the structure
 * of kinds as data. No I/O; everything here also runs in a browser.
 */
export * from './conditions.ts'
export * from './deep-equal.ts'
export * from './field-errors.ts'
export * from './fields.ts'
export * from './hash.ts'
export * from './int-or-string.ts'
export * from './json-patch.ts'
export * from './labels.ts'
export {
  applyConfiguration,
  checkConfiguration,
  entriesAfterUpdate,
  type ManagedWrite,
} from './managed-fields/field-manager.ts'
export * from './merge-patch.ts'
export * from './names.ts'
export * from './object.ts'
export * from './owner-references.ts'
export * from './quantity.ts'
export * from './schema.ts'
export * from './status-error.ts'
export * from './strategic-merge-patch.ts'
export * from './structural.ts'
export * from './time.ts'
