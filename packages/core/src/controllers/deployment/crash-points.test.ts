import { type Deployment, deployments, pods, replicaSets } from '@binnacle/resources'
import { aDeployment } from '@binnacle/testing'
import { describe, it } from 'vitest'
import { type ControllerBench } from '../controller-bench.ts'
import { expectSameEndOnStaleViews, expectSameEndWhereverKilled, type Scenario } from '../crash-points.ts'
import { replicaSetController } from '../replica-set/reconcile.ts'
import { deploymentController } from './reconcile.ts'

type Spec = NonNullable<Deployment['spec']>

async function changed(bench: ControllerBench, edit: (spec: Spec) => void): Promise<void> {
  bench.cluster.change(deployments, { namespace: 'default', name: 'web' }, (object) => {
    edit(object.spec as Spec)
    object.metadata.generation = (object.metadata.generation ?? 0) + 1
  })
  await rounds(bench)
}

async function rounds(bench: ControllerBench): Promise<void> {
  for (let round = 0; round < 12; round++) {
    bench.runPods()
    await bench.pass(1000)
  }
}

const imageSet = (image: string) => (spec: Spec) => {
  const [container] = spec.template.spec?.containers ?? []
  const containers = [{ ...container, name: 'app', image }]
  spec.template = { ...spec.template, spec: { ...spec.template.spec, containers } }
}

const story = (strategy: NonNullable<Spec['strategy']>): Scenario => ({
  controllers: () => [deploymentController, replicaSetController()],
  compares: [deployments, replicaSets, pods],
  // As upstream, a condition that keeps its reason keeps its message: that of Progressing may name the ReplicaSet before.
  ignores: ['message'],
  async run(bench) {
    bench.cluster.seed(deployments, aDeployment({ replicas: 3, spec: { strategy, revisionHistoryLimit: 1 } }))
    await bench.start()
    await rounds(bench)
    await changed(bench, imageSet('app:2'))
    await changed(bench, imageSet('app:3'))
    await changed(bench, (spec) => void (spec.replicas = 2))
  },
})

const rolling = story({ type: 'RollingUpdate', rollingUpdate: { maxSurge: 1, maxUnavailable: 1 } })
const recreating = story({ type: 'Recreate' })

describe('deploymentController', () => {
  it('reaches the same end of a rolling update wherever it is killed', () => expectSameEndWhereverKilled(rolling))
  it('reaches the same end of a recreation wherever it is killed', () => expectSameEndWhereverKilled(recreating))
  it('reaches the same end of a rolling update on stale views', () =>
    expectSameEndOnStaleViews(rolling, [1, 2, 3, 4, 5]))
  it('reaches the same end of a recreation on stale views', () => expectSameEndOnStaleViews(recreating, [6, 7, 8, 9]))
})
