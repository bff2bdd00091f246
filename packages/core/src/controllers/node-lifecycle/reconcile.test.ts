import { formatMicroTime, formatTime } from '@binnacle/apimachinery'
import { events, leases, type Node, nodes, pods } from '@binnacle/resources'
import { aNode, aPod } from '@binnacle/testing'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { ControllerBench } from '../controller-bench.ts'
import { nodeLifecycleController } from './reconcile.ts'

let bench: ControllerBench

beforeEach(() => {
  vi.useFakeTimers({ now: Date.UTC(2026, 0, 1) })
  bench = new ControllerBench({ controllers: () => [nodeLifecycleController()] })
})
afterEach(async () => {
  await bench.stop()
  vi.useRealTimers()
})

const keyOf = (name: string) => ({ namespace: '', name })
const leaseKey = (name: string) => ({ namespace: 'kube-node-lease', name })
const node = (name = 'node-1'): Node => bench.cluster.all(nodes).find(({ metadata }) => metadata.name === name) as Node
const ready = (name?: string) => node(name).status?.conditions?.find(({ type }) => type === 'Ready')
const taints = (name?: string) => (node(name).spec?.taints ?? []).map(({ key, effect }) => `${key}:${effect}`)
const messages = (reason: string): (string | undefined)[] =>
  bench.cluster.all(events).flatMap((event) => (event.reason === reason ? [event.message] : []))

/** Seeds a node of a zone with a lease. */
function seedNode(name: string, zone = 'a'): void {
  bench.cluster.seed(nodes, aNode({ name, labels: { 'topology.kubernetes.io/zone': zone } }))
  bench.cluster.seed(leases, {
    apiVersion: 'coordination.k8s.io/v1',
    kind: 'Lease',
    metadata: leaseKey(name),
    spec: { holderIdentity: name, renewTime: formatMicroTime(Date.now()) },
  })
}

const renew = (name: string): unknown =>
  bench.cluster.change(leases, leaseKey(name), (lease) => {
    lease.spec = { ...lease.spec, renewTime: formatMicroTime(Date.now()) }
  })

/** Lets time pass in which these nodes go on renewing their leases. */
async function live(seconds: number, ...names: string[]): Promise<void> {
  for (let passed = 0; passed < seconds; passed += 10) {
    for (const name of names) renew(name)
    await bench.pass(10_000)
  }
}

const setReady = (name: string, status: string): unknown =>
  bench.cluster.change(nodes, keyOf(name), (changed) => {
    const heartbeat = { lastHeartbeatTime: formatTime(Date.now()), lastTransitionTime: formatTime(Date.now()) }
    changed.status = { ...changed.status, conditions: [{ type: 'Ready', status, ...heartbeat }] }
  })

const unreachable = ['node.kubernetes.io/unreachable:NoSchedule', 'node.kubernetes.io/unreachable:NoExecute']
const notReady = ['node.kubernetes.io/not-ready:NoSchedule', 'node.kubernetes.io/not-ready:NoExecute']

