import type { IncomingMessage } from 'node:http'
import type { Duplex } from 'node:stream'
import { StatusError } from '@binnacle/apimachinery'
import {
  type ApiServer,
  Authenticator,
  bootstrapCluster,
  briefResources,
  createApiServer,
  decodeBatch,
  encodeBatchResults,
  fieldExtractions,
  followDefinitions,
  noteTokenUse,
} from '@binnacle/apiserver'
import { builtInRegistry } from '@binnacle/resources'
import { openStore, type Store, type StoreOptions } from '@binnacle/store'
import type { ApiConfig } from './config.ts'
import { createGraphql, type Graphql } from './graphql/apollo.ts'
import type { Exchange } from './http/exchange.ts'
import { answerHealth, type HealthCheck } from './http/health.ts'
import { credentialsOf, type HandlerOptions, listen, type Listener, listenPlain } from './http/listener.ts'
import { RequestMetrics } from './http/metrics.ts'
import { decodeRequestBody } from './http/request-body.ts'
import type { Log } from './log.ts'
import {
  aggregatedDiscovery,
  aggregatedType,
  apiGroup,
  apiGroupList,
  apiResourceList,
  apiVersions,
  negotiateAggregated,
} from './rest/discovery.ts'
import { OpenApi } from './rest/openapi.ts'
import { openApiProtobufType } from './rest/openapi-protobuf.ts'
import { matchRoute, type ResourceRoute } from './rest/routes.ts'
import { serveResource } from './rest/verbs.ts'
import { WatchStreams } from './rest/watch-stream.ts'
import { NodeConnections } from './streaming/node-connection.ts'
import { PodStreams } from './streaming/pod-streams.ts'
import { ResourceProxy } from './streaming/proxy.ts'
import { matchProxy } from './streaming/proxy-target.ts'

/** A running API process. */
export interface ApiProcess {
  readonly port: number
  /** The port without TLS; 0: there is none. */
  readonly plainHttpPort: number
  readonly server: ApiServer
  close(): Promise<void>
}

/** The issuer of ServiceAccount tokens, as kubeadm sets it. */
const issuer = 'https://kubernetes.default.svc.cluster.local'

/**
 * Opens the store, sees to what every cluster has, and listens. `storeOptions` change the store's own limits.
 * @throws Error with one sentence when the database or the port cannot be had.
 */
export async function startApiProcess(
  config: ApiConfig,
  log: Log,
  storeOptions: Pick<StoreOptions, 'recentChangesBytesMax' | 'retentionMs'> = {},
): Promise<ApiProcess> {
  const registry = builtInRegistry(config.runtimeConfig)
  const store = await openStore({
    url: config.databaseUrl,
    fieldsOf: fieldExtractions(registry),
    briefResources,
    log,
    ...storeOptions,
  })
  try {
    followDefinitions(store, registry)
    const authenticator = new Authenticator({
      store,
      tokenFile: config.tokenFile,
      serviceAccountKey: config.serviceAccountKey,
      issuer,
      onSecretTokenUse: (key, day) =>
        void noteTokenUse(server, key, day).catch((error: Error) =>
          log('warn', 'the use of a token could not be noted', { ...key, error: error.message }),
        ),
    })
    const server: ApiServer = createApiServer({ store, registry, serviceCidr: config.serviceCidr, authenticator })
    const graphql = await createGraphql({
      apiServer: server,
      authenticate: (credentials) => authenticator.authenticate(credentials),
      allowedOrigins: config.allowedOrigins,
      log,
    })
    const process = new RunningApi({ config, log, store, server, authenticator, graphql })
    await process.listen()
    const { advertiseAddress: address, serviceCidr } = config
    await bootstrapCluster(server, { address, port: process.port, serviceCidr })
    process.ready = true
    return process
  } catch (error) {
    await store.close()
    throw error
  }
}

interface Parts {
  readonly config: ApiConfig
  readonly log: Log
  readonly store: Store
  readonly server: ApiServer
  readonly authenticator: Authenticator
  readonly graphql: Graphql
}

class RunningApi implements ApiProcess {
  readonly server: ApiServer
  ready = false
  readonly #parts: Parts
  readonly #metrics = new RequestMetrics()
  readonly #watches: WatchStreams
  readonly #nodes: NodeConnections
  readonly #podStreams: PodStreams
  readonly #proxy: ResourceProxy
  readonly #openApi: OpenApi
  #listener: Listener | undefined
  #plainListener: Listener | undefined

