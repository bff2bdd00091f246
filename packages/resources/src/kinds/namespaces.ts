import { ageColumn, column } from '../columns.ts'
import { defineResource } from '../define-resource.ts'
import type { ResourceDefinition } from '../resource-definition.ts'
import type { Namespace } from '../generated/types.ts'
import { namespaceStrategy } from './namespace-strategy.ts'

/** A scope for names. */
export const namespaces: ResourceDefinition<Namespace> = defineResource<Namespace>('', 'v1', 'namespaces', {
  shortNames: ['ns'],
  selectableFields: ['status.phase'],
  columns: [column('Status', (namespace: Namespace) => namespace.status?.phase ?? ''), ageColumn],
  strategy: namespaceStrategy,
})
