import { controllerRevisions, type DaemonSet, daemonSets, nodes, type Pod, pods } from '@binnacle/resources'
import { aDaemonSet, aNode, type FakeCluster } from '@binnacle/testing'
import { describe, it } from 'vitest'
import type { ControllerBench } from '../controller-bench.ts'
import { expectSameEndOnStaleViews, expectSameEndWhereverKilled, type Scenario } from '../crash-points.ts'
import { targetNodeOf } from './daemon-pod.ts'
import { daemonSetController } from './reconcile.ts'

type Spec = NonNullable<DaemonSet['spec']>

async function changed(bench: ControllerBench, edit: (spec: Spec) => void): Promise<void> {
  bench.cluster.change(daemonSets, { namespace: 'default', name: 'web' }, (set) => {
    edit(set.spec as Spec)
    set.metadata.generation = (set.metadata.generation ?? 0) + 1
  })
  await rounds(bench)
}

function bind(cluster: FakeCluster): void {
  for (const pod of cluster.all(pods)) {
    if (pod.spec?.nodeName) continue
    cluster.change(pods, { namespace: 'default', name: pod.metadata.name }, (bound) => {
      bound.spec = { ...bound.spec, nodeName: targetNodeOf(pod) ?? '' } as NonNullable<Pod['spec']>
    })
  }
}

async function rounds(bench: ControllerBench): Promise<void> {
  for (let round = 0; round < 10; round++) {
    await bench.pass(1000)
    bind(bench.cluster)
    bench.runPods()
  }
  await bench.pass(1000)
}

const imageSet = (image: string) => (spec: Spec) => {
  const [container] = spec.template.spec?.containers ?? []
  const containers = [{ ...container, name: 'app', image }]
  spec.template = { ...spec.template, spec: { ...spec.template.spec, containers } }
}

const story = (rollingUpdate: { maxUnavailable: number; maxSurge: number }): Scenario => ({
  controllers: () => [daemonSetController()],
  compares: [daemonSets, controllerRevisions, pods],
  async run(bench) {
    for (const name of ['a', 'b', 'c']) bench.cluster.seed(nodes, aNode({ name }))
    const updateStrategy = { type: 'RollingUpdate', rollingUpdate }
    bench.cluster.seed(daemonSets, aDaemonSet({ spec: { updateStrategy, revisionHistoryLimit: 1 } }))
    await bench.start()
    await rounds(bench)
    await changed(bench, imageSet('app:2'))
    bench.cluster.seed(nodes, aNode({ name: 'd' }))
    bench.cluster.change(nodes, { namespace: '', name: 'a' }, (node) => {
      node.spec = { taints: [{ key: 'example.com/broken', effect: 'NoExecute' }] }
    })
    await changed(bench, imageSet('app:3'))
    await changed(bench, imageSet('app:2'))
  },
  onStep(cluster) {
    for (const { metadata } of cluster.all(nodes)) {
      const isThere = (pod: Pod) => pod.metadata.deletionTimestamp === undefined && targetNodeOf(pod) === metadata.name
      const there = cluster.all(pods).filter(isThere)
      if (there.length > 2) throw new Error(`${there.length} pods on node ${metadata.name}`)
    }
  },
})

describe.each([
  ['takes pods away first', { maxUnavailable: 1, maxSurge: 0 }],
  ['surges', { maxUnavailable: 0, maxSurge: 1 }],
])('a DaemonSet whose update %s', (_name, bounds) => {
  it('reaches the same end wherever it is killed', () => expectSameEndWhereverKilled(story(bounds)))
  it('reaches the same end on stale views', () => expectSameEndOnStaleViews(story(bounds), [1, 2, 3, 4, 5]))
})
