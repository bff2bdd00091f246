import { selectorFromLabelSelector } from '@binnacle/apimachinery'
import { ageColumn, column, integerColumn, workloadWideColumns } from '../columns.ts'
import { defineResource } from '../define-resource.ts'
import type { ResourceDefinition } from '../resource-definition.ts'
import type { Deployment } from '../generated/types.ts'
import { deploymentStrategy } from './deployment-strategy.ts'
import { pods } from './pods.ts'
import { replicaSets } from './replica-sets.ts'

/** A set of equal pods that is updated in place of the old one, step by step. */
export const deployments: ResourceDefinition<Deployment> = defineResource<Deployment>('apps', 'v1', 'deployments', {
  shortNames: ['deploy'],
  categories: ['all'],
  columns: [
    column(
      'Ready',
      (deployment: Deployment) => `${deployment.status?.readyReplicas ?? 0}/${deployment.spec?.replicas ?? 0}`,
    ),
    integerColumn('Up-to-date', (deployment: Deployment) => deployment.status?.updatedReplicas),
    integerColumn('Available', (deployment: Deployment) => deployment.status?.availableReplicas),
    ageColumn,
    ...workloadWideColumns<Deployment>(
      (deployment) => deployment.spec?.template.spec?.containers,
      (deployment) => selectorFromLabelSelector(deployment.spec?.selector).toString(),
    ),
  ],
  edges: {
    replicaSets: { to: () => replicaSets, by: 'controlledBy' },
    pods: { to: () => pods, by: 'selector', path: 'spec.selector' },
  },
  scale: { specReplicasPath: '.spec.replicas', statusReplicasPath: '.status.replicas', selectorPath: '.spec.selector' },
  strategy: deploymentStrategy,
})
