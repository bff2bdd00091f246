import { ageColumn, integerColumn } from '../columns.ts'
import { defineResource } from '../define-resource.ts'
import type { ResourceDefinition } from '../resource-definition.ts'
import type { ServiceAccount } from '../generated/types.ts'

/** An identity for processes in pods. */
export const serviceAccounts: ResourceDefinition<ServiceAccount> = defineResource<ServiceAccount>(
  '',
  'v1',
  'serviceaccounts',
  {
    shortNames: ['sa'],
    columns: [integerColumn('Secrets', (account: ServiceAccount) => account.secrets?.length), ageColumn],
  },
)
