import { leases, namespaces, nodes, nodeUsages, pods, resourceSlices } from '@binnacle/resources'
import { describe, expect, it } from 'vitest'
import { MemoryCluster } from './memory-cluster.ts'
import type { Pod } from './pod.ts'
import { seededRandom } from './seeded-random.ts'
import { SimulatedNodes } from './simulated-nodes.ts'
import { defaultSimulation, type SimulationOptions } from './simulation-options.ts'

const startMs = Date.parse('2026-01-01T00:00:00Z')
const at = (ms: number): { fromMs: number; toMs: number } => ({ fromMs: ms, toMs: ms })
const options: SimulationOptions = {
  ...defaultSimulation,
  nodes: 3,
  startDelay: at(500),
  readyDelay: at(500),
  stopDelay: at(1000),
}

/** Simulated nodes on a cluster in memory, in a time that passes when it is told to. */
class Bench {
  readonly cluster: MemoryCluster
  readonly events: string[] = []
  readonly simulated: SimulatedNodes
  nowMs: number
  #timers: { atMs: number; callback: () => void }[] = []

  constructor(change: Partial<SimulationOptions> = {}, cluster = new MemoryCluster(), nowMs = startMs) {
    this.cluster = cluster
    this.nowMs = nowMs
    this.simulated = new SimulatedNodes(
      {
        client: cluster.client,
        resources: { pods, nodes, nodeUsages, leases, namespaces, resourceSlices },
        time: {
          nowMs: () => this.nowMs,
          setTimer: (callback, afterMs) => {
            const timer = { atMs: this.nowMs + afterMs, callback }
            this.#timers.push(timer)
            return () => void (this.#timers = this.#timers.filter((t) => t !== timer))
          },
        },
        random: seededRandom(1),
        recordEvent: (pod, { reason, nodeName }) => void this.events.push(`${pod.metadata.name} ${reason} ${nodeName}`),
        logError: (message) => expect.unreachable(message),
      },
      { ...options, ...change },
    )
    cluster.onPod = (pod, isDeleted) => (isDeleted ? this.simulated.podDeleted(pod) : this.simulated.podChanged(pod))
  }

  /** Registers, and takes up the pods that there are. */
  async start(): Promise<this> {
    await this.simulated.register()
    for (const pod of this.cluster.all(pods)) this.simulated.podChanged(pod)
    this.cluster.log.length = 0
    return this
  }

  async pass(ms: number): Promise<void> {
    const endMs = this.nowMs + ms
    for (;;) {
      this.#timers.sort((a, b) => a.atMs - b.atMs)
      const next = this.#timers[0]
      if (next === undefined || next.atMs > endMs) break
      this.#timers.shift()
      this.nowMs = Math.max(this.nowMs, next.atMs)
      next.callback()
      for (let i = 0; i < 5; i++) await Promise.resolve()
    }
    this.nowMs = endMs
  }

  pod(name: string): any {
    return this.cluster.find(pods, { namespace: 'default', name })
  }

  bind(name: string, nodeName: string, spec: Partial<Pod['spec']> = {}): void {
    this.cluster.put(pods, {
      apiVersion: 'v1',
      kind: 'Pod',
      metadata: { name, namespace: 'default' },
      spec: { nodeName, restartPolicy: 'Always', containers: [{ name: 'main', image: 'nginx' }], ...spec },
      status: { phase: 'Pending', qosClass: 'BestEffort' },
    } as Pod)
  }

  ask(name: string, grace: number): void {
    const pod = this.pod(name)
    const deletion = { deletionTimestamp: '2026-01-01T00:10:00Z', deletionGracePeriodSeconds: grace }
    this.cluster.put(pods, { ...pod, metadata: { ...pod.metadata, ...deletion } })
  }

  writesOf(name: string): string[] {
    return this.cluster.log.filter((line) => line.endsWith(` ${name}`)).map((line) => line.split(' ')[0] as string)
  }
}

const isReady = (pod: any): boolean => pod.status.conditions.some((c: any) => c.type === 'Ready' && c.status === 'True')

describe('simulated nodes', () => {
  it('register as honest, healthy nodes with addresses of their own, spread over zones', async () => {
    const { cluster } = await new Bench().start()
    const all = cluster.all(nodes)
    expect(all.map((n) => n.metadata.name)).toEqual(['sim-0', 'sim-1', 'sim-2'])
    expect(all.map((n) => n.metadata.labels['binnacle.dev/simulated'])).toEqual(['true', 'true', 'true'])
    expect(new Set(all.map((n) => n.metadata.labels['topology.kubernetes.io/zone'])).size).toBe(3)
    expect(all.map((n) => [n.spec.podCIDR, n.status.addresses[0].address])).toEqual([
      ['10.128.0.0/24', '10.0.0.1'],
      ['10.128.1.0/24', '10.0.0.2'],
      ['10.128.2.0/24', '10.0.0.3'],
    ])
    expect(all[0].status).toMatchObject({
      allocatable: { cpu: '32', memory: '256Gi', pods: '110' },
      nodeInfo: { containerRuntimeVersion: 'simulated://0.1.0' },
    })
    expect(isReady(all[0])).toBe(true)
  })

  it('keep a lease each, owned by the node', async () => {
    const bench = await new Bench().start()
    const [node] = bench.cluster.all(nodes)
    const [lease] = bench.cluster.all(leases)
    expect([lease.metadata.namespace, lease.spec.leaseDurationSeconds, lease.metadata.ownerReferences[0].uid]).toEqual([
      'kube-node-lease',
      40,
      node.metadata.uid,
    ])
    await bench.pass(60_000)
    const renewals = bench.cluster.log.filter((line) => line === 'patch leases sim-0')
    expect(renewals.length).toBeGreaterThanOrEqual(5)
    expect(renewals.length).toBeLessThanOrEqual(6)
  })

  it('write nothing but heartbeats while nothing happens', async () => {
    const bench = await new Bench().start()
    bench.bind('web', 'sim-0')
    await bench.pass(10_000)
    bench.cluster.log.length = 0
    await bench.pass(120_000)
    expect(new Set(bench.cluster.log.map((line) => line.split(' ')[1]))).toEqual(new Set(['leases']))
  })

  it('bring a pod from Pending over Running to Ready, each visible', async () => {
    const bench = await new Bench().start()
    bench.bind('web', 'sim-1')
    const seen: unknown[] = []
    for (const ms of [100, 500, 500]) {
      await bench.pass(ms)
      const { status } = bench.pod('web')
      seen.push([status.phase, Object.keys(status.containerStatuses[0].state)[0], isReady(bench.pod('web'))])
    }
    expect(seen).toEqual([
      ['Pending', 'waiting', false],
      ['Running', 'running', false],
      ['Running', 'running', true],
    ])
    expect(bench.pod('web').status).toMatchObject({ hostIP: '10.0.0.2', podIP: '10.128.1.2', qosClass: 'BestEffort' })
    expect(bench.writesOf('web')).toEqual(['patch', 'patch', 'patch'])
  })

  it('leave no reason on a condition that is met', async () => {
    const bench = await new Bench().start()
    bench.bind('web', 'sim-0')
    await bench.pass(2000)
    for (const condition of bench.pod('web').status.conditions) expect(condition).not.toHaveProperty('reason')
  })

  it('give every pod an address of its own', async () => {
    const bench = await new Bench().start()
    for (let i = 0; i < 60; i++) bench.bind(`web-${i}`, `sim-${i % 3}`)
    await bench.pass(5000)
    expect(new Set(bench.cluster.all(pods).map((p) => p.status.podIP)).size).toBe(60)
  })

  it('skip states that are past before they are written', async () => {
    const bench = await new Bench({ startDelay: at(0), readyDelay: at(0) }).start()
    bench.bind('web', 'sim-0')
    await bench.pass(2000)
    expect([bench.writesOf('web').length, isReady(bench.pod('web'))]).toEqual([1, true])
  })

  it('end a deleted pod in its time, tell its last state, then remove it', async () => {
    const bench = await new Bench().start()
    bench.bind('web', 'sim-0')
    await bench.pass(2000)
    bench.cluster.log.length = 0
    bench.ask('web', 30)
    await bench.pass(900)
    expect(bench.writesOf('web')).toEqual([])
    await bench.pass(200)
    expect([bench.writesOf('web'), bench.pod('web')]).toEqual([['patch', 'delete'], undefined])
  })

  it('remove a pod that never ran at once', async () => {
    const bench = await new Bench().start()
    bench.bind('web', 'sim-0')
    bench.ask('web', 30)
    await bench.pass(100)
    expect(bench.pod('web')).toBeUndefined()
  })

  it('look at no pod of another node', async () => {
    const bench = await new Bench().start()
    bench.bind('web', 'real-node')
    await bench.pass(5000)
    expect([bench.pod('web').status.phase, bench.simulated.podCount]).toEqual(['Pending', 0])
  })

  it('tell of a start as kubelets do, on the node', async () => {
    const bench = await new Bench().start()
    bench.bind('web', 'sim-2')
    await bench.pass(2000)
    expect(bench.events).toEqual(['web Pulled sim-2', 'web Created sim-2', 'web Started sim-2'])
  })

  it('tell of no more ordinary starts than they may', async () => {
    const bench = await new Bench({ eventsPerSecondMax: 3 }).start()
    for (let i = 0; i < 60; i++) bench.bind(`web-${i}`, 'sim-0')
    await bench.pass(1500)
    expect(bench.events.length).toBeLessThan(15)
  })

  it('take up their nodes and pods again after a restart without changing them', async () => {
    const first = await new Bench().start()
    first.bind('web', 'sim-0')
    await first.pass(2000)
    first.simulated.stop()
    const before = structuredClone(first.pod('web'))
    const identities = first.cluster.all(nodes).map((n) => [n.metadata.uid, n.spec.podCIDR])
    const second = await new Bench({ nodes: 5 }, first.cluster, first.nowMs + 60_000).start()
    await second.pass(5000)
    expect(second.pod('web')).toEqual(before)
    expect(
      second.cluster
        .all(nodes)
        .slice(0, 3)
        .map((n) => [n.metadata.uid, n.spec.podCIDR]),
    ).toEqual(identities)
    second.bind('other', 'sim-0')
    await second.pass(5000)
    expect(second.pod('other').status.podIP).not.toBe(before.status.podIP)
  })

  it('say again that a pod is ready when the node controller has said that it is not', async () => {
    const bench = await new Bench().start()
    bench.bind('web', 'sim-0')
    await bench.pass(5000)
    const readiness = (): string => bench.pod('web').status.conditions.find((c: any) => c.type === 'Ready').status
    const mark = (): void => {
      const pod = bench.pod('web')
      const conditions = pod.status.conditions.map((c: any) => (c.type === 'Ready' ? { ...c, status: 'False' } : c))
      bench.cluster.put(pods, { ...pod, status: { ...pod.status, conditions } })
    }
    mark()
    await bench.pass(5000)
    expect(readiness()).toBe('True')
    bench.simulated.stop()
    bench.cluster.onPod = () => undefined
    mark()
    const next = await new Bench({}, bench.cluster, bench.nowMs).start()
    await next.pass(5000)
    expect(readiness()).toBe('True')
  })

  it('end pods after a restart whose deletion was asked for meanwhile', async () => {
    const first = await new Bench().start()
    first.bind('web', 'sim-0')
    await first.pass(2000)
    first.simulated.stop()
    first.ask('web', 30)
    const second = await new Bench({}, first.cluster, first.nowMs + 60_000).start()
    await second.pass(5000)
    expect(second.pod('web')).toBeUndefined()
  })

  it('use no address that another node has', async () => {
    const cluster = new MemoryCluster()
    await new Bench({ namePrefix: 'old-' }, cluster).start()
    await new Bench({}, cluster).start()
    expect(new Set(cluster.all(nodes).map((n) => n.spec.podCIDR)).size).toBe(6)
    expect(new Set(cluster.all(nodes).map((n) => n.status.addresses[0].address)).size).toBe(6)
  })

  it('say so when there are not addresses for all', async () => {
    await expect(new Bench({ nodes: 40_000 }).start()).rejects.toThrow(
      'there are addresses for 32768 nodes of 110 pods, not for 40000',
    )
  })

  it('report usage of pods that say it, once a period, and remove the record when none is left', async () => {
    const bench = await new Bench().start()
    const containers = ['a', 'b'].map((name) => ({ name, image: 'nginx' }))
    bench.bind('busy', 'sim-0', { containers })
    await bench.pass(2000)
    expect(bench.cluster.all(nodeUsages)).toEqual([])
    const busy = bench.pod('busy')
    const annotations = { 'simulated.binnacle.dev/cpu-usage': '500m' }
    bench.cluster.put(pods, { ...busy, metadata: { ...busy.metadata, annotations } })
    await bench.pass(16_000)
    expect(bench.cluster.all(nodeUsages)).toMatchObject([
      {
        metadata: { name: 'sim-0', ownerReferences: [{ kind: 'Node', name: 'sim-0' }] },
        window: '15s',
        usage: { cpu: '500m', memory: '0' },
        pods: [
          {
            uid: busy.metadata.uid,
            containers: [
              { name: 'a', usage: { cpu: '250m', memory: '0' } },
              { name: 'b', usage: { cpu: '250m', memory: '0' } },
            ],
          },
        ],
      },
    ])
    bench.cluster.log.length = 0
    await bench.pass(150_000)
    expect(bench.cluster.log.filter((line) => line.includes('nodeusages'))).toEqual(
      Array.from({ length: 10 }, () => 'patch nodeusages sim-0'),
    )
    bench.ask('busy', 0)
    await bench.pass(31_000)
    expect(bench.cluster.all(nodeUsages)).toEqual([])
  })

  it('report a share of the requests of all pods when asked to', async () => {
    const bench = await new Bench({ usageShare: 0.25 }).start()
    const resources = { requests: { cpu: '2', memory: '1Gi' } }
    bench.bind('web', 'sim-1', { containers: [{ name: 'main', image: 'nginx', resources }] })
    await bench.pass(30_000)
    const usage = bench.cluster.all(nodeUsages).map((record) => [record.metadata.name, record.usage])
    expect(usage.sort()).toEqual([
      ['sim-0', { cpu: '0', memory: '0' }],
      ['sim-1', { cpu: '500m', memory: '256Mi' }],
      ['sim-2', { cpu: '0', memory: '0' }],
    ])
  })

  it('write nothing of usage where nobody asks for it', async () => {
    const bench = await new Bench().start()
    bench.bind('web', 'sim-0')
    await bench.pass(120_000)
    expect(bench.cluster.log.filter((line) => line.includes('nodeusages'))).toEqual([])
  })
})
