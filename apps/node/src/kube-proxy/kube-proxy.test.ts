import type { Endpoint, EndpointSlice, Service } from '@binnacle/resources'
import { endpointSlices, nodes, services } from '@binnacle/resources'
import { aNode, aService, FakeClock, FakeCluster } from '@binnacle/testing'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { canTestNetworks, type TestNamespace, TestNetwork } from '../network/testing-network.ts'
import { type KubeProxy, startKubeProxy } from './kube-proxy.ts'
import { tableName } from './skeleton.ts'

const vip = '10.96.0.10'
/** What was asked before the rules were there may have to time out first. */
const soon = { timeout: 8_000 }

/** A Service and its endpoints, as they stand in the cluster. */
function aSlice(
  name: string,
  endpoints: Endpoint[],
  ports = [{ port: 8080, protocol: 'TCP', name: 'http' }],
): EndpointSlice {
  return {
    apiVersion: 'discovery.k8s.io/v1',
    kind: 'EndpointSlice',
    metadata: { name: `${name}-1`, namespace: 'default', labels: { 'kubernetes.io/service-name': name } },
    addressType: endpoints[0]?.addresses[0]?.includes(':') === true ? 'IPv6' : 'IPv4',
    endpoints,
    ports,
  }
}

const at = (address: string, nodeName = 'a', conditions = {}): Endpoint => ({
  addresses: [address],
  nodeName,
  conditions,
})

