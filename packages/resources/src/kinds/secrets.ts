import { ageColumn, column, integerColumn } from '../columns.ts'
import { defineResource } from '../define-resource.ts'
import type { ResourceDefinition } from '../resource-definition.ts'
import type { Secret } from '../generated/types.ts'
import { secretStrategy } from './secret-strategy.ts'

/** Confidential data that pods read. */
export const secrets: ResourceDefinition<Secret> = defineResource<Secret>('', 'v1', 'secrets', {
  selectableFields: ['type'],
  columns: [
    column('Type', (secret: Secret) => secret.type ?? ''),
    integerColumn('Data', (secret: Secret) => Object.keys(secret.data ?? {}).length),
    ageColumn,
  ],
  strategy: secretStrategy,
})
