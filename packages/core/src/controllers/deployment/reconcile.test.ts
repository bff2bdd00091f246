import { isConditionTrue, StatusError } from '@binnacle/apimachinery'
import { type Deployment, deployments, events, pods, type ReplicaSet, replicaSets } from '@binnacle/resources'
import { aDeployment } from '@binnacle/testing'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { ControllerBench } from '../controller-bench.ts'
import { replicaSetController } from '../replica-set/reconcile.ts'
import { deploymentController } from './reconcile.ts'

const key = { namespace: 'default', name: 'web' }
let bench: ControllerBench

beforeEach(() => {
  vi.useFakeTimers({ now: Date.UTC(2026, 0, 1) })
  bench = new ControllerBench({ controllers: [deploymentController, replicaSetController()] })
})
afterEach(async () => {
  await bench.stop()
  vi.useRealTimers()
})

type Spec = NonNullable<Deployment['spec']>
const deployment = (): Deployment => bench.only(deployments)
const change = (edit: (spec: Spec) => void): Deployment =>
  bench.cluster.change(deployments, key, (object) => {
    edit(object.spec as Spec)
    object.metadata.generation = (object.metadata.generation ?? 0) + 1
  })
const setImage = (image: string): Deployment =>
  change((spec) => {
    const [container, ...rest] = spec.template.spec?.containers ?? []
    const podSpec = { ...spec.template.spec, containers: [{ ...container, name: 'app', image }, ...rest] }
    spec.template = { ...spec.template, spec: podSpec }
  })
const imageOf = (set: ReplicaSet): string => set.spec?.template?.spec?.containers[0]?.image ?? ''
const setWith = (image: string): ReplicaSet =>
  bench.cluster.all(replicaSets).find((set) => imageOf(set) === image) as ReplicaSet
const sizes = (): Record<string, number> =>
  Object.fromEntries(bench.cluster.all(replicaSets).map((set) => [imageOf(set), set.spec?.replicas ?? -1]))
const progressing = () => deployment().status?.conditions?.find(({ type }) => type === 'Progressing')
const scalings = (): string[] =>
  bench.cluster
    .all(events)
    .filter((event) => event.reason === 'ScalingReplicaSet')
    .map((event) => (event.message ?? '').replace(/web-\w+/, 'web'))

async function runToEnd(passes = 30): Promise<void> {
  for (let pass = 0; pass < passes; pass++) {
    bench.runPods()
    await bench.pass(1000)
  }
}

async function rolledOut(spec: Partial<Spec> = {}, replicas = 4): Promise<void> {
  bench.cluster.seed(deployments, aDeployment({ replicas, spec }))
  await bench.start()
  await runToEnd()
}

