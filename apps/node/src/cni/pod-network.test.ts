import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import type { Node } from '@binnacle/resources'
import { nodes } from '@binnacle/resources'
import { aNode, FakeClock, FakeCluster } from '@binnacle/testing'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { canTestNetworks, type TestNamespace, TestNetwork } from '../network/testing-network.ts'
import { cniConf, writeCniConf } from './conf.ts'
import { planRoutes } from './plan.ts'
import { type PodNetwork, startPodNetwork } from './pod-network.ts'

const plugins = '/usr/lib/cni'
const canUsePlugins = canTestNetworks && existsSync(path.join(plugins, 'ptp'))

function member(name: string, address: string, podCIDR: string): Node {
  const node = aNode({ name })
  return {
    ...node,
    spec: { podCIDR, podCIDRs: [podCIDR] },
    status: { ...node.status, addresses: [{ type: 'InternalIP', address }] },
  }
}

describe('routes', () => {
  const own = [{ address: '172.31.0.11', prefixLength: 24, device: 'eth0' }]
  const self = member('a', '172.31.0.11', '10.244.1.0/24')

  test('go by the address of a neighbour, and need no tunnel', () => {
    const plan = planRoutes(self, [self, member('b', '172.31.0.12', '10.244.2.0/24')], own)
    expect(plan).toEqual({
      routes: [{ family: 'ip', destination: '10.244.2.0/24', via: '172.31.0.12', device: 'eth0' }],
      tunnelEnds: [],
      tunnel: undefined,
    })
  })

  test('go through a tunnel to others', () => {
    const plan = planRoutes(self, [self, member('c', '172.31.1.13', '10.244.3.0/24')], own)
    expect(plan.routes).toEqual([
      { family: 'ip', destination: '10.244.3.0/24', via: '10.244.3.0', device: 'binnacle.vxlan' },
    ])
    expect(plan.tunnelEnds).toMatchObject([{ address: '10.244.3.0', nodeAddress: '172.31.1.13' }])
    expect(plan.tunnel).toMatchObject({ nodeAddress: '172.31.0.11', addresses: ['10.244.1.0'] })
  })
})

test('a configuration that the operator brings is left in force', async () => {
  const folder = mkdtempSync(path.join(tmpdir(), 'binnacle-cni-'))
  const conf = { nodeName: 'a', podCIDRs: ['10.244.1.0/24'], mtu: 1450, dataDir: path.join(folder, 'ipam') }
  expect(await writeCniConf(folder, conf)).toBe(true)
  expect(JSON.parse(readFileSync(path.join(folder, '10-binnacle.conflist'), 'utf8'))).toEqual(cniConf(conf))
  writeFileSync(path.join(folder, '05-other.conflist'), '{}')
  expect(await writeCniConf(folder, conf)).toBe(false)
  rmSync(folder, { recursive: true })
})

