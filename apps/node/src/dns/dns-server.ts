import dgram from 'node:dgram'
import net from 'node:net'
import {
  type Answer,
  AUTHORITATIVE_ANSWER,
  decode,
  type DecodedPacket,
  encode,
  encodingLength,
  type Packet,
  type Question,
  RECURSION_AVAILABLE,
  RECURSION_DESIRED,
  TRUNCATED_RESPONSE,
} from 'dns-packet'

/** What is answered to a question. */
export interface Reply {
  readonly code: number
  readonly isAuthoritative: boolean
  readonly answers: readonly Answer[]
  readonly authorities: readonly Answer[]
  readonly additionals: readonly Answer[]
}

/** Response codes of DNS. */
export const codes = { ok: 0, malformed: 1, failed: 2, missing: 3, notImplemented: 4, refused: 5 } as const

/** Without EDNS; and what is sent at most with it, so that answers fit into one packet of any network. */
const datagramBytes = 512
const datagramBytesMax = 1_232
const connectionBytesMax = 65_535
const connectionIdleMs = 10_000
const connectionsMax = 1_000
const receiveBufferBytes = 4 << 20

/** Answers one question; never fails. What is not a promise is sent at once. */
type Answerer = (question: Question) => Reply | Promise<Reply>

/** The DNS protocol over UDP and TCP, whatever the answers are. */
export class DnsServer {
  readonly #answerer: Answerer
  readonly #sockets: dgram.Socket[] = []
  readonly #servers: net.Server[] = []
  readonly #connections = new Set<net.Socket>()

  constructor(answerer: Answerer) {
    this.#answerer = answerer
  }

  /** Listens on UDP and TCP; port 0 takes one that TCP has free. @returns the port */
  async listen(host: string, port: number): Promise<number> {
    const server = net.createServer((socket) => this.#serve(socket))
    server.maxConnections = connectionsMax
    this.#servers.push(server)
    await new Promise<void>((resolve, reject) => void server.once('error', reject).listen(port, host, resolve))
    const bound = (server.address() as net.AddressInfo).port
    const socket = dgram.createSocket({ type: net.isIPv6(host) ? 'udp6' : 'udp4' })
    this.#sockets.push(socket)
    socket.on('message', (message, from) => this.#receive(message, socket, from))
    await new Promise<void>((resolve, reject) => void socket.once('error', reject).bind(bound, host, resolve))
    socket.setRecvBufferSize(receiveBufferBytes)
    // An answer that cannot be delivered concerns its client alone.
    socket.removeAllListeners('error').on('error', () => undefined)
    return bound
  }

  async close(): Promise<void> {
    for (const connection of this.#connections) connection.destroy()
    await Promise.all(this.#sockets.map((socket) => new Promise<void>((resolve) => void socket.close(resolve))))
    await Promise.all(this.#servers.map((server) => new Promise((resolve) => void server.close(resolve))))
  }

  #receive(message: Buffer, socket: dgram.Socket, from: dgram.RemoteInfo): void {
    const send = (reply: Buffer | undefined): void => {
      if (reply !== undefined) socket.send(reply, from.port, from.address)
    }
    const reply = this.#reply(message, 'datagram')
    if (reply instanceof Promise) void reply.then(send)
    else send(reply)
  }

  #serve(socket: net.Socket): void {
    this.#connections.add(socket)
    let received = Buffer.alloc(0)
    socket.setTimeout(connectionIdleMs, () => socket.destroy())
    socket.on('error', () => undefined)
    socket.on('close', () => this.#connections.delete(socket))
    socket.on('data', (chunk) => {
      received = Buffer.concat([received, chunk])
      while (received.length >= 2 && received.length >= 2 + received.readUInt16BE(0)) {
        const end = 2 + received.readUInt16BE(0)
        void this.#replyInStream(received.subarray(2, end), socket)
        received = received.subarray(end)
      }
    })
  }

  async #replyInStream(message: Buffer, socket: net.Socket): Promise<void> {
    const reply = await this.#reply(message, 'stream')
    if (reply === undefined || socket.destroyed) return
    const length = Buffer.alloc(2)
    length.writeUInt16BE(reply.length)
    socket.write(Buffer.concat([length, reply]))
  }

  #reply(message: Buffer, transport: 'datagram' | 'stream'): Buffer | undefined | Promise<Buffer> {
    // Too short for a header, or an answer: a reply to it would go to and fro for ever.
    if (message.length < 12 || (message.readUInt8(2) & 0x80) !== 0) return undefined
    const id = message.readUInt16BE(0)
    // Bits 3 to 6: what is asked for; only QUERY is served.
    if ((message.readUInt8(2) & 0x78) !== 0) return withoutQuestion(id, codes.notImplemented)
    let query: DecodedPacket
    try {
      query = decode(message)
    } catch {
      return withoutQuestion(id, codes.malformed)
    }
    const [question, ...more] = query.questions ?? []
    if (question === undefined || more.length > 0) return withoutQuestion(id, codes.malformed)
    const bytesMax = transport === 'stream' ? connectionBytesMax : datagramLimit(query)
    if (question.class !== undefined && question.class !== 'IN') return packed(query, question, refused, bytesMax)
    const reply = this.#answerer(question)
    if (reply instanceof Promise) return reply.then((late) => packed(query, question, late, bytesMax))
    return packed(query, question, reply, bytesMax)
  }
}

const refused: Reply = { code: codes.refused, isAuthoritative: false, answers: [], authorities: [], additionals: [] }

function withoutQuestion(id: number, code: number): Buffer {
  return encode({ type: 'response', id, flags: code })
}

function optOf({ additionals = [] }: Packet) {
  const opt = additionals.find(({ type }) => type === 'OPT')
  return opt?.type === 'OPT' ? opt : undefined
}

function datagramLimit(query: Packet): number {
  const opt = optOf(query)
  return opt === undefined
    ? datagramBytes
    : Math.min(datagramBytesMax, Math.max(datagramBytes, opt.udpPayloadSize ?? 0))
}

const ownOpt = {
  type: 'OPT',
  name: '.',
  udpPayloadSize: datagramBytesMax,
  flags: 0,
  ednsVersion: 0,
  extendedRcode: 0,
  flag_do: false,
  options: [],
} satisfies Answer

/** Puts a reply into the bytes there are: first without the additional records, then with as many answers as fit and the mark that there are more. */
function packed(query: DecodedPacket, question: Question, reply: Reply, bytesMax: number): Buffer {
  const own: Answer[] = optOf(query) === undefined ? [] : [ownOpt]
  const isRecursive = ((query.flags ?? 0) & RECURSION_DESIRED) | RECURSION_AVAILABLE
  const packet = {
    type: 'response' as const,
    id: query.id ?? 0,
    flags: isRecursive | (reply.isAuthoritative ? AUTHORITATIVE_ANSWER : 0) | reply.code,
    questions: [question],
    answers: [...reply.answers],
    authorities: [...reply.authorities],
    additionals: [...reply.additionals, ...own],
  }
  if (encodingLength(packet) <= bytesMax) return encode(packet)
  packet.additionals = own
  if (encodingLength(packet) <= bytesMax) return encode(packet)
  packet.flags |= TRUNCATED_RESPONSE
  packet.authorities = []
  while (packet.answers.length > 0 && encodingLength(packet) > bytesMax)
    packet.answers.length = Math.floor(packet.answers.length * 0.9)
  return encode(packet)
}
