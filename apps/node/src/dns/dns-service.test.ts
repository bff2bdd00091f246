import { endpointSlices, namespaces, nodes, services } from '@binnacle/resources'
import { aNamespace, aNode, FakeClock, FakeCluster } from '@binnacle/testing'
import { expect, test } from 'vitest'
import { publishDns } from './dns-service.ts'

test('each node publishes its own server behind one Service, once', async () => {
  const cluster = new FakeCluster({ clock: new FakeClock() })
  await cluster.create(namespaces, aNamespace('kube-system'))
  const publish = async (name: string, address: string, port = 10_053): Promise<void> => {
    const node = { ...aNode({ name }), status: { addresses: [{ type: 'InternalIP', address }] } }
    const made = await cluster.get(nodes, { namespace: '', name }).catch(() => cluster.create(nodes, node))
    await publishDns({ client: cluster, node: { ...made, status: node.status }, port, clusterIP: '10.96.0.10' })
  }
  await publish('a', '172.31.0.11')
  await publish('b', '172.31.0.12')
  const writes = cluster.writes.length
  await publish('a', '172.31.0.11')
  expect(cluster.writes.length).toBe(writes)
  await publish('b', '172.31.0.12', 10_054)
  const service = await cluster.get(services, { namespace: 'kube-system', name: 'kube-dns' })
  expect(service.spec?.ports).toMatchObject([
    { port: 53, protocol: 'UDP' },
    { port: 53, protocol: 'TCP' },
  ])
  const slices = (await cluster.list(endpointSlices)).items
  expect(
    slices.map(({ endpoints, ports }) => [endpoints?.[0]?.addresses, endpoints?.[0]?.hints, ports?.[0]?.port]),
  ).toEqual([
    [['172.31.0.11'], { forNodes: [{ name: 'a' }] }, 10_053],
    [['172.31.0.12'], { forNodes: [{ name: 'b' }] }, 10_054],
  ])
})
