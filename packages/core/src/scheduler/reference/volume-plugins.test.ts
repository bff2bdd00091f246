import { Informer } from '@binnacle/client'
import {
  type CSINode,
  csiNodes,
  type PersistentVolume,
  type PersistentVolumeClaim,
  persistentVolumeClaims,
  persistentVolumes,
  type StorageClass,
  storageClasses,
  type Volume,
  type VolumeAttachment,
  volumeAttachments,
} from '@binnacle/resources'
import { FakeClock, FakeCluster, SeededRandom } from '@binnacle/testing'
import { describe, expect, it } from 'vitest'
import { bindCompletedAnnotation, selectedNodeAnnotation } from '../../volumes/volume-annotations.ts'
import { aClaim, aHost, aStorageClass, aVolume, onHosts } from '../../volumes/volume-objects.ts'
import { ClusterState } from '../cluster-state.ts'
import { DefaultSelectors } from '../default-selector.ts'
import type { FilterPlugin, SchedulerHandle } from '../framework.ts'
import { pluginArgsDefaults } from '../plugin-args.ts'
import { nodeVolumeLimits } from '../plugins/node-volume-limits.ts'
import { volumeBinding } from '../plugins/volume-binding.ts'
import { volumeRestrictions } from '../plugins/volume-restrictions.ts'
import { volumeZone } from '../plugins/volume-zone.ts'
import type { SchedulablePod } from '../scheduled-objects.ts'
import { volumeResources } from '../volume-state.ts'
import type { ReferenceNode } from './reference-scheduler.ts'
import { referenceVolumeVerdict, type ReferenceVolumes } from './reference-volumes.ts'
import { testHandle } from './test-handle.ts'

const seeds = Array.from({ length: 60 }, (_, i) => i + 1)
const hosts = ['node-0', 'node-1', 'node-2', 'node-3', 'node-4', 'node-5']
const zones = ['a', 'b']
const claimCount = 14
const zoneLabel = 'topology.kubernetes.io/zone'

const classes: StorageClass[] = [
  aStorageClass('local', { provisioner: 'kubernetes.io/no-provisioner' }),
  aStorageClass('csi', { provisioner: 'csi.example.com' }),
  aStorageClass('zonal', {
    provisioner: 'csi.example.com',
    allowedTopologies: [{ matchLabelExpressions: [{ key: zoneLabel, values: ['a'] }] }],
  }),
  aStorageClass('at-once', { provisioner: 'csi.example.com', volumeBindingMode: 'Immediate' }),
]

function randomVolume(random: SeededRandom, name: string): PersistentVolume {
  const isCsi = random.chance(0.5)
  return aVolume(name, {
    metadata: random.chance(0.3) ? { labels: { [zoneLabel]: random.pick(['a', 'b', 'a__b']) } } : {},
    spec: {
      storageClassName: random.pick(['local', 'csi', 'zonal']),
      capacity: { storage: `${1 + random.below(4)}Gi` },
      accessModes: [random.pick(['ReadWriteOnce', 'ReadWriteOncePod'])],
      ...(isCsi ? { csi: { driver: 'csi.example.com', volumeHandle: name } } : {}),
      ...(random.chance(0.5) ? { nodeAffinity: onHosts(random.pick(hosts), random.pick(hosts)) } : {}),
    },
    status: { phase: random.chance(0.9) ? 'Available' : 'Released' },
  })
}

function randomClaim(random: SeededRandom, name: string): PersistentVolumeClaim {
  return aClaim(name, {
    metadata: {
      ...(random.chance(0.04) ? { deletionTimestamp: '2026-01-01T00:00:00Z' } : {}),
      ...(random.chance(0.1) ? { annotations: { [selectedNodeAnnotation]: random.pick(hosts) } } : {}),
    },
    spec: {
      storageClassName: random.chance(0.05) ? 'at-once' : random.pick(['local', 'csi', 'zonal']),
      resources: { requests: { storage: `${1 + random.below(3)}Gi` } },
      accessModes: [random.chance(0.8) ? 'ReadWriteOnce' : 'ReadWriteOncePod'],
    },
    status: { phase: random.chance(0.04) ? 'Lost' : 'Pending' },
  })
}

