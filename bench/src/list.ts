import type { Benchmark } from './benchmark.ts'
import type { EncodingServerSetup } from './encoding-server.ts'
import type { Figure } from './figure.ts'
import type { ListRates, ListRound } from './list-load.ts'
import { createPods } from './pods.ts'
import { startProduct } from './product.ts'
import { median, quantile } from './statistics.ts'
import { WorkerProcess } from './worker-process.ts'

const pods = 10_000
const path = '/api/v1/namespaces/bench/pods'

/** A long list: bytes that are held, against objects that are encoded for each request. */
export const listOfPods: Benchmark = {
  name: 'list',
  title: `List of ${pods.toLocaleString('en')} pods over REST, TLS`,
  async run({ cleanup, quick, quiet, log }): Promise<readonly Figure[]> {
    const product = await startProduct(cleanup, ['--simulated-nodes', '0'])
    await createPods(product, pods, log)
    const address = { port: product.port, ca: product.ca, token: product.token }
    const setup: EncodingServerSetup = { from: address, path, ...product.serverCertificate() }
    const peerServer = new WorkerProcess<object, number>(cleanup, './encoding-server.ts', setup)
    const peerAddress = { ...address, port: await peerServer.ask({}) }
    const load = new WorkerProcess<ListRound, ListRates>(cleanup, './list-load.ts', {})
    const ours: ListRates[] = []
    const peer: ListRates[] = []
    const seconds = quick ? 2 : 5
    for (let turn = 0; turn < (quick ? 1 : 3); turn++) {
      await quiet()
      ours.push(await load.ask({ address, path, seconds }))
      peer.push(await load.ask({ address: peerAddress, path, seconds }))
      log(`ours ${ours.at(-1)?.perSecond.toFixed(1)}/s, encoding per request ${peer.at(-1)?.perSecond.toFixed(1)}/s`)
    }
    const megabytes = ((ours[0]?.bytes ?? 0) / 1e6).toFixed(1)
    const first = (rates: readonly ListRates[], part: number): number =>
      quantile(
        rates.flatMap(({ firstByteMs }) => firstByteMs),
        part,
      )
    const note = `One connection, HTTP/1.1, no compression, ${megabytes} MB an answer, read and counted by a Node process on the same cores. Peer: a Node server that holds the same objects parsed and calls JSON.stringify for each request, with the same certificate. The API server has no port without TLS, so there is no figure without it.`
    return [
      {
        name: 'lists of 10,000 pods',
        unit: '/s',
        ours: median(ours.map(({ perSecond }) => perSecond)),
        peer: median(peer.map(({ perSecond }) => perSecond)),
        goal: { of: 'ratio', atLeast: 10 },
        note,
      },
      {
        name: 'first byte: p50',
        unit: 'ms',
        ours: first(ours, 0.5),
        peer: first(peer, 0.5),
        goal: { of: 'ours', atMost: 10 },
      },
      { name: 'first byte: p99', unit: 'ms', ours: first(ours, 0.99), peer: first(peer, 0.99) },
    ]
  },
}
