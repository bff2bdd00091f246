import {
  deviceClasses,
  events,
  nodes,
  type Pod,
  pods,
  resourceClaims,
  type ResourceClaimTemplate,
  resourceClaimTemplates,
  type ResourceClaimV1,
  resourceSlices,
} from '@binnacle/resources'
import { aNode, aPod } from '@binnacle/testing'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { ControllerBench } from '../../controllers/controller-bench.ts'
import {
  expectSameEndOnStaleViews,
  expectSameEndWhereverKilled,
  type Scenario,
} from '../../controllers/crash-points.ts'
import { allocationFinalizer } from '../../controllers/resource-claim/plan.ts'
import { podResourceClaimController, resourceClaimController } from '../../controllers/resource-claim/reconcile.ts'
import { aDevice, aDeviceClass, aResourceClaim, aSlice } from '../devices/device-objects.ts'
import { createScheduler } from '../index.ts'

const controllers = () => [podResourceClaimController(), resourceClaimController]
let bench: ControllerBench

beforeEach(() => {
  vi.useFakeTimers({ now: Date.UTC(2026, 0, 1) })
  bench = new ControllerBench({ controllers: controllers(), runnables: [createScheduler()] })
})
afterEach(async () => {
  await bench.stop()
  vi.useRealTimers()
})

/** Nodes with so many devices each. */
function seedDevices(counts: Record<string, number>, { cluster } = bench): void {
  cluster.seed(deviceClasses, aDeviceClass())
  for (const [name, count] of Object.entries(counts)) {
    cluster.seed(nodes, aNode({ name }))
    const devices = Array.from({ length: count }, (_, i) => aDevice(`gpu-${i}`))
    cluster.seed(resourceSlices, aSlice(name, devices))
  }
}

function podWith(name: string, ...entries: { resourceClaimName?: string; resourceClaimTemplateName?: string }[]): Pod {
  const pod = aPod({ name })
  const claims = entries.map((entry, index) => ({ name: `entry-${index}`, ...entry }))
  return { ...pod, spec: { ...pod.spec, schedulerName: 'default-scheduler', resourceClaims: claims } as never }
}

const podOf = (name: string) => bench.cluster.all(pods).find(({ metadata }) => metadata.name === name)
const nodeOf = (name: string) => podOf(name)?.spec?.nodeName
const claimOf = (name: string) =>
  bench.cluster.all(resourceClaims).find(({ metadata }) => metadata.name === name) as ResourceClaimV1
const devicesOf = (name: string) =>
  claimOf(name).status?.allocation?.devices?.results?.map(({ pool, device }) => `${pool}/${device}`)
const failures = () =>
  bench.cluster
    .all(events)
    .filter(({ reason }) => reason === 'FailedScheduling')
    .map(({ message }) => message)

const template: ResourceClaimTemplate = {
  apiVersion: 'resource.k8s.io/v1',
  kind: 'ResourceClaimTemplate',
  metadata: { name: 'gpus', namespace: 'default' },
  spec: { spec: aResourceClaim().spec },
}

const finish = (name: string, { cluster } = bench) =>
  cluster.change(pods, { namespace: 'default', name }, (pod) => {
    pod.status = { ...pod.status, phase: 'Succeeded' }
  })

