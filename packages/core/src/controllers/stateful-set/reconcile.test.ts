import { controllerOf, StatusError } from '@binnacle/apimachinery'
import {
  type ControllerRevision,
  controllerRevisions,
  events,
  persistentVolumeClaims,
  type Pod,
  pods,
  type StatefulSet,
  statefulSets,
} from '@binnacle/resources'
import { aPod, aStatefulSet } from '@binnacle/testing'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { ControllerBench } from '../controller-bench.ts'
import { statefulSetController } from './reconcile.ts'

type Spec = NonNullable<StatefulSet['spec']>
const key = { namespace: 'default', name: 'web' }
let bench: ControllerBench

beforeEach(() => {
  vi.useFakeTimers({ now: Date.UTC(2026, 0, 1) })
  bench = new ControllerBench({ controllers: [statefulSetController] })
})
afterEach(async () => {
  await bench.stop()
  vi.useRealTimers()
})

const change = (edit: (spec: Spec) => void): StatefulSet =>
  bench.cluster.change(statefulSets, key, (set) => {
    edit(set.spec as Spec)
    set.metadata.generation = (set.metadata.generation ?? 0) + 1
  })
const setImage = (image: string): StatefulSet =>
  change((spec) => {
    const [container] = spec.template.spec?.containers ?? []
    const podSpec = { ...spec.template.spec, containers: [{ ...container, name: 'app', image }] }
    spec.template = { ...spec.template, spec: podSpec }
  })
const status = () => bench.only(statefulSets).status
const podNames = (): string[] => bench.cluster.all(pods).map((pod) => pod.metadata.name)
const pod = (name: string): Pod | undefined => bench.cluster.all(pods).find((found) => found.metadata.name === name)
const images = (): Record<string, string> =>
  Object.fromEntries(
    bench.cluster
      .all(pods)
      .map((found) => [found.metadata.name, found.spec?.containers[0]?.image ?? ''])
      .toSorted(),
  )
const revisions = (): ControllerRevision[] =>
  bench.cluster.all(controllerRevisions).toSorted((a, b) => a.revision - b.revision)
const messages = (reason: string) =>
  bench.cluster
    .all(events)
    .filter((event) => event.reason === reason)
    .map((event) => event.message)
const claimNames = (): string[] => bench.cluster.all(persistentVolumeClaims).map((claim) => claim.metadata.name)
const ownersOf = (claim: string): string[] =>
  (
    bench.cluster.all(persistentVolumeClaims).find(({ metadata }) => metadata.name === claim)?.metadata
      .ownerReferences ?? []
  ).map((owner) => `${owner.kind}/${owner.name}`)

async function rounds(count: number, isReady: (pod: Pod) => boolean = () => true): Promise<void> {
  for (let round = 0; round < count; round++) {
    bench.runPods(isReady)
    await bench.settle()
  }
}

async function standing(options: Parameters<typeof aStatefulSet>[0] = {}): Promise<void> {
  bench.cluster.seed(statefulSets, aStatefulSet(options))
  await bench.start()
  await rounds(6)
}

const mark = (name: string, phase: string) =>
  bench.cluster.change(pods, { namespace: 'default', name }, (found) => void (found.status = { phase }))

describe('the identity of pods', () => {
  it('is a stable name, hostname, subdomain and labels', async () => {
    await standing({ replicas: 2, spec: { serviceName: 'db' } })
    const [revision] = revisions()
    expect(pod('web-1')).toMatchObject({
      metadata: {
        generateName: 'web-',
        labels: {
          app: 'web',
          'statefulset.kubernetes.io/pod-name': 'web-1',
          'apps.kubernetes.io/pod-index': '1',
          'controller-revision-hash': revision?.metadata.name,
        },
        ownerReferences: [{ kind: 'StatefulSet', name: 'web', controller: true, blockOwnerDeletion: true }],
      },
      spec: { hostname: 'web-1', subdomain: 'db' },
    })
  })

  it('begins at the start ordinal, and moves with it', async () => {
    await standing({ replicas: 2, spec: { ordinals: { start: 5 } } })
    expect(podNames()).toEqual(['web-5', 'web-6'])
    change((spec) => void (spec.ordinals = { start: 6 }))
    await rounds(4)
    expect(podNames()).toEqual(['web-6', 'web-7'])
  })

  it('is put right where its label is missing', async () => {
    await standing({ replicas: 1 })
    bench.cluster.change(
      pods,
      { namespace: 'default', name: 'web-0' },
      (found) => void (found.metadata.labels = { app: 'web' }),
    )
    await bench.settle()
    expect(pod('web-0')?.metadata.labels).toMatchObject({ 'statefulset.kubernetes.io/pod-name': 'web-0' })
    expect(messages('SuccessfulUpdate')).toEqual(['update Pod web-0 in StatefulSet web successful'])
  })
})

