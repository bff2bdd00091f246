import type { RunningPostgres } from '@binnacle/store/postgres'
import { startPostgres } from '@binnacle/store/postgres'
import path from 'node:path'
import type { Benchmark, BenchmarkContext } from './benchmark.ts'
import { type Etcd, etcdMissing, startEtcd, type WriteRates, type WriteRound } from './etcd.ts'
import type { Figure } from './figure.ts'
import { slowDisk, slowPostgres } from './slow-disk.ts'
import { median } from './statistics.ts'
import { WorkerProcess } from './worker-process.ts'

/** The store against etcd: the same writes, from as many writers, onto the same file system. */
export const storeAgainstEtcd: Benchmark = {
  name: 'store',
  title: 'Store against etcd, objects of 2 KB, fsync on',
  async run(context) {
    const postgres = await startPostgres({ dataDir: path.join(context.cleanup.folder('postgres'), 'data') })
    context.cleanup.add(() => postgres.stop())
    return await compare(context, postgres, await peer(context))
  },
}

/** The same with a disk whose flush takes 2 ms longer, for both. */
export const storeOnSlowDisk: Benchmark = {
  name: 'store-slow-disk',
  title: 'Store against etcd, each flush of the disk 2 ms slower',
  async run(context) {
    const disk = await slowDisk()
    const postgres = await slowPostgres(context.cleanup, disk)
    return await compare(context, postgres, await peer(context, disk.wrap), disk.note)
  },
}

async function peer(context: BenchmarkContext, wrap?: Parameters<typeof startEtcd>[1]): Promise<Etcd | undefined> {
  const missing = await etcdMissing()
  if (missing === undefined) return await startEtcd(context.cleanup, wrap)
  context.log(`without its peer: ${missing}`)
  return undefined
}

async function compare(
  context: BenchmarkContext,
  postgres: Pick<RunningPostgres, 'url'>,
  etcd: Etcd | undefined,
  diskNote?: string,
): Promise<readonly Figure[]> {
  const ours = new WorkerProcess<WriteRound, WriteRates>(context.cleanup, './store-load.ts', { url: postgres.url })
  const peerNote =
    etcd === undefined ? 'No peer here.' : `Peer: etcd ${etcd.version}, its default settings, driven by ${etcd.client}.`
  const note = `${peerNote} Ours: package store in a Node process of its own, the load included.${diskNote === undefined ? '' : ` ${diskNote}`}`
  const figures: Figure[] = []
  for (const clients of [1, 64, 256]) {
    for (const kind of ['create', 'update'] as const) {
      const both = await interleave(context, { kind, clients }, (round) => ours.ask(round), etcd)
      const label = `${kind}s, ${clients} client${clients === 1 ? '' : 's'}`
      if (clients === 1)
        figures.push({
          name: `${label}: p50`,
          unit: 'ms',
          ours: middle(both.ours, 'p50Ms'),
          peer: middle(both.peer, 'p50Ms'),
          goal: { of: 'ratio', atMost: 1 },
          note,
        })
      else
        figures.push(
          {
            name: label,
            unit: '/s',
            ours: middle(both.ours, 'perSecond'),
            peer: middle(both.peer, 'perSecond'),
            goal: { of: 'ratio', atLeast: 2 },
            note,
          },
          {
            name: `${label}: p99`,
            unit: 'ms',
            ours: middle(both.ours, 'p99Ms'),
            peer: middle(both.peer, 'p99Ms'),
            note,
          },
        )
    }
  }
  return figures
}

function middle(rounds: readonly WriteRates[], of: 'perSecond' | 'p50Ms' | 'p99Ms'): number | undefined {
  return rounds.length === 0 ? undefined : median(rounds.map((rates) => rates[of]))
}

// A B A B …, so that a change of the machine's mood meets both.
async function interleave(
  context: BenchmarkContext,
  what: Pick<WriteRound, 'kind' | 'clients'>,
  ours: (round: WriteRound) => Promise<WriteRates>,
  etcd: Etcd | undefined,
): Promise<{ ours: WriteRates[]; peer: WriteRates[] }> {
  const round = { ...what, warmUpSeconds: 1, seconds: context.quick ? 1 : 4 }
  const results = { ours: [] as WriteRates[], peer: [] as WriteRates[] }
  for (let turn = 0; turn < (context.quick ? 1 : 3); turn++) {
    await context.quiet()
    results.ours.push(await ours(round))
    if (etcd !== undefined) results.peer.push(await etcd.round(round))
    const said = [results.ours, results.peer].map((all) => {
      const last = all.at(-1)
      return last === undefined
        ? '–'
        : `${Math.round(last.perSecond)}/s p50 ${last.p50Ms.toFixed(2)} p99 ${last.p99Ms.toFixed(2)} ms`
    })
    context.log(`${what.kind} ${what.clients} clients: ours ${said[0]}; etcd ${said[1]}`)
  }
  return results
}
