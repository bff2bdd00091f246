import type { IncomingMessage } from 'node:http'
import type { Socket } from 'node:net'
import { type Status, StatusError } from '@binnacle/apimachinery'
import { type RawData, type WebSocket, WebSocketServer } from 'ws'
import type { UpgradeRequest } from '../http/exchange.ts'
import { commandMessageBytesMax, streamBufferBytesMax } from '../limits.ts'
import { SpdyConnection, type SpdyStream } from './spdy-connection.ts'

/** kubectl's protocol for exec and attach over WebSockets: the only one in which a client can end its stdin. */
export const commandProtocol = 'v5.channel.k8s.io'

/** The first byte of every message says what it belongs to. */
const channels = { stdin: 0, stdout: 1, stderr: 2, error: 3, resize: 4, close: 255 } as const
type Channel = Exclude<keyof typeof channels, 'close'>

const server = new WebSocketServer({
  noServer: true,
  maxPayload: commandMessageBytesMax,
  perMessageDeflate: false,
  handleProtocols: () => commandProtocol,
})

/** Completes the WebSocket handshake with the client. */
export async function acceptCommand({ request, socket, head }: UpgradeRequest): Promise<WebSocket> {
  const { promise, resolve, reject } = Promise.withResolvers<WebSocket>()
  // When the handshake is wrong, the client is told so and the socket closed.
  socket.once('close', () => reject(new StatusError('BadRequest', 'the WebSocket handshake failed')))
  server.handleUpgrade(request, socket, head, resolve)
  return await promise
}

/** Ends a command that could not begin: the client reads why from the error channel, as it does with a command that failed. */
export function refuseCommand(client: WebSocket, status: Status): void {
  client.send(message(channels.error, Buffer.from(JSON.stringify(status))))
  client.close(1000)
}

/** The node's side of a command: its connection, just upgraded to SPDY. */
export interface NodeSide {
  readonly response: IncomingMessage
  readonly socket: Socket
  readonly head: Buffer
}

/** Which streams the client has asked for. */
export interface CommandStreams {
  readonly stdin: boolean
  readonly stdout: boolean
  readonly stderr: boolean
  readonly tty: boolean
}

/**
 * Carries a command between a client that speaks {@link commandProtocol} and a node that speaks SPDY: one SPDY stream a channel. What the slower
 * side has not taken yet is bounded: the faster one has to wait. When all that the node sends has come to an end, the client is told so; when
 * either side is gone, so is the other. Resolves when it is over.
 */
export async function bridgeCommand(client: WebSocket, node: NodeSide, streams: CommandStreams): Promise<void> {
  const bridge = new CommandBridge(client, node, streams)
  await bridge.run()
}

class CommandBridge {
  readonly #client: WebSocket
  readonly #node: SpdyConnection
  readonly #wanted: CommandStreams
  readonly #streams: Partial<Record<Channel, SpdyStream>> = {}
  readonly #over = Promise.withResolvers<void>()
  /** Channels on which the node may still send. */
  readonly #open = new Set<Channel>()
  #hasStatus = false

  constructor(client: WebSocket, { socket, head }: NodeSide, wanted: CommandStreams) {
    this.#client = client
    this.#wanted = wanted
    this.#node = new SpdyConnection(socket, head, () => this.#nodeIsGone())
    client.on('error', () => client.terminate())
    client.once('close', () => {
      this.#node.destroy()
      this.#over.resolve()
    })
    client.on('message', (data) => this.#receive(data))
  }

  async run(): Promise<void> {
    // Until the streams are there, what the client sends waits in its socket.
    this.#client.pause()
    const { stdin, stdout, stderr, tty } = this.#wanted
    const wanted = { error: true, stdin, stdout, stderr: stderr && !tty, resize: tty }
    for (const channel of ['error', 'stdout', 'stderr'] as const) if (wanted[channel]) this.#open.add(channel)
    for (const channel of ['error', 'stdin', 'stdout', 'stderr', 'resize'] as const)
      if (wanted[channel]) this.#streams[channel] = await this.#openStream(channel)
    // Nothing is ever sent on it from here.
    this.#streams.error?.end()
    this.#node.start()
    this.#client.resume()
    await this.#over.promise
  }

  #openStream(channel: Channel): Promise<SpdyStream> {
    return this.#node.open(
      { streamtype: channel },
      { onData: (data) => this.#send(channel, data), onEnd: () => this.#ended(channel) },
    )
  }

  #send(channel: Channel, data: Buffer): void {
    if (channel === 'error') this.#hasStatus = true
    if (this.#client.readyState !== this.#client.OPEN) return
    this.#client.send(message(channels[channel], data), () => {
      if (this.#client.bufferedAmount <= streamBufferBytesMax) this.#node.resume()
    })
    if (this.#client.bufferedAmount > streamBufferBytesMax) this.#node.pause()
  }

  #ended(channel: Channel): void {
    this.#open.delete(channel)
    if (this.#open.size === 0) this.#endClient()
  }

  // Without a word on how the command ended, that is what the client has to know.
  #nodeIsGone(): void {
    if (this.#client.readyState !== this.#client.OPEN) return
    if (!this.#hasStatus) this.#send('error', Buffer.from(JSON.stringify(connectionLost)))
    this.#endClient()
  }

  // A paused client would not see the answer to its own end.
  #endClient(): void {
    this.#client.close(1000)
    this.#client.resume()
  }

  #receive(data: RawData): void {
    const bytes = data as Buffer
    const payload = bytes.subarray(1)
    switch (bytes[0]) {
      case channels.stdin:
        return this.#pass(this.#streams.stdin, payload)
      case channels.resize:
        return this.#pass(this.#streams.resize, payload)
      case channels.close:
        if (payload[0] === channels.stdin) this.#streams.stdin?.end()
    }
  }

  #pass(stream: SpdyStream | undefined, payload: Buffer): void {
    if (stream === undefined || payload.length === 0 || stream.write(payload)) return
    this.#client.pause()
    this.#node.onDrain(() => this.#client.resume())
  }
}

const connectionLost: Status = new StatusError(
  'InternalError',
  'Internal error occurred: the connection to the node was lost before the command ended',
).status

function message(channel: number, payload: Buffer): Buffer {
  const bytes = Buffer.allocUnsafe(1 + payload.length)
  bytes[0] = channel
  payload.copy(bytes, 1)
  return bytes
}
