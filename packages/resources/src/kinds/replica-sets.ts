import { selectorFromLabelSelector } from '@binnacle/apimachinery'
import { ageColumn, integerColumn, workloadWideColumns } from '../columns.ts'
import { defineResource } from '../define-resource.ts'
import type { ResourceDefinition } from '../resource-definition.ts'
import type { ReplicaSet } from '../generated/types.ts'
import { deployments } from './deployments.ts'
import { pods } from './pods.ts'
import { replicaSetStrategy } from './replica-set-strategy.ts'

/** A set of equal pods. */
export const replicaSets: ResourceDefinition<ReplicaSet> = defineResource<ReplicaSet>('apps', 'v1', 'replicasets', {
  shortNames: ['rs'],
  categories: ['all'],
  selectableFields: ['status.replicas'],
  columns: [
    integerColumn('Desired', (set: ReplicaSet) => set.spec?.replicas),
    integerColumn('Current', (set: ReplicaSet) => set.status?.replicas),
    integerColumn('Ready', (set: ReplicaSet) => set.status?.readyReplicas),
    ageColumn,
    ...workloadWideColumns<ReplicaSet>(
      (set) => set.spec?.template?.spec?.containers,
      (set) => selectorFromLabelSelector(set.spec?.selector).toString(),
    ),
  ],
  edges: {
    pods: { to: () => pods, by: 'controlledBy' },
    deployment: { to: () => deployments, by: 'controller' },
  },
  scale: { specReplicasPath: '.spec.replicas', statusReplicasPath: '.status.replicas', selectorPath: '.spec.selector' },
  strategy: replicaSetStrategy,
})
