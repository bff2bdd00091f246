import type { Benchmark } from './benchmark.ts'
import { etcdMissing, startEtcd, type WriteRates } from './etcd.ts'
import type { Figure } from './figure.ts'
import { startProduct } from './product.ts'
import type { RestRates, RestRound } from './rest-load.ts'
import { median } from './statistics.ts'
import { WorkerProcess } from './worker-process.ts'

const connections = 64

/** The whole path of a create: TLS, HTTP, authentication, defaulting, validation, commit, answer. */
export const restCreate: Benchmark = {
  name: 'rest-create',
  title: 'REST create of a ConfigMap of 1 KB, 64 connections, TLS',
  async run({ cleanup, quick, quiet, log }): Promise<readonly Figure[]> {
    const missing = await etcdMissing()
    const etcd = missing === undefined ? await startEtcd(cleanup) : undefined
    const product = await startProduct(cleanup, ['--simulated-nodes', '0'])
    const { port, ca, token } = product
    const load = new WorkerProcess<RestRound, RestRates>(cleanup, './rest-load.ts', { port, ca, token })
    const times = { warmUpSeconds: 2, seconds: quick ? 2 : 6 }
    const ours: RestRates[] = []
    const peer: WriteRates[] = []
    for (let turn = 0; turn < (quick ? 1 : 3); turn++) {
      await quiet()
      ours.push(await load.ask({ connections, ...times }))
      if (etcd !== undefined) peer.push(await etcd.round({ kind: 'create', clients: connections, ...times }))
      log(`ours ${ours.at(-1)?.perSecond.toFixed(0)}/s, etcd ${peer.at(-1)?.perSecond.toFixed(0) ?? '–'}/s`)
    }
    const cpu = median(ours.map(({ generatorCpuMs }) => generatorCpuMs)).toFixed(3)
    const note = `Ours: the product as \`npm start\` starts it, workers included, in its own processes; the load generator is one Node process with pre-built requests over raw TLS sockets and takes ${cpu} ms of processor time per request. Peer: ${etcd === undefined ? `none, ${missing}` : `etcd's own native create rate (2 KB, ${etcd.client}), without TLS`}.`
    return [
      {
        name: 'creates over REST, 64 connections',
        unit: '/s',
        ours: median(ours.map(({ perSecond }) => perSecond)),
        peer: peer.length === 0 ? undefined : median(peer.map(({ perSecond }) => perSecond)),
        goal: { of: 'ratio', atLeast: 0.4 },
        note,
      },
      { name: 'creates over REST: p50', unit: 'ms', ours: median(ours.map(({ p50Ms }) => p50Ms)) },
      { name: 'creates over REST: p99', unit: 'ms', ours: median(ours.map(({ p99Ms }) => p99Ms)) },
    ]
  },
}
