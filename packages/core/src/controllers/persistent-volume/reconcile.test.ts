import { events, nodes, persistentVolumeClaims, persistentVolumes, pods, storageClasses } from '@binnacle/resources'
import { aPod } from '@binnacle/testing'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { defaultClassAnnotation, selectedNodeAnnotation } from '../../volumes/volume-annotations.ts'
import { aClaim, aHost, aStorageClass, aVolume, onHosts } from '../../volumes/volume-objects.ts'
import { ControllerBench } from '../controller-bench.ts'
import { expectSameEndOnStaleViews, expectSameEndWhereverKilled, type Scenario } from '../crash-points.ts'
import { localPathController } from '../local-path-provisioner/reconcile.ts'
import { claimProtectionController, volumeProtectionController } from '../volume-protection/reconcile.ts'
import { persistentVolumeController } from './reconcile.ts'

const controllers = () => [
  persistentVolumeController(),
  localPathController,
  claimProtectionController,
  volumeProtectionController,
]
const key = { namespace: 'default', name: 'data' }
let bench: ControllerBench

beforeEach(() => {
  vi.useFakeTimers({ now: Date.UTC(2026, 0, 1) })
  bench = new ControllerBench({ controllers: controllers() })
})
afterEach(async () => {
  await bench.stop()
  vi.useRealTimers()
})

const messages = (reason: string) =>
  bench.cluster
    .all(events)
    .filter((event) => event.reason === reason)
    .map((event) => event.message)
const claimNow = () => bench.only(persistentVolumeClaims)
const volumeNow = () => bench.only(persistentVolumes)
const select = (node: string, { cluster } = bench) =>
  cluster.change(persistentVolumeClaims, key, ({ metadata }) => {
    metadata.annotations = { ...metadata.annotations, [selectedNodeAnnotation]: node }
  })

