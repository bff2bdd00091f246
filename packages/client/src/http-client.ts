import { readFileSync } from 'node:fs'
import { Agent, request, type RequestOptions } from 'node:https'
import type { IncomingMessage } from 'node:http'
import {
  type KubernetesObject,
  type ObjectKey,
  type Status,
  StatusError,
  type StatusReason,
  statusCodeByReason,
} from '@binnacle/apimachinery'
import { apiVersionOf, type ResourceDefinition, type Scale } from '@binnacle/resources'
import type {
  BatchResult,
  BatchWrite,
  Client,
  DeleteOptions,
  ListOptions,
  ObjectList,
  Patch,
  Watch,
  WatchEvent,
  WatchHandler,
  WriteOptions,
} from './client.ts'

/** Where the API is and who asks. */
export interface HttpClientOptions {
  readonly server: string
  /** PEM text of the authority to trust. */
  readonly ca: string
  readonly clientCertificate?: { readonly cert: string; readonly key: string }
  readonly bearerToken?: string
  readonly userAgent: string
}

const connectionsMax = 16
const watchTimeoutSeconds = 600
const pageSize = 5000

/** A Client over the REST and watch API. */
export class HttpClient implements Client {
  readonly #options: HttpClientOptions
  readonly #agent: Agent
  readonly #watches = new Set<Watch>()