describe('the node lifecycle controller', () => {
  it('makes a node that stops renewing its lease Unknown after 50 seconds, and taints it', async () => {
    for (const name of ['node-1', 'node-2']) seedNode(name)
    await bench.start()
    await live(40, 'node-2')
    expect(ready()?.status).toBe('True')
    await live(20, 'node-2')
    expect(ready()).toEqual({
      type: 'Ready',
      status: 'Unknown',
      reason: 'NodeStatusUnknown',
      message: 'Kubelet stopped posting node status.',
      lastTransitionTime: '2026-01-01T00:00:50Z',
    })
    expect(taints()).toEqual(unreachable)
    expect(taints('node-2')).toEqual([])
    expect(messages('NodeNotReady')).toEqual(['Node node-1 status is now: NodeNotReady'])
  })

  it('believes a node that reports its status without a lease', async () => {
    for (const name of ['node-1', 'node-2']) seedNode(name)
    await bench.start()
    await live(40, 'node-2')
    setReady('node-1', 'True')
    await live(30, 'node-2')
    expect(ready()?.status).toBe('True')
  })

  it('gives a node that has never reported 60 seconds from its creation', async () => {
    seedNode('node-2')
    bench.cluster.seed(nodes, { ...aNode({ name: 'node-1' }), status: {} })
    await bench.start()
    await live(50, 'node-2')
    expect(ready()).toBeUndefined()
    await live(20, 'node-2')
    expect(ready()).toMatchObject({ status: 'Unknown', reason: 'NodeStatusNeverUpdated' })
    expect(ready()?.lastHeartbeatTime).toBe('2026-01-01T00:00:00Z')
  })

  it('taints a node that says it is not ready, and takes the taints away when it is', async () => {
    for (const name of ['node-1', 'node-2']) seedNode(name)
    await bench.start()
    setReady('node-1', 'False')
    await bench.settle()
    expect(taints()).toEqual(notReady)
    setReady('node-1', 'True')
    await bench.settle()
    expect(taints()).toEqual([])
  })

  it('exchanges the taints when a node that is not ready falls silent', async () => {
    for (const name of ['node-1', 'node-2']) seedNode(name)
    await bench.start()
    setReady('node-1', 'False')
    await live(60, 'node-2')
    expect(taints()).toEqual(unreachable)
  })

  it('cordons by a taint, and uncordons', async () => {
    seedNode('node-1')
    await bench.start()
    bench.cluster.change(nodes, keyOf('node-1'), (changed) => void (changed.spec = { unschedulable: true }))
    await bench.settle()
    expect(taints()).toEqual(['node.kubernetes.io/unschedulable:NoSchedule'])
    bench.cluster.change(nodes, keyOf('node-1'), (changed) => void delete changed.spec?.unschedulable)
    await bench.settle()
    expect(taints()).toEqual([])
  })

  it('marks the pods of a lost node as not ready', async () => {
    for (const name of ['node-1', 'node-2']) seedNode(name)
    bench.cluster.seed(pods, aPod({ name: 'lost', nodeName: 'node-1', ready: true }))
    bench.cluster.seed(pods, aPod({ name: 'kept', nodeName: 'node-2', ready: true }))
    await bench.start()
    await live(60, 'node-2')
    const found = Object.fromEntries(
      bench.cluster.all(pods).map((pod) => [pod.metadata.name, pod.status?.conditions?.[0]?.status]),
    )
    expect(found).toEqual({ lost: 'False', kept: 'True' })
    expect(messages('NodeNotReady')).toContain('Node is not ready')
  })

  it('marks a pod that comes to a lost node as not ready', async () => {
    for (const name of ['node-1', 'node-2']) seedNode(name)
    await bench.start()
    await live(60, 'node-2')
    bench.cluster.seed(pods, aPod({ nodeName: 'node-1', ready: true }))
    await bench.settle()
    expect(bench.only(pods).status?.conditions?.[0]?.status).toBe('False')
  })

  it('drives the pods from one node after another, ten seconds apart', async () => {
    const names = Array.from({ length: 6 }, (_, index) => `node-${index}`)
    for (const name of names) seedNode(name)
    await bench.start()
    for (const name of ['node-0', 'node-1']) setReady(name, 'False')
    await bench.settle()
    const driven = (): number => names.filter((name) => taints(name).includes(notReady[1] as string)).length
    expect(driven()).toBe(1)
    await live(10, ...names)
    expect(driven()).toBe(2)
  })

  it('drives no pod away when no node of the cluster is ready, and takes the taints away', async () => {
    for (const name of ['node-1', 'node-2']) seedNode(name)
    await bench.start()
    setReady('node-1', 'False')
    await bench.settle()
    expect(taints()).toEqual(notReady)
    setReady('node-2', 'False')
    await bench.settle()
    expect([taints('node-1'), taints('node-2')]).toEqual([[notReady[0]], [notReady[0]]])
  })

  it('gives every node its grace period anew when the cluster comes back', async () => {
    for (const name of ['node-1', 'node-2', 'node-3']) seedNode(name)
    await bench.start()
    for (const name of ['node-1', 'node-2']) setReady(name, 'False')
    await bench.pass(40_000)
    setReady('node-3', 'False')
    await bench.pass(5000)
    setReady('node-3', 'True')
    await bench.pass(30_000)
    expect(ready('node-1')?.status).toBe('False')
    await bench.pass(30_000)
    expect(ready('node-1')?.status).toBe('Unknown')
  })

  it('announces nodes that come and go', async () => {
    seedNode('node-1')
    await bench.start()
    bench.cluster.remove(nodes, keyOf('node-1'))
    await bench.settle()
    expect(messages('RegisteredNode')).toEqual(['Node node-1 event: Registered Node node-1 in Controller'])
    expect(messages('RemovingNode')).toEqual(['Node node-1 event: Removing Node node-1 from Controller'])
  })

  it('makes no write while nodes are well', async () => {
    for (const name of ['node-1', 'node-2']) seedNode(name)
    await bench.start()
    const writes = bench.writesFromHere()
    await live(300, 'node-1', 'node-2')
    expect(writes()).toEqual([])
  })

  it('makes no write while a node stays away', async () => {
    for (const name of ['node-1', 'node-2']) seedNode(name)
    bench.cluster.seed(pods, aPod({ nodeName: 'node-1', ready: true }))
    await bench.start()
    await live(100, 'node-2')
    const writes = bench.writesFromHere()
    await live(300, 'node-2')
    expect(writes()).toEqual([])
  })
})