describe('scaling', () => {
  it('makes one pod after the other, each when the one before is ready', async () => {
    bench.cluster.seed(statefulSets, aStatefulSet({ replicas: 3 }))
    await bench.start()
    expect(podNames()).toEqual(['web-0'])
    await rounds(1, () => false)
    expect(podNames()).toEqual(['web-0'])
    await rounds(1)
    expect(podNames()).toEqual(['web-0', 'web-1'])
    await rounds(2)
    expect(podNames()).toEqual(['web-0', 'web-1', 'web-2'])
    expect(messages('SuccessfulCreate')).toEqual(
      [0, 1, 2].map((ordinal) => `create Pod web-${ordinal} in StatefulSet web successful`),
    )
  })

  it('waits until a pod has been ready for long enough', async () => {
    bench.cluster.seed(statefulSets, aStatefulSet({ replicas: 2, spec: { minReadySeconds: 30 } }))
    await bench.start()
    await rounds(2)
    expect(podNames()).toEqual(['web-0'])
    expect(status()).toMatchObject({ readyReplicas: 1, availableReplicas: 0 })
    await bench.pass(31_000)
    expect(podNames()).toEqual(['web-0', 'web-1'])
    expect(status()).toMatchObject({ availableReplicas: 1 })
  })

  it('makes all pods at once in parallel', async () => {
    bench.cluster.seed(statefulSets, aStatefulSet({ replicas: 40, spec: { podManagementPolicy: 'Parallel' } }))
    await bench.start()
    expect(podNames()).toHaveLength(40)
  })

  it('takes the last pod away first, and waits for it to be gone', async () => {
    await standing({ replicas: 3 })
    change((spec) => void (spec.replicas = 1))
    await bench.settle()
    const going = () => bench.cluster.all(pods).filter(({ metadata }) => metadata.deletionTimestamp !== undefined)
    expect(going().map(({ metadata }) => metadata.name)).toEqual(['web-2'])
    await rounds(1)
    expect(going().map(({ metadata }) => metadata.name)).toEqual(['web-1'])
    await rounds(2)
    expect(podNames()).toEqual(['web-0'])
    expect(messages('SuccessfulDelete')).toEqual([
      'delete Pod web-2 in StatefulSet web successful',
      'delete Pod web-1 in StatefulSet web successful',
    ])
  })

  it('takes no pod away while one that stays is not ready', async () => {
    await standing({ replicas: 3 })
    bench.runPods((found) => found.metadata.name !== 'web-0')
    change((spec) => void (spec.replicas = 2))
    await bench.settle()
    expect(pod('web-2')?.metadata.deletionTimestamp).toBeUndefined()
  })

  it('takes all that are too many away at once in parallel', async () => {
    await standing({ replicas: 4, spec: { podManagementPolicy: 'Parallel' } })
    change((spec) => void (spec.replicas = 1))
    await bench.settle()
    await rounds(1)
    expect(podNames()).toEqual(['web-0'])
  })

  it.each(['Failed', 'Succeeded'])('replaces a pod that has %s under the same name', async (phase) => {
    await standing({ replicas: 2 })
    const before = pod('web-0')?.metadata.uid
    mark('web-0', phase)
    await bench.settle()
    await rounds(2)
    expect(pod('web-0')?.metadata.uid).not.toBe(before)
    expect(podNames().toSorted()).toEqual(['web-0', 'web-1'])
  })

  it('does nothing while it is being deleted', async () => {
    await standing({ replicas: 1 })
    bench.cluster.change(statefulSets, key, (set) => {
      set.metadata.deletionTimestamp = '2026-01-01T00:00:00Z'
      set.metadata.finalizers = ['foregroundDeletion']
    })
    bench.cluster.remove(pods, { namespace: 'default', name: 'web-0' })
    await bench.settle()
    expect(podNames()).toEqual([])
    expect(status()?.replicas).toBe(0)
  })
})

