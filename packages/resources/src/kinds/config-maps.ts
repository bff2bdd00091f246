import { ageColumn, integerColumn } from '../columns.ts'
import { defineResource } from '../define-resource.ts'
import type { ResourceDefinition } from '../resource-definition.ts'
import type { ConfigMap } from '../generated/types.ts'
import { configMapStrategy } from './config-map-strategy.ts'

/** Configuration that pods read. */
export const configMaps: ResourceDefinition<ConfigMap> = defineResource<ConfigMap>('', 'v1', 'configmaps', {
  shortNames: ['cm'],
  columns: [
    integerColumn(
      'Data',
      (map: ConfigMap) => Object.keys(map.data ?? {}).length + Object.keys(map.binaryData ?? {}).length,
    ),
    ageColumn,
  ],
  strategy: configMapStrategy,
})
