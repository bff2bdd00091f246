import os from 'node:os'
import { DryScheduler } from '@binnacle/core/scheduling'
import type { Benchmark, BenchmarkContext } from './benchmark.ts'
import type { Figure } from './figure.ts'
import { nodeOf, type Workload, workloads } from './scheduler-workloads.ts'
import { median } from './statistics.ts'

const churnEveryPods = 100

/** How fast the scheduler decides, on the workloads of kube-scheduler's own performance tests. */
export const schedulerDecisions: Benchmark = {
  name: 'scheduler',
  title: "Scheduling decisions on kube-scheduler's own workloads",
  async run(context: BenchmarkContext): Promise<readonly Figure[]> {
    const figures: Figure[] = []
    for (const workload of workloads) figures.push(await measure(context, workload))
    return figures
  },
}

async function measure({ quick, quiet, log }: BenchmarkContext, workload: Workload): Promise<Figure> {
  const rates: number[] = []
  for (let turn = 0; turn < (quick ? 1 : 3); turn++) {
    await quiet()
    rates.push(decide(workload, quick ? Math.min(2000, workload.measuredPods) : workload.measuredPods))
  }
  const ours = median(rates)
  log(`${workload.name}: ${Math.round(ours)} decisions/s`)
  const { nodes, initialPods, measuredPods } = workload
  const note = `${nodes} nodes, ${initialPods} pods before, ${measuredPods} measured. Ours: decisions alone, one thread of ${os.availableParallelism()} cores, in process, nothing written. Peer: the floor that kube-scheduler's CI holds the same workload to, not measured here; it includes the API server and its own machine.`
  return {
    name: workload.name,
    unit: 'pods/s',
    ours,
    peer: workload.floor,
    goal: { of: 'ours', atLeast: workload.goal },
    note,
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