describe('claims', () => {
  const policy = (whenDeleted: string, whenScaled: string) => ({
    persistentVolumeClaimRetentionPolicy: { whenDeleted, whenScaled },
  })

  it('are made for each pod before it, with the labels of the selector', async () => {
    await standing({ replicas: 2, claims: ['data'] })
    expect(claimNames()).toEqual(['data-web-0', 'data-web-1'])
    const [claim] = bench.cluster.all(persistentVolumeClaims)
    expect(claim?.metadata).toMatchObject({ labels: { app: 'web' } })
    expect(claim?.spec?.resources?.requests).toEqual({ storage: '1Gi' })
    expect(pod('web-1')?.spec?.volumes).toEqual([{ name: 'data', persistentVolumeClaim: { claimName: 'data-web-1' } }])
    expect(messages('SuccessfulCreate')).toContain('create Claim data-web-0 Pod web-0 in StatefulSet web success')
  })

  it('stay when the set shrinks, and are used again', async () => {
    await standing({ replicas: 2, claims: ['data'] })
    change((spec) => void (spec.replicas = 1))
    await bench.settle()
    await rounds(2)
    expect(claimNames()).toEqual(['data-web-0', 'data-web-1'])
    change((spec) => void (spec.replicas = 2))
    await bench.settle()
    expect(claimNames()).toEqual(['data-web-0', 'data-web-1'])
    expect(ownersOf('data-web-1')).toEqual([])
  })

  it('come back for a pending pod that has lost one', async () => {
    bench.cluster.seed(statefulSets, aStatefulSet({ replicas: 1, claims: ['data'] }))
    await bench.start()
    bench.cluster.remove(persistentVolumeClaims, { namespace: 'default', name: 'data-web-0' })
    await bench.settle()
    expect(claimNames()).toEqual(['data-web-0'])
  })

  it('belong to the set where they go with it', async () => {
    await standing({ replicas: 2, claims: ['data'], spec: policy('Delete', 'Retain') })
    expect(ownersOf('data-web-0')).toEqual(['StatefulSet/web'])
    change((spec) => void Object.assign(spec, policy('Retain', 'Retain')))
    await bench.settle()
    expect(ownersOf('data-web-0')).toEqual([])
  })

  it('belong to the pod that is on its way out where they go with it', async () => {
    await standing({ replicas: 2, claims: ['data'], spec: policy('Retain', 'Delete') })
    expect(ownersOf('data-web-1')).toEqual([])
    change((spec) => void (spec.replicas = 1))
    await bench.settle()
    expect(ownersOf('data-web-0')).toEqual([])
    expect(ownersOf('data-web-1')).toEqual(['Pod/web-1'])
  })

  it('change from the set to the pod when it is scaled down', async () => {
    await standing({ replicas: 2, claims: ['data'], spec: policy('Delete', 'Delete') })
    expect(ownersOf('data-web-1')).toEqual(['StatefulSet/web'])
    change((spec) => void (spec.replicas = 1))
    await bench.settle()
    expect(ownersOf('data-web-1')).toEqual(['Pod/web-1'])
    expect(ownersOf('data-web-0')).toEqual(['StatefulSet/web'])
  })

  it('of a former pod hold up its successor until they are gone', async () => {
    await standing({ replicas: 2, claims: ['data'], spec: policy('Retain', 'Delete') })
    change((spec) => void (spec.replicas = 1))
    await bench.settle()
    await rounds(1)
    change((spec) => void (spec.replicas = 2))
    await bench.settle()
    expect(podNames()).toEqual(['web-0'])
    bench.cluster.remove(persistentVolumeClaims, { namespace: 'default', name: 'data-web-1' })
    await bench.settle()
    expect(podNames()).toEqual(['web-0', 'web-1'])
    expect(claimNames()).toEqual(['data-web-0', 'data-web-1'])
  })

  it('that cannot be made are told of, and their pod waits', async () => {
    bench.cluster.refuse((write) =>
      write.resource === 'persistentvolumeclaims' ? new StatusError('Forbidden', 'quota') : undefined,
    )
    bench.cluster.seed(statefulSets, aStatefulSet({ replicas: 1, claims: ['data'] }))
    await bench.start()
    expect(podNames()).toEqual([])
    expect(messages('FailedCreate')).toEqual([
      'create Claim data-web-0 for Pod web-0 in StatefulSet web failed error: quota',
      'create Pod web-0 in StatefulSet web failed error: failed to create PVC data-web-0: quota',
    ])
  })
})

