import { ageColumn, integerColumn, mapText, workloadWideColumns } from '../columns.ts'
import { defineResource } from '../define-resource.ts'
import type { ResourceDefinition } from '../resource-definition.ts'
import type { ReplicationController } from '../generated/types.ts'
import { pods } from './pods.ts'
import { replicationControllerStrategy } from './replica-set-strategy.ts'

/** A set of equal pods, in the form that came before ReplicaSets. */
export const replicationControllers: ResourceDefinition<ReplicationController> = defineResource<ReplicationController>(
  '',
  'v1',
  'replicationcontrollers',
  {
    shortNames: ['rc'],
    categories: ['all'],
    selectableFields: ['status.replicas'],
    columns: [
      integerColumn('Desired', (controller: ReplicationController) => controller.spec?.replicas),
      integerColumn('Current', (controller: ReplicationController) => controller.status?.replicas),
      integerColumn('Ready', (controller: ReplicationController) => controller.status?.readyReplicas),
      ageColumn,
      ...workloadWideColumns<ReplicationController>(
        (controller) => controller.spec?.template?.spec?.containers,
        (controller) => mapText(controller.spec?.selector),
      ),
    ],
    edges: { pods: { to: () => pods, by: 'controlledBy' } },
    scale: {
      specReplicasPath: '.spec.replicas',
      statusReplicasPath: '.status.replicas',
      selectorPath: '.spec.selector',
    },
    strategy: replicationControllerStrategy,
  },
)