// Half the claims have a volume; a few have one that is gone.
function bindSome(random: SeededRandom, world: ReferenceVolumes): void {
  for (const [index, claim] of world.claims.entries()) {
    const volume = world.volumes[index]
    if (volume?.spec === undefined || claim.spec === undefined || random.chance(0.5)) continue
    claim.metadata.annotations = { [bindCompletedAnnotation]: 'yes' }
    claim.spec.volumeName = random.chance(0.06) ? 'gone' : volume.metadata.name
    volume.spec.claimRef = { namespace: 'default', name: claim.metadata.name, uid: claim.metadata.uid ?? '' }
    volume.status = { phase: 'Bound' }
  }
}

function randomPod(random: SeededRandom, name: string): SchedulablePod {
  const volumes: Volume[] = []
  const claims = new Set<string>()
  while (random.chance(0.55)) claims.add(random.chance(0.02) ? 'missing' : `claim-${random.below(claimCount)}`)
  for (const claimName of claims) volumes.push({ name: claimName, persistentVolumeClaim: { claimName } })
  if (random.chance(0.2))
    volumes.push({ name: 'gce', gcePersistentDisk: { pdName: random.pick(['x', 'y']), readOnly: random.chance(0.5) } })
  if (random.chance(0.1)) volumes.push({ name: 'aws', awsElasticBlockStore: { volumeID: random.pick(['x', 'y']) } })
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name, namespace: 'default', uid: name },
    spec: { containers: [{ name: 'c' }], volumes },
  }
}

interface World extends ReferenceVolumes {
  readonly nodes: readonly ReferenceNode[]
  readonly cluster: ClusterState
  readonly handle: SchedulerHandle
}

async function randomWorld(random: SeededRandom): Promise<World> {
  const world: ReferenceVolumes = {
    classes,
    volumes: Array.from({ length: claimCount + 6 }, (_, i) => randomVolume(random, `pv-${i}`)),
    claims: Array.from({ length: claimCount }, (_, i) => randomClaim(random, `claim-${i}`)),
    csiNodes: hosts.filter(() => random.chance(0.7)).map((name) => csiNode(name, 1 + random.below(3))),
    attachments: Array.from({ length: random.below(8) }, (_, i) =>
      attachment(`attached-${i}`, random.pick(hosts), `pv-${random.below(claimCount + 8)}`),
    ),
  }
  bindSome(random, world)
  const cluster = new ClusterState()
  const nodes = hosts.map((name): ReferenceNode => {
    const node = aHost(name, random.chance(0.8) ? { [zoneLabel]: random.pick(zones) } : {})
    const pods = Array.from({ length: random.below(3) }, (_, i) => randomPod(random, `${name}-${i}`))
    cluster.table.setNode(node)
    for (const pod of pods) cluster.place(pod, name, { assumed: false })
    return { node, pods }
  })
  // A pod that came and went leaves no trace.
  cluster.place(randomPod(random, 'passing'), 'node-0', { assumed: true })
  cluster.unplace('passing')
  return { ...world, nodes, cluster, handle: await handleOf(world, cluster) }
}

const csiNode = (name: string, count: number): CSINode => ({
  apiVersion: 'storage.k8s.io/v1',
  kind: 'CSINode',
  metadata: { name },
  spec: { drivers: [{ name: 'csi.example.com', nodeID: name, allocatable: { count } }] },
})

const attachment = (name: string, nodeName: string, persistentVolumeName: string): VolumeAttachment => ({
  apiVersion: 'storage.k8s.io/v1',
  kind: 'VolumeAttachment',
  metadata: { name },
  spec: { attacher: 'csi.example.com', nodeName, source: { persistentVolumeName } },
})

