import {
  deviceClasses,
  events,
  type Node,
  nodes,
  persistentVolumeClaims,
  type Pod,
  type PodGroup,
  podGroups,
  pods,
  resourceClaims,
  resourceSlices,
  storageClasses,
} from '@binnacle/resources'
import { aNode, aPod, type FakeCluster } from '@binnacle/testing'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { ControllerBench } from '../../controllers/controller-bench.ts'
import {
  expectSameEndOnStaleViews,
  expectSameEndWhereverKilled,
  type Scenario,
} from '../../controllers/crash-points.ts'
import { localPathController } from '../../controllers/local-path-provisioner/reconcile.ts'
import { persistentVolumeController } from '../../controllers/persistent-volume/reconcile.ts'
import { aClaim, aStorageClass } from '../../volumes/volume-objects.ts'
import { aDevice, aDeviceClass, aResourceClaim, aSlice } from '../devices/device-objects.ts'
import { createScheduler, readSchedulerConfiguration } from '../index.ts'

function group(name: string, minCount: number): PodGroup {
  return {
    apiVersion: 'scheduling.k8s.io/v1alpha2',
    kind: 'PodGroup',
    metadata: { name, namespace: 'default' },
    spec: { schedulingPolicy: { gang: { minCount } } },
  }
}

/** A pod of a group that takes a node of its own: hosts have four cores. */
function member(podGroupName: string, i: number, cpu = '3'): Pod {
  const pod = aPod({ name: `${podGroupName}-${i}` })
  const containers = [{ name: 'app', image: 'app:1', resources: { requests: { cpu } } }]
  return { ...pod, spec: { ...pod.spec, containers, schedulingGroup: { podGroupName } } }
}

const host = (i: number): Node => aNode({ name: `host-${i}`, labels: { 'kubernetes.io/hostname': `host-${i}` } })

function seedHosts(cluster: FakeCluster, count: number): void {
  for (let i = 0; i < count; i++) cluster.seed(nodes, host(i))
}

function seedGang(cluster: FakeCluster, name: string, minCount: number, size: number): void {
  cluster.seed(podGroups, group(name, minCount))
  for (let i = 0; i < size; i++) cluster.seed(pods, member(name, i))
}

const hasNode = (pod: Pod): boolean => (pod.spec?.nodeName ?? '') !== ''
const boundOf = (cluster: FakeCluster, gang: string): string[] =>
  cluster
    .all(pods)
    .filter((pod) => pod.metadata.name.startsWith(gang) && hasNode(pod))
    .map((pod) => pod.metadata.name)
    .toSorted()

const newBench = (): ControllerBench =>
  new ControllerBench({ controllers: [], runnables: () => [createScheduler({ gangs: true })] })

