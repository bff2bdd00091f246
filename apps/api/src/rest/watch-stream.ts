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
const chunkEnd = Buffer.from('\r\n')

/** An event's line, and the same as one chunk of HTTP/1.1's chunked transfer coding, whose middle part the line is. */
interface Frame {
  readonly line: Buffer
  readonly chunk: Buffer
}

function frameOf(parts: readonly Buffer[]): Frame {
  const length = parts.reduce((sum, part) => sum + part.length, 0)
  const size = Buffer.from(`${length.toString(16)}\r\n`)
  const chunk = Buffer.concat([size, ...parts, chunkEnd], size.length + length + chunkEnd.length)
  return { chunk, line: chunk.subarray(size.length, size.length + length) }
}

/** How long streams are written to before the process looks at its other work, in milliseconds. */
const flushSliceMs = 1
/** Streams written to between two looks at the clock. */
const flushStride = 8

/**
 * What the watches of a process have in common: the frames of events, their concatenations, and the turns in which streams that got something are
 * written to. A thousand watchers take longer than a commit: between their turns the process commits and reads on, and what happens meanwhile
 * goes to those whose turn is still to come together with what they wait for.
 */
class Fanout {
  readonly #frames = new Map<StoredObject, Partial<Record<SelectedEvent['type'], Frame>>>()
  #lastEvents: readonly SelectedEvent[] = []
  #lastFrames: readonly Frame[] = []
  #waiting: WatchStream[] = []
  /** How many of those that wait had their turn. */
  #served = 0
  #joined: { readonly frames: readonly Frame[]; readonly part: keyof Frame; readonly bytes: Buffer } | undefined
  #isScheduled = false

