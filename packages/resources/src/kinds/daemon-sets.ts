import { selectorFromLabelSelector } from '@binnacle/apimachinery'
import { ageColumn, column, integerColumn, mapText, workloadWideColumns } from '../columns.ts'
import { defineResource } from '../define-resource.ts'
import type { ResourceDefinition } from '../resource-definition.ts'
import type { DaemonSet } from '../generated/types.ts'
import { pods } from './pods.ts'
import { daemonSetStrategy } from './daemon-set-strategy.ts'

/** One pod on each of a set of nodes. */
export const daemonSets: ResourceDefinition<DaemonSet> = defineResource<DaemonSet>('apps', 'v1', 'daemonsets', {
  shortNames: ['ds'],
  categories: ['all'],
  columns: [
    integerColumn('Desired', (set: DaemonSet) => set.status?.desiredNumberScheduled),
    integerColumn('Current', (set: DaemonSet) => set.status?.currentNumberScheduled),
    integerColumn('Ready', (set: DaemonSet) => set.status?.numberReady),
    integerColumn('Up-to-date', (set: DaemonSet) => set.status?.updatedNumberScheduled),
    integerColumn('Available', (set: DaemonSet) => set.status?.numberAvailable),
    column('Node Selector', (set: DaemonSet) => mapText(set.spec?.template.spec?.nodeSelector)),
    ageColumn,
    ...workloadWideColumns<DaemonSet>(
      (set) => set.spec?.template.spec?.containers,
      (set) => selectorFromLabelSelector(set.spec?.selector).toString(),
    ),
  ],
  edges: { pods: { to: () => pods, by: 'controlledBy' } },
  strategy: daemonSetStrategy,
})
