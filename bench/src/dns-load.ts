import dgram from 'node:dgram'
import { encode } from 'dns-packet'
import { serveOrders } from './worker-process.ts'

/** A process that asks a DNS server as fast as it answers. */

/** What to ask, and for how long. */
export interface DnsRound {
  readonly port: number
  /** Services are `s-0` to one less than this. */
  readonly names: number
  readonly seconds: number
}

/** What it gave. */
export interface DnsRates {
  readonly perSecond: number
  readonly lost: number
}

const atOnce = 64
const lostAfterMs = 1_000
const headerBytes = 12

await serveOrders(async () => run)

async function run({ port, names, seconds }: DnsRound): Promise<DnsRates> {
  const queries = Array.from({ length: names }, (_, index) =>
    encode({
      type: 'query',
      id: 0,
      flags: 0x0100,
      questions: [{ name: `s-${index}.default.svc.cluster.local`, type: 'A' }],
    }),
  )
  const socket = dgram.createSocket('udp4')
  await new Promise<void>((resolve) => socket.connect(port, '127.0.0.1', resolve))
  const waiting = new Map<number, { readonly sentMs: number }>()
  let sent = 0
  let answered = 0
  let lost = 0
  const ask = (): void => {
    const query = queries[sent % names] as Buffer
    const id = sent++ & 0xffff
    query.writeUInt16BE(id, 0)
    waiting.set(id, { sentMs: performance.now() })
    // A copy: the buffer is used again before this one is sent.
    socket.send(Buffer.from(query))
  }
  const startedMs = performance.now()
  const untilMs = startedMs + seconds * 1_000
  socket.on('message', (message) => {
    // One answer, no error: anything else counts as lost.
    if (!waiting.delete(message.readUInt16BE(0))) return
    if (message.length > headerBytes && message.readUInt16BE(6) === 1) answered++
    else lost++
    if (performance.now() < untilMs) ask()
  })
  for (let index = 0; index < atOnce; index++) ask()
  while (performance.now() < untilMs) {
    await new Promise((resolve) => setTimeout(resolve, 100))
    for (const [id, { sentMs }] of waiting)
      if (performance.now() - sentMs > lostAfterMs) {
        waiting.delete(id)
        lost++
        ask()
      }
  }
  socket.close()
  return { perSecond: answered / ((performance.now() - startedMs) / 1_000), lost }
}
