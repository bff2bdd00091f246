import {
  dns1123LabelProblems,
  type FieldError,
  invalidValue,
  maskTrailingDash,
  qualifiedNameProblems,
} from '@binnacle/apimachinery'
import type { Namespace } from '../generated/types.ts'
import type { Strategy } from '../resource-definition.ts'
import { textErrors } from './field-checks.ts'

const nameLabel = 'kubernetes.io/metadata.name'
const standardFinalizers = ['kubernetes', 'orphan', 'foregroundDeletion']

/** Rules of Namespaces: their own finalizer, which the namespace controller removes last, and the label that carries the name. */
export const namespaceStrategy: Strategy<Namespace> = {
  applyDefaults(namespace) {
    if (namespace.metadata.name)
      namespace.metadata.labels = { ...namespace.metadata.labels, [nameLabel]: namespace.metadata.name }
  },
  prepareForCreate(namespace) {
    const finalizers = namespace.spec?.finalizers ?? []
    namespace.spec = { finalizers: finalizers.includes('kubernetes') ? finalizers : [...finalizers, 'kubernetes'] }
    namespace.status = { phase: 'Active' }
  },
  prepareForUpdate(namespace, old) {
    // Finalizers change through the `finalize` subresource only.
    if (old.spec !== undefined) namespace.spec = old.spec
  },
  validate: (namespace) => finalizerErrors(namespace, () => 'spec.finalizers'),
  validateStatusUpdate(namespace) {
    const { deletionTimestamp } = namespace.metadata
    const phase = namespace.status?.phase ?? ''
    if (deletionTimestamp === undefined)
      return phase === 'Active'
        ? []
        : [invalidValue('status.Phase', phase, "may only be 'Active' if `deletionTimestamp` is empty")]
    return phase === 'Terminating'
      ? []
      : [invalidValue('status.Phase', phase, "may only be 'Terminating' if `deletionTimestamp` is not empty")]
  },
  validateSubresourceUpdate: (subresource, namespace) =>
    subresource === 'finalize' ? finalizerErrors(namespace, (index) => `spec.finalizers[${index}]`) : [],
  validateName: (name, isPrefix) => dns1123LabelProblems(isPrefix ? maskTrailingDash(name) : name),
}

function finalizerErrors(namespace: Namespace, fieldOf: (index: number) => string): FieldError[] {
  return (namespace.spec?.finalizers ?? []).flatMap((finalizer, index) => {
    const errors = textErrors(fieldOf(index), finalizer, qualifiedNameProblems)
    if (!finalizer.includes('/') && !standardFinalizers.includes(finalizer))
      errors.push(
        invalidValue(fieldOf(index), finalizer, 'name is neither a standard finalizer name nor is it fully qualified'),
      )
    return errors
  })
}