async function handleOf(world: ReferenceVolumes, cluster: ClusterState): Promise<SchedulerHandle> {
  const client = new FakeCluster({ clock: new FakeClock() })
  for (const object of world.classes) client.seed(storageClasses, object)
  for (const object of world.volumes) client.seed(persistentVolumes, object)
  for (const object of world.claims) client.seed(persistentVolumeClaims, object)
  for (const object of world.csiNodes) client.seed(csiNodes, object)
  for (const object of world.attachments) client.seed(volumeAttachments, object)
  const informers = new Map(volumeResources.map((resource) => [resource.storageName, new Informer(client, resource)]))
  for (const informer of informers.values()) informer.start()
  await Promise.all([...informers.values()].map((informer) => informer.synced))
  for (const informer of informers.values()) informer.stop()
  return testHandle(cluster, new DefaultSelectors(), (resource) => informers.get(resource.storageName) as never)
}

describe('the volume plugins', () => {
  it.each(seeds)('filter as the plain ones do, and for the same reasons (seed %i)', async (seed) => {
    const random = new SeededRandom(seed)
    const world = await randomWorld(random)
    const filters = [volumeRestrictions, nodeVolumeLimits, volumeBinding, volumeZone].map(
      (definition) => definition.create(world.handle, pluginArgsDefaults).filter as FilterPlugin,
    )
    for (let i = 0; i < 12; i++) {
      const pod = randomPod(random, `pod-${i}`)
      const expected = world.nodes.map((node) => {
        const verdict = referenceVolumeVerdict(world, pod, node, world.nodes)
        return verdict === undefined ? 'fits' : `${verdict.plugin}: ${verdict.reasons.join(', ')}`
      })
      expect(verdictsOf(world, filters, pod)).toEqual(expected)
    }
  })
})

describe('NodeVolumeLimits', () => {
  it('takes a volume that is detached for help, where the pod has volumes of the same driver', async () => {
    const claims = [
      aClaim('csi', { spec: { storageClassName: 'csi' } }),
      aClaim('local', { spec: { storageClassName: 'local' } }),
    ]
    const cluster = new ClusterState()
    const world = { classes, volumes: [], claims, csiNodes: [], attachments: [] }
    const handle = await handleOf(world, cluster)
    const filter = nodeVolumeLimits.create(handle, pluginArgsDefaults).filter as FilterPlugin
    const object = attachment('gone', 'node-0', 'pv-0')
    const helped = ['csi', 'local'].flatMap((claimName) => {
      const pod: SchedulablePod = {
        ...randomPod(new SeededRandom(1), claimName),
        spec: { containers: [{ name: 'c' }], volumes: [{ name: 'v', persistentVolumeClaim: { claimName } }] },
      }
      const shape = cluster.shapes.shapeOf(pod)
      return (['add', 'delete'] as const).map((change) =>
        filter.mayHelp({ type: 'object', kind: 'VolumeAttachment', change, object }, shape, cluster),
      )
    })
    expect(helped).toEqual([false, true, false, false])
  })
})

function verdictsOf({ cluster }: World, filters: readonly FilterPlugin[], pod: SchedulablePod): string[] {
  const cycle = { cluster, pod, shape: cluster.shapes.shapeOf(pod) }
  const active: FilterPlugin[] = []
  for (const plugin of filters) {
    const result = plugin.preFilter(cycle)
    if (typeof result === 'object' && 'rejection' in result)
      return hosts.map(() => `${plugin.name}: ${result.rejection}`)
    if (result !== 'skip') active.push(plugin)
  }
  return hosts.map((name) => {
    const slot = cluster.table.slotOf(name)
    for (const plugin of active)
      if (plugin.filter(cycle, Int32Array.of(slot), 1) === 0)
        return `${plugin.name}: ${plugin.reasons(cycle, slot).join(', ')}`
    return 'fits'
  })
}
