import { resourceSlices } from '@binnacle/resources'
import { expect, it } from 'vitest'
import { publishDevices } from './device-slices.ts'
import { MemoryCluster } from './memory-cluster.ts'

const nodes = ['sim-0', 'sim-1'].map((name, index) => ({
  identity: { index, name, address: '', podCIDR: '' },
  uid: `uid-of-${name}`,
  readySinceMs: 0,
}))
const pools = (cluster: MemoryCluster) =>
  cluster
    .all(resourceSlices)
    .map(({ spec }) => [spec.nodeName, spec.pool.generation, spec.pool.resourceSliceCount, spec.devices.length])

it('publishes the devices of each node, in as many slices as they need, and goes on from there', async () => {
  const cluster = new MemoryCluster()
  await publishDevices(cluster.client, resourceSlices, nodes, 130)
  expect(pools(cluster)).toEqual([
    ['sim-0', 1, 2, 128],
    ['sim-0', 1, 2, 2],
    ['sim-1', 1, 2, 128],
    ['sim-1', 1, 2, 2],
  ])
  const names = cluster.all(resourceSlices).flatMap(({ spec }) => spec.devices.map((device: any) => device.name))
  expect(new Set(names).size).toBe(130)
  await publishDevices(cluster.client, resourceSlices, nodes, 130)
  expect(pools(cluster)[0]).toEqual(['sim-0', 1, 2, 128])
  await publishDevices(cluster.client, resourceSlices, nodes, 1)
  expect(pools(cluster)).toEqual([
    ['sim-0', 2, 1, 1],
    ['sim-1', 2, 1, 1],
  ])
  await publishDevices(cluster.client, resourceSlices, nodes, 0)
  expect(pools(cluster)).toEqual([])
})