  constructor(options: HttpClientOptions) {
    this.#options = options
    this.#agent = new Agent({
      ca: options.ca,
      keepAlive: true,
      maxSockets: connectionsMax,
      ...options.clientCertificate,
    })
  }

  async get<T extends KubernetesObject>(resource: ResourceDefinition<T>, key: ObjectKey): Promise<T> {
    return (await this.#send('GET', pathOf(resource, key))) as T
  }

  async list<T extends KubernetesObject>(
    resource: ResourceDefinition<T>,
    options: ListOptions = {},
  ): Promise<ObjectList<T>> {
    const items: T[] = []
    let next = ''
    for (;;) {
      const parameters = { ...selectors(options), limit: String(pageSize), ...(next === '' ? {} : { continue: next }) }
      const page = (await this.#send('GET', collectionPath(resource, options.namespace ?? '', parameters))) as {
        items: T[]
        metadata: { resourceVersion: string; continue?: string }
      }
      // Items of a list name neither kind nor version on other servers; here they do.
      items.push(...page.items)
      next = page.metadata.continue ?? ''
      if (next === '') return { items, resourceVersion: page.metadata.resourceVersion }
    }
  }

  watch<T extends KubernetesObject>(
    resource: ResourceDefinition<T>,
    options: ListOptions & { resourceVersion: string },
    handler: WatchHandler<T>,
  ): Watch {
    const parameters = {
      ...selectors(options),
      watch: 'true',
      allowWatchBookmarks: 'true',
      resourceVersion: options.resourceVersion,
      timeoutSeconds: String(watchTimeoutSeconds),
    }
    const path = collectionPath(resource, options.namespace ?? '', parameters)
    let ended = false
    const end = (error: unknown): void => {
      if (ended) return
      ended = true
      this.#watches.delete(watch)
      handler.onEnd(error)
    }
    // A connection of its own: a watch would block those that are shared.
    const outgoing = request(
      this.#requestOptions('GET', path, { agent: false, ca: this.#options.ca, ...this.#options.clientCertificate }),
      (response) => {
        if (response.statusCode === 200) readWatch(response, handler, end)
        else void bodyOf(response).then((body) => end(errorOf(response.statusCode ?? 0, body)), end)
      },
    )
    outgoing.on('error', end)
    outgoing.end()
    const watch: Watch = {
      stop: () => {
        ended = true
        this.#watches.delete(watch)
        outgoing.destroy()
      },
    }
    this.#watches.add(watch)
    return watch
  }

  async create<T extends KubernetesObject>(
    resource: ResourceDefinition<T>,
    object: T,
    options: WriteOptions = {},
  ): Promise<T> {
    return (await this.#send(
      'POST',
      collectionPath(resource, object.metadata.namespace ?? '', writeParameters(options)),
      object,
    )) as T
  }

  async update<T extends KubernetesObject>(
    resource: ResourceDefinition<T>,
    object: T,
    options: WriteOptions = {},
  ): Promise<T> {
    return (await this.#send(
      'PUT',
      pathOf(resource, keyIn(object), subresourcePath(options), writeParameters(options)),
      object,
    )) as T
  }

  async updateStatus<T extends KubernetesObject>(
    resource: ResourceDefinition<T>,
    object: T,
    options: WriteOptions = {},
  ): Promise<T> {
    return (await this.#send('PUT', pathOf(resource, keyIn(object), '/status', writeParameters(options)), object)) as T
  }

  async patch<T extends KubernetesObject>(
    resource: ResourceDefinition<T>,
    key: ObjectKey,
    patch: Patch,
    options: WriteOptions = {},
  ): Promise<T> {
    const type = {
      json: 'application/json-patch+json',
      merge: 'application/merge-patch+json',
      strategic: 'application/strategic-merge-patch+json',
    }[patch.type]
    const path = pathOf(resource, key, subresourcePath(options), writeParameters(options))
    return (await this.#send('PATCH', path, patch.type === 'json' ? patch.operations : patch.body, type)) as T
  }

  /** Posts to a subresource that only answers: `serviceaccounts/token`. */
  async post(resource: ResourceDefinition<any>, key: ObjectKey, subresource: string, body: unknown): Promise<unknown> {
    return await this.#send('POST', pathOf(resource, key, `/${subresource}`), body)
  }

  async delete(resource: ResourceDefinition<any>, key: ObjectKey, options: DeleteOptions = {}): Promise<void> {
    const { dryRun, ...rest } = options
    await this.#send('DELETE', pathOf(resource, key), {
      kind: 'DeleteOptions',
      apiVersion: 'v1',
      ...rest,
      ...(dryRun === true ? { dryRun: ['All'] } : {}),
    })
  }

  async getScale(resource: ResourceDefinition<any>, key: ObjectKey): Promise<Scale> {
    return (await this.#send('GET', pathOf(resource, key, '/scale'))) as Scale
  }

  async updateScale(resource: ResourceDefinition<any>, scale: Scale): Promise<Scale> {
    return (await this.#send('PUT', pathOf(resource, keyIn(scale), '/scale'), scale)) as Scale
  }

  async writeAll(writes: readonly BatchWrite[], { atomic }: { atomic: boolean }): Promise<readonly BatchResult[]> {
    if (writes.length === 0) return []
    const { results } = (await this.#send('POST', '/apis/binnacle.dev/v1/writes', {
      atomic,
      writes: writes.map(encodeWrite),
    })) as { results: ({ object: KubernetesObject } | { status: Status })[] }
    return results.map((result) => ('object' in result ? result : { error: errorOfStatus(result.status) }))
  }

  async close(): Promise<void> {
    for (const watch of [...this.#watches]) watch.stop()
    this.#agent.destroy()
  }

  #requestOptions(method: string, path: string, extra: RequestOptions): RequestOptions {
    const { server, userAgent, bearerToken } = this.#options
    const { hostname, port } = new URL(server)
    const headers = {
      accept: 'application/json',
      'user-agent': userAgent,
      ...(bearerToken === undefined ? {} : { authorization: `Bearer ${bearerToken}` }),
    }
    return { method, hostname, port, path, headers, ...extra }
  }

  #send(method: string, path: string, body?: unknown, type = 'application/json'): Promise<unknown> {
    return new Promise((resolve, reject) => {
      const bytes = body === undefined ? undefined : Buffer.from(JSON.stringify(body))
      const options = this.#requestOptions(method, path, { agent: this.#agent })
      if (bytes !== undefined)
        options.headers = { ...options.headers, 'content-type': type, 'content-length': bytes.length } as Record<
          string,
          string | number
        >
      const outgoing = request(options, (response) => {
        bodyOf(response).then((text) => {
          const code = response.statusCode ?? 0
          if (code >= 200 && code < 300) resolve(JSON.parse(text))
          else reject(errorOf(code, text))
        }, reject)
      })
      outgoing.on('error', reject)
      outgoing.end(bytes)
    })
  }
}

const keyIn = (object: KubernetesObject): ObjectKey => ({
  namespace: object.metadata.namespace ?? '',
  name: object.metadata.name,
})

function rootOf(resource: ResourceDefinition<any>): string {
  return `${resource.group === '' ? '/api' : '/apis'}/${apiVersionOf(resource)}`
}

