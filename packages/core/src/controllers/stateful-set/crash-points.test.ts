import { controllerRevisions, persistentVolumeClaims, pods, type StatefulSet, statefulSets } from '@binnacle/resources'
import { aStatefulSet } from '@binnacle/testing'
import { describe, it } from 'vitest'
import type { ControllerBench } from '../controller-bench.ts'
import { expectSameEndOnStaleViews, expectSameEndWhereverKilled, type Scenario } from '../crash-points.ts'
import { statefulSetController } from './reconcile.ts'

type Spec = NonNullable<StatefulSet['spec']>

async function changed(bench: ControllerBench, edit: (spec: Spec) => void): Promise<void> {
  bench.cluster.change(statefulSets, { namespace: 'default', name: 'web' }, (set) => {
    edit(set.spec as Spec)
    set.metadata.generation = (set.metadata.generation ?? 0) + 1
  })
  await rounds(bench)
}

// As much of a garbage collector as the story needs: claims of pods that are gone go.
function collect({ cluster }: ControllerBench): void {
  const alive = new Set(cluster.all(pods).map((pod) => pod.metadata.uid))
  for (const { metadata } of cluster.all(persistentVolumeClaims)) {
    const isLost = metadata.ownerReferences?.some(({ kind, uid }) => kind === 'Pod' && !alive.has(uid))
    if (isLost === true) cluster.remove(persistentVolumeClaims, { namespace: 'default', name: metadata.name })
  }
}

async function rounds(bench: ControllerBench): Promise<void> {
  for (let round = 0; round < 12; round++) {
    await bench.pass(1000)
    bench.runPods()
    collect(bench)
  }
  await bench.pass(1000)
}

const imageSet = (image: string) => (spec: Spec) => {
  const [container] = spec.template.spec?.containers ?? []
  const containers = [{ ...container, name: 'app', image }]
  spec.template = { ...spec.template, spec: { ...spec.template.spec, containers } }
}

const story = (podManagementPolicy: string): Scenario => ({
  controllers: () => [statefulSetController],
  compares: [statefulSets, controllerRevisions, persistentVolumeClaims, pods],
  async run(bench) {
    const persistentVolumeClaimRetentionPolicy = { whenDeleted: 'Delete', whenScaled: 'Delete' }
    const spec = { podManagementPolicy, persistentVolumeClaimRetentionPolicy, revisionHistoryLimit: 1 }
    bench.cluster.seed(statefulSets, aStatefulSet({ replicas: 3, claims: ['data'], spec }))
    await bench.start()
    await rounds(bench)
    await changed(bench, imageSet('app:2'))
    await changed(bench, imageSet('app:3'))
    await changed(bench, (spec) => void (spec.replicas = 2))
    await changed(bench, imageSet('app:2'))
  },
  onStep(cluster) {
    const found = cluster.all(pods).length
    if (found > 3) throw new Error(`${found} pods: more than were ever wanted`)
  },
})

describe.each(['OrderedReady', 'Parallel'])('a StatefulSet of policy %s', (policy) => {
  it('reaches the same end wherever it is killed', () => expectSameEndWhereverKilled(story(policy)))
  it('reaches the same end on stale views', () => expectSameEndOnStaleViews(story(policy), [1, 2, 3, 4, 5]))
})
