import { dns1123LabelProblems } from '@binnacle/apimachinery'
import type { Namespace } from '../generated/types.ts'
import type { Strategy } from '../resource-definition.ts'

const nameLabel = 'kubernetes.io/metadata.name'

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
  validateName: (name, isPrefix) => dns1123LabelProblems(isPrefix ? `${name.slice(0, 58)}x` : name),
}
