import type { Benchmark } from './benchmark.ts'
import type { EncodingPorts, EncodingServerSetup } from './encoding-server.ts'
import type { Figure } from './figure.ts'
import type { ListRates, ListRound } from './list-load.ts'
import { createPods } from './pods.ts'
import { type Address, freePort, startProduct } from './product.ts'
import { median, quantile } from './statistics.ts'
import { WorkerProcess } from './worker-process.ts'

const pods = 10_000
const path = '/api/v1/namespaces/bench/pods'

/** A long list: bytes that are held, against objects that are encoded for each request. */
export const listOfPods: Benchmark = {
  name: 'list',
  title: `List of ${pods.toLocaleString('en')} pods over REST, with and without TLS`,
  async run({ cleanup, quick, quiet, log }): Promise<readonly Figure[]> {
    const plainPort = await freePort()
    const product = await startProduct(cleanup, ['--simulated-nodes', '0', '--plain-http-port', String(plainPort)])
    await createPods(product, pods, log)
    const { port, ca, token } = product
    const setup: EncodingServerSetup = { from: { port, ca, token }, path, ...product.serverCertificate() }
    const peerServer = new WorkerProcess<object, EncodingPorts>(cleanup, './encoding-server.ts', setup)
    const peerPorts = await peerServer.ask({})
    const load = new WorkerProcess<ListRound, ListRates>(cleanup, './list-load.ts', {})
    const figures: Figure[] = []
    for (const [how, own, peer] of [
      ['TLS', { port, ca, token }, { port: peerPorts.tls, ca, token }],
      ['no TLS', { port: plainPort, token }, { port: peerPorts.plain, token }],
    ] as const) {
      const rates = await compare({ own, peer, rounds: quick ? 1 : 3, seconds: quick ? 2 : 5, load, quiet })
      for (const [turn, ours] of rates.ours.entries())
        log(`${how}: ours ${ours.perSecond.toFixed(1)}/s, per request ${rates.peer[turn]?.perSecond.toFixed(1)}/s`)
      figures.push(...figuresOf(how, rates))
    }
    return figures
  },
}

/** Where a list is read from; without `ca`: without TLS. */
export type ListAddress = Pick<Address, 'port' | 'token'> & Partial<Pick<Address, 'ca'>>

interface Rates {
  readonly ours: readonly ListRates[]
  readonly peer: readonly ListRates[]
}

async function compare(options: {
  readonly own: ListAddress
  readonly peer: ListAddress
  readonly rounds: number
  readonly seconds: number
  readonly load: WorkerProcess<ListRound, ListRates>
  quiet(): Promise<void>
}): Promise<Rates> {
  const { own, peer, rounds, seconds, load, quiet } = options
  const rates = { ours: [] as ListRates[], peer: [] as ListRates[] }
  for (let turn = 0; turn < rounds; turn++) {
    await quiet()
    rates.ours.push(await load.ask({ address: own, path, seconds }))
    rates.peer.push(await load.ask({ address: peer, path, seconds }))
  }
  return rates
}

function figuresOf(how: string, { ours, peer }: Rates): Figure[] {
  const rate = (rates: readonly ListRates[]): number => median(rates.map(({ perSecond }) => perSecond))
  const first = (rates: readonly ListRates[], part: number): number =>
    quantile(
      rates.flatMap(({ firstByteMs }) => firstByteMs),
      part,
    )
  const megabytes = ((ours[0]?.bytes ?? 0) / 1e6).toFixed(1)
  const note = `One connection, HTTP/1.1, no compression, ${megabytes} MB an answer, read and counted by a Node process on the same cores. Peer: a Node server that holds the same objects parsed and calls JSON.stringify for each request, with the same certificate.`
  return [
    {
      name: `lists of 10,000 pods, ${how}`,
      unit: '/s',
      ours: rate(ours),
      peer: rate(peer),
      goal: { of: 'ratio', atLeast: 10 },
      note,
    },
    {
      name: `${how}, first byte: p50`,
      unit: 'ms',
      ours: first(ours, 0.5),
      peer: first(peer, 0.5),
      goal: { of: 'ours', atMost: 10 },
    },
    { name: `${how}, first byte: p99`, unit: 'ms', ours: first(ours, 0.99), peer: first(peer, 0.99) },
  ]
}
