import { type Job, jobs, type Pod, pods } from '@binnacle/resources'
import { aJob, type FakeCluster } from '@binnacle/testing'
import { describe, it } from 'vitest'
import type { ControllerBench } from '../controller-bench.ts'
import { expectSameEndOnStaleViews, expectSameEndWhereverKilled, type Scenario } from '../crash-points.ts'
import { activePods, endPod, startPods, stopDeletedPods } from './job-bench.ts'
import { completionIndexOf } from './job-pods.ts'
import { jobOrphanPodController } from './orphan-pods.ts'
import { jobController } from './reconcile.ts'

const key = { namespace: 'default', name: 'work' }

// A node agent's round, after back-off; some pods end in it. Views never lag for as long as expectations are kept.
async function round(bench: ControllerBench, exitCodeOf: (pod: Pod) => number | undefined): Promise<void> {
  await bench.pass(100_000)
  startPods(bench.cluster)
  stopDeletedPods(bench.cluster)
  await bench.settle()
  for (const pod of activePods(bench.cluster)) {
    const exitCode = exitCodeOf(pod)
    if (exitCode !== undefined) endPod(bench.cluster, pod, { exitCode })
  }
  await bench.settle()
}

function statusOf(cluster: FakeCluster): NonNullable<Job['status']> {
  return cluster.all(jobs)[0]?.status ?? {}
}

// Pods are kept in the story once they have ended, so that every one can be held against the counters.
function checkCounts(cluster: FakeCluster): void {
  const { succeeded = 0, failed = 0, uncountedTerminatedPods: uncounted = {} } = statusOf(cluster)
  const ended = (phase: string): number => cluster.all(pods).filter((pod) => pod.status?.phase === phase).length
  const noted = [succeeded + (uncounted.succeeded ?? []).length, failed + (uncounted.failed ?? []).length] as const
  if (noted[0] > ended('Succeeded')) throw new Error(`${noted[0]} pods counted as succeeded of ${ended('Succeeded')}`)
  if (noted[1] > ended('Failed')) throw new Error(`${noted[1]} pods counted as failed of ${ended('Failed')}`)
}

function checkIndexes(cluster: FakeCluster): void {
  const indexes = activePods(cluster).map(completionIndexOf)
  if (new Set(indexes).size !== indexes.length) throw new Error(`an index runs twice: ${indexes.join(', ')}`)
}

const base = {
  controllers: () => [jobController(), jobOrphanPodController],
  ignores: ['completionTime', 'lastProbeTime'],
}
const ignores = [...base.ignores, 'finishedAt', 'startedAt']

const plain: Scenario = {
  ...base,
  ignores,
  compares: [jobs, pods],
  onStep: checkCounts,
  async run(bench) {
    bench.cluster.seed(jobs, aJob({ spec: { completions: 4, parallelism: 2, backoffLimit: 5 } }))
    await bench.start()
    let ended = 0
    for (let step = 0; step < 8; step++) await round(bench, () => (ended >= 6 ? 0 : ended++ === 1 ? 1 : 0))
  },
}

const indexed: Scenario = {
  ...base,
  ignores,
  compares: [jobs, pods],
  onStep: (cluster) => {
    checkCounts(cluster)
    checkIndexes(cluster)
  },
  async run(bench) {
    const spec = { completions: 4, parallelism: 3, completionMode: 'Indexed', backoffLimitPerIndex: 1 }
    bench.cluster.seed(jobs, aJob({ spec }))
    await bench.start()
    for (let step = 0; step < 10; step++)
      await round(bench, (pod) =>
        completionIndexOf(pod) === 1 ? 1 : completionIndexOf(pod) === 2 && step === 0 ? 3 : 0,
      )
  },
}

const suspendedAndFailed: Scenario = {
  ...base,
  ignores,
  compares: [jobs],
  async run(bench) {
    bench.cluster.seed(jobs, aJob({ spec: { completions: 3, parallelism: 3, backoffLimit: 0 } }))
    await bench.start()
    const suspend = async (isSuspended: boolean): Promise<void> => {
      bench.cluster.change(jobs, key, (job) => void ((job.spec as { suspend?: boolean }).suspend = isSuspended))
      for (let step = 0; step < 3; step++) await round(bench, () => undefined)
    }
    await round(bench, () => undefined)
    await suspend(true)
    await suspend(false)
    let isFirst = true
    await round(bench, () => {
      if (!isFirst) return undefined
      isFirst = false
      return 1
    })
    for (let step = 0; step < 4; step++) await round(bench, () => undefined)
  },
}

describe('jobController', () => {
  it('ends a job the same wherever it is killed, and counts no pod twice', () => expectSameEndWhereverKilled(plain))
  it('ends an Indexed job the same wherever it is killed, and runs no index twice', () =>
    expectSameEndWhereverKilled(indexed))
  it('ends a job that is suspended, resumed and fails the same wherever it is killed', () =>
    expectSameEndWhereverKilled(suspendedAndFailed))
  it('ends jobs the same on stale views', async () => {
    await expectSameEndOnStaleViews(plain, [1, 2, 3, 4, 5])
    await expectSameEndOnStaleViews(indexed, [6, 7, 8, 9, 10])
  })
})
