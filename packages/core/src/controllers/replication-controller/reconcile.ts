import { selectorFromMap } from '@binnacle/apimachinery'
import { replicationControllers } from '@binnacle/resources'
import type { Controller } from '../../controller.ts'
import { replicationOf } from '../replica-set/reconcile.ts'

/**
 * Keeps the number of pods that each ReplicationController controls equal to `spec.replicas`: a ReplicaSet with a plain map for a selector
 * (kube-controller-manager `replication/replication_controller.go`).
 */
export function replicationControllerController(): Controller {
  return replicationOf({
    name: 'replication',
    resource: replicationControllers,
    selectorOf: (controller) => selectorFromMap(controller.spec?.selector),
    countsTerminating: false,
  })
}
