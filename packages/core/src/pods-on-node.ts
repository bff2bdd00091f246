import { type Pod, pods } from '@binnacle/resources'
import type { Informer } from '@binnacle/client'
import type { ReconcileContext } from './controller.ts'

const indexName = 'node'
const indexed = new WeakSet<Informer<Pod>>()

/** The pods that are bound to a node, by the cache; '' gives those that are bound to none. */
export function podsOnNode(context: ReconcileContext, nodeName: string): readonly Pod[] {
  const informer = context.informer(pods)
  if (!indexed.has(informer)) {
    indexed.add(informer)
    informer.addIndex(indexName, (pod) => [pod.spec?.nodeName ?? ''])
  }
  return informer.byIndex(indexName, nodeName)
}
