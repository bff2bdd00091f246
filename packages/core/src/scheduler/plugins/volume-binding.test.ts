import {
  events,
  nodes,
  type PersistentVolumeClaim,
  persistentVolumeClaims,
  persistentVolumes,
  type Pod,
  pods,
  storageClasses,
} from '@binnacle/resources'
import { aNode, aPod } from '@binnacle/testing'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { ControllerBench } from '../../controllers/controller-bench.ts'
import {
  expectSameEndOnStaleViews,
  expectSameEndWhereverKilled,
  type Scenario,
} from '../../controllers/crash-points.ts'
import { ephemeralVolumeController } from '../../controllers/ephemeral-volume/reconcile.ts'
import { localPathController } from '../../controllers/local-path-provisioner/reconcile.ts'
import { persistentVolumeController } from '../../controllers/persistent-volume/reconcile.ts'
import { selectedNodeAnnotation } from '../../volumes/volume-annotations.ts'
import { aClaim, aStorageClass, aVolume, onHosts } from '../../volumes/volume-objects.ts'
import { createScheduler } from '../index.ts'

const controllers = () => [persistentVolumeController(), localPathController, ephemeralVolumeController]
let bench: ControllerBench

beforeEach(() => {
  vi.useFakeTimers({ now: Date.UTC(2026, 0, 1) })
  bench = new ControllerBench({ controllers: controllers(), runnables: [createScheduler()] })
})
afterEach(async () => {
  await bench.stop()
  vi.useRealTimers()
})

const seedNode = (name: string, { cluster } = bench) =>
  cluster.seed(nodes, aNode({ name, labels: { 'kubernetes.io/hostname': name } }))

function podWith(name: string, ...claimNames: string[]): Pod {
  const pod = aPod({ name })
  const volumes = claimNames.map((claimName) => ({ name: claimName, persistentVolumeClaim: { claimName } }))
  return { ...pod, spec: { ...pod.spec, schedulerName: 'default-scheduler', volumes } as Pod['spec'] & object }
}

const waitingClass = aStorageClass('manual')
const nodeOf = (name: string) => bench.cluster.all(pods).find(({ metadata }) => metadata.name === name)?.spec?.nodeName
const claim = (name: string) =>
  bench.cluster.all(persistentVolumeClaims).find(({ metadata }) => metadata.name === name) as PersistentVolumeClaim
const failures = () =>
  bench.cluster
    .all(events)
    .filter(({ reason }) => reason === 'FailedScheduling')
    .map(({ message }) => message)

/** How messages end where no pod that left would help. */
const noPreemption =
  ' no new claims to deallocate, preemption: 0/1 nodes are available: 1 Preemption is not helpful for scheduling.'

