import { randomUUID } from 'node:crypto'
import type { IncomingMessage } from 'node:http'
import type { Duplex } from 'node:stream'
import { StatusError } from '@binnacle/apimachinery'
import type { ApiServer, Credentials, RequestContext, UserInfo } from '@binnacle/apiserver'
import {
  createSourceEventStream,
  execute,
  type ExecutionArgs,
  type ExecutionResult,
  type GraphQLError,
  type GraphQLSchema,
} from 'graphql'
import { type Context, makeServer, type Server, type SubscribePayload } from 'graphql-ws'
import { type WebSocket, WebSocketServer } from 'ws'
import { bodyBytesMax, socketCheckIntervalMs } from '../limits.ts'
import type { Log } from '../log.ts'
import type { GraphqlContext } from './context.ts'
import { LiveQueries } from './live/live-queries.ts'
import { LiveSource } from './live/live-source.ts'
import { Operations, visibleError } from './operations.ts'

/** What WebSockets need. */
export interface GraphqlSocketsOptions {
  readonly apiServer: ApiServer
  authenticate(credentials: Credentials): Promise<UserInfo>
  readonly allowedOrigins: readonly string[]
  readonly schema: GraphQLSchema
  readonly log: Log
}

interface Connection {
  readonly socket: WebSocket
  readonly userAgent: string
  /** Those of the upgrade request; `connection_init` may bring others. */
  credentials: Credentials
  answersPings: boolean
}

/** The execution arguments of one operation, with what its subscription needs besides. */
interface Operation extends ExecutionArgs {
  readonly contextValue: GraphqlContext
  readonly live: { readonly connection: Connection; readonly id: string; readonly query: string }
}

type SocketContext = Context<Record<string, unknown>, Connection>

/** GraphQL over WebSockets, by the protocol graphql-transport-ws. */
export class GraphqlSockets {
  readonly live = new LiveQueries()
  readonly #options: GraphqlSocketsOptions
  readonly #operations: Operations
  readonly #protocol: Server<Connection>
  readonly #accept = new WebSocketServer({ noServer: true, maxPayload: bodyBytesMax, perMessageDeflate: false })
  readonly #connections = new Set<Connection>()
  readonly #checks = setInterval(() => this.#check(), socketCheckIntervalMs).unref()