describe('deploymentController', () => {
  it('makes a ReplicaSet named after the hash of the template, with the labels and annotations of kubectl', async () => {
    bench.cluster.seed(deployments, aDeployment({ replicas: 4, annotations: { team: 'a' } }))
    await bench.start()
    const set = bench.only(replicaSets)
    const hash = set.metadata.labels?.['pod-template-hash']
    expect(set.metadata).toMatchObject({
      name: `web-${hash}`,
      labels: { app: 'web', 'pod-template-hash': hash },
      annotations: {
        team: 'a',
        'deployment.kubernetes.io/revision': '1',
        'deployment.kubernetes.io/desired-replicas': '4',
        'deployment.kubernetes.io/max-replicas': '5',
      },
      ownerReferences: [{ kind: 'Deployment', name: 'web', controller: true, blockOwnerDeletion: true }],
    })
    expect(set.spec?.selector.matchLabels).toEqual({ app: 'web', 'pod-template-hash': hash })
    expect(bench.cluster.all(pods).every((pod) => pod.metadata.labels?.['pod-template-hash'] === hash)).toBe(true)
    expect(deployment().metadata.annotations?.['deployment.kubernetes.io/revision']).toBe('1')
    expect(scalings()).toEqual(['Scaled up replica set web from 0 to 4'])
  })

  it('counts the pods of all its ReplicaSets until they are gone', async () => {
    bench.cluster.seed(deployments, aDeployment({ replicas: 2 }))
    await bench.start()
    await runToEnd(2)
    bench.cluster.change(deployments, { namespace: 'default', name: deployment().metadata.name }, (changed) => {
      changed.spec = { ...changed.spec, replicas: 0 } as NonNullable<typeof changed.spec>
      changed.metadata.generation = (changed.metadata.generation ?? 0) + 1
    })
    await bench.settle()
    expect(deployment().status?.terminatingReplicas).toBe(2)
    bench.runPods()
    await bench.settle()
    expect(deployment().status?.terminatingReplicas).toBe(0)
  })

  it('reports progress until everything is available, as kubectl rollout status reads it', async () => {
    bench.cluster.seed(deployments, aDeployment({ replicas: 2 }))
    await bench.start()
    const name = bench.only(replicaSets).metadata.name
    expect(deployment().status).toMatchObject({
      observedGeneration: 1,
      replicas: 2,
      updatedReplicas: 2,
      unavailableReplicas: 2,
      conditions: [
        {
          type: 'Available',
          status: 'False',
          reason: 'MinimumReplicasUnavailable',
          message: 'Deployment does not have minimum availability.',
        },
        {
          type: 'Progressing',
          status: 'True',
          reason: 'ReplicaSetUpdated',
          message: `ReplicaSet "${name}" is progressing.`,
        },
      ],
    })
    await runToEnd(2)
    expect(deployment().status).toEqual({
      observedGeneration: 1,
      replicas: 2,
      updatedReplicas: 2,
      readyReplicas: 2,
      availableReplicas: 2,
      terminatingReplicas: 0,
      conditions: [
        expect.objectContaining({ type: 'Available', status: 'True', reason: 'MinimumReplicasAvailable' }),
        expect.objectContaining({
          type: 'Progressing',
          status: 'True',
          reason: 'NewReplicaSetAvailable',
          message: `ReplicaSet "${name}" has successfully progressed.`,
        }),
      ],
    })
  })

  it('does nothing on the second pass', async () => {
    await rolledOut()
    const writes = bench.writesFromHere()
    await bench.stop()
    await bench.start()
    await bench.pass(2_000_000)
    expect(writes()).toEqual([])
  })

  it('rolls a new template out within the bounds of surge and unavailability', async () => {
    await rolledOut({ strategy: { type: 'RollingUpdate', rollingUpdate: { maxSurge: 1, maxUnavailable: 1 } } })
    setImage('app:2')
    const [totals, available]: [number[], number[]] = [[], []]
    for (let pass = 0; pass < 20; pass++) {
      await bench.pass(1000)
      const all = bench.cluster.all(pods).filter((pod) => pod.metadata.deletionTimestamp === undefined)
      totals.push(all.length)
      available.push(all.filter((pod) => isConditionTrue(pod.status?.conditions, 'Ready')).length)
      bench.runPods()
    }
    expect(Math.max(...totals)).toBe(5)
    expect(Math.min(...available)).toBe(3)
    expect(sizes()).toEqual({ 'app:1': 0, 'app:2': 4 })
    expect(deployment().metadata.annotations?.['deployment.kubernetes.io/revision']).toBe('2')
  })

  it('never takes an available pod away when none may be missing', async () => {
    await rolledOut({ strategy: { type: 'RollingUpdate', rollingUpdate: { maxSurge: '50%', maxUnavailable: 0 } } })
    setImage('app:broken')
    for (let pass = 0; pass < 5; pass++) {
      bench.runPods((pod) => pod.spec?.containers[0]?.image === 'app:1')
      await bench.pass(1000)
    }
    expect(sizes()).toEqual({ 'app:1': 4, 'app:broken': 2 })
    expect(isConditionTrue(deployment().status?.conditions, 'Available')).toBe(true)
  })

  it('goes back to an older ReplicaSet under a new revision when its template returns', async () => {
    await rolledOut()
    setImage('app:2')
    await runToEnd()
    setImage('app:1')
    await runToEnd()
    expect(sizes()).toEqual({ 'app:1': 4, 'app:2': 0 })
    expect(setWith('app:1').metadata.annotations).toMatchObject({
      'deployment.kubernetes.io/revision': '3',
      'deployment.kubernetes.io/revision-history': '1',
    })
    expect(deployment().metadata.annotations?.['deployment.kubernetes.io/revision']).toBe('3')
  })

  it('kills all old pods before it makes new ones when it recreates', async () => {
    await rolledOut({ strategy: { type: 'Recreate' } }, 3)
    setImage('app:2')
    await bench.settle()
    expect(bench.cluster.all(pods).filter((pod) => pod.metadata.deletionTimestamp === undefined)).toEqual([])
    expect(setWith('app:2')).toBeUndefined()
    await runToEnd(3)
    expect(sizes()).toEqual({ 'app:1': 0, 'app:2': 3 })
  })

  it('changes nothing of the rollout while paused, but scales', async () => {
    await rolledOut({ paused: true })
    expect(bench.cluster.all(replicaSets)).toEqual([])
    expect(progressing()).toMatchObject({ status: 'Unknown', reason: 'DeploymentPaused' })
    change((spec) => delete spec.paused)
    await runToEnd(3)
    change((spec) => void (spec.paused = true))
    setImage('app:2')
    change((spec) => void (spec.replicas = 6))
    await runToEnd(3)
    expect(sizes()).toEqual({ 'app:1': 6 })
  })

  it('scales in proportion in the middle of a rollout', async () => {
    const rollingUpdate = { maxSurge: 3, maxUnavailable: 2 }
    await rolledOut({ strategy: { type: 'RollingUpdate', rollingUpdate } }, 10)
    setImage('app:broken')
    for (let pass = 0; pass < 5; pass++) {
      bench.runPods((pod) => pod.spec?.containers[0]?.image === 'app:1')
      await bench.pass(1000)
    }
    expect(sizes()).toEqual({ 'app:1': 8, 'app:broken': 5 })
    change((spec) => void (spec.replicas = 15))
    await bench.settle()
    expect(sizes()).toEqual({ 'app:1': 11, 'app:broken': 7 })
  })

  it('keeps as many old ReplicaSets as its history has room for', async () => {
    await rolledOut({ revisionHistoryLimit: 2 }, 1)
    for (const image of ['app:2', 'app:3', 'app:4', 'app:5']) {
      setImage(image)
      await runToEnd(5)
    }
    expect(Object.keys(sizes()).toSorted()).toEqual(['app:3', 'app:4', 'app:5'])
  })

  it('gives up on progress after its deadline, and notes when it comes after all', async () => {
    bench.cluster.seed(deployments, aDeployment({ replicas: 1, spec: { progressDeadlineSeconds: 60 } }))
    await bench.start()
    const name = bench.only(replicaSets).metadata.name
    await bench.pass(50_000)
    expect(progressing()?.reason).toBe('ReplicaSetUpdated')
    await bench.pass(15_000)
    expect(progressing()).toMatchObject({
      status: 'False',
      reason: 'ProgressDeadlineExceeded',
      message: `ReplicaSet "${name}" has timed out progressing.`,
    })
    await runToEnd(2)
    expect(progressing()).toMatchObject({ status: 'True', reason: 'NewReplicaSetAvailable' })
  })

  it('says why its pods cannot be created', async () => {
    bench.cluster.refuse((write) =>
      write.verb === 'create' && write.resource === 'pods' ? new StatusError('Forbidden', 'quota') : undefined,
    )
    bench.cluster.seed(deployments, aDeployment())
    await bench.start()
    expect(deployment().status?.conditions).toContainEqual(
      expect.objectContaining({ type: 'ReplicaFailure', status: 'True', reason: 'FailedCreate', message: 'quota' }),
    )
  })

  it('takes another hash when the name of its ReplicaSet is taken', async () => {
    bench.cluster.seed(deployments, aDeployment({ replicas: 1 }))
    await bench.start()
    const taken = structuredClone(bench.only(replicaSets))
    await bench.stop()
    bench.cluster.remove(replicaSets, { namespace: 'default', name: taken.metadata.name })
    delete taken.metadata.ownerReferences
    taken.metadata.labels = { app: 'other' }
    bench.cluster.seed(replicaSets, taken)
    await bench.start()
    expect(deployment().status?.collisionCount).toBe(1)
    expect(bench.cluster.all(replicaSets)).toHaveLength(2)
  })

  it('goes to rest when it has no replicas', async () => {
    await rolledOut({}, 0)
    expect(deployment().status).toMatchObject({ observedGeneration: 1 })
    expect(progressing()?.reason).toBe('NewReplicaSetAvailable')
    const writes = bench.writesFromHere()
    await bench.pass(700_000)
    expect(writes()).toEqual([])
  })
})