describe('a gang', () => {
  let bench: ControllerBench
  beforeEach(() => {
    vi.useFakeTimers({ now: Date.UTC(2026, 0, 1) })
    bench = newBench()
  })
  afterEach(async () => {
    await bench.stop()
    vi.useRealTimers()
  })

  it('is bound as one where there is room for all', async () => {
    seedHosts(bench.cluster, 3)
    seedGang(bench.cluster, 'a', 3, 3)
    const batches: boolean[] = []
    const writeAll = bench.cluster.writeAll.bind(bench.cluster)
    bench.cluster.writeAll = async (writes, options) => {
      if (writes.some((w) => w.verb === 'bind')) batches.push(options.atomic && writes.length === 3)
      return await writeAll(writes, options)
    }
    await bench.start()
    expect([boundOf(bench.cluster, 'a').length, batches]).toEqual([3, [true]])
  })

  it('waits for its group and for enough pods of it', async () => {
    seedHosts(bench.cluster, 3)
    for (const i of [0, 1]) bench.cluster.seed(pods, member('a', i))
    await bench.start()
    await bench.pass(10_000)
    bench.cluster.seed(podGroups, group('a', 3))
    await bench.pass(10_000)
    expect(boundOf(bench.cluster, 'a')).toEqual([])
    bench.cluster.seed(pods, member('a', 2))
    await bench.pass(1000)
    expect(boundOf(bench.cluster, 'a')).toEqual(['a-0', 'a-1', 'a-2'])
  })

  it('binds nothing where there is not room for all, keeps nothing from others, and comes to rest', async () => {
    seedHosts(bench.cluster, 2)
    seedGang(bench.cluster, 'a', 3, 3)
    await bench.start()
    await bench.pass(30_000)
    expect(boundOf(bench.cluster, 'a')).toEqual([])
    bench.cluster.seed(pods, aPod({ name: 'single' }))
    await bench.pass(1000)
    expect(boundOf(bench.cluster, 'single')).toEqual(['single'])
    const writes = bench.writesFromHere()
    await bench.pass(60_000)
    expect(writes()).toEqual([])
    for (const i of [2, 3]) bench.cluster.seed(nodes, host(i))
    await bench.pass(30_000)
    expect(boundOf(bench.cluster, 'a')).toEqual(['a-0', 'a-1', 'a-2'])
  })

  it('gives way to another one where both wait for the room of the other', async () => {
    seedHosts(bench.cluster, 4)
    for (const name of ['a', 'b']) bench.cluster.seed(podGroups, group(name, 3))
    for (let i = 0; i < 3; i++) for (const name of ['a', 'b']) bench.cluster.seed(pods, member(name, i))
    await bench.start()
    await bench.pass(30_000)
    expect([boundOf(bench.cluster, 'a').length, boundOf(bench.cluster, 'b').length].toSorted()).toEqual([0, 3])
  })

  it('needs no more than its least number, and takes the others one by one', async () => {
    seedHosts(bench.cluster, 3)
    seedGang(bench.cluster, 'a', 2, 4)
    await bench.start()
    await bench.pass(10_000)
    expect(boundOf(bench.cluster, 'a').length).toBe(3)
  })

  it('is tried anew as a whole when one of its bindings fails', async () => {
    seedHosts(bench.cluster, 3)
    seedGang(bench.cluster, 'a', 3, 3)
    bench.cluster.refuse((write) =>
      write.subresource === 'binding' && write.key === 'default/a-1' ? new Error('no connection') : undefined,
    )
    await bench.start()
    expect(boundOf(bench.cluster, 'a')).toEqual([])
    bench.cluster.acceptAll()
    await bench.pass(10_000)
    expect(boundOf(bench.cluster, 'a').length).toBe(3)
  })

  const scenario: Scenario = {
    controllers: () => [],
    runnables: () => [createScheduler({ gangs: true })],
    compares: [pods],
    ignores: ['nodeName', 'conditions'],
    async run(story) {
      seedHosts(story.cluster, 5)
      for (const name of ['a', 'b']) seedGang(story.cluster, name, 2, 2)
      await story.start()
      await story.pass(30_000)
    },
    onStep(cluster) {
      for (const gang of ['a', 'b']) expect([0, 2]).toContain(boundOf(cluster, gang).length)
    },
  }

  it('is bound as a whole or not at all wherever the scheduler is killed', () => expectSameEndWhereverKilled(scenario))

  it('is bound as a whole or not at all on stale views', () => expectSameEndOnStaleViews(scenario, [1, 2, 3]))
})

const failuresOf = (cluster: FakeCluster, name: string): (string | undefined)[] =>
  cluster
    .all(events)
    .filter((event) => event.reason === 'FailedScheduling' && event.involvedObject.name === name)
    .map(({ message }) => message)

const conditionOf = (cluster: FakeCluster, name: string): unknown =>
  cluster.all(podGroups).find(({ metadata }) => metadata.name === name)?.status?.conditions?.[0]

const nominatedOf = (cluster: FakeCluster): (string | undefined)[] =>
  cluster.all(pods).flatMap(({ status }) => status?.nominatedNodeName ?? [])

/** The pods of each request that binds some, and whether it was all or nothing. */
function bindingsTo(cluster: FakeCluster): { names: string[]; atomic: boolean }[] {
  const requests: { names: string[]; atomic: boolean }[] = []
  const writeAll = cluster.writeAll.bind(cluster)
  cluster.writeAll = async (writes, options) => {
    const names = writes.flatMap((w) => (w.verb === 'bind' ? [w.pod.name] : [])).toSorted()
    if (names.length > 0) requests.push({ names, atomic: options.atomic })
    return await writeAll(writes, options)
  }
  return requests
}

