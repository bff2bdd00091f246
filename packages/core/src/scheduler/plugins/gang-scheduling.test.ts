import { type Node, nodes, type Pod, type PodGroup, podGroups, pods } from '@binnacle/resources'
import { aNode, aPod, type FakeCluster } from '@binnacle/testing'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { ControllerBench } from '../../controllers/controller-bench.ts'
import {
  expectSameEndOnStaleViews,
  expectSameEndWhereverKilled,
  type Scenario,
} from '../../controllers/crash-points.ts'
import { createScheduler } from '../index.ts'

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
