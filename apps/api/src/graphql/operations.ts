import { badRequest, StatusError } from '@binnacle/apimachinery'
import {
  type DocumentNode,
  getOperationAST,
  GraphQLError,
  type GraphQLSchema,
  type OperationDefinitionNode,
  parse,
  validate,
} from 'graphql'
import { queryTokensMax } from '../limits.ts'
import type { Log } from '../log.ts'
import { graphqlError } from './errors.ts'
import { exceededLimit } from './query-limits.ts'

const documentsMax = 500

/** An operation that is fit to run. */
export interface PreparedOperation {
  readonly document: DocumentNode
  readonly operation: OperationDefinitionNode
}

/** Parses and validates what arrives over WebSockets, each document once. (Over HTTP Apollo Server does.) */
export class Operations {
  readonly #schema: GraphQLSchema
  readonly #documents = new Map<string, DocumentNode | readonly GraphQLError[]>()

  constructor(schema: GraphQLSchema) {
    this.#schema = schema
  }

  /** The operation, or what is wrong with it. */
  prepare(
    query: string,
    operationName: string | undefined,
    variables: Readonly<Record<string, unknown>>,
  ): PreparedOperation | readonly GraphQLError[] {
    const document = this.#document(query)
    if (!('kind' in document)) return document
    const operation = getOperationAST(document, operationName)
    if (operation === null || operation === undefined)
      return [graphqlError(badRequest('the document has several operations: operationName must say which'))]
    const exceeded = exceededLimit(this.#schema, document, operation, variables)
    return exceeded === undefined ? { document, operation } : [exceeded]
  }

  #document(query: string): DocumentNode | readonly GraphQLError[] {
    const known = this.#documents.get(query)
    if (known !== undefined) return known
    const document = this.#check(query)
    if (this.#documents.size >= documentsMax) this.#documents.delete(this.#documents.keys().next().value as string)
    this.#documents.set(query, document)
    return document
  }

  #check(query: string): DocumentNode | readonly GraphQLError[] {
    try {
      const document = parse(query, { maxTokens: queryTokensMax })
      const errors = validate(this.#schema, document)
      if (errors.length === 0) return document
      for (const error of errors) error.extensions['code'] ??= 'GRAPHQL_VALIDATION_FAILED'
      return errors
    } catch (error) {
      const problem = error as GraphQLError
      problem.extensions['code'] ??= 'GRAPHQL_PARSE_FAILED'
      return [problem]
    }
  }
}

/**
 * An error as clients may see it: what we say on purpose as it is, and everything else as an internal error under the request's id, with the
 * details in the log only.
 */
export function visibleError(error: unknown, requestId: string, log: Log): GraphQLError {
  const original = error instanceof GraphQLError ? error.originalError : error
  const where = error instanceof GraphQLError ? { nodes: error.nodes ?? null, path: error.path ?? null } : {}
  if (original instanceof StatusError) {
    const { message, extensions } = graphqlError(original)
    return new GraphQLError(message, { ...where, extensions })
  }
  if (error instanceof GraphQLError && (original === undefined || original instanceof GraphQLError)) return error
  log('error', 'GraphQL operation failed', { requestId, error: (original as Error).stack ?? String(original) })
  return new GraphQLError(`Internal error: request ${requestId} failed; the server's log says why`, {
    ...where,
    extensions: { code: 'InternalError' },
  })
}
