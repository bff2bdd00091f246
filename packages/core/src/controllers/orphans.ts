import { controllerOf, type KubernetesObject } from '@binnacle/apimachinery'
import type { Informer } from '@binnacle/client'

const indexed = new WeakSet<Informer<any>>()

/** Objects of a namespace that no controller has: those that one may adopt. Found by an index that the first call adds. */
export function orphansIn<T extends KubernetesObject>(informer: Informer<T>, namespace: string): readonly T[] {
  if (!indexed.has(informer)) {
    indexed.add(informer)
    informer.addIndex('orphans', (object) =>
      controllerOf(object) === undefined ? [object.metadata.namespace ?? ''] : [],
    )
  }
  return informer.byIndex('orphans', namespace)
}