describe.skipIf(!canTestNetworks)('kube-proxy with real packets', () => {
  const network = new TestNetwork()
  const cluster = new FakeCluster({ clock: new FakeClock() })
  let node: TestNamespace
  let outside: TestNamespace
  let client: TestNamespace
  let one: TestNamespace
  let two: TestNamespace
  let proxy: KubeProxy

  beforeAll(async () => {
    node = await network.node('172.31.0.11/24', 'fd31::11/64')
    outside = await network.node('172.31.0.99/24')
    await outside.ip('route add 10.0.0.0/8 via 172.31.0.11', 'route add 203.0.113.0/24 via 172.31.0.11')
    client = await network.pod(node, '10.244.1.2', 'fd44::2')
    one = await network.pod(node, '10.244.1.3', 'fd44::3')
    two = await network.pod(node, '10.244.1.4', 'fd44::4')
    for (const [pod, name] of [
      [one, 'one'],
      [two, 'two'],
    ] as const) {
      await pod.serve(8080, name)
      await pod.serve(8053, name, 'udp')
    }
    const self = aNode({ name: 'a' })
    const made = await cluster.create(nodes, self)
    await cluster.updateStatus(nodes, {
      ...made,
      status: { ...self.status, addresses: [{ type: 'InternalIP', address: '172.31.0.11' }] },
    })
    proxy = start()
    await proxy.synced
  })

  afterAll(async () => {
    await proxy?.stop()
    await network.close()
  })

  const start = (): KubeProxy =>
    startKubeProxy({
      client: cluster,
      nodeName: 'a',
      clusterCIDRs: ['10.244.0.0/16', 'fd44::/64'],
      localhostNodePorts: true,
      run: node.run,
      log: (level, message, fields) => {
        if (level === 'error') throw new Error(`${message} ${JSON.stringify(fields)}`)
      },
      checkMs: 200,
    })

  /** Puts a Service with endpoints into the cluster, until `name` is used again. */
  async function put(spec: NonNullable<Service['spec']>, slices: readonly EndpointSlice[], status?: Service['status']) {
    for (const old of (await cluster.list(endpointSlices)).items)
      await cluster.delete(endpointSlices, { namespace: 'default', name: old.metadata.name ?? '' })
    for (const old of (await cluster.list(services)).items)
      await cluster.delete(services, { namespace: 'default', name: old.metadata.name ?? '' })
    const made = await cluster.create(services, aService({ name: 'web', spec }))
    if (status !== undefined) await cluster.updateStatus(services, { ...made, status })
    for (const slice of slices) await cluster.create(endpointSlices, slice)
  }

  const both = (): EndpointSlice => aSlice('web', [at('10.244.1.3'), at('10.244.1.4')])

  test('a cluster address reaches every endpoint, from pods with their own address and from the node', async () => {
    await put({}, [both()])
    await expect.poll(() => client.whoAnswers(vip, 80), soon).toEqual(['one', 'two'])
    expect(await client.ask(vip, 80)).toMatch(/ 10\.244\.1\.2$/)
    expect(await node.whoAnswers(vip, 80)).toEqual(['one', 'two'])
    expect(await outside.ask(vip, 80)).toMatch(/ 169\.254\.1\.1$/)
  })

  test('a pod reaches itself through its Service', async () => {
    await put({}, [aSlice('web', [at('10.244.1.3')])])
    await expect.poll(() => one.ask(vip, 80), soon).toMatch(/^one /)
  })

  test('a Service without endpoints refuses connections, as does a port that it does not have', async () => {
    await put({}, [])
    await expect.poll(() => client.ask(vip, 80), soon).toBe('!ECONNREFUSED')
    expect(await node.ask(vip, 80)).toBe('!ECONNREFUSED')
    expect(await client.ask(vip, 81)).toBe('!ECONNREFUSED')
  })

  test('a node port answers on the addresses of the node, on 127.0.0.1, and to other machines', async () => {
    await put(
      { type: 'NodePort', ports: [{ name: 'http', port: 80, targetPort: 8080, protocol: 'TCP', nodePort: 30080 }] },
      [both()],
    )
    await expect.poll(() => outside.whoAnswers('172.31.0.11', 30080), soon).toEqual(['one', 'two'])
    expect(await node.ask('172.31.0.11', 30080)).toMatch(/^(one|two) /)
    expect(await node.ask('127.0.0.1', 30080)).toMatch(/^(one|two) /)
    expect(await client.ask('172.31.0.11', 30080)).toMatch(/^(one|two) /)
  })

  test('external policy Local keeps the address of the client and uses endpoints of the node alone', async () => {
    const ports = [{ name: 'http', port: 80, targetPort: 8080, protocol: 'TCP', nodePort: 30080 }]
    const slice = aSlice('web', [at('10.244.1.3'), at('10.244.1.4', 'b')])
    await put({ type: 'NodePort', externalTrafficPolicy: 'Local', ports }, [slice])
    await expect.poll(() => outside.ask('172.31.0.11', 30080), soon).toBe('one 172.31.0.99')
    expect(await outside.whoAnswers('172.31.0.11', 30080)).toEqual(['one'])
    expect(await client.whoAnswers('172.31.0.11', 30080)).toEqual(['one', 'two'])
    await put({ type: 'NodePort', externalTrafficPolicy: 'Local', ports }, [aSlice('web', [at('10.244.1.4', 'b')])])
    await expect.poll(() => outside.ask('172.31.0.11', 30080, { timeoutMs: 300 }), soon).toBe('!timeout')
    expect(await client.ask('172.31.0.11', 30080)).toMatch(/^two /)
  })

  test('external addresses and load balancer addresses answer; source ranges keep others out', async () => {
    const ports = [{ name: 'http', port: 80, targetPort: 8080, protocol: 'TCP', nodePort: 30080 }]
    const spec = { type: 'LoadBalancer', externalIPs: ['203.0.113.7'], ports, loadBalancerSourceRanges: ['10.0.0.0/8'] }
    await put(spec, [both()], { loadBalancer: { ingress: [{ ip: '203.0.113.8' }] } })
    await expect.poll(() => outside.whoAnswers('203.0.113.7', 80), soon).toEqual(['one', 'two'])
    expect(await client.whoAnswers('203.0.113.8', 80)).toEqual(['one', 'two'])
    expect(await outside.ask('203.0.113.8', 80, { timeoutMs: 300 })).toBe('!timeout')
  })

  test('affinity keeps a client with its endpoint until that leaves', async () => {
    const affinity = { sessionAffinity: 'ClientIP', sessionAffinityConfig: { clientIP: { timeoutSeconds: 60 } } }
    await put(affinity, [both()])
    await expect.poll(() => client.whoAnswers(vip, 80), soon).toHaveLength(1)
    const [first] = await client.whoAnswers(vip, 80)
    const rest = first === 'one' ? '10.244.1.4' : '10.244.1.3'
    await cluster.update(endpointSlices, aSlice('web', [at(rest)]))
    await expect.poll(() => client.whoAnswers(vip, 80), soon).toEqual([first === 'one' ? 'two' : 'one'])
  })

  test('a UDP client that keeps its port gets a new endpoint when its own leaves', async () => {
    const ports = [{ name: 'dns', port: 53, protocol: 'UDP' }]
    const target = [{ name: 'dns', port: 8053, protocol: 'UDP' }]
    const ask = () => client.ask(vip, 53, { protocol: 'udp', localPort: 40_053, timeoutMs: 300 })
    await put({ ports }, [aSlice('web', [at('10.244.1.3')], target)])
    await expect.poll(ask, soon).toBe('one 10.244.1.2')
    await cluster.update(endpointSlices, aSlice('web', [at('10.244.1.4')], target))
    await expect.poll(ask, soon).toBe('two 10.244.1.2')
  })

  test('an IPv6 cluster address works beside the IPv4 one', async () => {
    const addresses = { clusterIP: vip, clusterIPs: [vip, 'fd96::10'], ipFamilies: ['IPv4', 'IPv6'] }
    const six = { ...aSlice('web', [at('fd44::3'), at('fd44::4')]), metadata: { ...both().metadata, name: 'web-6' } }
    await put({ ...addresses, ipFamilyPolicy: 'RequireDualStack' }, [both(), six])
    await expect.poll(() => client.whoAnswers('fd96::10', 80), soon).toEqual(['one', 'two'])
    expect(await client.ask('fd96::10', 80)).toMatch(/ fd44::2$/)
    expect(await client.whoAnswers(vip, 80)).toEqual(['one', 'two'])
  })

  test('no connection fails while endpoints come and go', async () => {
    await put({}, [both()])
    await expect.poll(() => client.whoAnswers(vip, 80), soon).toEqual(['one', 'two'])
    const answers: string[] = []
    const changing = new AbortController()
    const asking = (async () => {
      while (!changing.signal.aborted)
        answers.push(...(await Promise.all(Array.from({ length: 8 }, () => client.ask(vip, 80)))))
    })()
    for (let round = 0; round < 30; round++) {
      const endpoints = [[at('10.244.1.3')], [at('10.244.1.4')], [at('10.244.1.3'), at('10.244.1.4')]][round % 3] ?? []
      await cluster.update(endpointSlices, aSlice('web', endpoints))
      await new Promise((resolve) => setTimeout(resolve, 20))
    }
    changing.abort()
    await asking
    expect(answers.length).toBeGreaterThan(50)
    expect(answers.filter((answer) => answer.startsWith('!'))).toEqual([])
  })

  test('tables that somebody flushed are written anew', async () => {
    await put({}, [both()])
    await expect.poll(() => client.whoAnswers(vip, 80), soon).toEqual(['one', 'two'])
    await node.run('nft', ['flush', 'map', 'ip', tableName, 'services'])
    await expect.poll(() => client.whoAnswers(vip, 80), soon).toEqual(['one', 'two'])
    await node.run('nft', ['delete', 'table', 'ip', tableName])
    await expect.poll(() => client.whoAnswers(vip, 80), soon).toEqual(['one', 'two'])
  })

  test('Services go on while the proxy is stopped, and what changed meanwhile is there after its start', async () => {
    await put({}, [both()])
    await expect.poll(() => client.whoAnswers(vip, 80), soon).toEqual(['one', 'two'])
    await proxy.stop()
    expect(await client.whoAnswers(vip, 80)).toEqual(['one', 'two'])
    await cluster.update(endpointSlices, aSlice('web', [at('10.244.1.4')]))
    proxy = start()
    await proxy.synced
    expect(await client.whoAnswers(vip, 80)).toEqual(['two'])
  })
})
