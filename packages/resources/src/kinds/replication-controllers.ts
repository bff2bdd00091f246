import { ageColumn, integerColumn, mapText, workloadWideColumns } from '../columns.ts'
import { defineResource } from '../define-resource.ts'
import type { ResourceDefinition } from '../resource-definition.ts'
import type { ReplicationController } from '../generated/types.ts'
import { applyPodTemplateDefaults } from './pod-spec-defaults.ts'
import { pods } from './pods.ts'

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
    strategy: {
      applyDefaults(controller) {
        const { spec } = controller
        if (spec === undefined) return
        spec.replicas ??= 1
        const labels = spec.template?.metadata?.labels
        if (labels !== undefined && Object.keys(spec.selector ?? {}).length === 0) spec.selector = { ...labels }
        if (labels !== undefined && controller.metadata.labels === undefined) controller.metadata.labels = { ...labels }
        applyPodTemplateDefaults(spec.template)
      },
    },
  },
)