  constructor(options: GraphqlSocketsOptions) {
    this.#options = options
    this.#operations = new Operations(options.schema)
    this.#protocol = makeServer<Record<string, unknown>, Connection>({
      onConnect: (context) => this.#onConnect(context),
      onSubscribe: (context, id, payload) => this.#onSubscribe(context, id, payload),
      execute: (args) => this.#execute(args as Operation),
      subscribe: (args) => this.#subscribe(args as Operation),
    })
  }

  /** Takes over the socket of an upgrade request. */
  upgrade(request: IncomingMessage, socket: Duplex, head: Buffer, credentials: Credentials): void {
    if (!this.#isOriginAllowed(request)) {
      socket.end('HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\nConnection: close\r\n\r\n')
      return
    }
    this.#accept.handleUpgrade(request, socket, head, (webSocket) =>
      this.#open({
        socket: webSocket,
        userAgent: request.headers['user-agent'] ?? '',
        credentials,
        answersPings: true,
      }),
    )
  }

  /** Tells clients to go elsewhere, and ends everything. */
  async close(): Promise<void> {
    clearInterval(this.#checks)
    for (const { socket } of this.#connections) socket.close(1001, 'Going away')
    this.live.close()
    for (const { socket } of this.#connections) setTimeout(() => socket.terminate(), 500).unref()
    this.#accept.close()
  }

  // Browsers send the page's origin; other clients none. Cookies mean nothing here, but the habit is a good one.
  #isOriginAllowed({ headers }: IncomingMessage): boolean {
    const { origin, host } = headers
    return origin === undefined || origin === `https://${host}` || this.#options.allowedOrigins.includes(origin)
  }

  #open(connection: Connection): void {
    const { socket } = connection
    this.#connections.add(connection)
    const closed = this.#protocol.opened(
      {
        protocol: socket.protocol,
        send: (text) => new Promise((resolve) => socket.send(text, () => resolve())),
        close: (code, reason) => socket.close(code, reason),
        onMessage: (receive) =>
          socket.on('message', (data) => {
            receive(String(data)).catch((error: unknown) => {
              this.#options.log('error', 'GraphQL socket failed', { error: (error as Error).stack })
              socket.close(1011, 'Internal error')
            })
          }),
      },
      connection,
    )
    socket.on('pong', () => (connection.answersPings = true))
    socket.on('error', () => socket.terminate())
    socket.once('close', (code, reason) => {
      this.#connections.delete(connection)
      void closed(code, String(reason))
    })
  }

  // A client may have gone without a word, and credentials may have been taken back.
  #check(): void {
    for (const connection of this.#connections) {
      const { socket } = connection
      if (!connection.answersPings) {
        socket.terminate()
        continue
      }
      connection.answersPings = false
      socket.ping()
      this.#options.authenticate(connection.credentials).catch((error: unknown) => {
        if (error instanceof StatusError && error.reason === 'Unauthorized') socket.close(4403, 'Forbidden')
      })
    }
  }

  async #onConnect({ extra, connectionParams }: SocketContext): Promise<boolean> {
    const given = connectionParams?.['authorization'] ?? connectionParams?.['Authorization']
    const bearerToken = typeof given === 'string' ? /^(?:Bearer\s+)?(\S+)$/i.exec(given)?.[1] : undefined
    if (bearerToken !== undefined) extra.credentials = { ...extra.credentials, bearerToken }
    try {
      await this.#options.authenticate(extra.credentials)
      return true
    } catch (error) {
      if (error instanceof StatusError) return false
      throw error
    }
  }

  async #onSubscribe(
    { extra: connection }: SocketContext,
    id: string,
    { query, variables, operationName }: SubscribePayload,
  ): Promise<Operation | readonly GraphQLError[]> {
    const requestId = randomUUID()
    try {
      const user = await this.#options.authenticate(connection.credentials)
      const prepared = this.#operations.prepare(query, operationName ?? undefined, variables ?? {})
      if ('length' in prepared) return prepared
      const request: RequestContext = { user, requestId, userAgent: connection.userAgent, warn: () => undefined }
      return {
        schema: this.#options.schema,
        document: prepared.document,
        operationName: operationName ?? null,
        variableValues: variables ?? {},
        contextValue: { server: this.#options.apiServer, request },
        live: { connection, id, query },
      }
    } catch (error) {
      return [visibleError(error, requestId, this.#options.log)]
    }
  }

  async #execute(operation: Operation): Promise<ExecutionResult> {
    const { server, request } = operation.contextValue
    await server.store.linearize()
    const { data, errors } = await execute(operation)
    if (errors === undefined) return data === undefined ? {} : { data }
    const visible = errors.map((error) => visibleError(error, request.requestId, this.#options.log))
    return data === undefined ? { errors: visible } : { data, errors: visible }
  }

  // Results go to the socket directly, encoded once for all who ask the same: the iterator only tells graphql-ws when it is over.
  async #subscribe(operation: Operation): Promise<AsyncGenerator<ExecutionResult>> {
    const { request } = operation.contextValue
    const visible = (error: unknown): GraphQLError => visibleError(error, request.requestId, this.#options.log)
    const { promise: ended, resolve, reject } = Promise.withResolvers<void>()
    // Nobody may be listening yet when it fails.
    ended.catch(() => undefined)
    try {
      const source: unknown = await createSourceEventStream(operation)
      if (!(source instanceof LiveSource)) throw (source as ExecutionResult).errors?.[0] ?? new Error('no source')
      const stop = await this.#openLive(operation, source, (error) => reject(visible(error)))
      return untilEnded(ended, () => {
        stop()
        resolve()
      })
    } catch (error) {
      reject(visible(error))
      return untilEnded(ended, () => undefined)
    }
  }

  #openLive(operation: Operation, source: LiveSource, fail: (error: unknown) => void): Promise<() => void> {
    const { schema, document, operationName, variableValues, contextValue } = operation
    const { connection, id, query } = operation.live
    const { socket } = connection
    const head = `{"id":${JSON.stringify(id)},"type":"next","payload":`
    const key = JSON.stringify([query, operationName, variableValues, contextValue.request.user])
    return this.live.subscribe(
      key,
      {
        schema,
        document,
        operationName: operationName ?? undefined,
        variables: variableValues ?? undefined,
        context: contextValue,
      },
      source,
      { send: (result) => socket.send(`${head}${result}}`), fail, waitingBytes: () => socket.bufferedAmount },
    )
  }
}

/** An iterator without values: it is over when `ended` is, or when its reader stops. */
function untilEnded(ended: Promise<void>, stop: () => void): AsyncGenerator<never> {
  const over = { done: true, value: undefined } as const
  const iterator: AsyncGenerator<never> = {
    next: async () => {
      await ended
      return over
    },
    return: async () => {
      stop()
      return over
    },
    throw: async (error) => {
      stop()
      throw error
    },
    [Symbol.asyncIterator]: () => iterator,
    [Symbol.asyncDispose]: async () => stop(),
  }
  return iterator
}
