import { createClient } from 'graphql-ws'
import { connect } from 'node:tls'
import { WebSocket } from 'ws'
import type { Address } from './product.ts'
import { wallClockMs } from './statistics.ts'
import { serveOrders } from './worker-process.ts'

/** A process that watches ConfigMaps, over REST or by GraphQL subscriptions, and notes when each revision arrives. */

/** Where and how to watch. */
export interface ReceiverSetup extends Address {
  readonly graphqlWs: string
  readonly namespace: string
}

/** Opens watchers, or hands over what has arrived since. */
export type ReceiverOrder =
  | { readonly open: number; readonly by: 'rest' | 'graphql'; readonly sampled: number }
  | { readonly collect: true }

/** `arrivals` of the sampled watchers: revision and time by {@link wallClockMs}; `bytes` of all of them. */
export interface ReceiverAnswer {
  readonly arrivals: readonly (readonly [revision: number, atMs: number])[]
  readonly bytes: number
  readonly cpuMs: number
}

let arrivals: [number, number][] = []
let bytes = 0
let cpu = process.cpuUsage()

await serveOrders(async (setup: ReceiverSetup) => async (order: ReceiverOrder): Promise<ReceiverAnswer> => {
  if ('open' in order) {
    // In portions: a thousand handshakes at once would outlast their own timeouts.
    for (let first = 0; first < order.open; first += 50) {
      await Promise.all(
        Array.from({ length: Math.min(50, order.open - first) }, (_, i) => {
          const isSampled = ((first + i) * order.sampled) % order.open < order.sampled
          return order.by === 'rest' ? watchByRest(setup, isSampled) : subscribe(setup)
        }),
      )
    }
  }
  const used = process.cpuUsage(cpu)
  const answer = { arrivals, bytes, cpuMs: (used.user + used.system) / 1000 }
  arrivals = []
  bytes = 0
  cpu = process.cpuUsage()
  return answer
})

// One for all: what is read is looked at before the next read.
const readBuffer = Buffer.alloc(256 * 1024)

// A raw socket: the watchers share the cores with the server. Only the sampled ones look into what they get.
function watchByRest({ port, ca, token, namespace }: ReceiverSetup, isSampled: boolean): Promise<void> {
  return new Promise((resolve, reject) => {
    let opened = false
    const take = (length: number, buffer: Uint8Array): boolean => {
      const nowMs = wallClockMs()
      bytes += length
      if (!opened) resolve()
      opened = true
      if (isSampled) {
        const text = Buffer.from(buffer.buffer, buffer.byteOffset, length).toString('latin1')
        for (const [, revision] of text.matchAll(/"resourceVersion":"(\d+)"/g)) arrivals.push([Number(revision), nowMs])
      }
      return true
    }
    const onread = { buffer: readBuffer, callback: take }
    const options = { host: '127.0.0.1', port, ca, ALPNProtocols: ['http/1.1'], ...({ onread } as object) }
    const socket = connect(options, () => {
      socket.write(
        [
          `GET /api/v1/namespaces/${namespace}/configmaps?watch=1&resourceVersion=0 HTTP/1.1`,
          `Host: 127.0.0.1:${port}`,
          `Authorization: Bearer ${token}`,
          'Accept: application/json\r\n\r\n',
        ].join('\r\n'),
      )
    })
    socket.once('error', reject)
  })
}

function subscribe({ ca, token, graphqlWs, namespace }: ReceiverSetup): Promise<void> {
  class TrustingWebSocket extends WebSocket {
    constructor(address: string, protocols: string[]) {
      super(address, protocols, { ca })
    }
  }
  const client = createClient({
    url: graphqlWs,
    webSocketImpl: TrustingWebSocket,
    connectionParams: { authorization: `Bearer ${token}` },
    retryAttempts: 0,
  })
  const query =
    'subscription Watch($namespace: String) { configMapEvents(namespace: $namespace) { resourceVersion events { type object { metadata { name resourceVersion } data } } } }'
  return new Promise((resolve, reject) => {
    client.subscribe<{ configMapEvents: SubscriptionBatch }>(
      { query, variables: { namespace } },
      {
        next: ({ data, errors }) => {
          const nowMs = wallClockMs()
          if (errors !== undefined || data === undefined || data === null)
            return reject(new Error(JSON.stringify(errors)))
          for (const { type, object } of data.configMapEvents.events) {
            if (type === 'INITIAL_END') resolve()
            else if (object !== null) arrivals.push([Number(object.metadata.resourceVersion), nowMs])
          }
        },
        error: (error) => reject(error instanceof Error ? error : new Error(JSON.stringify(error))),
        complete: () => undefined,
      },
    )
  })
}

interface SubscriptionBatch {
  readonly events: readonly {
    readonly type: string
    readonly object: { readonly metadata: { readonly resourceVersion: string } } | null
  }[]
}