  /** The frames of events, encoded once for all plain watchers: they hear of them one right after the other. */
  frames(events: readonly SelectedEvent[]): readonly Frame[] {
    if (events === this.#lastEvents) return this.#lastFrames
    this.#lastEvents = events
    return (this.#lastFrames = events.map(({ type, object }) => this.#frame(type, object)))
  }

  // Watchers with selectors have lists of their own, of the same objects.
  #frame(type: SelectedEvent['type'], object: StoredObject): Frame {
    let byType = this.#frames.get(object)
    if (byType === undefined) {
      this.#frames.set(object, (byType = {}))
      this.#schedule()
    }
    return (byType[type] ??= frameOf([prefixes[type], object.bytes, newline]))
  }

  flushLater(stream: WatchStream): void {
    this.#schedule()
    this.#waiting.push(stream)
  }

  /** Watchers of the same objects have the same frames: a thousand of them share one concatenation. */
  join(frames: readonly Frame[], part: keyof Frame): Buffer {
    if (frames.length === 1) return (frames[0] as Frame)[part]
    const last = this.#joined
    if (last !== undefined && last.part === part && sameFrames(last.frames, frames)) return last.bytes
    const bytes = Buffer.concat(frames.map((frame) => frame[part]))
    this.#joined = { frames, part, bytes }
    return bytes
  }

  #schedule(): void {
    if (this.#isScheduled) return
    this.#isScheduled = true
    setImmediate(() => {
      this.#isScheduled = false
      this.#frames.clear()
      this.#lastEvents = this.#lastFrames = []
      this.#serve()
    })
  }

  #serve(): void {
    const untilMs = performance.now() + flushSliceMs
    const waiting = this.#waiting
    // Those that come to wait again meanwhile have another turn.
    const end = waiting.length
    while (this.#served < end) {
      const stream = waiting[this.#served++] as WatchStream
      stream.flush()
      if (this.#served % flushStride === 0 && performance.now() >= untilMs) break
    }
    if (this.#served < waiting.length) this.#schedule()
    else this.#joined = undefined
    if (this.#served < waiting.length / 2) return
    this.#waiting = waiting.slice(this.#served)
    this.#served = 0
  }
}

function sameFrames(a: readonly Frame[], b: readonly Frame[]): boolean {
  return a.length === b.length && a.every((frame, index) => frame === b[index])
}

const fanout = new Fanout()

/** The watches of a process: it ends them when it stops. */
export class WatchStreams {
  readonly #open = new Set<WatchStream>()
  readonly #server: ApiServer

  constructor(server: ApiServer) {
    this.#server = server
    server.registry.onChange(() => this.#endThoseOfGoneKinds())
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

  // A kind that is defined anew is another one.
  #endThoseOfGoneKinds(): void {
    for (const stream of this.#open) {
      const { definition } = stream
      const { group, version, plural } = definition
      if (this.#server.registry.byResource(group, version, plural) !== definition) stream.end()
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
  readonly definition: ResourceDefinition
  readonly #form: ObjectForm
  readonly #plain: boolean
  #pending: readonly Frame[] = []
  #queueBytesMax: number | undefined
  #scheduled = false
  #columnsSent = false
  #ended = false
  #finish: () => void = () => undefined

  constructor(server: ApiServer, exchange: Exchange, definition: ResourceDefinition, form: ObjectForm) {
    this.#server = server
    this.#exchange = exchange
    this.definition = definition
    this.#form = form
    this.#plain =
      form.kind === 'object' && definition.convert === undefined && definition.version === definition.storageVersion
  }

  onEvents(events: readonly SelectedEvent[]): void {
    this.#push(this.#plain ? fanout.frames(events) : events.map((event) => this.#encode(event)))
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
    this.flush()
    this.#ended = true
    this.#finish()
  }

  #sendHead(): void {
    this.#exchange.head(200, { 'content-type': 'application/json' })
    ;(this.#exchange.outgoing as ServerResponse).flushHeaders()
  }

  #encode(event: SelectedEvent): Frame {
    const object = this.#form.kind === 'object' ? inVersion(this.definition, event.object) : this.#inForm(event.object)
    return textFrame(JSON.stringify({ type: event.type, object }))
  }

  #inForm(object: StoredObject): object {
    if (this.#form.kind === 'table') {
      const withColumns = !this.#columnsSent
      this.#columnsSent = true
      return tableObject(this.#exchange, this.definition, [object], {
        version: this.#form.version,
        metadata: { resourceVersion: String(object.revision) },
        withColumns,
      })
    }
    return partialMetadata(
      inVersion(this.definition, object),
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
    const object = { kind: this.definition.kind, apiVersion: apiVersionOf(this.definition), metadata }
    const shown =
      this.#form.kind === 'table'
        ? {
            kind: 'Table',
            apiVersion: `meta.k8s.io/${this.#form.version}`,
            metadata: { resourceVersion: String(revision) },
            columnDefinitions: null,
            rows: [{ cells: [], object }],
          }
        : object
    this.#push([textFrame(JSON.stringify({ type: 'BOOKMARK', object: shown }))])
  }

  #push(frames: readonly Frame[]): void {
    if (this.#ended) return
    this.#pending = this.#pending.length === 0 ? frames : [...this.#pending, ...frames]
    if (this.#scheduled) return
    this.#scheduled = true
    fanout.flushLater(this)
  }

  /** Writes what is pending. Before the head is out, the initial events wait for it. */
  flush(): void {
    this.#scheduled = false
    if (this.#pending.length === 0 || this.#ended) return
    const response = this.#exchange.outgoing as ServerResponse
    if (!response.headersSent) return this.#push([])
    // Straight into the connection: the response would add the same chunk's size and end for each watcher anew.
    const { socket } = response
    const isChunked = response.chunkedEncoding === true && socket !== null
    const bytes = fanout.join(this.#pending, isChunked ? 'chunk' : 'line')
    this.#pending = []
    // What there is at the start goes out whatever its size: a client that asked for it would ask again.
    this.#queueBytesMax ??= watchQueueBytesMax + bytes.length
    // Too slow: it ends cleanly, and the client resumes from the last event that it did get.
    if (response.writableLength + bytes.length > this.#queueBytesMax) this.end()
    else if (isChunked) socket.write(bytes)
    else response.write(bytes)
  }
}

function textFrame(text: string): Frame {
  return frameOf([Buffer.from(`${text}\n`)])
}