describe('the pods of a group', () => {
  let bench: ControllerBench
  beforeEach(() => {
    vi.useFakeTimers({ now: Date.UTC(2026, 0, 1) })
    bench = newBench()
  })
  afterEach(async () => {
    await bench.stop()
    vi.useRealTimers()
  })

  it('are decided on in one go, wherever in the queue they are', async () => {
    seedHosts(bench.cluster, 3)
    for (const name of ['a', 'b']) bench.cluster.seed(podGroups, group(name, 3))
    for (let i = 0; i < 3; i++) for (const name of ['a', 'b']) bench.cluster.seed(pods, member(name, i))
    const requests = bindingsTo(bench.cluster)
    await bench.start()
    expect(requests).toEqual([{ names: ['a-0', 'a-1', 'a-2'], atomic: true }])
    expect(failuresOf(bench.cluster, 'a-2')).toEqual([])
  })

  it('say that the group is the reason when they would fit themselves, and the group says how it stands', async () => {
    seedHosts(bench.cluster, 1)
    seedGang(bench.cluster, 'a', 2, 2)
    await bench.start()
    expect(failuresOf(bench.cluster, 'a-0')).toEqual([
      'pod group is unschedulable, waiting for minCount pods from a gang to be waiting on permit',
    ])
    expect(failuresOf(bench.cluster, 'a-1')[0]).toMatch(/^0\/1 nodes are available: 1 Insufficient cpu\. /)
    expect(conditionOf(bench.cluster, 'a')).toMatchObject({
      type: 'PodGroupScheduled',
      status: 'False',
      reason: 'Unschedulable',
      message: 'pod group is unschedulable',
    })
    bench.cluster.seed(nodes, host(1))
    await bench.pass(10_000)
    expect(boundOf(bench.cluster, 'a')).toEqual(['a-0', 'a-1'])
    expect(conditionOf(bench.cluster, 'a')).toMatchObject({ status: 'True', reason: 'Scheduled' })
    // A pod that is one too many does not change that.
    bench.cluster.seed(pods, member('a', 2))
    await bench.pass(10_000)
    expect(conditionOf(bench.cluster, 'a')).toMatchObject({ status: 'True', reason: 'Scheduled' })
  })

  it('must be of one profile', async () => {
    const profiles = ['default-scheduler', 'other'].map((schedulerName) => ({ schedulerName }))
    const head = { apiVersion: 'kubescheduler.config.k8s.io/v1', kind: 'KubeSchedulerConfiguration' }
    const configuration = readSchedulerConfiguration({ ...head, profiles })
    bench = new ControllerBench({
      controllers: [],
      runnables: () => [createScheduler({ gangs: true, configuration })],
    })
    seedHosts(bench.cluster, 3)
    seedGang(bench.cluster, 'a', 2, 1)
    const stranger = member('a', 1)
    bench.cluster.seed(pods, { ...stranger, spec: { ...stranger.spec, schedulerName: 'other' } as never })
    await bench.start()
    const message =
      'all pods in a single pod group should have the same .spec.schedulerName set, got: "default-scheduler" and "other"'
    for (const name of ['a-0', 'a-1']) expect(failuresOf(bench.cluster, name)).toEqual([message])
    expect(boundOf(bench.cluster, 'a')).toEqual([])
  })

  it('are bound together when some have to wait for their volumes, and none is before', async () => {
    const seedAll = ({ cluster }: ControllerBench): void => {
      seedHosts(cluster, 3)
      cluster.seed(storageClasses, aStorageClass('manual'))
      cluster.seed(persistentVolumeClaims, aClaim())
      seedGang(cluster, 'a', 3, 2)
      const pod = member('a', 2)
      const volumes = [{ name: 'data', persistentVolumeClaim: { claimName: 'data' } }]
      cluster.seed(pods, { ...pod, spec: { ...pod.spec, volumes } as never })
    }
    // Nobody makes the volume: in the end the pod gives up, and with it the others.
    seedAll(bench)
    await bench.start()
    await bench.pass(620_000)
    expect(boundOf(bench.cluster, 'a')).toEqual([])
    expect(failuresOf(bench.cluster, 'a-2')).toContain(
      'running PreBind plugin "VolumeBinding": binding volumes: context deadline exceeded',
    )
    expect(failuresOf(bench.cluster, 'a-0')).toContain(
      '0/1 nodes are available: 1 waiting for minCount pods from a gang to be waiting on permit.',
    )
    await bench.stop()
    bench = new ControllerBench({
      controllers: [persistentVolumeController(), localPathController],
      runnables: () => [createScheduler({ gangs: true })],
    })
    seedAll(bench)
    const requests = bindingsTo(bench.cluster)
    await bench.start()
    await bench.pass(10_000)
    expect(requests).toEqual([{ names: ['a-0', 'a-1', 'a-2'], atomic: true }])
  })

  it('may share a claim whose devices are only being allocated for them', async () => {
    seedHosts(bench.cluster, 2)
    bench.cluster.seed(deviceClasses, aDeviceClass())
    bench.cluster.seed(resourceSlices, aSlice('host-1', [aDevice('gpu')]))
    bench.cluster.seed(resourceClaims, aResourceClaim('shared'))
    const names = Array.from({ length: 12 }, (_, i) => `a-${i}`)
    bench.cluster.seed(podGroups, group('a', names.length))
    for (const i of names.keys()) {
      const pod = member('a', i, '100m')
      const claims = [{ name: 'gpu', resourceClaimName: 'shared' }]
      bench.cluster.seed(pods, { ...pod, spec: { ...pod.spec, resourceClaims: claims } as never })
    }
    const requests = bindingsTo(bench.cluster)
    await bench.start()
    expect(requests).toEqual([{ names: names.toSorted(), atomic: true }])
    expect(new Set(bench.cluster.all(pods).map(({ spec }) => spec?.nodeName))).toEqual(new Set(['host-1']))
    const [claim] = bench.cluster.all(resourceClaims)
    expect(claim?.status?.reservedFor?.map(({ name }) => name)).toEqual(names)
    expect(failuresOf(bench.cluster, 'a-1')).toEqual([])
  })

  it('evict nobody when the group cannot be bound all the same, else all whose going helps, and are bound then', async () => {
    seedHosts(bench.cluster, 3)
    const running = (i: number, priority: number): Pod => {
      const pod = aPod({ name: `running-${i}` })
      const containers = [{ name: 'app', image: 'app:1', resources: { requests: { cpu: '3' } } }]
      const spec = { containers, priority, nodeName: `host-${i}`, terminationGracePeriodSeconds: 0 }
      return { ...pod, spec: { ...pod.spec, ...spec } }
    }
    for (const [i, priority] of [1, 1, 100].entries()) bench.cluster.seed(pods, running(i, priority))
    bench.cluster.seed(podGroups, group('a', 3))
    const important = (i: number): Pod => {
      const pod = member('a', i)
      return { ...pod, spec: { ...pod.spec, priority: 10 } as never }
    }
    for (const i of [0, 1, 2]) bench.cluster.seed(pods, important(i))
    await bench.start()
    await bench.pass(20_000)
    const evicted = (): number => bench.cluster.all(events).filter(({ reason }) => reason === 'Preempted').length
    expect([evicted(), boundOf(bench.cluster, 'a'), nominatedOf(bench.cluster)]).toEqual([0, [], []])
    bench.cluster.seed(nodes, host(3))
    await bench.pass(1000)
    await bench.pass(20_000)
    expect([evicted(), boundOf(bench.cluster, 'a')]).toEqual([2, ['a-0', 'a-1', 'a-2']])
    const waited = ['a-0', 'a-1', 'a-2'].flatMap((name) => failuresOf(bench.cluster, name))
    expect(waited).toContain('pod group is unschedulable, pod group is waiting for preemption to complete')
  })
})
