import type { NetworkPolicy, NetworkPolicySpec, Pod } from '@binnacle/resources'
import { namespaces, networkPolicies, pods } from '@binnacle/resources'
import { aNamespace, aPod, FakeClock, FakeCluster } from '@binnacle/testing'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { canTestNetworks, type TestNamespace, TestNetwork } from '../network/testing-network.ts'
import { type RunningNetworkPolicies, startNetworkPolicies } from './network-policy.ts'
import { policyTable } from './plan.ts'

const soon = { timeout: 8_000 }
const dropped = '!timeout'

describe.skipIf(!canTestNetworks)('network policies with real packets', () => {
  const network = new TestNetwork()
  const cluster = new FakeCluster({ clock: new FakeClock() })
  const ip = { server: '10.244.1.2', friend: '10.244.1.3', stranger: '10.244.1.4', neighbour: '10.244.1.5' }
  let node: TestNamespace
  let outside: TestNamespace
  let server: TestNamespace
  let friend: TestNamespace
  let stranger: TestNamespace
  let neighbour: TestNamespace
  let policies: RunningNetworkPolicies

  beforeAll(async () => {
    node = await network.node('172.31.0.11/24')
    outside = await network.node('172.31.0.99/24')
    await outside.ip('route add 10.244.1.0/24 via 172.31.0.11')
    const pod = (address: string) => network.pod(node, address)
    server = await pod(ip.server)
    friend = await pod(ip.friend)
    stranger = await pod(ip.stranger)
    neighbour = await pod(ip.neighbour)
    for (const port of [80, 8080, 8081, 9000]) await server.serve(port, 'server')
    await server.serve(53, 'server', 'udp')
    await friend.serve(80, 'friend')
    await outside.serve(80, 'outside')
    await cluster.create(namespaces, aNamespace('default'))
    await cluster.create(namespaces, { ...aNamespace('other'), metadata: { name: 'other', labels: { team: 'blue' } } })
    await join(running('server', ip.server))
    await join(running('friend', ip.friend))
    await join(running('stranger', ip.stranger))
    await join(running('neighbour', ip.neighbour, 'other'))
    policies = startNetworkPolicies({
      client: cluster,
      nodeName: 'a',
      run: node.run,
      log: (level, message, fields) => {
        if (level === 'error') throw new Error(`${message} ${JSON.stringify(fields)}`)
      },
      checkMs: 200,
    })
    await policies.synced
  })

  afterAll(async () => {
    await policies?.stop()
    await network.close()
  })

  function running(name: string, podIP: string, namespace = 'default'): Pod {
    const pod = aPod({ name, namespace, nodeName: 'a', ready: true, podIP, labels: { app: name } })
    const ports = [{ name: 'web', containerPort: 8080 }]
    return { ...pod, spec: { ...pod.spec, containers: [{ name: 'app', image: 'app:1', ports }] } }
  }

  /** A pod that runs: what it reports comes after it was made. */
  async function join(pod: Pod): Promise<void> {
    const made = await cluster.create(pods, pod)
    await cluster.updateStatus(pods, { ...made, status: pod.status ?? {} })
  }

  /** Replaces all policies by these, and waits until a pod that they do not let through is kept out (or, without any, let through). */
  async function put(...specs: NetworkPolicySpec[]): Promise<void> {
    for (const { metadata } of (await cluster.list(networkPolicies)).items)
      await cluster.delete(networkPolicies, { namespace: 'default', name: metadata.name ?? '' })
    for (const [index, spec] of specs.entries()) {
      const metadata = { name: `policy-${index}`, namespace: 'default' }
      const policy: NetworkPolicy = { apiVersion: 'networking.k8s.io/v1', kind: 'NetworkPolicy', metadata, spec }
      await cluster.create(networkPolicies, policy)
    }
    const wanted = JSON.stringify(specs.map(({ podSelector }) => podSelector))
    const isIsolated = wanted.includes('server')
    await expect
      .poll(
        async () => (await node.run('nft', ['list', 'table', 'ip', policyTable])).includes(`${ip.server} : goto`),
        soon,
      )
      .toBe(isIsolated)
  }

  const toServer = { podSelector: { matchLabels: { app: 'server' } } }
  const from = (asker: TestNamespace, port = 80, options = {}) =>
    asker.ask(ip.server, port, { timeoutMs: 250, ...options })

  test('without policies everybody gets through', async () => {
    await put()
    await expect.poll(() => from(stranger), soon).toMatch(/^server /)
  })

  test('a policy without rules keeps everybody out but the node itself, and leaves egress alone', async () => {
    await put({ ...toServer, policyTypes: ['Ingress'] })
    await expect.poll(() => from(stranger), soon).toBe(dropped)
    await expect.poll(() => from(outside), soon).toBe(dropped)
    await expect.poll(() => from(node), soon).toMatch(/^server /)
    await expect.poll(() => server.ask(ip.friend, 80), soon).toMatch(/^friend /)
  })

  test('pods are let in by their labels', async () => {
    await put({ ...toServer, ingress: [{ from: [{ podSelector: { matchLabels: { app: 'friend' } } }] }] })
    await expect.poll(() => from(friend), soon).toMatch(/^server /)
    await expect.poll(() => from(stranger), soon).toBe(dropped)
    await expect.poll(() => from(neighbour), soon).toBe(dropped)
  })

  test('and by their namespace', async () => {
    await put({ ...toServer, ingress: [{ from: [{ namespaceSelector: { matchLabels: { team: 'blue' } } }] }] })
    await expect.poll(() => from(neighbour), soon).toMatch(/^server /)
    await expect.poll(() => from(friend), soon).toBe(dropped)
  })

  test('and by address, but not those left out', async () => {
    await put({
      ...toServer,
      ingress: [{ from: [{ ipBlock: { cidr: '10.244.1.0/24', except: [`${ip.stranger}/32`] } }] }],
    })
    await expect.poll(() => from(friend), soon).toMatch(/^server /)
    await expect.poll(() => from(stranger), soon).toBe(dropped)
    await expect.poll(() => from(outside), soon).toBe(dropped)
  })

  test('ports are by number, range, name and protocol', async () => {
    await put({ ...toServer, ingress: [{ ports: [{ port: 80 }, { port: 9000, endPort: 9010 }, { port: 'web' }] }] })
    await expect.poll(() => from(friend, 80), soon).toMatch(/^server /)
    await expect.poll(() => from(friend, 9000), soon).toMatch(/^server /)
    await expect.poll(() => from(friend, 8080), soon).toMatch(/^server /)
    await expect.poll(() => from(friend, 8081), soon).toBe(dropped)
    await expect.poll(() => from(friend, 53, { protocol: 'udp' }), soon).toBe(dropped)
    await put({ ...toServer, ingress: [{ ports: [{ port: 53, protocol: 'UDP' }] }] })
    await expect.poll(() => from(friend, 53, { protocol: 'udp' }), soon).toMatch(/^server /)
  })

  test('policies add up', async () => {
    const only = (app: string) => ({ ...toServer, ingress: [{ from: [{ podSelector: { matchLabels: { app } } }] }] })
    await put(only('friend'), only('stranger'))
    await expect.poll(() => from(friend), soon).toMatch(/^server /)
    await expect.poll(() => from(stranger), soon).toMatch(/^server /)
    await expect.poll(() => from(outside), soon).toBe(dropped)
  })

  test('egress is held by itself; answers always come back', async () => {
    const to = [{ to: [{ podSelector: { matchLabels: { app: 'friend' } } }] }]
    await put({ ...toServer, policyTypes: ['Egress'], egress: to })
    await expect.poll(() => server.ask(ip.friend, 80), soon).toMatch(/^friend /)
    await expect.poll(() => server.ask('172.31.0.99', 80, { timeoutMs: 250 }), soon).toBe(dropped)
    await expect.poll(() => from(stranger), soon).toMatch(/^server /)
  })

  test('both ends have to allow a connection', async () => {
    const toFriend = { podSelector: { matchLabels: { app: 'friend' } } }
    await put({ ...toServer, policyTypes: ['Egress'], egress: [{}] }, { ...toFriend, policyTypes: ['Ingress'] })
    await expect.poll(() => server.ask(ip.friend, 80, { timeoutMs: 250 }), soon).toBe(dropped)
    await expect.poll(() => server.ask('172.31.0.99', 80), soon).toMatch(/^outside /)
  })

  test('a pod that gets the label gets through, at once', async () => {
    await put({ ...toServer, ingress: [{ from: [{ podSelector: { matchLabels: { kind: 'guest' } } }] }] })
    await expect.poll(() => from(stranger), soon).toBe(dropped)
    const key = { namespace: 'default', name: 'stranger' }
    await cluster.patch(pods, key, { type: 'merge', body: { metadata: { labels: { kind: 'guest' } } } })
    await expect.poll(() => from(stranger), soon).toMatch(/^server /)
    await cluster.patch(pods, key, { type: 'merge', body: { metadata: { labels: { kind: null } } } })
    await expect.poll(() => from(stranger), soon).toBe(dropped)
  })

  test('tables that somebody flushed are written anew', async () => {
    await put({ ...toServer, policyTypes: ['Ingress'] })
    await node.run('nft', ['flush', 'map', 'ip', policyTable, 'ingress'])
    await expect.poll(() => from(stranger), soon).toBe(dropped)
  })
})
