import type { SelectedEvent, SelectedWatch } from '@binnacle/apiserver'
import { type DocumentNode, execute, type ExecutionResult, GraphQLError, type GraphQLSchema } from 'graphql'
import { bookmarkIntervalMs, initialObjectsPerMessage, subscriberBytesMax } from '../../limits.ts'
import type { GraphqlContext } from '../context.ts'
import type { LiveBatch, LiveSource } from './live-source.ts'

/** A subscription as it is executed for every batch. */
export interface LiveOperation {
  readonly schema: GraphQLSchema
  readonly document: DocumentNode
  readonly operationName: string | undefined
  readonly variables: Record<string, unknown> | undefined
  readonly context: GraphqlContext
}

/** Where a subscription's results go. */
export interface Subscriber {
  /** Takes the JSON of one execution result. */
  send(result: string): void
  /** Ends the subscription with an error. */
  fail(error: unknown): void
  /** Bytes that wait to be sent. */
  waitingBytes(): number
}

const drainPollMs = 20

/**
 * Runs subscriptions. Those with the same key (operation, variables and user) share one watch, and each batch is executed and encoded once
 * for all of them.
 */
export class LiveQueries {
  readonly #streams = new Map<string, SharedStream>()
  readonly #bookmarks = setInterval(() => {
    for (const stream of this.#streams.values()) stream.bookmark()
  }, bookmarkIntervalMs).unref()

  /** Begins a subscription; the function returned ends it. @throws StatusError for what may not or cannot be watched */
  async subscribe(
    key: string,
    operation: LiveOperation,
    source: LiveSource,
    subscriber: Subscriber,
  ): Promise<() => void> {
    source.authorize()
    const feed = new Feed(subscriber)
    if (source.since === undefined) {
      await source.linearize()
      const snapshot = source.wantsInitial ? source.snapshot() : undefined
      this.#join(key, operation, source, feed)
      void sendInitial(operation, source, feed, snapshot).catch((error: unknown) => feed.fail(error))
    } else {
      await this.#resume(key, operation, source, feed)
    }
    return () => feed.end()
  }

  /** How many streams and subscribers there are, for metrics. */
  get counts(): { readonly streams: number; readonly subscribers: number } {
    let subscribers = 0
    for (const stream of this.#streams.values()) subscribers += stream.size
    return { streams: this.#streams.size, subscribers }
  }

  /** Ends everything. */
  close(): void {
    clearInterval(this.#bookmarks)
    for (const stream of this.#streams.values()) stream.close()
  }

  // Synchronous: what is attached here follows the snapshot that was taken in the same tick.
  #join(key: string, operation: LiveOperation, source: LiveSource, feed: Feed): void {
    let stream = this.#streams.get(key)
    if (stream === undefined) {
      stream = new SharedStream(operation, source, () => this.#streams.delete(key))
      this.#streams.set(key, stream)
    }
    stream.add(feed)
  }

  // The past through a watch of its own; between two commits both have delivered the same, and the shared one takes over.
  async #resume(key: string, operation: LiveOperation, source: LiveSource, feed: Feed): Promise<void> {
    const runner = new Runner(operation)
    let done = Promise.resolve()
    let reached = Number(source.since)
    const send = (batch: LiveBatch): void => {
      done = done.then(async () => feed.sendNow(await runner.run(batch), batch.resourceVersion))
      done.catch((error: unknown) => feed.fail(error))
    }
    const watch = await source.resume({
      onEvents: (events) => {
        reached = (events.at(-1) as SelectedEvent).revision
        send(source.batchOf(events))
      },
    })
    watch.close()
    // Says at once that the past has been told: otherwise a reader in a quiet cluster could not tell a live stream from a stuck one.
    send(source.markerBatch('BOOKMARK', reached))
    this.#join(key, operation, source, feed)
    void done.then(() => feed.release()).catch((error: unknown) => feed.fail(error))
  }
}

async function sendInitial(
  operation: LiveOperation,
  source: LiveSource,
  feed: Feed,
  snapshot: ReturnType<LiveSource['snapshot']> | undefined,
): Promise<void> {
  const runner = new Runner(operation)
  if (snapshot !== undefined) {
    const { objects, revision } = snapshot
    for (let start = 0; start < objects.length && !feed.ended; start += initialObjectsPerMessage) {
      const batch = source.initialBatch(objects.slice(start, start + initialObjectsPerMessage), revision)
      feed.sendNow(await runner.run(batch), batch.resourceVersion)
      // Other requests get their turn, and a slow reader the time that it needs.
      do await new Promise((resolve) => setTimeout(resolve, feed.isBehind ? drainPollMs : 0))
      while (feed.isBehind && !feed.ended)
    }
    feed.sendNow(await runner.run(source.markerBatch('INITIAL_END', revision)), String(revision))
  }
  feed.release()
}

/** Executes a subscription's selection over batches. */
class Runner {
  readonly #operation: LiveOperation

  constructor(operation: LiveOperation) {
    this.#operation = operation
  }

  /** The JSON of the result; at once where no resolver had to wait. */
  run(batch: LiveBatch): string | Promise<string> {
    const { schema, document, operationName, variables, context } = this.#operation
    const result = execute({
      schema,
      document,
      rootValue: batch,
      contextValue: context,
      variableValues: variables,
      operationName,
    })
    return result instanceof Promise ? result.then(encode) : encode(result)
  }
}

const encode = (result: ExecutionResult): string => JSON.stringify(result)

/** One subscriber's place in a stream: holds live results back while older ones are still under way. */
class Feed {
  readonly #subscriber: Subscriber
  #held: { result: string; resourceVersion: string }[] | undefined = []
  #heldBytes = 0
  #lastSent: string | undefined
  ended = false
  onEnd: () => void = () => undefined

  constructor(subscriber: Subscriber) {
    this.#subscriber = subscriber
  }

  get isBehind(): boolean {
    return this.#subscriber.waitingBytes() > subscriberBytesMax / 8
  }

  /** A live result. */
  push(result: string, resourceVersion: string): void {
    if (this.#held === undefined) return this.sendNow(result, resourceVersion)
    this.#held.push({ result, resourceVersion })
    this.#heldBytes += result.length
    if (this.#heldBytes > subscriberBytesMax) this.#lag()
  }

  sendNow(result: string, resourceVersion: string): void {
    if (this.ended) return
    if (this.#subscriber.waitingBytes() > subscriberBytesMax) return this.#lag()
    this.#subscriber.send(result)
    this.#lastSent = resourceVersion
  }

  /** What was held back goes out, and from now on everything at once. */
  release(): void {
    const held = this.#held ?? []
    this.#held = undefined
    for (const { result, resourceVersion } of held) this.sendNow(result, resourceVersion)
  }

  fail(error: unknown): void {
    if (this.ended) return
    this.end()
    this.#subscriber.fail(error)
  }

  end(): void {
    this.ended = true
    this.#held = undefined
    this.onEnd()
  }

  #lag(): void {
    const resourceVersion = this.#lastSent
    this.fail(
      new GraphQLError(
        'The subscriber reads more slowly than changes come: subscribe again with this resourceVersion.',
        {
          extensions: { code: 'LAGGED', ...(resourceVersion === undefined ? {} : { resourceVersion }) },
        },
      ),
    )
  }
}

/** One watch and its subscribers. */
class SharedStream {
  readonly #source: LiveSource
  readonly #runner: Runner
  readonly #watch: SelectedWatch
  readonly #onEmpty: () => void
  readonly #feeds = new Set<Feed>()
  #reached = 0
  #told = 0
  // Set while a result is waited for; later batches queue behind it.
  #tail: Promise<void> | undefined

  constructor(operation: LiveOperation, source: LiveSource, onEmpty: () => void) {
    this.#source = source
    this.#runner = new Runner(operation)
    this.#onEmpty = onEmpty
    this.#watch = source.attach({
      onEvents: (events) => this.#onEvents(events),
      onProgress: (revision) => (this.#reached = revision),
    })
  }

  get size(): number {
    return this.#feeds.size
  }

  add(feed: Feed): void {
    this.#feeds.add(feed)
    feed.onEnd = () => {
      this.#feeds.delete(feed)
      if (this.#feeds.size === 0) this.close()
    }
  }

  /** Tells subscribers how far the stream is, when they have not heard of it for a while: they can resume from there. */
  bookmark(): void {
    if (this.#reached <= this.#told) return
    this.#told = this.#reached
    this.#deliver(this.#source.markerBatch('BOOKMARK', this.#reached))
  }

  close(): void {
    this.#watch.close()
    this.#onEmpty()
  }

  #onEvents(events: readonly SelectedEvent[]): void {
    this.#told = (events.at(-1) as SelectedEvent).revision
    this.#deliver(this.#source.batchOf(events))
  }

  #deliver(batch: LiveBatch): void {
    // Those that join later have this batch in their snapshot.
    const feeds = [...this.#feeds]
    const push = (result: string): void => {
      for (const feed of feeds) feed.push(result, batch.resourceVersion)
    }
    const fail = (error: unknown): void => {
      for (const feed of feeds) feed.fail(error)
    }
    try {
      const result = this.#tail === undefined ? this.#runner.run(batch) : this.#tail.then(() => this.#runner.run(batch))
      if (typeof result === 'string') return push(result)
      const tail = result.then(push, fail).then(() => {
        if (this.#tail === tail) this.#tail = undefined
      })
      this.#tail = tail
    } catch (error) {
      fail(error)
    }
  }
}
