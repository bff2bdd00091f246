import { setTimeout as sleep } from 'node:timers/promises'
import { type KubeProxy, startKubeProxy } from '@binnacle/node-agent/kube-proxy'
import { canTestNetworks, type TestNamespace, TestNetwork } from '@binnacle/node-agent/testing-network'
import { type EndpointSlice, endpointSlices, nodes, type Service, services } from '@binnacle/resources'
import { aNode, FakeCluster } from '@binnacle/testing'
import type { Benchmark, BenchmarkContext } from './benchmark.ts'
import type { Figure } from './figure.ts'
import { median, quantile } from './statistics.ts'

const endpointsEach = 3
const servicePort = 80
const podPort = 8080
const changeEveryMs = 20
const askersAtOnce = 16
/** The Service that is asked while its endpoints change. */
const asked = { name: 's-0', address: '10.96.0.1' }
const podAddresses = ['10.244.1.3', '10.244.1.4', '10.244.1.5']

/** kube-proxy's tables in a network namespace, with real packets. */
export const proxyTables: Benchmark = {
  name: 'proxy',
  title: 'Services on nftables: first sync, changes, and requests while endpoints change',
  async run(context: BenchmarkContext): Promise<readonly Figure[]> {
    if (!canTestNetworks) throw new Error('this benchmark needs root, nftables, conntrack and iproute2')
    const { cleanup, quick, quiet, log } = context
    const count = quick ? 1_000 : 10_000
    const network = new TestNetwork()
    cleanup.add(() => network.close())
    const node = await network.node('172.31.0.11/24')
    const client = await network.pod(node, '10.244.1.2')
    for (const address of podAddresses) await (await network.pod(node, address)).serve(podPort, address)
    const cluster = await clusterOf(count)
    const writes: number[] = []
    await quiet()
    const startedMs = performance.now()
    const proxy = startProxy(cluster, node, writes)
    cleanup.add(() => proxy.stop())
    await proxy.synced
    const firstMs = performance.now() - startedMs
    log(`${count} Services: ${firstMs.toFixed(0)} ms`)
    await quiet()
    const changes = await changeOneByOne(cluster, writes, quick ? 10 : 100)
    log(`one change: ${median(changes).toFixed(1)} ms`)
    const load = await askWhileChanging(cluster, client, quick ? 2 : 15)
    log(`${load.failed} of ${load.requests} requests failed during ${load.changes} changes`)
    return figures(count, firstMs, changes, load)
  },
}

interface Load {
  readonly requests: number
  readonly failed: number
  readonly changes: number
}

function figures(count: number, firstMs: number, changes: readonly number[], load: Load): Figure[] {
  const size = `${count.toLocaleString('en')} Services × ${endpointsEach} endpoints`
  return [
    {
      name: `${size}: first sync`,
      unit: 's',
      ours: firstMs / 1_000,
      goal: { of: 'ours', atMost: 1 },
      note: 'From the start of the proxy until the kernel has everything: informers, plan, one nft transaction. Objects come from memory, not over the network.',
    },
    {
      name: `${size}: one Service's endpoints change, p50`,
      unit: 'ms',
      ours: median(changes),
      goal: { of: 'ours', atMost: 30 },
      note: 'From the change in the watch until nft has ended, the 10 ms included in which changes are collected.',
    },
    { name: 'the same, p99', unit: 'ms', ours: quantile(changes, 0.99) },
    {
      name: 'requests that failed while endpoints changed',
      unit: '',
      ours: load.failed,
      goal: { of: 'ours', atMost: 0 },
      note: `Of ${load.requests.toLocaleString('en')} connections to one cluster address, ${askersAtOnce} at a time, during ${load.changes} changes of its endpoints. The endpoints that leave still run, as pods do while they end.`,
    },
  ]
}

async function clusterOf(count: number): Promise<FakeCluster> {
  const cluster = new FakeCluster({ clock: { nowMs: () => Date.now() } })
  await cluster.create(nodes, aNode({ name: 'a' }))
  for (let index = 0; index < count; index++) {
    await cluster.create(services, serviceOf(index))
    await cluster.create(endpointSlices, sliceOf(index, index === 0 ? podAddresses : otherAddresses(index)))
  }
  return cluster
}

function otherAddresses(index: number): string[] {
  return Array.from({ length: endpointsEach }, (_, endpoint) => `10.245.${index >> 6}.${(index & 63) * 4 + endpoint}`)
}

function serviceOf(index: number): Service {
  const clusterIP = index === 0 ? asked.address : `10.97.${index >> 8}.${index & 255}`
  const ports = [{ name: 'http', port: servicePort, targetPort: podPort, protocol: 'TCP' }]
  const metadata = { name: `s-${index}`, namespace: 'default' }
  const spec = { type: 'ClusterIP', clusterIP, clusterIPs: [clusterIP], ipFamilies: ['IPv4'], ports }
  return { apiVersion: 'v1', kind: 'Service', metadata, spec }
}

function sliceOf(index: number, addresses: readonly string[]): EndpointSlice {
  const labels = { 'kubernetes.io/service-name': `s-${index}` }
  return {
    apiVersion: 'discovery.k8s.io/v1',
    kind: 'EndpointSlice',
    metadata: { name: `s-${index}`, namespace: 'default', labels },
    addressType: 'IPv4',
    endpoints: addresses.map((address) => ({
      addresses: [address],
      nodeName: index === 0 ? 'a' : 'b',
      conditions: { ready: true },
    })),
    ports: [{ name: 'http', port: podPort, protocol: 'TCP' }],
  }
}

/** `writes` gets the time at which each nft transaction has ended. */
function startProxy(cluster: FakeCluster, node: TestNamespace, writes: number[]): KubeProxy {
  return startKubeProxy({
    client: cluster,
    nodeName: 'a',
    clusterCIDRs: ['10.244.0.0/15'],
    log: (level, message, fields) => {
      if (level === 'error') throw new Error(`${message} ${JSON.stringify(fields)}`)
    },
    async run(command, args, input) {
      const output = await node.run(command, args, input)
      writes.push(performance.now())
      return output
    },
  })
}

async function changeOneByOne(cluster: FakeCluster, writes: number[], times: number): Promise<number[]> {
  const durations: number[] = []
  for (let turn = 0; turn < times; turn++) {
    const index = 1 + turn
    const before = writes.length
    const changedMs = performance.now()
    await cluster.update(endpointSlices, sliceOf(index, otherAddresses(index + 11_000)))
    while (writes.length === before) await sleep(1)
    durations.push((writes[before] ?? 0) - changedMs)
    await sleep(30)
  }
  return durations
}

async function askWhileChanging(cluster: FakeCluster, client: TestNamespace, seconds: number): Promise<Load> {
  const untilMs = performance.now() + seconds * 1_000
  let requests = 0
  let failed = 0
  let changes = 0
  const askOn = async (): Promise<void> => {
    while (performance.now() < untilMs) {
      const answer = await client.ask(asked.address, servicePort)
      requests++
      if (answer.startsWith('!')) failed++
    }
  }
  const change = async (): Promise<void> => {
    while (performance.now() < untilMs) {
      const kept = podAddresses.filter((_, index) => index !== changes % (podAddresses.length + 1))
      await cluster.update(endpointSlices, sliceOf(0, kept))
      changes++
      await sleep(changeEveryMs)
    }
  }
  await Promise.all([change(), ...Array.from({ length: askersAtOnce }, askOn)])
  return { requests, failed, changes }
}
