import { formatMicroTime } from '@binnacle/apimachinery'
import { leases, nodes, type Pod, pods } from '@binnacle/resources'
import { aNode, aPod } from '@binnacle/testing'
import { describe, it } from 'vitest'
import { type ControllerBench } from '../controller-bench.ts'
import { expectSameEndOnStaleViews, expectSameEndWhereverKilled, type Scenario } from '../crash-points.ts'
import { podCollector } from '../pod-gc/collect.ts'
import { taintEvictionController } from '../taint-eviction/reconcile.ts'
import { nodeLifecycleController } from './reconcile.ts'

const unreachable = { key: 'node.kubernetes.io/unreachable', effect: 'NoExecute', operator: 'Exists' }

function patientPod(name: string, nodeName: string, tolerationSeconds: number): Pod {
  const pod = aPod({ name, nodeName, ready: true })
  const tolerations = [{ ...unreachable, tolerationSeconds }]
  return { ...pod, spec: { ...(pod.spec as NonNullable<Pod['spec']>), tolerations } }
}

async function live(bench: ControllerBench, seconds: number, ...names: string[]): Promise<void> {
  for (let passed = 0; passed < seconds; passed += 10) {
    for (const name of names)
      bench.cluster.change(leases, { namespace: 'kube-node-lease', name }, (lease) => {
        lease.spec = { ...lease.spec, renewTime: formatMicroTime(Date.now()) }
      })
    await bench.pass(10_000)
  }
}

/** A node falls silent; its pods have to go, each in its time; then the node is taken away. */
const scenario: Scenario = {
  controllers: () => [nodeLifecycleController(), taintEvictionController()],
  runnables: () => [podCollector()],
  compares: [nodes, pods],
  ignores: ['timeAdded', 'deletionGracePeriodSeconds'],
  async run(bench) {
    for (const name of ['node-1', 'node-2']) {
      bench.cluster.seed(nodes, aNode({ name, labels: { 'kubernetes.io/os': 'linux' } }))
      bench.cluster.seed(leases, {
        apiVersion: 'coordination.k8s.io/v1',
        kind: 'Lease',
        metadata: { namespace: 'kube-node-lease', name },
        spec: {},
      })
    }
    bench.cluster.seed(pods, patientPod('short', 'node-1', 10))
    bench.cluster.seed(pods, patientPod('long', 'node-1', 60))
    bench.cluster.seed(pods, aPod({ name: 'elsewhere', nodeName: 'node-2', ready: true }))
    await bench.start()
    await live(bench, 900, 'node-2')
    bench.cluster.remove(nodes, { namespace: '', name: 'node-1' })
    bench.cluster.seed(pods, patientPod('late', 'node-1', 0))
    await live(bench, 600, 'node-2')
  },
}

describe('the loss of a node', () => {
  it('ends the same wherever the controllers are killed', () => expectSameEndWhereverKilled(scenario))
  it('ends the same on stale views', () => expectSameEndOnStaleViews(scenario, [1, 2]))
})
