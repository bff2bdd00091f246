import type { RequestContext } from '@binnacle/apiserver'
import { GraphQLInt, GraphQLList, GraphQLNonNull, GraphQLObjectType, GraphQLString } from 'graphql'
import type { GraphqlContext } from '../context.ts'
import { payloadError, toGraphqlError } from '../errors.ts'
import type { Fields } from './type-builder.ts'

const text = new GraphQLNonNull(GraphQLString)

const cause = new GraphQLObjectType({
  name: 'StatusCause',
  description: 'One problem; for invalid objects one field.',
  fields: { reason: { type: GraphQLString }, field: { type: GraphQLString }, message: { type: GraphQLString } },
})

const statusError = new GraphQLObjectType({
  name: 'StatusError',
  description: 'Why a write was refused, as the Kubernetes API says it in a Status.',
  fields: {
    reason: { type: text, description: '`NotFound`, `AlreadyExists`, `Conflict`, `Invalid`, `Forbidden` …' },
    code: { type: new GraphQLNonNull(GraphQLInt), description: 'The HTTP code of the same answer over REST.' },
    message: { type: text },
    causes: { type: new GraphQLNonNull(new GraphQLList(new GraphQLNonNull(cause))) },
    retryAfterSeconds: { type: GraphQLInt },
  },
})

/** What every payload has. */
export const payloadFields: Fields = {
  resourceVersion: {
    type: GraphQLString,
    description: 'The revision of the write: reads and subscriptions that name it see the write.',
  },
  warnings: { type: new GraphQLNonNull(new GraphQLList(text)) },
  error: { type: statusError, description: 'Why nothing was written; null when it was.' },
}

/** What a mutation's resolver gives back when it has written. */
export type Answer = Record<string, unknown>

/**
 * Runs a mutation: its warnings go into the payload, and so do errors that the caller can act on; others fail the field.
 * `nothing` is what the payload holds beside an error.
 */
export function writing(
  write: (args: any, context: GraphqlContext, request: RequestContext) => Promise<Answer>,
  nothing: Answer = { object: null },
): (source: unknown, args: any, context: GraphqlContext) => Promise<Answer> {
  return async (_source, args, context) => {
    const { user, requestId, userAgent } = context.request
    const warnings: string[] = []
    const request = { user, requestId, userAgent, warn: (warning: string) => void warnings.push(warning) }
    try {
      return { ...(await write(args, context, request)), warnings, error: null }
    } catch (error) {
      const answer = payloadError(error)
      if (answer === undefined) throw toGraphqlError(error)
      return { ...nothing, resourceVersion: null, warnings, error: answer }
    }
  }
}
