import { type Client, createClient } from 'graphql-ws'

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

let shared: Client | undefined

/** The one WebSocket of this page; it connects when first needed and reconnects by itself. */
export function socket(): Client {
  shared ??= createClient({
    url: `${window.location.protocol === 'https:' ? 'wss' : 'ws'}://${window.location.host}/graphql`,
    lazy: true,
    keepAlive: 15_000,
    retryAttempts: Number.POSITIVE_INFINITY,
    retryWait: (retries) =>
      new Promise((resolve) => setTimeout(resolve, Math.min(5000, 250 * 2 ** retries) * (0.5 + Math.random() / 2))),
    // The page's own subscriptions resume by resourceVersion (live-rows.ts), so each attempt is theirs to make.
    shouldRetry: () => true,
  })
  return shared
}

/** Forgets the socket, after signing in or out. */
export function closeSocket(): void {
  void shared?.dispose()
  shared = undefined
}