describe('persistentVolumeController', () => {
  it('binds a claim to a volume, and marks both', async () => {
    bench.cluster.seed(persistentVolumes, aVolume('pv', { status: {} }))
    bench.cluster.seed(persistentVolumeClaims, aClaim())
    await bench.start()
    expect(claimNow()).toMatchObject({
      metadata: {
        annotations: { 'pv.kubernetes.io/bind-completed': 'yes', 'pv.kubernetes.io/bound-by-controller': 'yes' },
      },
      spec: { volumeName: 'pv' },
      status: { phase: 'Bound', accessModes: ['ReadWriteOnce'], capacity: { storage: '1Gi' } },
    })
    expect(volumeNow()).toMatchObject({
      metadata: { annotations: { 'pv.kubernetes.io/bound-by-controller': 'yes' } },
      spec: { claimRef: { kind: 'PersistentVolumeClaim', namespace: 'default', name: 'data', uid: 'uid-data' } },
      status: { phase: 'Bound', lastPhaseTransitionTime: '2026-01-01T00:00:00Z' },
    })
  })

  it('does nothing on the second pass', async () => {
    bench.cluster.seed(persistentVolumes, aVolume())
    bench.cluster.seed(persistentVolumeClaims, aClaim())
    await bench.start()
    const writes = bench.writesFromHere()
    await bench.stop()
    await bench.start()
    await bench.pass(600_000)
    expect(writes()).toEqual([])
  })

  it('gives each of fifty claims a volume of its own', async () => {
    for (let i = 0; i < 50; i++) {
      bench.cluster.seed(persistentVolumes, aVolume(`pv-${i}`))
      bench.cluster.seed(persistentVolumeClaims, aClaim(`data-${i}`))
    }
    await bench.start()
    const named = bench.cluster.all(persistentVolumeClaims).map(({ spec }) => spec?.volumeName)
    expect(new Set(named).size).toBe(50)
    expect(bench.cluster.all(persistentVolumeClaims).every(({ status }) => status?.phase === 'Bound')).toBe(true)
    expect(bench.cluster.all(persistentVolumes).every(({ status }) => status?.phase === 'Bound')).toBe(true)
  })

  it('binds a claim that waits as soon as a volume comes', async () => {
    bench.cluster.seed(persistentVolumeClaims, aClaim('data', { spec: { storageClassName: '' } }))
    await bench.start()
    expect(messages('FailedBinding')).toEqual([
      'no persistent volumes available for this claim and no storage class is set',
    ])
    bench.cluster.seed(persistentVolumes, aVolume('pv', { spec: { storageClassName: '' }, status: {} }))
    await bench.settle()
    expect(claimNow().status?.phase).toBe('Bound')
  })

  it('gives claims without a class the default class that comes later', async () => {
    const { storageClassName: _class, ...spec } = aClaim().spec ?? {}
    bench.cluster.seed(persistentVolumeClaims, { ...aClaim(), spec })
    await bench.start()
    expect(claimNow().spec?.storageClassName).toBeUndefined()
    const metadata = { name: 'standard', annotations: { [defaultClassAnnotation]: 'true' } }
    bench.cluster.seed(storageClasses, aStorageClass('standard', { metadata }))
    await bench.settle()
    expect(claimNow().spec?.storageClassName).toBe('standard')
  })

  it('tells that a claim waits for its first consumer, and then for which pod', async () => {
    bench.cluster.seed(storageClasses, aStorageClass('manual'))
    bench.cluster.seed(persistentVolumeClaims, aClaim())
    await bench.start()
    expect(messages('WaitForFirstConsumer')).toEqual(['waiting for first consumer to be created before binding'])
    const pod = aPod({ name: 'web' })
    const volumes = [{ name: 'v', persistentVolumeClaim: { claimName: 'data' } }]
    bench.cluster.seed(pods, { ...pod, spec: { ...pod.spec, volumes } as typeof pod.spec & object })
    await bench.settle()
    expect(messages('WaitForPodScheduled')).toEqual(['waiting for pod web to be scheduled'])
  })

  it('finds a claim lost whose volume is gone, once', async () => {
    bench.cluster.seed(persistentVolumes, aVolume())
    bench.cluster.seed(persistentVolumeClaims, aClaim())
    await bench.start()
    bench.cluster.remove(persistentVolumes, { namespace: '', name: 'pv' })
    await bench.settle()
    expect(claimNow().status).toEqual({ phase: 'Lost' })
    expect(messages('ClaimLost')).toEqual(['Bound claim has lost its PersistentVolume. Data on the volume is lost!'])
  })

  it.each([
    ['Retain', 'Released', []],
    ['Delete', 'Failed', ['error getting deleter volume plugin for volume "pv": no deletable volume plugin matched']],
    ['Recycle', 'Failed', ['No recycler plugin found for the volume!']],
  ])('leaves a volume of policy %s in phase %s when its claim is gone', async (policy, phase, failures) => {
    bench.cluster.seed(persistentVolumes, aVolume('pv', { spec: { persistentVolumeReclaimPolicy: policy } }))
    bench.cluster.seed(persistentVolumeClaims, aClaim())
    await bench.start()
    await bench.cluster.delete(persistentVolumeClaims, key)
    await bench.settle()
    expect(bench.cluster.all(persistentVolumeClaims)).toEqual([])
    expect(volumeNow().status?.phase).toBe(phase)
    expect([...messages('VolumeFailedDelete'), ...messages('VolumeFailedRecycle')]).toEqual(failures)
  })

  it('takes its choice back when the claim is bound elsewhere, and keeps a reservation by name', async () => {
    const claimRef = { namespace: 'default', name: 'data', uid: 'uid-data' }
    const annotations = { 'pv.kubernetes.io/bound-by-controller': 'yes' }
    bench.cluster.seed(persistentVolumes, aVolume('chosen', { metadata: { annotations }, spec: { claimRef } }))
    bench.cluster.seed(persistentVolumes, aVolume('reserved', { spec: { claimRef } }))
    bench.cluster.seed(persistentVolumes, aVolume('own', { spec: { claimRef } }))
    const completed = { annotations: { 'pv.kubernetes.io/bind-completed': 'yes' } }
    bench.cluster.seed(persistentVolumeClaims, aClaim('data', { metadata: completed, spec: { volumeName: 'own' } }))
    await bench.start()
    const of = (name: string) => bench.cluster.all(persistentVolumes).find(({ metadata }) => metadata.name === name)
    expect(of('chosen')?.spec?.claimRef).toBeUndefined()
    expect(of('chosen')?.metadata.annotations).toEqual({})
    expect(of('reserved')?.spec?.claimRef).toEqual({ namespace: 'default', name: 'data' })
    expect(of('own')?.status?.phase).toBe('Bound')
  })

  it('keeps a claim while a pod with a node uses it, and its volume while it is bound', async () => {
    bench.cluster.seed(persistentVolumes, aVolume())
    bench.cluster.seed(persistentVolumeClaims, aClaim())
    const pod = aPod({ name: 'web', nodeName: 'node-1' })
    const volumes = [{ name: 'v', persistentVolumeClaim: { claimName: 'data' } }]
    bench.cluster.seed(pods, { ...pod, spec: { ...pod.spec, volumes } as typeof pod.spec & object })
    await bench.start()
    expect(claimNow().metadata.finalizers).toEqual(['kubernetes.io/pvc-protection'])
    expect(volumeNow().metadata.finalizers).toEqual(['kubernetes.io/pv-protection'])
    await bench.cluster.delete(persistentVolumeClaims, key)
    await bench.cluster.delete(persistentVolumes, { namespace: '', name: 'pv' })
    await bench.settle()
    expect(claimNow().metadata.deletionTimestamp).toBeDefined()
    expect(volumeNow().metadata.deletionTimestamp).toBeDefined()
    bench.cluster.remove(pods, { namespace: 'default', name: 'web' })
    await bench.settle()
    expect(bench.cluster.all(persistentVolumeClaims)).toEqual([])
    expect(bench.cluster.all(persistentVolumes)).toEqual([])
  })
})

