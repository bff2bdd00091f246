import path from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { startPostgres } from '@binnacle/store/postgres'
import pg from 'pg'
import type { Benchmark, BenchmarkContext } from './benchmark.ts'
import type { ReceiverAnswer, ReceiverOrder, ReceiverSetup } from './event-receiver.ts'
import type { SourceAnswer, SourceRound } from './event-source.ts'
import type { Figure } from './figure.ts'
import { type Product, startProduct } from './product.ts'
import { quantile } from './statistics.ts'
import { WorkerProcess } from './worker-process.ts'

const namespace = 'default'
const lateMs = 1500
const definition =
  'From the commit, by Postgres’ own commit timestamp (set before the flush to disk, which is therefore in the figure), to the moment the receiving process has the event. Server, Postgres, the source of the updates and the receivers are processes of their own on the same cores.'

/** How long a change takes to those who watch for it. */
export const commitToSubscriber: Benchmark = {
  name: 'latency',
  title: 'From the commit to a watcher, 1,000 events a second for 10 s',
  async run(context): Promise<readonly Figure[]> {
    const setting = await start(context)
    const figures: Figure[] = []
    for (const by of ['rest', 'graphql'] as const) {
      const round = { namespace, perSecond: 1000, seconds: context.quick ? 3 : 10 }
      const { latencies, sent } = await measure(context, setting, { by, watchers: 1, sampled: 1 }, round)
      const label = by === 'rest' ? 'commit → REST watcher' : 'commit → GraphQL subscriber'
      const rate = `${label}: ${(sent.updates.length / sent.seconds).toFixed(0)} updates/s were made; an update took ${quantile(
        sent.updates.map(([, from, to]) => to - from),
        0.5,
      ).toFixed(1)} ms at the median, its answer included.`
      figures.push(
        {
          name: `${label}: p50`,
          unit: 'ms',
          ours: quantile(latencies, 0.5),
          goal: { of: 'ours', atMost: 5 },
          note: definition,
        },
        {
          name: `${label}: p99`,
          unit: 'ms',
          ours: quantile(latencies, 0.99),
          goal: { of: 'ours', atMost: 25 },
          note: rate,
        },
      )
    }
    return figures
  },
}

/** The same with many watchers of the same objects. */
export const commitFanOut: Benchmark = {
  name: 'fan-out',
  title: 'From the commit to 1,000 watchers, 100 events a second',
  async run(context): Promise<readonly Figure[]> {
    const watchers = context.quick ? 100 : 1000
    const setting = await start(context)
    const round = { namespace, perSecond: 100, seconds: context.quick ? 3 : 10 }
    const { latencies, receiver, sent } = await measure(context, setting, { by: 'rest', watchers, sampled: 50 }, round)
    const perEvent = receiver.bytes / watchers / sent.updates.length
    const busy = (receiver.cpuMs / (sent.seconds * 1000 + lateMs)) * 100
    const note = `${definition} ${watchers.toLocaleString('en')} TLS connections in one receiving process, ${perEvent.toFixed(0)} bytes an event; 50 of the watchers, evenly spread, are timed. The receiving process itself was busy ${busy.toFixed(0)} % of the time.`
    const name = `commit → each of ${watchers.toLocaleString('en')} REST watchers`
    return [
      { name: `${name}: p50`, unit: 'ms', ours: quantile(latencies, 0.5), goal: { of: 'ours', atMost: 10 }, note },
      { name: `${name}: p99`, unit: 'ms', ours: quantile(latencies, 0.99) },
    ]
  },
}

interface Setting {
  readonly product: Product
  readonly databaseUrl: string
}

async function start({ cleanup }: BenchmarkContext): Promise<Setting> {
  const postgres = await startPostgres({
    dataDir: path.join(cleanup.folder('postgres'), 'data'),
    settings: { track_commit_timestamp: 'on' },
  })
  cleanup.add(() => postgres.stop())
  const product = await startProduct(cleanup, ['--simulated-nodes', '0', '--database-url', postgres.url])
  return { product, databaseUrl: postgres.url }
}

async function measure(
  { cleanup, quiet, log }: BenchmarkContext,
  { product, databaseUrl }: Setting,
  { by, watchers, sampled }: { by: 'rest' | 'graphql'; watchers: number; sampled: number },
  round: SourceRound,
): Promise<{ latencies: number[]; sent: SourceAnswer; receiver: ReceiverAnswer }> {
  const { port, ca, token, graphqlWs } = product
  const setup: ReceiverSetup = { port, ca, token, graphqlWs, namespace }
  const receiver = new WorkerProcess<ReceiverOrder, ReceiverAnswer>(cleanup, './event-receiver.ts', setup)
  const source = new WorkerProcess<SourceRound, SourceAnswer>(cleanup, './event-source.ts', { port, ca, token })
  await receiver.ask({ open: watchers, by, sampled })
  await source.ask({ ...round, seconds: 2 })
  await sleep(lateMs)
  await receiver.ask({ collect: true })
  await quiet()
  await receiver.ask({ collect: true })
  const sent = await source.ask(round)
  await sleep(lateMs)
  const received = await receiver.ask({ collect: true })
  receiver.end()
  source.end()
  const latencies = await latenciesOf(databaseUrl, sent, received)
  const expected = sent.updates.length * Math.min(sampled, watchers)
  log(
    `${by}, ${watchers} watchers: ${latencies.length} of ${expected} events, p50 ${quantile(latencies, 0.5).toFixed(2)} ms, p99 ${quantile(latencies, 0.99).toFixed(2)} ms`,
  )
  if (latencies.length < expected)
    throw new Error(`${expected - latencies.length} events did not arrive within ${lateMs} ms`)
  return { latencies, sent, receiver: received }
}

async function latenciesOf(url: string, sent: SourceAnswer, received: ReceiverAnswer): Promise<number[]> {
  const client = new pg.Client({ connectionString: url })
  await client.connect()
  try {
    const revisions = sent.updates.map(([revision]) => revision)
    const { rows } = await client.query<{ revision: string; ms: number }>(
      'SELECT revision, (extract(epoch FROM pg_xact_commit_timestamp(xmin)) * 1000)::float8 AS ms FROM changes WHERE revision = ANY($1::bigint[])',
      [revisions],
    )
    const committedMs = new Map(rows.map(({ revision, ms }) => [Number(revision), ms]))
    return received.arrivals.flatMap(([revision, atMs]) => {
      const sinceMs = committedMs.get(revision)
      return sinceMs === undefined ? [] : [atMs - sinceMs]
    })
  } finally {
    await client.end()
  }
}