describe('a rolling update', () => {
  it('replaces the last pod first and waits for each', async () => {
    await standing({ replicas: 3 })
    setImage('app:2')
    await bench.settle()
    const order: string[] = []
    for (let round = 0; round < 8; round++) {
      for (const found of bench.cluster.all(pods))
        if (found.metadata.deletionTimestamp !== undefined) order.push(found.metadata.name)
      await rounds(1)
    }
    expect(order).toEqual(['web-2', 'web-1', 'web-0'])
    expect(images()).toEqual({ 'web-0': 'app:2', 'web-1': 'app:2', 'web-2': 'app:2' })
    const [, second] = revisions().map(({ metadata }) => metadata.name)
    expect(status()).toEqual({
      observedGeneration: 2,
      replicas: 3,
      readyReplicas: 3,
      availableReplicas: 3,
      currentReplicas: 3,
      updatedReplicas: 3,
      currentRevision: second,
      updateRevision: second,
      collisionCount: 0,
    })
  })

  it('tells current from updated pods on the way', async () => {
    await standing({ replicas: 3 })
    setImage('app:2')
    await bench.settle()
    const [first, second] = revisions().map(({ metadata }) => metadata.name)
    expect(status()).toMatchObject({
      replicas: 3,
      currentReplicas: 2,
      currentRevision: first,
      updateRevision: second,
    })
    expect(status()?.updatedReplicas).toBeUndefined()
  })

  it('stops at a pod that never becomes ready, and goes on when it does', async () => {
    await standing({ replicas: 3 })
    setImage('app:broken')
    await bench.settle()
    await rounds(5, (found) => found.spec?.containers[0]?.image !== 'app:broken')
    expect(images()).toEqual({ 'web-0': 'app:1', 'web-1': 'app:1', 'web-2': 'app:broken' })
    await rounds(6)
    expect(images()['web-0']).toBe('app:broken')
  })

  it('leaves a broken pod of an ordered set when the old template returns: somebody has to delete it', async () => {
    await standing({ replicas: 2 })
    setImage('app:broken')
    await bench.settle()
    await rounds(3, (found) => found.spec?.containers[0]?.image !== 'app:broken')
    setImage('app:1')
    await bench.settle()
    await rounds(3, (found) => found.spec?.containers[0]?.image !== 'app:broken')
    expect(images()).toEqual({ 'web-0': 'app:1', 'web-1': 'app:broken' })
    bench.cluster.remove(pods, { namespace: 'default', name: 'web-1' })
    await bench.settle()
    expect(images()).toEqual({ 'web-0': 'app:1', 'web-1': 'app:1' })
  })

  it('replaces a broken pod of a parallel set when the template changes again', async () => {
    await standing({ replicas: 2, spec: { podManagementPolicy: 'Parallel' } })
    setImage('app:broken')
    await bench.settle()
    await rounds(3, (found) => found.spec?.containers[0]?.image !== 'app:broken')
    expect(images()).toEqual({ 'web-0': 'app:1', 'web-1': 'app:broken' })
    setImage('app:3')
    await bench.settle()
    await rounds(6)
    expect(images()).toEqual({ 'web-0': 'app:3', 'web-1': 'app:3' })
  })

  it('leaves pods below the partition as they are, and brings them back as they were', async () => {
    await standing({ replicas: 3 })
    change((spec) => void (spec.updateStrategy = { type: 'RollingUpdate', rollingUpdate: { partition: 2 } }))
    setImage('app:2')
    await bench.settle()
    await rounds(5)
    expect(images()).toEqual({ 'web-0': 'app:1', 'web-1': 'app:1', 'web-2': 'app:2' })
    expect(status()).toMatchObject({ currentReplicas: 2, updatedReplicas: 1 })
    bench.cluster.remove(pods, { namespace: 'default', name: 'web-0' })
    await bench.settle()
    expect(images()['web-0']).toBe('app:1')
    await rounds(1)
    change((spec) => void (spec.updateStrategy = { type: 'RollingUpdate', rollingUpdate: { partition: 0 } }))
    await bench.settle()
    await rounds(6)
    expect(Object.values(images())).toEqual(['app:2', 'app:2', 'app:2'])
  })

  it('replaces as many at once as may be unavailable', async () => {
    const updateStrategy = { type: 'RollingUpdate', rollingUpdate: { maxUnavailable: 2 } }
    await standing({ replicas: 4, spec: { updateStrategy } })
    setImage('app:2')
    await bench.settle()
    const going = bench.cluster.all(pods).filter(({ metadata }) => metadata.deletionTimestamp !== undefined)
    expect(going.map(({ metadata }) => metadata.name).toSorted()).toEqual(['web-2', 'web-3'])
  })

  it('waits for pods to be deleted by hand when it is told so', async () => {
    await standing({ replicas: 2, spec: { updateStrategy: { type: 'OnDelete' } } })
    setImage('app:2')
    await bench.settle()
    await rounds(3)
    expect(images()).toEqual({ 'web-0': 'app:1', 'web-1': 'app:1' })
    bench.cluster.remove(pods, { namespace: 'default', name: 'web-1' })
    await bench.settle()
    expect(images()).toEqual({ 'web-0': 'app:1', 'web-1': 'app:2' })
  })

  it('works without parameters: pods come back as they were until their turn', async () => {
    await standing({ replicas: 3, spec: { updateStrategy: { type: 'RollingUpdate' } } })
    setImage('app:2')
    await bench.settle()
    bench.cluster.remove(pods, { namespace: 'default', name: 'web-0' })
    await bench.settle()
    expect(images()['web-0']).toBe('app:1')
    await rounds(8)
    expect(Object.values(images())).toEqual(['app:2', 'app:2', 'app:2'])
  })
})

