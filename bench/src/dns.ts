import { startClusterDns } from '@binnacle/node-agent/dns'
import { namespaces, services } from '@binnacle/resources'
import { aNamespace, aService, FakeCluster } from '@binnacle/testing'
import type { Benchmark } from './benchmark.ts'
import type { DnsRates, DnsRound } from './dns-load.ts'
import type { Figure } from './figure.ts'
import { median } from './statistics.ts'
import { WorkerProcess } from './worker-process.ts'

const names = 1_000

/** The node agent's DNS server, asked over UDP. */
export const dnsQueries: Benchmark = {
  name: 'dns',
  title: `DNS queries for ${names.toLocaleString('en')} Services over UDP`,
  async run({ cleanup, quick, quiet, log }): Promise<readonly Figure[]> {
    const cluster = new FakeCluster({ clock: { nowMs: () => Date.now() } })
    await cluster.create(namespaces, aNamespace('default'))
    for (let index = 0; index < names; index++) {
      const clusterIP = `10.96.${index >> 8}.${index & 255}`
      await cluster.create(services, aService({ name: `s-${index}`, spec: { clusterIP, clusterIPs: [clusterIP] } }))
    }
    const addresses = ['127.0.0.1']
    const zone = 'cluster.local'
    const dns = startClusterDns({
      client: cluster,
      addresses,
      port: 0,
      zone,
      resolvConf: '',
      upstreams: [],
      log: () => undefined,
    })
    cleanup.add(() => dns.stop())
    const port = await dns.ready
    const load = new WorkerProcess<DnsRound, DnsRates>(cleanup, './dns-load.ts', {})
    const rounds: DnsRates[] = []
    for (let turn = 0; turn < (quick ? 1 : 3); turn++) {
      await quiet()
      rounds.push(await load.ask({ port, names, seconds: quick ? 1 : 5 }))
      log(`${rounds.at(-1)?.perSecond.toFixed(0)} queries/s`)
    }
    const lost = rounds.reduce((sum, round) => sum + round.lost, 0)
    return [
      {
        name: 'A records of Services',
        unit: '/s',
        ours: median(rounds.map(({ perSecond }) => perSecond)),
        goal: { of: 'ours', atLeast: 10_000 },
        note: `64 queries under way at a time, sent and checked by a Node process on the same cores; ${lost} without an answer within a second.`,
      },
    ]
  },
}
