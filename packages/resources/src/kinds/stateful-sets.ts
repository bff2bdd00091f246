import { ageColumn, column, workloadWideColumns } from '../columns.ts'
import { defineResource } from '../define-resource.ts'
import type { ResourceDefinition } from '../resource-definition.ts'
import type { StatefulSet } from '../generated/types.ts'
import { pods } from './pods.ts'
import { statefulSetStrategy } from './stateful-set-strategy.ts'

/** Pods with stable names and storage. */
export const statefulSets: ResourceDefinition<StatefulSet> = defineResource<StatefulSet>('apps', 'v1', 'statefulsets', {
  shortNames: ['sts'],
  categories: ['all'],
  columns: [
    column('Ready', (set: StatefulSet) => `${set.status?.readyReplicas ?? 0}/${set.spec?.replicas ?? 0}`),
    ageColumn,
    ...workloadWideColumns<StatefulSet>(
      (set) => set.spec?.template.spec?.containers,
      () => '',
    ).slice(0, 2),
  ],
  edges: { pods: { to: () => pods, by: 'controlledBy' } },
  scale: { specReplicasPath: '.spec.replicas', statusReplicasPath: '.status.replicas', selectorPath: '.spec.selector' },
  strategy: statefulSetStrategy,
})