describe('DynamicResources', () => {
  it('allocates the claim on the node that has devices, reserves it, and binds the pod after that', async () => {
    seedDevices({ 'node-1': 0, 'node-2': 1 })
    bench.cluster.seed(resourceClaims, aResourceClaim('mine'))
    const pod = bench.cluster.seed(pods, podWith('train', { resourceClaimName: 'mine' }))
    const writes = bench.writesFromHere()
    await bench.start()
    expect(nodeOf('train')).toBe('node-2')
    expect(devicesOf('mine')).toEqual(['node-2/gpu-0'])
    expect(claimOf('mine').metadata.finalizers).toEqual([allocationFinalizer])
    expect(claimOf('mine').status?.reservedFor).toEqual([{ resource: 'pods', name: 'train', uid: pod.metadata.uid }])
    expect(writes()).toEqual([
      'update resourceclaims.resource.k8s.io default/mine',
      'update resourceclaims.resource.k8s.io default/mine status',
      'update pods default/train binding',
    ])
  })

  it('waits for the claim of a template, and gives every pod a device of its own', async () => {
    seedDevices({ 'node-1': 3 })
    bench.cluster.seed(resourceClaimTemplates, template)
    for (const name of ['one', 'two', 'three', 'four'])
      bench.cluster.seed(pods, podWith(name, { resourceClaimTemplateName: 'gpus' }))
    await bench.start()
    const names = bench.cluster.all(resourceClaims).map(({ metadata }) => metadata.name)
    expect(new Set(names.flatMap((name) => devicesOf(name) ?? [])).size).toBe(3)
    expect(bench.cluster.all(pods).filter(({ spec }) => spec?.nodeName === undefined)).toHaveLength(1)
    expect(failures()).toEqual([
      '0/1 nodes are available: 1 cannot allocate all claims. still not schedulable, preemption: 0/1 nodes are available: 1 No preemption victims found for incoming pod.',
    ])
  })

  it('takes the reservation back when the pod is not bound after all', async () => {
    seedDevices({ 'node-1': 1 })
    bench.cluster.seed(resourceClaims, aResourceClaim('mine'))
    bench.cluster.seed(pods, podWith('train', { resourceClaimName: 'mine' }))
    bench.cluster.refuse((write) => (write.subresource === 'binding' ? new Error('no connection') : undefined))
    await bench.start()
    expect([devicesOf('mine'), claimOf('mine').status?.reservedFor ?? []]).toEqual([['node-1/gpu-0'], []])
    bench.cluster.acceptAll()
    await bench.pass(10_000)
    expect([nodeOf('train'), claimOf('mine').status?.reservedFor?.map(({ name }) => name)]).toEqual([
      'node-1',
      ['train'],
    ])
  })

  it('tries a pod again when another is done with its device', async () => {
    seedDevices({ 'node-1': 1 })
    bench.cluster.seed(resourceClaimTemplates, template)
    bench.cluster.seed(pods, podWith('first', { resourceClaimTemplateName: 'gpus' }))
    await bench.start()
    bench.cluster.seed(pods, podWith('second', { resourceClaimTemplateName: 'gpus' }))
    await bench.pass(20_000)
    expect([nodeOf('first'), nodeOf('second')]).toEqual(['node-1', undefined])
    finish('first')
    await bench.pass(20_000)
    expect(nodeOf('second')).toBe('node-1')
  })

  it('lets a pod in once its claim is there, and tries it again once there are devices', async () => {
    seedDevices({ 'node-1': 0 })
    bench.cluster.seed(pods, podWith('train', { resourceClaimName: 'mine' }))
    await bench.start()
    expect(failures()).toEqual([])
    bench.cluster.seed(resourceClaims, aResourceClaim('mine'))
    await bench.settle()
    expect(failures()).toHaveLength(1)
    const more = { ...aSlice('node-1', [aDevice('new')]), metadata: { name: 'more' } }
    const pool = { name: 'more', generation: 1, resourceSliceCount: 1 }
    bench.cluster.seed(resourceSlices, { ...more, spec: { ...more.spec, pool } })
    await bench.pass(20_000)
    expect(devicesOf('mine')).toEqual(['more/new'])
    expect(nodeOf('train')).toBe('node-1')
  })

  it('puts the pods that share a claim on the node of its device', async () => {
    seedDevices({ 'node-1': 1, 'node-2': 1 })
    bench.cluster.seed(resourceClaims, aResourceClaim('shared'))
    for (const name of ['one', 'two', 'three']) bench.cluster.seed(pods, podWith(name, { resourceClaimName: 'shared' }))
    await bench.start()
    await bench.pass(20_000)
    expect(claimOf('shared').status?.reservedFor).toHaveLength(3)
    expect(new Set(['one', 'two', 'three'].map(nodeOf)).size).toBe(1)
    expect(nodeOf('one')).toBe(devicesOf('shared')?.[0]?.split('/')[0])
  })

  it('has all claims of a pod or none', async () => {
    seedDevices({ 'node-1': 1 })
    for (const name of ['one', 'two']) bench.cluster.seed(resourceClaims, aResourceClaim(name))
    bench.cluster.seed(pods, podWith('train', { resourceClaimName: 'one' }, { resourceClaimName: 'two' }))
    await bench.start()
    expect([claimOf('one').status, claimOf('two').status]).toEqual([undefined, undefined])
    expect(nodeOf('train')).toBeUndefined()
  })

  it('takes the device of an idle claim back when its node cannot have the pod', async () => {
    seedDevices({ 'node-1': 1, 'node-2': 1 })
    const claim = aResourceClaim('idle')
    const allocation = {
      devices: { results: [{ request: 'req', driver: 'd', pool: 'p', device: 'gone' }] },
      nodeSelector: {
        nodeSelectorTerms: [{ matchFields: [{ key: 'metadata.name', operator: 'In', values: ['node-9'] }] }],
      },
    }
    bench.cluster.seed(resourceClaims, { ...claim, status: { allocation } } as ResourceClaimV1)
    bench.cluster.seed(pods, podWith('train', { resourceClaimName: 'idle' }))
    await bench.start()
    expect(failures()[0]).toBe(
      '0/2 nodes are available: 2 resourceclaim not available on the node. deallocation of ResourceClaim completed, preemption: 0/2 nodes are available: 2 No preemption victims found for incoming pod.',
    )
    await bench.pass(20_000)
    expect(devicesOf('idle')).toHaveLength(1)
    expect(nodeOf('train')).toBe(devicesOf('idle')?.[0]?.split('/')[0])
  })

  it('says which class is missing', async () => {
    bench.cluster.seed(nodes, aNode({ name: 'node-1' }))
    bench.cluster.seed(resourceClaims, aResourceClaim('mine'))
    bench.cluster.seed(pods, podWith('train', { resourceClaimName: 'mine' }))
    await bench.start()
    expect(failures()[0]).toContain('request req: device class gpu does not exist')
  })
})