describe('the history', () => {
  it('keeps each template as a patch that brings it back, with the causes of change', async () => {
    await standing({ replicas: 1, annotations: { 'kubernetes.io/change-cause': 'first' } })
    const [first] = revisions()
    expect(first).toMatchObject({
      revision: 1,
      metadata: {
        name: expect.stringMatching(/^web-[a-z0-9]+$/),
        labels: { app: 'web', 'controller.kubernetes.io/hash': first?.metadata.name.slice(4) },
        annotations: { 'kubernetes.io/change-cause': 'first' },
        ownerReferences: [{ kind: 'StatefulSet', name: 'web', controller: true, blockOwnerDeletion: true }],
      },
      data: { spec: { template: { $patch: 'replace', spec: { containers: [{ image: 'app:1' }] } } } },
    })
  })

  it('writes the patch as kubectl does, which compares texts', async () => {
    await standing({ replicas: 1 })
    const { data } = revisions()[0] as ControllerRevision
    const { template } = (data as { spec: { template: object } }).spec
    expect(Object.keys(template)).toEqual(['$patch', 'metadata', 'spec'])
    expect(Object.keys((template as { spec: object }).spec).slice(0, 3)).toEqual([
      'containers',
      'dnsPolicy',
      'restartPolicy',
    ])
  })

  it('brings an older revision to the front when its template returns', async () => {
    await standing({ replicas: 1 })
    const [first] = revisions()
    setImage('app:2')
    await bench.settle()
    await rounds(2)
    setImage('app:1')
    await bench.settle()
    await rounds(2)
    expect(revisions().map(({ revision }) => revision)).toEqual([2, 3])
    expect(revisions().at(-1)?.metadata.name).toBe(first?.metadata.name)
    expect(images()).toEqual({ 'web-0': 'app:1' })
  })

  it('has room for as many revisions that nothing uses as its limit says', async () => {
    await standing({ replicas: 1, spec: { revisionHistoryLimit: 2 } })
    for (const image of ['app:2', 'app:3', 'app:4', 'app:5']) {
      setImage(image)
      await bench.settle()
      await rounds(2)
    }
    expect(revisions().map(({ revision }) => revision)).toEqual([3, 4, 5])
  })

  it('takes another hash when the name of a revision is taken', async () => {
    await standing({ replicas: 1 })
    const taken = structuredClone(revisions()[0] as ControllerRevision)
    await bench.stop()
    bench.cluster.remove(controllerRevisions, { namespace: 'default', name: taken.metadata.name })
    delete taken.metadata.ownerReferences
    bench.cluster.seed(controllerRevisions, {
      ...taken,
      data: {},
      metadata: { ...taken.metadata, labels: { app: 'other' } },
    })
    await bench.start()
    expect(status()?.collisionCount).toBe(1)
    expect(revisions()).toHaveLength(2)
  })

  it('adopts the revisions that an orphaning delete has left', async () => {
    await standing({ replicas: 1 })
    await bench.stop()
    bench.cluster.change(
      controllerRevisions,
      { namespace: 'default', name: revisions()[0]?.metadata.name ?? '' },
      (revision) => delete revision.metadata.ownerReferences,
    )
    await bench.start()
    expect(revisions().map((revision) => controllerOf(revision)?.name)).toEqual(['web'])
  })
})