  constructor(parts: Parts) {
    this.#parts = parts
    this.server = parts.server
    this.#watches = new WatchStreams(parts.server)
    this.#nodes = new NodeConnections(parts.server, parts.config.nodeCredentials)
    this.#podStreams = new PodStreams(parts.server, this.#nodes, parts.log)
    this.#proxy = new ResourceProxy(parts.server, this.#nodes)
    this.#openApi = new OpenApi(parts.server.registry)
    this.#metrics.gauge('apiserver_watchers', 'Watches that are open.', () => this.#watches.count)
    this.#metrics.gauge(
      'binnacle_pod_streams',
      'Logs, commands and forwarded ports of pods that are open.',
      () => this.#podStreams.count,
    )
    const { live } = parts.graphql.sockets
    this.#metrics.gauge('binnacle_subscribers', 'GraphQL subscriptions that are open.', () => live.counts.subscribers)
    this.#metrics.gauge(
      'binnacle_subscription_streams',
      'Watches behind GraphQL subscriptions; equal subscriptions share one.',
      () => live.counts.streams,
    )
    this.#metrics.gauge(
      'binnacle_store_revision',
      'The revision that this process has reached.',
      () => parts.store.cachedRevision,
    )
    this.#metrics.gauge('process_resident_memory_bytes', 'Resident memory.', () => process.memoryUsage.rss())
  }

  get port(): number {
    return this.#listener?.port ?? 0
  }

  get plainHttpPort(): number {
    return this.#plainListener?.port ?? 0
  }

  async listen(): Promise<void> {
    const { config, log, authenticator } = this.#parts
    const handler: HandlerOptions = {
      authenticator,
      metrics: this.#metrics,
      log,
      isPublic: (path) => path === '/version' || /^\/(healthz|livez|readyz)(\/|$)/.test(path),
      handle: (exchange) => this.#route(exchange),
      upgrade: (request, socket, head) => this.#upgrade(request, socket, head),
    }
    this.#listener = await listen({ ...config, ...handler })
    if (config.plainHttpPort !== undefined) this.#plainListener = await listenPlain(config.plainHttpPort, handler)
  }

  async close(): Promise<void> {
    this.ready = false
    this.#watches.close()
    this.#podStreams.close()
    this.#nodes.close()
    await this.#parts.graphql.close()
    await Promise.all([this.#listener?.close(), this.#plainListener?.close()])
    await this.#parts.store.close()
  }

  async #route(exchange: Exchange): Promise<void> {
    const { path } = exchange
    const proxied = matchProxy(path)
    if (proxied !== undefined) return await this.#proxy.serve(exchange, proxied)
    if (path.startsWith('/api/') || path.startsWith('/apis/')) {
      const route = matchRoute(this.server.registry, path) ?? (await this.#matchNewest(path))
      if (route !== undefined)
        return await serveResource(
          { server: this.server, watches: this.#watches, podStreams: this.#podStreams },
          exchange,
          route,
        )
    }
    if (path === '/graphql') return await this.#parts.graphql.handle(exchange.incoming, exchange.outgoing, exchange)
    await this.#routeRest(exchange, path)
  }

  // What is not known here may have been defined at another process a moment ago.
  async #matchNewest(path: string): Promise<ResourceRoute | undefined> {
    if (!/^\/apis\/[^/]+\.[^/]+\/[^/]+\/[^/]/.test(path) || path === '/apis/binnacle.dev/v1/writes') return undefined
    const { generation } = this.server.registry
    await this.#parts.store.linearize()
    return this.server.registry.generation === generation ? undefined : matchRoute(this.server.registry, path)
  }

  async #routeRest(exchange: Exchange, path: string): Promise<void> {
    if (path === '/apis/binnacle.dev/v1/writes') return await this.#writes(exchange)
    const health = /^\/(healthz|livez|readyz)(?:\/(.+))?$/.exec(path)
    if (health !== null)
      return await answerHealth(exchange, health[1] as string, this.#checks(health[1] as string), health[2] ?? '')
    if (path === '/version') return await exchange.json(200, version)
    if (path === '/metrics')
      return await exchange.send(200, this.#metrics.text(), 'text/plain; version=0.0.4; charset=utf-8')
    if (path.startsWith('/openapi/')) return await this.#serveOpenApi(exchange, path)
    if (path === '/' || path === '/api' || path.startsWith('/api/') || path === '/apis' || path.startsWith('/apis/'))
      return await this.#discover(exchange, path.replace(/\/$/, ''))
    throw new StatusError('NotFound', 'the server could not find the requested resource')
  }

  #checks(endpoint: string): readonly HealthCheck[] {
    const ping: HealthCheck = { name: 'ping', check: async () => undefined }
    if (endpoint === 'livez') return [ping]
    const store: HealthCheck = { name: 'store', check: () => this.#parts.store.ping() }
    const ready: HealthCheck = {
      name: 'bootstrap',
      check: async () => {
        if (!this.ready) throw new Error('the process is starting or stopping')
      },
    }
    return [ping, store, ready]
  }

  async #writes(exchange: Exchange): Promise<void> {
    if (exchange.method !== 'POST')
      throw new StatusError('MethodNotAllowed', 'the server does not allow this method on the requested resource')
    exchange.label = 'create writes'
    const { value } = decodeRequestBody(exchange.header('content-type'), await exchange.body(), false)
    const { writes, atomic } = decodeBatch(this.server.registry, value)
    await exchange.json(200, encodeBatchResults(await this.server.writeAll(exchange, writes, { atomic })))
  }

  async #serveOpenApi(exchange: Exchange, path: string): Promise<void> {
    const accept = exchange.header('accept')
    const isProtobuf = path === '/openapi/v2' && accept.includes('application/com.github.proto-openapi.spec.v2')
    const type = isProtobuf ? openApiProtobufType : 'application/json'
    const document =
      path === '/openapi/v2'
        ? this.#openApi[isProtobuf ? 'v2Protobuf' : 'v2']()
        : path === '/openapi/v3'
          ? this.#openApi.index()
          : this.#openApi.document(path.slice('/openapi/v3/'.length))
    if (document === undefined) throw new StatusError('NotFound', 'the server could not find the requested resource')
    const etag = `"${document.hash}"`
    if (exchange.header('if-none-match') === etag) return await exchange.send(304, '', type, { etag })
    if (!exchange.takesGzip) return await exchange.send(200, document.bytes, type, { etag })
    exchange.head(200, {
      'content-type': type,
      'content-encoding': 'gzip',
      'content-length': document.gzip.length,
      vary: 'Accept, Accept-Encoding',
      etag,
    })
    exchange.outgoing.end(document.gzip)
  }

  async #discover(exchange: Exchange, path: string): Promise<void> {
    const { registry } = this.server
    const parts = path.split('/').slice(1)
    const aggregated = parts.length === 1 ? negotiateAggregated(exchange.header('accept')) : undefined
    if (aggregated !== undefined && (parts[0] === 'api' || parts[0] === 'apis')) {
      return await exchange.send(
        200,
        JSON.stringify(aggregatedDiscovery(registry, parts[0] === 'api', aggregated)),
        aggregatedType(aggregated),
        { vary: 'Accept' },
      )
    }
    const document = this.#discoveryDocument(exchange, parts)
    if (document === undefined) throw new StatusError('NotFound', 'the server could not find the requested resource')
    await exchange.json(200, document)
  }

  #discoveryDocument(exchange: Exchange, parts: readonly string[]): object | undefined {
    const { registry } = this.server
    const [root, first, second] = parts
    if (root === undefined || root === '')
      return {
        paths: [
          '/api',
          '/api/v1',
          '/apis',
          '/graphql',
          '/healthz',
          '/livez',
          '/metrics',
          '/openapi/v2',
          '/openapi/v3',
          '/readyz',
          '/version',
        ],
      }
    if (root === 'api')
      return first === undefined
        ? apiVersions(exchange.header('host'))
        : parts.length === 2
          ? apiResourceList(registry, '', first)
          : undefined
    if (first === undefined) return apiGroupList(registry)
    if (second === undefined) return apiGroup(registry, first)
    return parts.length === 3 ? apiResourceList(registry, first, second) : undefined
  }

  #upgrade(request: IncomingMessage, socket: Duplex, head: Buffer): boolean {
    const path = (request.url ?? '').split('?', 1)[0]
    if (path !== '/graphql') return false
    this.#parts.graphql.handleUpgrade(request, socket, head, credentialsOf(request))
    return true
  }
}

const version = {
  major: '1',
  minor: '32',
  gitVersion: 'v1.32.4+binnacle-0.1.0',
  gitCommit: '',
  gitTreeState: 'clean',
  buildDate: '2026-11-24T00:00:00Z',
  goVersion: `node ${process.version}`,
  compiler: 'v8',
  platform: `${process.platform}/${process.arch === 'x64' ? 'amd64' : process.arch}`,
}
