import { controllerReference, type KubernetesObject, type OwnerReference } from '@binnacle/apimachinery'
import {
  builtInRegistry,
  deployments,
  events,
  jobs,
  type PodDisruptionBudget,
  podDisruptionBudgets,
  pods,
  replicaSets,
} from '@binnacle/resources'
import { aDeployment, aPod, aReplicaSet } from '@binnacle/testing'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { ControllerBench } from '../controller-bench.ts'
import { disruptionController } from './reconcile.ts'

const key = { namespace: 'default', name: 'budget' }
let bench: ControllerBench

beforeEach(() => {
  vi.useFakeTimers({ now: Date.UTC(2026, 0, 1) })
  bench = new ControllerBench({ controllers: [disruptionController(builtInRegistry())] })
})
afterEach(async () => {
  await bench.stop()
  vi.useRealTimers()
})

const aBudget = (spec: object): PodDisruptionBudget => ({
  apiVersion: 'policy/v1',
  kind: 'PodDisruptionBudget',
  metadata: { name: 'budget', namespace: 'default' },
  spec: { selector: { matchLabels: { app: 'web' } }, ...spec },
})
function seedPods(count: number, owner?: KubernetesObject): void {
  const ownerReferences: { ownerReferences?: OwnerReference[] } =
    owner === undefined ? {} : { ownerReferences: [controllerReference(owner)] }
  for (let i = 0; i < count; i++)
    bench.cluster.seed(pods, aPod({ name: `p${i}`, labels: { app: 'web' }, ready: true, ...ownerReferences }))
}
const status = () => bench.only(podDisruptionBudgets).status
const reasons = () => bench.cluster.all(events).map((event) => event.reason)

describe('disruptionController', () => {
  it('allows what is above the minimum', async () => {
    seedPods(3)
    bench.cluster.seed(podDisruptionBudgets, aBudget({ minAvailable: 2 }))
    await bench.start()
    expect(status()).toEqual({
      currentHealthy: 3,
      desiredHealthy: 2,
      expectedPods: 3,
      disruptionsAllowed: 1,
      observedGeneration: 1,
      conditions: [
        {
          type: 'DisruptionAllowed',
          status: 'True',
          reason: 'SufficientPods',
          message: '',
          observedGeneration: 1,
          lastTransitionTime: '2026-01-01T00:00:00Z',
        },
      ],
    })
  })

  it('expects as many pods as their Deployment wants, and follows its scale', async () => {
    const deployment = bench.cluster.seed(deployments, aDeployment({ replicas: 4 }))
    const owned = { ...aReplicaSet({ replicas: 1 }) }
    owned.metadata.ownerReferences = [controllerReference(deployment)]
    seedPods(3, bench.cluster.seed(replicaSets, owned))
    bench.cluster.seed(podDisruptionBudgets, aBudget({ maxUnavailable: 1 }))
    await bench.start()
    expect(status()).toMatchObject({ expectedPods: 4, desiredHealthy: 3, currentHealthy: 3, disruptionsAllowed: 0 })
    bench.cluster.change(deployments, { namespace: 'default', name: 'web' }, (changed) => {
      changed.spec = { ...changed.spec, replicas: 3 } as NonNullable<typeof changed.spec>
    })
    await bench.settle()
    expect(status()).toMatchObject({ expectedPods: 3, desiredHealthy: 2, disruptionsAllowed: 1 })
  })

  it('allows nothing while it cannot tell how many pods to expect, and says why', async () => {
    const job = bench.cluster.seed(jobs, {
      apiVersion: 'batch/v1',
      kind: 'Job',
      metadata: { name: 'job', namespace: 'default' },
    })
    seedPods(1, job)
    bench.cluster.seed(podDisruptionBudgets, aBudget({ maxUnavailable: 1 }))
    await bench.start()
    expect(status()).toMatchObject({
      disruptionsAllowed: 0,
      conditions: [
        {
          type: 'DisruptionAllowed',
          status: 'False',
          reason: 'SyncFailed',
          message: 'jobs.batch does not implement the scale subresource',
        },
      ],
    })
    expect(reasons()).toEqual(['CalculateExpectedPodCountFailed'])
  })

  it('tells of pods that nobody controls where they would have to be expected', async () => {
    seedPods(2)
    bench.cluster.seed(podDisruptionBudgets, aBudget({ minAvailable: '50%' }))
    await bench.start()
    expect(status()).toMatchObject({ expectedPods: 0, currentHealthy: 2, disruptionsAllowed: 0 })
    expect(reasons()).toContain('UnmanagedPods')
  })

  it('follows pods that become unready', async () => {
    seedPods(3)
    bench.cluster.seed(podDisruptionBudgets, aBudget({ minAvailable: 2 }))
    await bench.start()
    bench.cluster.change(pods, { namespace: 'default', name: 'p0' }, (pod) => void (pod.status = { phase: 'Running' }))
    await bench.settle()
    expect(status()).toMatchObject({
      currentHealthy: 2,
      disruptionsAllowed: 0,
      conditions: [{ status: 'False', reason: 'InsufficientPods' }],
    })
  })

  it('takes an eviction back that led to no deletion', async () => {
    seedPods(3)
    bench.cluster.seed(podDisruptionBudgets, aBudget({ minAvailable: 1 }))
    await bench.start()
    bench.cluster.change(podDisruptionBudgets, key, (budget) => {
      budget.status = {
        ...budget.status,
        disruptionsAllowed: 1,
        disruptedPods: { p0: '2026-01-01T00:00:00Z' },
      } as never
    })
    await bench.settle()
    expect(status()).toMatchObject({
      currentHealthy: 2,
      disruptionsAllowed: 1,
      disruptedPods: { p0: expect.anything() },
    })
    await bench.pass(125_000)
    expect(status()).toMatchObject({ currentHealthy: 3, disruptionsAllowed: 2 })
    expect(status()?.disruptedPods).toBeUndefined()
    expect(reasons()).toEqual(['NotDeleted'])
  })

  it('writes nothing at rest', async () => {
    seedPods(3)
    bench.cluster.seed(podDisruptionBudgets, aBudget({ minAvailable: 1 }))
    await bench.start()
    const writes = bench.writesFromHere()
    await bench.pass(3_600_000)
    expect(writes()).toEqual([])
  })
})
