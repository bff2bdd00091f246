import { ageColumn, column } from '../columns.ts'
import { defineResource } from '../define-resource.ts'
import type { ResourceSlice } from '../generated/types.ts'
import type { ResourceDefinition } from '../resource-definition.ts'
import { nodes } from './nodes.ts'
import { resourceSliceStrategy } from './resource-slice-strategy.ts'

/** What a driver of devices offers on a node. */
export const resourceSlices: ResourceDefinition<ResourceSlice> = defineResource<ResourceSlice>(
  'resource.k8s.io',
  'v1',
  'resourceslices',
  {
    selectableFields: ['spec.nodeName', 'spec.driver'],
    columns: [
      column('Node', (slice: ResourceSlice) => slice.spec.nodeName ?? '<unset>'),
      column('Driver', (slice: ResourceSlice) => slice.spec.driver),
      column('Pool', (slice: ResourceSlice) => slice.spec.pool.name),
      ageColumn,
    ],
    edges: { node: { to: () => nodes, by: 'name', path: 'spec.nodeName' } },
    strategy: resourceSliceStrategy,
  },
)
