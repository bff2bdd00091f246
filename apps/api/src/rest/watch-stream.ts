import type { ServerResponse } from 'node:http'
import { StatusError } from '@binnacle/apimachinery'
import { type ApiServer, inVersion, type SelectedEvent, type SelectedWatch } from '@binnacle/apiserver'
import { apiVersionOf, type ResourceDefinition } from '@binnacle/resources'
import type { StoredObject } from '@binnacle/store'
import type { Exchange } from '../http/exchange.ts'
import { bookmarkIntervalMs, watchQueueBytesMax, watchSecondsMax, watchSecondsMin } from '../limits.ts'
import type { ObjectForm } from './accept.ts'
import { partialMetadata, tableObject } from './object-response.ts'
import { timeoutSeconds, watchRequest } from './query.ts'

/**
 * A watch over HTTP: one JSON event a line. An event is encoded once for all who watch it plainly; what falls into one tick is written together.
 *
 *     opening ──subscribed──▶ streaming ──timeout | client gone | too slow | server stops──▶ ended
 */

const newline = Buffer.from('}\n')
const prefixes = {
  ADDED: Buffer.from('{"type":"ADDED","object":'),
  MODIFIED: Buffer.from('{"type":"MODIFIED","object":'),
  DELETED: Buffer.from('{"type":"DELETED","object":'),
} as const

// The encoded event of an object, per event type; shared by all plain watchers of the stored version.
const encoded = new WeakMap<StoredObject, Partial<Record<SelectedEvent['type'], Buffer>>>()

function encodeEvent(type: SelectedEvent['type'], object: StoredObject): Buffer {
  let byType = encoded.get(object)
  if (byType === undefined) encoded.set(object, (byType = {}))
  return (byType[type] ??= Buffer.concat([prefixes[type], object.bytes, newline]))
}

/** The watches of a process: it ends them when it stops. */
export class WatchStreams {
  readonly #open = new Set<WatchStream>()
  readonly #server: ApiServer

  constructor(server: ApiServer) {
    this.#server = server
  }

  get count(): number {
    return this.#open.size
  }