describe.skipIf(!canUsePlugins)('pods of several nodes', () => {
  const network = new TestNetwork()
  const cluster = new FakeCluster({ clock: new FakeClock() })
  const folder = mkdtempSync(path.join(tmpdir(), 'binnacle-pods-'))
  const running: PodNetwork[] = []
  const machines = new Map<string, TestNamespace>()
  let containers = 0

  beforeAll(async () => {
    for (const [name, address, range] of [
      ['a', '172.31.0.11', '10.244.1.0/24'],
      ['b', '172.31.0.12', '10.244.2.0/24'],
      ['c', '172.31.1.13', '10.244.3.0/24'],
    ] as const) {
      const machine = await network.node(`${address}/24`)
      machines.set(name, machine)
      await join(member(name, address, range))
    }
    for (const [nodeName, { run }] of machines) {
      const confDir = path.join(folder, nodeName)
      const ipamDir = path.join(folder, `${nodeName}-ipam`)
      const log = (level: string, message: string, fields?: object): void => {
        if (level === 'error') throw new Error(`${message} ${JSON.stringify(fields)}`)
      }
      running.push(
        startPodNetwork({ client: cluster, nodeName, clusterCIDRs: ['10.244.0.0/16'], confDir, ipamDir, run, log }),
      )
    }
    await Promise.all(running.map(({ ready }) => ready))
  })

  afterAll(async () => {
    for (const each of running) await each.stop()
    await network.close()
    rmSync(folder, { recursive: true })
  })

  /** A node that reports its address. */
  async function join(node: Node): Promise<void> {
    const made = await cluster.create(nodes, node)
    await cluster.updateStatus(nodes, { ...made, status: node.status ?? {} })
  }

  const machine = (name: string): TestNamespace => machines.get(name) as TestNamespace

  /** Gives a namespace the network that the node's configuration says, by the real plugins. */
  async function pod(nodeName: string, hostPort?: number): Promise<{ namespace: TestNamespace; address: string }> {
    const namespace = await network.namespace()
    const conf = JSON.parse(readFileSync(path.join(folder, nodeName, '10-binnacle.conflist'), 'utf8'))
    const [ptp, portmap] = conf.plugins
    const { name, cniVersion } = conf
    const environment = ['CNI_COMMAND=ADD', `CNI_CONTAINERID=${namespace.name}-${containers++}`, 'CNI_IFNAME=eth0']
    environment.push(`CNI_NETNS=/run/netns/${namespace.name}`, `CNI_PATH=${plugins}`)
    const add = (plugin: string, config: object) =>
      machine(nodeName).run(
        'env',
        [...environment, path.join(plugins, plugin)],
        JSON.stringify({ name, cniVersion, ...config }),
      )
    const result = JSON.parse(await add('ptp', ptp))
    const portMappings = [{ hostPort, containerPort: 80, protocol: 'tcp' }]
    if (hostPort !== undefined)
      await add('portmap', { ...portmap, runtimeConfig: { portMappings }, prevResult: result })
    return { namespace, address: result.ips[0].address.split('/')[0] }
  }

  test('reach each other by their own addresses: on a node, on a neighbour, and through the tunnel', async () => {
    const server = await pod('a')
    await server.namespace.serve(80, 'server')
    for (const nodeName of ['a', 'b', 'c']) {
      const client = await pod(nodeName)
      expect(await client.namespace.ask(server.address, 80, { timeoutMs: 5_000 })).toBe(`server ${client.address}`)
    }
  })

  test('are reached by nodes', async () => {
    const server = await pod('c')
    await server.namespace.serve(80, 'server')
    for (const nodeName of ['a', 'b', 'c'])
      expect(await machine(nodeName).ask(server.address, 80, { timeoutMs: 5_000 })).toMatch(/^server /)
  })

  test('leave the cluster with the address of their node, and go to nodes with their own', async () => {
    const outside = await network.node('172.31.0.99/24')
    await outside.serve(80, 'outside')
    await machine('b').serve(81, 'node')
    const client = await pod('a')
    expect(await client.namespace.ask('172.31.0.99', 80)).toBe('outside 172.31.0.11')
    expect(await client.namespace.ask('172.31.0.12', 81)).toBe(`node ${client.address}`)
  })

  test('are reached at a host port of their node', async () => {
    const server = await pod('b', 8088)
    await server.namespace.serve(80, 'server')
    expect(await machine('a').ask('172.31.0.12', 8088, { timeoutMs: 5_000 })).toMatch(/^server /)
  })

  test('a node that is gone has no route any more, and one that comes gets one', async () => {
    const routes = () => machine('a').run('ip', ['route', 'show', 'proto', '77'])
    expect(await routes()).toContain('10.244.2.0/24')
    await cluster.delete(nodes, { namespace: '', name: 'b' })
    await join(member('d', '172.31.0.14', '10.244.4.0/24'))
    await expect.poll(routes, { timeout: 8_000 }).toContain('10.244.4.0/24 via 172.31.0.14')
    await expect.poll(routes, { timeout: 8_000 }).not.toContain('10.244.2.0/24')
  })
})