const story: Scenario = {
  controllers,
  compares: [persistentVolumeClaims, persistentVolumes],
  async run(stage) {
    stage.cluster.seed(nodes, aHost('node-1'))
    stage.cluster.seed(storageClasses, aStorageClass('manual', { allowVolumeExpansion: true }))
    stage.cluster.seed(persistentVolumes, aVolume('static', { spec: { storageClassName: 'slow' }, status: {} }))
    stage.cluster.seed(persistentVolumeClaims, aClaim('slow', { spec: { storageClassName: 'slow' } }))
    stage.cluster.seed(persistentVolumeClaims, aClaim())
    await stage.start()
    select('node-1', stage)
    await stage.settle()
    stage.cluster.change(persistentVolumeClaims, key, ({ spec }) => {
      Object.assign(spec ?? {}, { resources: { requests: { storage: '2Gi' } } })
    })
    await stage.settle()
    await stage.cluster.delete(persistentVolumeClaims, { namespace: 'default', name: 'slow' })
    await stage.settle()
  },
}

describe('the volume controllers together', () => {
  it('make, bind, enlarge and delete a volume of a node', async () => {
    bench.cluster.seed(nodes, aHost('node-1'))
    bench.cluster.seed(storageClasses, aStorageClass('manual', { allowVolumeExpansion: true }))
    bench.cluster.seed(persistentVolumeClaims, aClaim())
    await bench.start()
    expect(bench.cluster.all(persistentVolumes)).toEqual([])
    select('node-1')
    await bench.settle()
    expect(claimNow().status?.phase).toBe('Bound')
    expect(volumeNow()).toMatchObject({
      metadata: { name: 'pvc-uid-data', annotations: { 'pv.kubernetes.io/provisioned-by': 'binnacle.dev/local-path' } },
      spec: {
        local: { path: '/var/lib/binnacle/volumes/pvc-uid-data_default_data' },
        nodeAffinity: onHosts('node-1'),
        persistentVolumeReclaimPolicy: 'Delete',
      },
      status: { phase: 'Bound' },
    })
    expect(messages('ProvisioningSucceeded')).toEqual(['Successfully provisioned volume pvc-uid-data'])
    bench.cluster.change(persistentVolumeClaims, key, ({ spec }) => {
      Object.assign(spec ?? {}, { resources: { requests: { storage: '2Gi' } } })
    })
    await bench.settle()
    expect(claimNow().status).toMatchObject({ capacity: { storage: '2Gi' }, allocatedResources: { storage: '2Gi' } })
    expect(volumeNow().spec?.capacity).toEqual({ storage: '2Gi' })
    await bench.cluster.delete(persistentVolumeClaims, key)
    await bench.settle()
    expect([bench.cluster.all(persistentVolumeClaims), bench.cluster.all(persistentVolumes)]).toEqual([[], []])
  })

  it('let the scheduler choose another node when the chosen one is gone', async () => {
    bench.cluster.seed(storageClasses, aStorageClass('manual'))
    bench.cluster.seed(persistentVolumeClaims, aClaim())
    await bench.start()
    select('gone')
    await bench.settle()
    expect(claimNow().metadata.annotations?.[selectedNodeAnnotation]).toBeUndefined()
    expect(messages('ProvisioningFailed')).toEqual([
      'failed to provision volume with StorageClass "manual": failed to get target node: nodes "gone" not found',
    ])
  })

  it('reach the same end wherever they are killed', () => expectSameEndWhereverKilled(story))
  it('reach the same end on stale views', () => expectSameEndOnStaleViews(story, [1, 2, 3, 4]))
})