describe('adoption', () => {
  it('takes a selected orphan of a name that the set gives, no other', async () => {
    bench.cluster.seed(pods, aPod({ name: 'web-0', labels: { app: 'web' } }))
    bench.cluster.seed(pods, aPod({ name: 'other-0', labels: { app: 'web' } }))
    bench.cluster.seed(statefulSets, aStatefulSet({ replicas: 1 }))
    await bench.start()
    expect(controllerOf(pod('web-0') as Pod)?.name).toBe('web')
    expect(controllerOf(pod('other-0') as Pod)).toBeUndefined()
  })

  it('releases a pod that it no longer selects, and makes no other while the name is taken', async () => {
    await standing({ replicas: 1 })
    bench.cluster.change(
      pods,
      { namespace: 'default', name: 'web-0' },
      (found) => void (found.metadata.labels = { app: 'other' }),
    )
    await bench.settle()
    expect(controllerOf(pod('web-0') as Pod)).toBeUndefined()
    expect(status()?.replicas).toBe(0)
    bench.cluster.remove(pods, { namespace: 'default', name: 'web-0' })
    await bench.pass(60_000)
    expect(controllerOf(pod('web-0') as Pod)?.name).toBe('web')
  })
})

it('says why a pod cannot be made', async () => {
  bench.cluster.refuse((write) => (write.resource === 'pods' ? new StatusError('Forbidden', 'quota') : undefined))
  bench.cluster.seed(statefulSets, aStatefulSet())
  await bench.start()
  expect(messages('FailedCreate')).toEqual(['create Pod web-0 in StatefulSet web failed error: quota'])
})

it('does nothing on the second pass', async () => {
  const spec = { persistentVolumeClaimRetentionPolicy: { whenDeleted: 'Delete', whenScaled: 'Delete' } }
  await standing({ replicas: 3, claims: ['data'], spec })
  const writes = bench.writesFromHere()
  await bench.stop()
  await bench.start()
  await bench.pass(600_000)
  expect(writes()).toEqual([])
})