const story: Scenario = {
  controllers,
  runnables: () => [createScheduler()],
  compares: [resourceClaims],
  onStep(cluster) {
    const inUse = cluster
      .all(resourceClaims)
      .flatMap(({ status }) => status?.allocation?.devices?.results ?? [])
      .map(({ device }) => device)
    if (new Set(inUse).size < inUse.length) throw new Error(`a device is allocated twice: ${inUse.join(' ')}`)
  },
  async run(stage) {
    seedDevices({ 'node-1': 2 }, stage)
    for (const name of ['one', 'two']) {
      stage.cluster.seed(resourceClaims, aResourceClaim(name))
      stage.cluster.seed(pods, podWith(name, { resourceClaimName: name }))
    }
    await stage.start()
    await stage.pass(60_000)
    finish('one', stage)
    stage.cluster.seed(resourceClaims, aResourceClaim('three'))
    stage.cluster.seed(pods, podWith('three', { resourceClaimName: 'three' }))
    await stage.pass(400_000)
    void stage.cluster.delete(resourceClaims, { namespace: 'default', name: 'one' })
    await stage.pass(10_000)
  },
}

describe('DynamicResources, disturbed', () => {
  it('reaches the same end wherever the scheduler is killed', () => expectSameEndWhereverKilled(story))
  it('reaches the same end on stale views', () => expectSameEndOnStaleViews(story, [1, 2, 3, 4]))
})