function withQuery(path: string, parameters: Readonly<Record<string, string>>): string {
  const query = new URLSearchParams(parameters).toString()
  return query === '' ? path : `${path}?${query}`
}

function collectionPath(
  resource: ResourceDefinition<any>,
  namespace: string,
  parameters: Readonly<Record<string, string>> = {},
): string {
  return withQuery(
    `${rootOf(resource)}${namespace === '' ? '' : `/namespaces/${encodeURIComponent(namespace)}`}/${resource.plural}`,
    parameters,
  )
}

function pathOf(
  resource: ResourceDefinition<any>,
  { namespace, name }: ObjectKey,
  rest = '',
  parameters: Readonly<Record<string, string>> = {},
): string {
  return withQuery(`${collectionPath(resource, namespace)}/${encodeURIComponent(name)}${rest}`, parameters)
}

function subresourcePath({ subresource }: WriteOptions): string {
  return subresource === undefined ? '' : `/${subresource}`
}

function selectors({ labelSelector, fieldSelector }: ListOptions): Record<string, string> {
  return { ...(labelSelector ? { labelSelector } : {}), ...(fieldSelector ? { fieldSelector } : {}) }
}

function writeParameters({ dryRun, fieldManager }: WriteOptions): Record<string, string> {
  return { ...(dryRun === true ? { dryRun: 'All' } : {}), ...(fieldManager === undefined ? {} : { fieldManager }) }
}

function encodeWrite(write: BatchWrite): object {
  if (write.verb === 'bind')
    return {
      verb: 'bind',
      ...write.pod,
      nodeName: write.nodeName,
      ...(write.podUID === undefined ? {} : { podUID: write.podUID }),
    }
  const { resource, ...rest } = write
  const { group, version, plural } = resource
  const key = 'key' in rest ? rest.key : keyIn(rest.object)
  return { ...rest, key: undefined, group, version, resource: plural, ...key }
}

async function bodyOf(response: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = []
  for await (const chunk of response) chunks.push(chunk as Buffer)
  return Buffer.concat(chunks).toString()
}

function errorOf(code: number, body: string): Error {
  try {
    const status = JSON.parse(body) as Status
    if (status.kind === 'Status') return errorOfStatus(status)
  } catch {
    // Not a Status: said as it is.
  }
  return new Error(`the server answered ${code}: ${body.slice(0, 200)}`)
}

function errorOfStatus(status: Status): StatusError {
  const reason =
    status.reason !== undefined && status.reason in statusCodeByReason
      ? status.reason
      : ('InternalError' as StatusReason)
  return new StatusError(reason, status.message ?? reason, status.details)
}

function readWatch<T extends KubernetesObject>(
  response: IncomingMessage,
  handler: WatchHandler<T>,
  end: (error: unknown) => void,
): void {
  let rest = ''
  response.setEncoding('utf8')
  response.on('data', (chunk: string) => {
    const lines = (rest + chunk).split('\n')
    rest = lines.pop() as string
    const events: WatchEvent<T>[] = []
    for (const line of lines) {
      const event = JSON.parse(line) as { type: string; object: T }
      if (event.type === 'ERROR') return end(errorOfStatus(event.object as unknown as Status))
      if (event.type === 'BOOKMARK')
        events.push({ type: 'BOOKMARK', resourceVersion: event.object.metadata.resourceVersion ?? '' })
      else events.push(event as WatchEvent<T>)
    }
    if (events.length > 0) handler.onEvents(events)
  })
  response.on('end', () => end(undefined))
  response.on('error', end)
}

/** Reads what an agent is told on its command line. @throws Error when a file cannot be read. */
export function httpClientFromFiles(options: {
  server: string
  ca: string
  clientCert?: string | undefined
  clientKey?: string | undefined
  bearerTokenFile?: string | undefined
  userAgent: string
}): HttpClient {
  const read = (file: string): string => readFileSync(file, 'utf8')
  const certificate =
    options.clientCert === undefined || options.clientKey === undefined
      ? {}
      : { clientCertificate: { cert: read(options.clientCert), key: read(options.clientKey) } }
  const token = options.bearerTokenFile === undefined ? {} : { bearerToken: read(options.bearerTokenFile).trim() }
  return new HttpClient({
    server: options.server,
    ca: read(options.ca),
    ...certificate,
    ...token,
    userAgent: options.userAgent,
  })
}
