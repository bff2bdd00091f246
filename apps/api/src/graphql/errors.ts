import { type Status, StatusError } from '@binnacle/apimachinery'
import { GraphQLError } from 'graphql'

// What a caller can act on is part of a mutation's answer; the rest fails the field.
const answeredReasons = new Set(['NotFound', 'AlreadyExists', 'Conflict', 'Invalid', 'Forbidden', 'BadRequest'])

/** The `error` of a mutation's payload: a Status in GraphQL's form. */
export interface PayloadError {
  readonly reason: string
  readonly code: number
  readonly message: string
  readonly causes: readonly { reason?: string; field?: string; message?: string }[]
  readonly retryAfterSeconds: number | null
}

/** The error as data, where the caller can act on it; undefined where the field has to fail. */
export function payloadError(error: unknown): PayloadError | undefined {
  if (!(error instanceof StatusError) || !(answeredReasons.has(error.reason) || isQuota(error.status))) return undefined
  return {
    reason: error.reason,
    code: error.code,
    message: error.message,
    causes: error.status.details?.causes ?? [],
    retryAfterSeconds: error.status.details?.retryAfterSeconds ?? null,
  }
}

// An eviction that a disruption budget refuses says 429; it is an answer, not a failure.
function isQuota(status: Status): boolean {
  return (status.details?.causes ?? []).some((cause) => cause.reason === 'DisruptionBudget')
}

/** A StatusError as GraphQL tells it: the reason as code, the whole Status beside it. */
export function graphqlError(error: StatusError): GraphQLError {
  const continueToken = (error.status.metadata as { continue?: string }).continue
  return new GraphQLError(error.message, {
    originalError: error,
    extensions: {
      code: error.reason === 'Expired' ? 'EXPIRED' : error.reason,
      status: error.status,
      ...(continueToken === undefined ? {} : { continue: continueToken }),
    },
  })
}

/** Gives a resolver's StatusError GraphQL's form; anything else stays as it is and is masked later. */
export function toGraphqlError(error: unknown): unknown {
  return error instanceof StatusError ? graphqlError(error) : error
}