describe('VolumeBinding', () => {
  it('has the volume made on the node that it chooses, and binds the pod after that', async () => {
    seedNode('node-1')
    bench.cluster.seed(storageClasses, waitingClass)
    bench.cluster.seed(persistentVolumeClaims, aClaim())
    bench.cluster.seed(pods, podWith('web', 'data'))
    const writes = bench.writesFromHere()
    await bench.start()
    expect(nodeOf('web')).toBe('node-1')
    expect(claim('data')).toMatchObject({
      metadata: { annotations: { [selectedNodeAnnotation]: 'node-1' } },
      status: { phase: 'Bound' },
    })
    const order = writes()
    const bound = order.indexOf('update pods default/web binding')
    expect(bound).toBeGreaterThan(order.lastIndexOf('update persistentvolumeclaims default/data'))
  })

  it('takes a volume that is there on the node, and no other pod gets it', async () => {
    seedNode('node-1')
    bench.cluster.seed(storageClasses, aStorageClass('manual', { provisioner: 'kubernetes.io/no-provisioner' }))
    bench.cluster.seed(persistentVolumes, aVolume('pv', { spec: { nodeAffinity: onHosts('node-1') } }))
    bench.cluster.seed(persistentVolumeClaims, aClaim('one'))
    bench.cluster.seed(persistentVolumeClaims, aClaim('two'))
    bench.cluster.seed(pods, podWith('first', 'one'))
    bench.cluster.seed(pods, podWith('second', 'two'))
    await bench.start()
    expect([nodeOf('first'), nodeOf('second')]).toEqual(['node-1', undefined])
    expect(failures()).toEqual([
      `0/1 nodes are available: 1 node(s) didn't find available persistent volumes to bind.${noPreemption}`,
    ])
    bench.cluster.seed(persistentVolumes, aVolume('more', { spec: { nodeAffinity: onHosts('node-1') }, status: {} }))
    await bench.pass(10_000)
    expect(nodeOf('second')).toBe('node-1')
  })

  it('follows a bound volume to its node', async () => {
    for (const name of ['node-1', 'node-2', 'node-3']) seedNode(name)
    bench.cluster.seed(persistentVolumes, aVolume('pv', { spec: { nodeAffinity: onHosts('node-2') } }))
    bench.cluster.seed(persistentVolumeClaims, aClaim())
    await bench.start()
    bench.cluster.seed(pods, podWith('web', 'data'))
    await bench.settle()
    expect(nodeOf('web')).toBe('node-2')
  })

  it('waits for a claim that is not there, and for one that is not bound', async () => {
    seedNode('node-1')
    bench.cluster.seed(pods, podWith('web', 'data'))
    await bench.start()
    expect(failures()).toEqual([`0/1 nodes are available: persistentvolumeclaim "data" not found.${noPreemption}`])
    bench.cluster.seed(persistentVolumeClaims, aClaim())
    await bench.pass(10_000)
    expect(failures()[1]).toBe(
      `0/1 nodes are available: pod has unbound immediate PersistentVolumeClaims.${noPreemption}`,
    )
    bench.cluster.seed(persistentVolumes, aVolume('pv', { status: {} }))
    await bench.pass(10_000)
    expect(nodeOf('web')).toBe('node-1')
  })

  it('chooses again when the node is taken back', async () => {
    seedNode('node-1')
    bench.cluster.seed(storageClasses, aStorageClass('manual', { provisioner: 'csi.example.com' }))
    bench.cluster.seed(persistentVolumeClaims, aClaim())
    bench.cluster.seed(pods, podWith('web', 'data'))
    await bench.start()
    expect(claim('data').metadata.annotations?.[selectedNodeAnnotation]).toBe('node-1')
    bench.cluster.change(persistentVolumeClaims, { namespace: 'default', name: 'data' }, ({ metadata }) => {
      delete metadata.annotations?.[selectedNodeAnnotation]
    })
    await bench.settle()
    expect(failures()).toEqual([
      'running PreBind plugin "VolumeBinding": binding volumes: provisioning failed for PVC "data"',
    ])
    await bench.pass(2_000)
    expect(claim('data').metadata.annotations?.[selectedNodeAnnotation]).toBe('node-1')
  })

  it('gives up waiting after ten minutes, and tries again', async () => {
    seedNode('node-1')
    bench.cluster.seed(storageClasses, aStorageClass('manual', { provisioner: 'csi.example.com' }))
    bench.cluster.seed(persistentVolumeClaims, aClaim())
    bench.cluster.seed(pods, podWith('web', 'data'))
    await bench.start()
    await bench.pass(590_000)
    expect(failures()).toEqual([])
    await bench.pass(20_000)
    expect(failures()).toEqual(['running PreBind plugin "VolumeBinding": binding volumes: context deadline exceeded'])
  })

  it('gives an ephemeral volume a claim and a volume of its own', async () => {
    seedNode('node-1')
    bench.cluster.seed(storageClasses, waitingClass)
    const pod = podWith('web')
    const volumeClaimTemplate = { spec: aClaim().spec ?? {} }
    bench.cluster.seed(pods, {
      ...pod,
      spec: { ...pod.spec, volumes: [{ name: 'scratch', ephemeral: { volumeClaimTemplate } }] } as Pod['spec'] & object,
    })
    await bench.start()
    await bench.pass(10_000)
    expect(nodeOf('web')).toBe('node-1')
    expect(claim('web-scratch').status?.phase).toBe('Bound')
  })

  it('gives a claim of ReadWriteOncePod to one pod at a time', async () => {
    seedNode('node-1')
    bench.cluster.seed(persistentVolumes, aVolume('pv', { spec: { accessModes: ['ReadWriteOncePod'] } }))
    bench.cluster.seed(persistentVolumeClaims, aClaim('data', { spec: { accessModes: ['ReadWriteOncePod'] } }))
    await bench.start()
    bench.cluster.seed(pods, podWith('first', 'data'))
    await bench.settle()
    bench.cluster.seed(pods, podWith('second', 'data'))
    await bench.settle()
    expect([nodeOf('first'), nodeOf('second')]).toEqual(['node-1', undefined])
    expect(failures()[0]).toContain(
      '1 node has pod using PersistentVolumeClaim with the same name and ReadWriteOncePod access mode',
    )
    bench.cluster.remove(pods, { namespace: 'default', name: 'first' })
    await bench.pass(10_000)
    expect(nodeOf('second')).toBe('node-1')
  })
})

const story: Scenario = {
  controllers,
  runnables: () => [createScheduler()],
  compares: [pods, persistentVolumeClaims, persistentVolumes],
  async run(stage) {
    seedNode('node-1', stage)
    stage.cluster.seed(storageClasses, waitingClass)
    stage.cluster.seed(storageClasses, aStorageClass('static', { provisioner: 'kubernetes.io/no-provisioner' }))
    const spec = { storageClassName: 'static' }
    stage.cluster.seed(persistentVolumes, aVolume('pv', { spec, status: {} }))
    stage.cluster.seed(persistentVolumeClaims, aClaim())
    stage.cluster.seed(persistentVolumeClaims, aClaim('old', { spec }))
    stage.cluster.seed(pods, podWith('web', 'data', 'old'))
    await stage.start()
    await stage.pass(60_000)
    await stage.pass(60_000)
  },
}

describe('scheduler, binder and provisioner together', () => {
  it('reach the same end wherever they are killed', () => expectSameEndWhereverKilled(story))
  it('reach the same end on stale views', () => expectSameEndOnStaleViews(story, [1, 2, 3, 4, 5, 6]))
})
