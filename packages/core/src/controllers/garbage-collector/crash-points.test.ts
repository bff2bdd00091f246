import { controllerReference, type KubernetesObject } from '@binnacle/apimachinery'
import { builtInRegistry, configMaps, deployments, pods, replicaSets } from '@binnacle/resources'
import { aDeployment, aPod, aReplicaSet } from '@binnacle/testing'
import { describe, it } from 'vitest'
import type { ControllerBench } from '../controller-bench.ts'
import { expectSameEndOnStaleViews, expectSameEndWhereverKilled, type Scenario } from '../crash-points.ts'
import { GarbageCollector } from './collector.ts'

const registry = builtInRegistry()

function seedChain({ cluster }: ControllerBench, name: string): void {
  const deployment = cluster.seed(deployments, aDeployment({ name }))
  const owned = (owner: KubernetesObject) => ({ ownerReferences: [controllerReference(owner)] })
  const set = cluster.seed(replicaSets, aReplicaSet({ name: `${name}-1`, ...owned(deployment) }))
  for (const suffix of ['a', 'b'])
    cluster.seed(pods, aPod({ name: `${name}-1-${suffix}`, nodeName: 'n', ready: true, ...owned(set) }))
}

async function endPods(bench: ControllerBench): Promise<void> {
  for (let round = 0; round < 4; round++) {
    await bench.pass(2000)
    for (const { metadata } of bench.cluster.all(pods))
      if (metadata.deletionTimestamp !== undefined)
        bench.cluster.remove(pods, { namespace: 'default', name: metadata.name })
  }
  await bench.pass(2000)
}

/** Three Deployments go, in the three ways; a fourth stays. */
const scenario: Scenario = {
  controllers: () => [],
  runnables: () => [new GarbageCollector(registry)],
  compares: [deployments, replicaSets, pods, configMaps],
  async run(bench) {
    for (const name of ['background', 'foreground', 'orphan', 'kept']) seedChain(bench, name)
    await bench.start()
    const key = (name: string) => ({ namespace: 'default', name })
    await bench.cluster.delete(deployments, key('background'), { propagationPolicy: 'Background' })
    await endPods(bench)
    await bench.cluster.delete(deployments, key('foreground'), { propagationPolicy: 'Foreground' })
    await endPods(bench)
    await bench.cluster.delete(deployments, key('orphan'), { propagationPolicy: 'Orphan' })
    await endPods(bench)
  },
}

describe('deletions in all three ways', () => {
  it('end the same wherever the collector is killed', () => expectSameEndWhereverKilled(scenario))
  it('end the same on stale views', () => expectSameEndOnStaleViews(scenario, [1, 2, 3]))
})
