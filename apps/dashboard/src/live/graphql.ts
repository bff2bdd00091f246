import { type Client, type ClientOptions, createClient } from 'graphql-ws'

/** The API has no session for this browser: sign in first. */
export class SignedOutError extends Error {}

/** An error that the API gave, with Kubernetes' reason as its code. */
export class GraphqlError extends Error {
  readonly code: string | undefined
  constructor(message: string, code: string | undefined) {
    super(message)
    this.name = 'GraphqlError'
    this.code = code
  }
}

interface Answer<T> {
  data?: T | null
  errors?: { message: string; extensions?: { code?: string } }[]
}

/**
 * Sends one query or mutation.
 * @throws SignedOutError | GraphqlError | TypeError (network)
 */
export async function request<T>(
  query: string,
  variables: Record<string, unknown> = {},
  signal?: AbortSignal,
): Promise<T> {
  const response = await fetch('/graphql', {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ query, variables }),
    ...(signal === undefined ? {} : { signal }),
  })
  if (response.status === 401) throw new SignedOutError('Signed out')
  const answer = (await response.json()) as Answer<T>
  const error = answer.errors?.[0]
  if (error !== undefined) throw new GraphqlError(error.message, error.extensions?.code)
  if (answer.data === undefined || answer.data === null)
    throw new GraphqlError(`The API answered ${response.status} without data.`, undefined)
  return answer.data
}

const pingMs = 10_000
const pongMs = 5000

let shared: Client | undefined
let heardMs = 0

/** When the server was last heard, in milliseconds since the epoch; 0 before the first time. */
export function lastHeardMs(): number {
  return heardMs
}

/**
 * The one WebSocket of this page; it connects when first needed. It never retries by itself: it would send the first variables again,
 * and a stream that begins anew in the middle of a list loses the deletions in between. LiveStream resumes from its revision instead.
 */
export function socket(): Client {
  shared ??= createClient({
    url: `${window.location.protocol === 'https:' ? 'wss' : 'ws'}://${window.location.host}/graphql`,
    lazy: true,
    lazyCloseTimeout: 5000,
    retryAttempts: 0,
    keepAlive: pingMs,
    onNonLazyError: () => undefined,
    on: silenceWatch(),
  })
  return shared
}

// A connection that is open and silent (a stopped process, a cut cable) is given up when a ping stays without its pong. Closing it
// properly would wait for the other side, which says nothing.
function silenceWatch(): NonNullable<ClientOptions['on']> {
  let timer: ReturnType<typeof setTimeout> | undefined
  const heard = (): void => {
    heardMs = Date.now()
    clearTimeout(timer)
  }
  return {
    connected: heard,
    message: heard,
    ping: (received) => {
      if (!received) timer = setTimeout(() => shared?.terminate(), pongMs)
    },
    closed: () => clearTimeout(timer),
  }
}

/** Forgets the socket, after signing in or out. */
export function closeSocket(): void {
  void shared?.dispose()
  shared = undefined
}
