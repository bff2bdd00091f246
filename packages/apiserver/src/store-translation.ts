import { alreadyExists, conflict, expired, notFound, type ResourceName, StatusError } from '@binnacle/apimachinery'
import { Compacted, FutureRevision, KeyExists, KeyMissing, RevisionMismatch, StoreUnavailable } from '@binnacle/store'

/** The one place where the store's refusals become answers to a caller. Anything else is passed on as it is. */
export function asStatusError(error: unknown, resource: ResourceName, name: string): unknown {
  if (error instanceof KeyExists) return alreadyExists(resource, name)
  if (error instanceof KeyMissing) return notFound(resource, name)
  if (error instanceof RevisionMismatch) return conflict(resource, name)
  if (error instanceof Compacted) return tooOld(error)
  if (error instanceof FutureRevision) return tooLarge(error.message)
  if (error instanceof StoreUnavailable)
    return new StatusError(
      'ServiceUnavailable',
      `the store is unavailable: ${error.message}`,
      { retryAfterSeconds: 1 },
      { cause: error },
    )
  return error
}

function tooOld(error: Compacted): StatusError {
  return expired(
    `The resourceVersion for the provided watch is too old: revisions before ${error.horizon} are compacted.`,
  )
}

/** A revision that does not exist yet: clients recognise the cause and ask again (apimachinery `storage.NewTooLargeResourceVersionError`). */
export function tooLarge(detail: string): StatusError {
  return new StatusError('Timeout', `Too large resource version: ${detail}`, {
    causes: [{ reason: 'ResourceVersionTooLarge', message: 'Too large resource version' }],
    retryAfterSeconds: 1,
  })
}
