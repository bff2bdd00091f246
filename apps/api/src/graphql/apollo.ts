import type { IncomingMessage } from 'node:http'
import type { Duplex } from 'node:stream'
import { ApolloServer, type ApolloServerPlugin, HeaderMap } from '@apollo/server'
import {
  ApolloServerPluginCacheControlDisabled,
  ApolloServerPluginLandingPageDisabled,
} from '@apollo/server/plugin/disabled'
import { badRequest } from '@binnacle/apimachinery'
import type { ApiServer, Credentials, UserInfo } from '@binnacle/apiserver'
import { GraphQLError, type GraphQLSchema, type OperationDefinitionNode } from 'graphql'
import type { AnyRequest, AnyResponse, Exchange } from '../http/exchange.ts'
import { queryTokensMax } from '../limits.ts'
import type { Log } from '../log.ts'
import type { GraphqlContext } from './context.ts'
import { visibleError } from './operations.ts'
import { exceededLimit } from './query-limits.ts'
import { buildGraphqlSchema } from './schema/build-schema.ts'
import { GraphqlSockets } from './websocket.ts'

/** What the GraphQL endpoint is made of. */
export interface GraphqlOptions {
  readonly apiServer: ApiServer
  authenticate(credentials: Credentials): Promise<UserInfo>
  /** Origins besides the server's own whose pages may open WebSockets. */
  readonly allowedOrigins: readonly string[]
  readonly log: Log
}

/** The GraphQL endpoint: queries and mutations over HTTP by Apollo Server, everything over WebSockets by graphql-ws. */
export interface Graphql {
  readonly schema: GraphQLSchema
  readonly sockets: GraphqlSockets
  handle(incoming: AnyRequest, outgoing: AnyResponse, exchange: Exchange): Promise<void>
  handleUpgrade(request: IncomingMessage, socket: Duplex, head: Buffer, credentials: Credentials): void
  close(): Promise<void>
}

/** Builds the schema of what the API server serves, and starts Apollo Server on it. */
export async function createGraphql(options: GraphqlOptions): Promise<Graphql> {
  const { apiServer, log } = options
  const schema = buildGraphqlSchema(apiServer.registry)
  const apollo = new ApolloServer<GraphqlContext>({
    schema,
    csrfPrevention: true,
    introspection: true,
    includeStacktraceInErrorResponses: false,
    stopOnTerminationSignals: false,
    parseOptions: { maxTokens: queryTokensMax },
    plugins: [
      // Its hook on every field costs two fifths of a list's speed.
      ApolloServerPluginCacheControlDisabled(),
      ApolloServerPluginLandingPageDisabled(),
      presentState,
    ],
    logger: {
      debug: () => undefined,
      info: () => undefined,
      warn: (message) => log('warn', String(message)),
      error: (message) => log('error', String(message)),
    },
  })
  apollo.addPlugin(errorsOf(log))
  await apollo.start()
  const sockets = new GraphqlSockets({ ...options, schema })
  return {
    schema,
    sockets,
    handle: (_incoming, _outgoing, exchange) => answer(apollo, apiServer, exchange),
    handleUpgrade: (request, socket, head, credentials) => sockets.upgrade(request, socket, head, credentials),
    close: async () => {
      await sockets.close()
      await apollo.stop()
    },
  }
}

/** Queries see the state of the moment at which they arrived, all of it at one revision; and none may cost too much. */
const presentState: ApolloServerPlugin<GraphqlContext> = {
  async requestDidStart() {
    return {
      // Without an operation (a wrong operationName) Apollo says so later.
      async didResolveOperation({ schema, document, operation, request }) {
        if (operation === undefined) return
        if (operation.operation === 'subscription') throw overWebSocketsOnly()
        const exceeded = exceededLimit(schema, document, operation, request.variables ?? {})
        if (exceeded !== undefined) throw exceeded
      },
      async responseForOperation({ operation, contextValue }) {
        if ((operation as OperationDefinitionNode | undefined)?.operation === 'query')
          await contextValue.server.store.linearize()
        return null
      },
    }
  },
}

const overWebSocketsOnly = (): GraphQLError =>
  new GraphQLError('A subscription needs a WebSocket (protocol graphql-transport-ws) to this same path', {
    extensions: { code: 'BadRequest', http: { status: 400 } },
  })

// Errors of resolvers that nobody foresaw are told by an id, and written to the log.
function errorsOf(log: Log): ApolloServerPlugin<GraphqlContext> {
  return {
    async requestDidStart() {
      return {
        async willSendResponse({ response, contextValue, errors }) {
          if (errors === undefined || response.body.kind !== 'single') return
          const { requestId } = contextValue.request
          const { singleResult } = response.body
          const formatted = singleResult.errors ?? []
          singleResult.errors = errors.map((error, i) =>
            error.originalError === undefined
              ? (formatted[i] ?? error.toJSON())
              : visibleError(error, requestId, log).toJSON(),
          )
        },
      }
    },
  }
}

async function answer(apollo: ApolloServer<GraphqlContext>, server: ApiServer, exchange: Exchange): Promise<void> {
  exchange.label = 'graphql'
  const headers = new HeaderMap()
  for (const [name, value] of Object.entries(exchange.incoming.headers)) {
    if (value !== undefined && !name.startsWith(':')) headers.set(name, Array.isArray(value) ? value.join(', ') : value)
  }
  const response = await apollo.executeHTTPGraphQLRequest({
    httpGraphQLRequest: { method: exchange.method, headers, search: exchange.url.search, body: await bodyOf(exchange) },
    context: async () => ({ server, request: exchange }),
  })
  if (response.body.kind !== 'complete')
    throw new GraphQLError('Incremental delivery is not offered', { extensions: { code: 'BadRequest' } })
  const { 'content-length': _length, 'content-type': type, ...rest } = Object.fromEntries(response.headers)
  await exchange.send(response.status ?? 200, response.body.string, type, rest)
}

async function bodyOf(exchange: Exchange): Promise<unknown> {
  if (exchange.method !== 'POST') return ''
  const text = (await exchange.body()).toString()
  // Anything that is no JSON is Apollo's to refuse: its CSRF prevention has to see it.
  if (!exchange.header('content-type').toLowerCase().startsWith('application/json')) return text
  try {
    return JSON.parse(text)
  } catch (error) {
    throw badRequest(`the body is not JSON: ${(error as Error).message}`)
  }
}
