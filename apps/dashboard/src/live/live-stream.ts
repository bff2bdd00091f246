import { socket } from './graphql.ts'

/** How fresh what is on the screen is. */
export interface Freshness {
  readonly state: 'loading' | 'live' | 'reconnecting' | 'failed'
  readonly resourceVersion: string
  readonly error?: string
}

/** What every batch of a subscription has: changes, and the revision to go on from. */
export interface LiveBatch {
  readonly resourceVersion: string
  readonly events: readonly { readonly type: string }[]
}

/** Who keeps the state that a stream describes. */
export interface StreamReceiver<B extends LiveBatch> {
  /** The present state follows from nothing, up to the event INITIAL_END: what is missing in it is gone. */
  begin(): void
  receive(batch: B): void
  report(freshness: Freshness): void
}

/** One attempt at a subscription, as graphql-ws makes it; tests give their own. */
export type Subscribe = (
  request: { query: string; variables: Record<string, unknown> },
  sink: {
    next(result: { data?: unknown; errors?: unknown }): void
    error(error: unknown): void
    complete(): void
  },
) => () => void

const firstRetryMs = 250
const lastRetryMs = 5000

// Asking again would not help: the question itself is refused.
const lastingCodes = new Set(['BadRequest', 'Forbidden', 'NotFound', 'GRAPHQL_VALIDATION_FAILED', 'BAD_USER_INPUT'])

/**
 * One subscription, kept up over broken connections: it resumes from the last revision, and begins anew only when that is no longer
 * kept or when the initial state was cut short. So its receiver misses nothing and hears nothing twice.
 */
export class LiveStream<B extends LiveBatch> {
  readonly #query: string
  readonly #variables: Record<string, unknown>
  readonly #receiver: StreamReceiver<B>
  readonly #subscribe: Subscribe
  /** Where to go on; '' until the initial state is complete. */
  #resourceVersion = ''
  #complete = false
  #attempts = 0
  #stop: (() => void) | undefined
  #timer: ReturnType<typeof setTimeout> | undefined
  #closed = false

  constructor(
    query: string,
    variables: Record<string, unknown>,
    receiver: StreamReceiver<B>,
    subscribe: Subscribe = (request, sink) => socket().subscribe(request, sink as never),
  ) {
    this.#query = query
    this.#variables = variables
    this.#receiver = receiver
    this.#subscribe = subscribe
  }

  start(): void {
    if (this.#closed) return
    this.#complete = this.#resourceVersion !== ''
    if (!this.#complete) this.#receiver.begin()
    const resourceVersion = this.#complete ? this.#resourceVersion : null
    let ended = false
    // The end of one attempt is told once, whatever the client calls afterwards.
    const once = (act: () => void) => (): void => {
      if (!ended && !this.#closed) act()
      ended = true
    }
    this.#stop = this.#subscribe(
      { query: this.#query, variables: { ...this.#variables, resourceVersion } },
      {
        next: (result) => {
          if (ended || this.#closed) return
          if (result.errors === undefined) this.#receive(Object.values(result.data as Record<string, B>)[0] as B)
          else once(() => this.#fail(result.errors))()
        },
        error: (error) => once(() => this.#fail(error))(),
        complete: once(() => this.#retry()),
      },
    )
  }

  close(): void {
    this.#closed = true
    clearTimeout(this.#timer)
    this.#stop?.()
  }

  #receive(batch: B): void {
    this.#attempts = 0
    this.#receiver.receive(batch)
    this.#complete ||= batch.events.some((event) => event.type === 'INITIAL_END')
    if (!this.#complete) return
    this.#resourceVersion = batch.resourceVersion
    this.#receiver.report({ state: 'live', resourceVersion: this.#resourceVersion })
  }

  #fail(error: unknown): void {
    const first = Array.isArray(error) ? (error[0] as { message: string; extensions?: { code?: string } }) : undefined
    const code = first?.extensions?.code ?? ''
    if (lastingCodes.has(code)) {
      this.#stop?.()
      this.#receiver.report({ state: 'failed', resourceVersion: this.#resourceVersion, error: first?.message ?? code })
      return
    }
    if (code === 'EXPIRED' || code === 'Expired') this.#resourceVersion = ''
    this.#retry()
  }

  #retry(): void {
    this.#receiver.report({ state: 'reconnecting', resourceVersion: this.#resourceVersion })
    this.#stop?.()
    clearTimeout(this.#timer)
    // Spread out, so that many pages do not come back in the same instant.
    const waitMs = Math.min(lastRetryMs, firstRetryMs * 2 ** this.#attempts++) * (0.5 + Math.random() / 2)
    this.#timer = setTimeout(() => this.start(), waitMs)
  }
}
