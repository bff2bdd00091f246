import { nodes, type Pod } from '@binnacle/resources'
import type { AdmissionStore } from './admission.ts'

const copied = ['topology.kubernetes.io/region', 'topology.kubernetes.io/zone']

/** Where a node is, as its pods say it, too; nothing for a node that is not there (plugin PodTopologyLabels). */
export function topologyLabelsOf(store: Pick<AdmissionStore, 'get'>, nodeName: string): Record<string, string> {
  const labels = store.get({ resource: nodes.storageName, namespace: '', name: nodeName })?.labels ?? {}
  return Object.fromEntries(copied.flatMap((key) => (labels[key] === undefined ? [] : [[key, labels[key]]])))
}

/** A pod that is made for a node says where that is, unless it says something else. A pod that is scheduled gets these labels with its node. */
export function addTopologyLabels(store: Pick<AdmissionStore, 'get'>, pod: Pod): void {
  if (!pod.spec?.nodeName) return
  const labels = topologyLabelsOf(store, pod.spec.nodeName)
  if (Object.keys(labels).length > 0) pod.metadata.labels = { ...labels, ...pod.metadata.labels }
}
