import os from 'node:os'
import path from 'node:path'
import { DryScheduler } from '@binnacle/core/scheduling'
import { startPostgres } from '@binnacle/store/postgres'
import type { Benchmark, BenchmarkContext } from './benchmark.ts'
import type { Figure } from './figure.ts'
import { nodeOf, type Workload, workloads } from './scheduler-workloads.ts'
import type { SchedulingRate, SchedulingRound } from './scheduler-load.ts'
import { median } from './statistics.ts'
import { WorkerProcess } from './worker-process.ts'

const churnEveryPods = 100
/** What the product gives its workers, see `Cluster`. */
const heap = ['--min-semi-space-size=16', '--max-semi-space-size=64']

/** How fast the scheduler decides, on the workloads of kube-scheduler's own performance tests. */
export const scheduling: Benchmark = {
  name: 'scheduler',
  title: "Scheduling on kube-scheduler's own workloads",
  async run(context: BenchmarkContext): Promise<readonly Figure[]> {
    const figures: Figure[] = []
    for (const workload of workloads) {
      const count = context.quick ? Math.min(2000, workload.measuredPods) : workload.measuredPods
      figures.push(await decided(context, workload, count), await persisted(context, workload, count))
    }
    return figures
  },
}

const cores = os.availableParallelism()
const peerNote =
  'Peer: the floor that kube-scheduler’s CI holds the same workload to, not measured here; it is of another machine, API server and etcd included.'

async function decided({ quick, quiet, log }: BenchmarkContext, workload: Workload, count: number): Promise<Figure> {
  const rates: number[] = []
  for (let turn = 0; turn < (quick ? 1 : 3); turn++) {
    await quiet()
    rates.push(decide(workload, count))
  }
  const ours = median(rates)
  log(`${workload.name}: ${Math.round(ours)} decisions/s`)
  const { name, nodes, initialPods, floor, goal } = workload
  return {
    name: `${name}: decided`,
    unit: 'pods/s',
    ours,
    peer: floor,
    goal: { of: 'ours', atLeast: goal },
    note: `${nodes} nodes, ${initialPods} pods before, ${count} measured. One thread of ${cores} cores, in process, nothing written. ${peerNote}`,
  }
}

async function persisted(
  { cleanup, quiet, log }: BenchmarkContext,
  workload: Workload,
  count: number,
): Promise<Figure> {
  const postgres = await startPostgres({ dataDir: path.join(cleanup.folder('postgres'), 'data') })
  cleanup.add(() => postgres.stop())
  const load = new WorkerProcess<SchedulingRound, SchedulingRate>(
    cleanup,
    './scheduler-load.ts',
    { url: postgres.url },
    heap,
  )
  await quiet()
  const { perSecond } = await load.ask({ workload: workload.name, pods: count })
  load.end()
  await postgres.stop()
  log(`${workload.name}: ${Math.round(perSecond)} decided and persisted/s`)
  const { name, floor, persistedGoal } = workload
  return {
    name: `${name}: decided and persisted`,
    unit: 'pods/s',
    ours: perSecond,
    peer: floor,
    goal: { of: 'ours', atLeast: persistedGoal },
    note: `From the scheduler’s start on ${count} waiting pods until every binding is committed, fsync on; scheduler and API in one process, Postgres in another, ${cores} cores for both.`,
  }
}

/** Pods per second. */
function decide(workload: Workload, count: number): number {
  const { nodes, initialPods, zones, percentageOfNodesToScore = 0 } = workload
  const scheduler = new DryScheduler({ percentageOfNodesToScore })
  for (let i = 0; i < nodes; i++) scheduler.setNode(nodeOf(i, zones))
  for (let i = 0; i < initialPods; i++) scheduler.place(workload.initialPod(`initial-${i}`), `node-${i % nodes}`)
  const pods = Array.from({ length: count }, (_, i) => workload.measuredPod(`measured-${i}`))
  const startedMs = performance.now()
  for (const [i, pod] of pods.entries()) {
    if (workload.churns === true && i % churnEveryPods === 0) churn(scheduler, workload, nodes + i)
    if (scheduler.decide(pod) === undefined) throw new Error(`${workload.name}: pod ${i} fits nowhere`)
  }
  return (count / (performance.now() - startedMs)) * 1000
}

/** A node comes and goes, and a pod comes that no node is big enough for. */
function churn(scheduler: DryScheduler, workload: Workload, index: number): void {
  const node = nodeOf(index, workload.zones)
  scheduler.setNode(node)
  const big = workload.measuredPod(`churn-${index}`)
  for (const container of big.spec.containers) container.resources = { requests: { cpu: '64' } }
  scheduler.decide(big)
  scheduler.removeNode(node.metadata.name)
}