  /** Serves one watch until it ends. @throws StatusError before the first byte is out */
  async serve(
    exchange: Exchange,
    definition: ResourceDefinition,
    scope: { namespace: string | undefined; name: string | undefined },
    form: ObjectForm,
  ): Promise<void> {
    const request = watchRequest(exchange, scope.namespace, scope.name)
    const stream = new WatchStream(this.#server, exchange, definition, form)
    this.#open.add(stream)
    try {
      const watch = await this.#server.watch(exchange, definition, request, stream)
      await stream.run(watch, request.allowWatchBookmarks === true)
    } catch (error) {
      // Once the response has begun, the error can only be an event.
      if (!(error instanceof StatusError) || error.reason !== 'Expired') throw error
      stream.fail(error)
    } finally {
      this.#open.delete(stream)
    }
  }

  /** Ends all; clients resume at another process, or here after the restart. */
  close(): void {
    for (const stream of this.#open) stream.end()
  }
}

class WatchStream {
  readonly #server: ApiServer
  readonly #exchange: Exchange
  readonly #definition: ResourceDefinition
  readonly #form: ObjectForm
  readonly #plain: boolean
  #pending: Buffer[] = []
  #pendingBytes = 0
  #scheduled = false
  #columnsSent = false
  #ended = false
  #finish: () => void = () => undefined

  constructor(server: ApiServer, exchange: Exchange, definition: ResourceDefinition, form: ObjectForm) {
    this.#server = server
    this.#exchange = exchange
    this.#definition = definition
    this.#form = form
    this.#plain =
      form.kind === 'object' && definition.convert === undefined && definition.version === definition.storageVersion
  }

  onEvents(events: readonly SelectedEvent[]): void {
    for (const event of events) this.#push(this.#plain ? encodeEvent(event.type, event.object) : this.#encode(event))
  }

  onInitialEnd(revision: number): void {
    this.#bookmark(revision, true)
  }

  async run(watch: SelectedWatch, wantsBookmarks: boolean): Promise<void> {
    const response = this.#exchange.outgoing as ServerResponse
    this.#sendHead()
    const seconds =
      timeoutSeconds(this.#exchange) ??
      watchSecondsMin + Math.floor(Math.random() * (watchSecondsMax - watchSecondsMin))
    const ended = new Promise<void>((resolve) => (this.#finish = resolve))
    const timers = [setTimeout(() => this.end(wantsBookmarks), Math.min(seconds, 2_000_000) * 1000)]
    if (wantsBookmarks)
      timers.push(setInterval(() => this.#bookmark(this.#server.store.cachedRevision, false), bookmarkIntervalMs))
    response.on('close', () => this.end())
    if (response.destroyed || this.#ended) this.end()
    await ended
    for (const timer of timers) clearTimeout(timer)
    watch.close()
    response.end()
  }

  /** The revision is gone: said as the stream's only event, with the HTTP code 200 that a begun watch has. */
  fail(error: StatusError): void {
    this.#sendHead()
    ;(this.#exchange.outgoing as ServerResponse).end(`${JSON.stringify({ type: 'ERROR', object: error.status })}\n`)
  }

  end(withBookmark = false): void {
    if (this.#ended) return
    if (withBookmark) this.#bookmark(this.#server.store.cachedRevision, false)
    this.#flush()
    this.#ended = true
    this.#finish()
  }

  #sendHead(): void {
    this.#exchange.head(200, { 'content-type': 'application/json' })
    ;(this.#exchange.outgoing as ServerResponse).flushHeaders()
  }

  #encode(event: SelectedEvent): Buffer {
    const object = this.#form.kind === 'object' ? inVersion(this.#definition, event.object) : this.#inForm(event.object)
    return Buffer.from(`${JSON.stringify({ type: event.type, object })}\n`)
  }

  #inForm(object: StoredObject): object {
    if (this.#form.kind === 'table') {
      const withColumns = !this.#columnsSent
      this.#columnsSent = true
      return tableObject(this.#exchange, this.#definition, [object], {
        version: this.#form.version,
        metadata: { resourceVersion: String(object.revision) },
        withColumns,
      })
    }
    return partialMetadata(
      inVersion(this.#definition, object),
      this.#form.kind === 'metadata' ? this.#form.version : 'v1',
    )
  }

  #bookmark(revision: number, initialEnd: boolean): void {
    const annotations = initialEnd ? { 'k8s.io/initial-events-end': 'true' } : undefined
    const metadata = {
      resourceVersion: String(revision),
      creationTimestamp: null,
      ...(annotations === undefined ? {} : { annotations }),
    }
    const object = { kind: this.#definition.kind, apiVersion: apiVersionOf(this.#definition), metadata }
    this.#push(
      Buffer.from(
        `${JSON.stringify({ type: 'BOOKMARK', object: this.#form.kind === 'table' ? { kind: 'Table', apiVersion: `meta.k8s.io/${this.#form.version}`, metadata: { resourceVersion: String(revision) }, columnDefinitions: null, rows: [{ cells: [], object }] } : object })}\n`,
      ),
    )
  }

  #push(line: Buffer): void {
    if (this.#ended) return
    this.#pending.push(line)
    this.#pendingBytes += line.length
    const waiting = this.#pendingBytes + (this.#exchange.outgoing as ServerResponse).writableLength
    if (waiting > watchQueueBytesMax) {
      // Too slow: it ends cleanly, and the client resumes from the last event that it did get.
      this.#pending = []
      this.end()
    } else if (!this.#scheduled) {
      this.#scheduled = true
      setImmediate(() => this.#flush())
    }
  }

  #flush(): void {
    this.#scheduled = false
    if (this.#pending.length === 0 || this.#ended || !this.#exchange.outgoing.headersSent) {
      // Initial events come before the head is out: they go with the first flush after it.
      if (this.#pending.length > 0 && !this.#ended) {
        this.#scheduled = true
        setImmediate(() => this.#flush())
      }
      return
    }
    const chunk = this.#pending.length === 1 ? (this.#pending[0] as Buffer) : Buffer.concat(this.#pending)
    this.#pending = []
    this.#pendingBytes = 0
    ;(this.#exchange.outgoing as ServerResponse).write(chunk)
  }
}
