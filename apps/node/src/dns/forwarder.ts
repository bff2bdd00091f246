import { randomInt } from 'node:crypto'
import dgram from 'node:dgram'
import { readFile } from 'node:fs/promises'
import net from 'node:net'
import { type Answer, type DecodedPacket, decode, encode, type Question, streamEncode } from 'dns-packet'

/** A server that other names are asked of. */
export interface Upstream {
  readonly host: string
  readonly port: number
}

/** What another server said of a name. */
export interface Forwarded {
  /** The DNS response code: 0 NOERROR, 3 NXDOMAIN. */
  readonly code: number
  readonly answers: readonly Answer[]
  readonly authorities: readonly Answer[]
  readonly additionals: readonly Answer[]
}

interface Cached {
  readonly result: Forwarded
  readonly storedMs: number
  readonly untilMs: number
}

/** How long one server is waited for, and how long what it said is kept at most, as in CoreDNS' `forward` and `cache`. */
const upstreamMsMax = 2_000
const foundSecondsMax = 3_600
const missingSecondsMax = 1_800
const cachedMax = 10_000
/** Questions on their way at a time; more are refused rather than queued. */
const runningMax = 1_000
const upstreamsMax = 3
const serverFailure: Forwarded = { code: 2, answers: [], authorities: [], additionals: [] }
const okOrMissing = new Set([0, 3])
const recursionDesired = 0x0100

/**
 * Reads the servers of a resolv.conf.
 * @param own addresses that this server itself listens on: asking them would go round in circles.
 */
export async function upstreamsOf(file: string, own: readonly string[]): Promise<Upstream[]> {
  const text = await readFile(file, 'utf8').catch(() => '')
  return [...text.matchAll(/^\s*nameserver\s+(\S+)/gm)]
    .map(([, host = '']) => ({ host, port: 53 }))
    .filter(({ host }) => net.isIP(host) !== 0 && !own.includes(host))
    .slice(0, upstreamsMax)
}

/** Asks other servers, one after the other, and keeps what they say for as long as they allow. */
export class Forwarder {
  readonly #upstreams: () => readonly Upstream[]
  readonly #nowMs: () => number
  readonly #cache = new Map<string, Cached>()
  readonly #running = new Map<string, Promise<Forwarded>>()

  constructor(upstreams: () => readonly Upstream[], nowMs: () => number = Date.now) {
    this.#upstreams = upstreams
    this.#nowMs = nowMs
  }

  /** Never fails: when no server answers, the result says SERVFAIL. */
  async ask(question: Question): Promise<Forwarded> {
    const key = `${question.type} ${question.name.toLowerCase()}`
    const cached = this.#cache.get(key)
    const nowMs = this.#nowMs()
    if (cached !== undefined && cached.untilMs > nowMs) return aged(cached, nowMs)
    let running = this.#running.get(key)
    if (running === undefined) {
      if (this.#running.size >= runningMax) return serverFailure
      running = this.#askAll(question, key).finally(() => this.#running.delete(key))
      this.#running.set(key, running)
    }
    return running
  }

  async #askAll(question: Question, key: string): Promise<Forwarded> {
    for (const upstream of this.#upstreams()) {
      const packet = await askOne(upstream, question).catch(() => undefined)
      const code = (packet?.flags ?? 0) & 0xf
      // A server that refuses or is broken leaves the question to the next one.
      if (packet === undefined || !okOrMissing.has(code)) continue
      const { answers = [], authorities = [], additionals = [] } = packet
      const result = { code, answers, authorities, additionals: additionals.filter(({ type }) => type !== 'OPT') }
      this.#keep(key, result)
      return result
    }
    return serverFailure
  }

  #keep(key: string, result: Forwarded): void {
    const seconds = secondsOf(result)
    if (seconds <= 0) return
    const storedMs = this.#nowMs()
    this.#cache.delete(key)
    this.#cache.set(key, { result, storedMs, untilMs: storedMs + seconds * 1_000 })
    // The oldest entry is the first.
    if (this.#cache.size > cachedMax) this.#cache.delete(this.#cache.keys().next().value ?? '')
  }
}

/** How long a result may be kept: its shortest time to live; for the lack of an answer, what the zone's SOA says (RFC 2308). */
function secondsOf({ code, answers, authorities }: Forwarded): number {
  if (code === 0 && answers.length > 0) return Math.min(foundSecondsMax, ...answers.map((answer) => ttlOf(answer)))
  const soa = authorities.find((record) => record.type === 'SOA')
  return soa?.type === 'SOA' ? Math.min(missingSecondsMax, soa.ttl ?? 0, soa.data.minimum ?? 0) : 0
}

function ttlOf(answer: Answer): number {
  return 'ttl' in answer ? (answer.ttl ?? 0) : 0
}

function aged({ result, storedMs }: Cached, nowMs: number): Forwarded {
  const seconds = Math.floor((nowMs - storedMs) / 1_000)
  const lower = (records: readonly Answer[]): Answer[] =>
    records.map((record) => ({ ...record, ttl: Math.max(0, ttlOf(record) - seconds) }) as Answer)
  const { answers, authorities, additionals } = result
  return { ...result, answers: lower(answers), authorities: lower(authorities), additionals: lower(additionals) }
}

/** One question to one server: from a port and with a number of its own, by which its answer is told from forged ones; over TCP when it does not fit. */
async function askOne(upstream: Upstream, question: Question): Promise<DecodedPacket> {
  const id = randomInt(65_536)
  const query = { type: 'query' as const, id, flags: recursionDesired, questions: [question] }
  const packet = await byDatagram(upstream, encode(query), id)
  return packet.flag_tc ? byConnection(upstream, streamEncode(query)) : packet
}

function byDatagram({ host, port }: Upstream, query: Buffer, id: number): Promise<DecodedPacket> {
  const { promise, resolve, reject } = Promise.withResolvers<DecodedPacket>()
  const socket = dgram.createSocket(net.isIPv6(host) ? 'udp6' : 'udp4')
  const timer = setTimeout(() => reject(new Error('no answer in time')), upstreamMsMax)
  socket.on('error', reject)
  socket.on('message', (message) => {
    // Connected: only this server reaches the socket. What is not an answer to this question is left lying.
    if (message.length < 12 || message.readUInt16BE(0) !== id) return
    try {
      resolve(decode(message))
    } catch (error) {
      reject(error as Error)
    }
  })
  socket.connect(port, host, () => socket.send(query))
  return promise.finally(() => {
    clearTimeout(timer)
    socket.close()
  })
}

function byConnection({ host, port }: Upstream, query: Buffer): Promise<DecodedPacket> {
  const { promise, resolve, reject } = Promise.withResolvers<DecodedPacket>()
  const socket = net.connect({ host, port })
  let received = Buffer.alloc(0)
  socket.setTimeout(upstreamMsMax, () => socket.destroy(new Error('no answer in time')))
  socket.on('error', reject)
  socket.on('close', () => reject(new Error('closed before the answer')))
  socket.on('data', (chunk) => {
    received = Buffer.concat([received, chunk])
    if (received.length < 2 || received.length < 2 + received.readUInt16BE(0)) return
    try {
      resolve(decode(received.subarray(2, 2 + received.readUInt16BE(0))))
    } catch (error) {
      reject(error as Error)
    }
  })
  socket.write(query)
  return promise.finally(() => socket.destroy())
}
