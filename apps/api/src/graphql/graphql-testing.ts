import { execFileSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { Agent, request } from 'node:https'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { createTestDatabase } from '@binnacle/store/testing'
import { type Client, type ClientOptions, createClient } from 'graphql-ws'
import { WebSocket } from 'ws'
import type { ApiConfig } from '../config.ts'
import { type ApiProcess, startApiProcess } from '../server.ts'

/** An answer of the API as it came over the wire. */
export interface WireAnswer {
  readonly status: number
  readonly headers: Readonly<Record<string, string | string[] | undefined>>
  readonly text: string
  /** The body as JSON. @throws SyntaxError when it is none */
  readonly body: any
}

/** A message of the log. */
export interface LogLine {
  readonly level: string
  readonly message: string
  readonly fields: Record<string, unknown> | undefined
}

/** An API process with a database, certificates and tokens of its own, for tests. Everything goes over TLS, as for any client. */
export interface TestApi {
  readonly process: ApiProcess
  readonly log: readonly LogLine[]
  /** Tokens that hold: of the administrator, and of a user without groups. */
  readonly tokens: { readonly admin: string; readonly plain: string }
  /** Takes a token back, or lets it in. */
  setTokens(tokens: readonly string[]): void
  /** One request as it is given; the administrator's token unless the headers have another `authorization` ('' for none). */
  send(
    method: string,
    target: string,
    options?: { headers?: Record<string, string>; body?: string | Buffer },
  ): Promise<WireAnswer>
  /** A REST request with a JSON body. */
  rest(method: string, target: string, body?: unknown, headers?: Record<string, string>): Promise<WireAnswer>
  /** POSTs a GraphQL operation. */
  post(query: string, variables?: Record<string, unknown>, extra?: Record<string, unknown>): Promise<WireAnswer>
  /** The data of a GraphQL operation. @throws Error with the messages of its errors */
  data(query: string, variables?: Record<string, unknown>): Promise<any>
  /** A WebSocket to the endpoint, without the protocol on top. */
  socket(headers?: Record<string, string>): WebSocket
  /** A graphql-ws client; signed in as administrator by `connection_init` unless the options say otherwise. */
  client(options?: Partial<ClientOptions>, headers?: Record<string, string>): Client
  /** Creates a namespace with the ServiceAccount that pods want. */
  createNamespace(name: string): Promise<void>
  /** Makes everything up to now the past that is no longer kept. */
  forgetHistory(): Promise<void>
  /** A second process on the same database, which ends with the first. */
  another(): Promise<Pick<TestApi, 'send' | 'rest' | 'post' | 'data' | 'process'>>
  stop(): Promise<void>
}

const adminToken = 'admin-token'
const plainToken = 'plain-token'
const users: Record<string, string> = {
  [adminToken]: `${adminToken},admin,1,"system:masters"`,
  [plainToken]: `${plainToken},someone,2`,
}

/** Starts one. */
export async function startTestApi(): Promise<TestApi> {
  const folder = mkdtempSync(path.join(tmpdir(), 'binnacle-graphql-'))
  const { key, certificate } = selfSigned(folder)
  const tokenFile = path.join(folder, 'tokens.csv')
  const setTokens = (tokens: readonly string[]): void =>
    writeFileSync(tokenFile, tokens.map((token) => `${users[token]}\n`).join(''))
  setTokens([adminToken, plainToken])
  const database = await createTestDatabase()
  const log: LogLine[] = []
  const config = configOf({ databaseUrl: database.url, certificate, key, tokenFile })
  const others: ApiProcess[] = []
  const started = await startApiProcess(
    config,
    (level, message, fields) => void log.push({ level, message, fields }),
    // So little that tests leave it behind: what is older comes from Postgres, and is gone after a compaction.
    { recentChangesBytesMax: 4096 },
  )
  const agent = new Agent({ ca: certificate, keepAlive: true })
  const calls = wireCalls(started.port, agent)
  return {
    process: started,
    log,
    tokens: { admin: adminToken, plain: plainToken },
    setTokens,
    ...calls,
    socket: (headers = {}) =>
      new WebSocket(`wss://localhost:${started.port}/graphql`, 'graphql-transport-ws', { ca: certificate, headers }),
    client: (options, headers) => socketClient(started.port, certificate, options, headers),
    async createNamespace(name) {
      await calls.rest('POST', '/api/v1/namespaces', { metadata: { name } })
      await calls.rest('POST', `/api/v1/namespaces/${name}/serviceaccounts`, { metadata: { name: 'default' } })
    },
    async forgetHistory() {
      for (let i = 0; i < 10; i++)
        await calls.rest(
          'PATCH',
          '/api/v1/namespaces/default',
          { metadata: { annotations: { i: `${i}` } } },
          mergePatch,
        )
      const { store } = started.server
      await store.compact(store.cachedRevision)
    },
    async another() {
      const other = await startApiProcess(config, () => undefined)
      others.push(other)
      return { process: other, ...wireCalls(other.port, agent) }
    },
    async stop() {
      agent.destroy()
      for (const other of others) await other.close()
      await started.close()
      await database.drop()
      rmSync(folder, { recursive: true, force: true })
    },
  }
}

function configOf(own: { databaseUrl: string; certificate: string; key: string; tokenFile: string }): ApiConfig {
  const { databaseUrl, certificate, key, tokenFile } = own
  return {
    databaseUrl,
    host: '127.0.0.1',
    advertiseAddress: '127.0.0.1',
    port: 0,
    plainHttpPort: 0,
    tlsCertificate: certificate,
    tlsKey: key,
    clientCa: certificate,
    serviceAccountKey: key,
    tokenFile,
    serviceCidr: '10.96.0.0/16',
    allowedOrigins: ['https://dashboard.test'],
    runtimeConfig: {},
    nodeCredentials: undefined,
    verbose: false,
  }
}

function selfSigned(folder: string): { key: string; certificate: string } {
  const [keyFile, certificateFile] = [path.join(folder, 'tls.key'), path.join(folder, 'tls.crt')]
  execFileSync(
    'openssl',
    [
      ...['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-days', '2'],
      ...['-subj', '/CN=localhost', '-addext', 'subjectAltName=DNS:localhost,IP:127.0.0.1'],
      ...['-keyout', keyFile, '-out', certificateFile],
    ],
    { stdio: 'ignore' },
  )
  return { key: readFileSync(keyFile, 'utf8'), certificate: readFileSync(certificateFile, 'utf8') }
}

function wireCalls(port: number, agent: Agent): Pick<TestApi, 'send' | 'rest' | 'post' | 'data'> {
  const send: TestApi['send'] = (method, target, { headers = {}, body } = {}) => {
    const all: Record<string, string> = { authorization: `Bearer ${adminToken}`, ...headers }
    if (all['authorization'] === '') delete all['authorization']
    // Node gives the bodies of DELETE requests no length by itself.
    if (body !== undefined) all['content-length'] = String(Buffer.byteLength(body))
    return new Promise((resolve, reject) => {
      const outgoing = request({ host: 'localhost', port, path: target, method, headers: all, agent }, (response) => {
        let text = ''
        response.setEncoding('utf8').on('data', (chunk: string) => (text += chunk))
        response.on('end', () =>
          resolve({
            status: response.statusCode ?? 0,
            headers: response.headers,
            text,
            get body() {
              return JSON.parse(text)
            },
          }),
        )
      })
      outgoing.on('error', reject)
      outgoing.end(body)
    })
  }
  const post: TestApi['post'] = (query, variables = {}, extra = {}) =>
    send('POST', '/graphql', {
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ query, variables, ...extra }),
    })
  return {
    send,
    post,
    rest: (method, target, body, headers = {}) =>
      send(
        method,
        target,
        body === undefined
          ? { headers }
          : { headers: { 'content-type': 'application/json', ...headers }, body: JSON.stringify(body) },
      ),
    async data(query, variables) {
      const { body } = await post(query, variables)
      if (body.errors !== undefined)
        throw new Error(body.errors.map((error: { message: string }) => error.message).join('; '))
      return body.data
    },
  }
}

function socketClient(
  port: number,
  ca: string,
  options: Partial<ClientOptions> = {},
  headers: Record<string, string> = {},
): Client {
  class TestWebSocket extends WebSocket {
    constructor(address: string, protocols: string[]) {
      super(address, protocols, { ca, headers })
    }
  }
  return createClient({
    url: `wss://localhost:${port}/graphql`,
    webSocketImpl: TestWebSocket,
    connectionParams: { authorization: `Bearer ${adminToken}` },
    retryAttempts: 0,
    ...options,
  })
}

/** The header of a JSON merge patch over REST. */
export const mergePatch = { 'content-type': 'application/merge-patch+json' }

/** A pod that passes validation. */
export function examplePod(name: string, metadata: object = {}, spec: object = {}): any {
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name, ...metadata },
    spec: { containers: [{ name: 'main', image: 'example/web:1' }], ...spec },
  }
}
