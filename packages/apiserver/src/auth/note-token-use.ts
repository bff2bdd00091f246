import { isConflict, isNotFound, type ObjectKey } from '@binnacle/apimachinery'
import { type ResourceDefinition, secrets } from '@binnacle/resources'
import type { ApiServer } from '../api-server.ts'
import { ownRequest } from '../own-request.ts'
import { lastUsedLabel } from './authenticate.ts'

/** Writes on a Secret on which day (`2026-01-31`) its token was used last: tokens that nobody uses are cleaned up. */
export async function noteTokenUse(server: ApiServer, key: ObjectKey, day: string): Promise<void> {
  const patch = { type: 'merge', body: { metadata: { labels: { [lastUsedLabel]: day } } } } as const
  await server.patch(ownRequest, secrets as ResourceDefinition, key, patch).catch((error: unknown) => {
    // It has gone meanwhile, or another request has written the same.
    if (!isNotFound(error) && !isConflict(error)) throw error
  })
}
