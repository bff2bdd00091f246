import { isConflict, isNotFound } from '@binnacle/apimachinery'
import type { BatchResult, BatchWrite, Client } from '@binnacle/client'
import type { ResourceDefinition, ResourceSlice } from '@binnacle/resources'
import type { RegisteredNode } from './node-registration.ts'

/** The driver that simulated devices belong to. */
export const deviceDriver = 'devices.simulated.binnacle.dev'
/** Devices of one slice (`ResourceSliceMaxDevices`). */
const devicesPerSliceMax = 128
/** Writes in one request. */
const batchWritesMax = 256

/**
 * Publishes so many devices for each node, in slices that go with their node, and takes those of earlier runs away that are too many.
 * @throws the error of a write that failed
 */
export async function publishDevices(
  client: Client,
  slices: ResourceDefinition<any>,
  nodes: readonly RegisteredNode[],
  count: number,
): Promise<void> {
  const { items } = await client.list<ResourceSlice>(slices, { fieldSelector: `spec.driver=${deviceDriver}` })
  const known = new Map(items.map((slice) => [slice.metadata.name, slice]))
  const names = new Set(nodes.map(({ identity }) => identity.name))
  const wanted = nodes.flatMap((node) => slicesOf(node, count, generationAfter(items, node, count)))
  const kept = new Set(wanted.map(({ metadata }) => metadata.name))
  const surplus = items.filter(({ metadata, spec }) => names.has(spec.nodeName ?? '') && !kept.has(metadata.name))
  const writes: BatchWrite[] = [
    ...surplus.map(({ metadata: { name } }): BatchWrite => ({
      verb: 'delete',
      resource: slices,
      key: { namespace: '', name },
    })),
    ...wanted.map((slice): BatchWrite => {
      const { name, ownerReferences } = slice.metadata
      if (!known.has(name)) return { verb: 'create', resource: slices, object: slice }
      const body = { metadata: { ownerReferences }, spec: slice.spec }
      return { verb: 'patch', resource: slices, key: { namespace: '', name }, patch: { type: 'merge', body } }
    }),
  ]
  const results: BatchResult[] = []
  for (let from = 0; from < writes.length; from += batchWritesMax)
    results.push(...(await client.writeAll(writes.slice(from, from + batchWritesMax), { atomic: false })))
  for (const result of results)
    if ('error' in result && !isNotFound(result.error) && !isConflict(result.error)) throw result.error
}

/** A pool of another size is a new generation; the same pool stays as it is. */
function generationAfter(known: readonly ResourceSlice[], { identity }: RegisteredNode, count: number): number {
  const own = known.filter(({ spec }) => spec.nodeName === identity.name)
  const newest = Math.max(0, ...own.map(({ spec }) => spec.pool.generation))
  const devices = own.reduce((sum, { spec }) => sum + (spec.devices ?? []).length, 0)
  return devices === count ? Math.max(1, newest) : newest + 1
}

function slicesOf({ identity: { name }, uid }: RegisteredNode, count: number, generation: number): ResourceSlice[] {
  const resourceSliceCount = Math.ceil(count / devicesPerSliceMax)
  return Array.from({ length: resourceSliceCount }, (_, slice) => ({
    apiVersion: 'resource.k8s.io/v1',
    kind: 'ResourceSlice',
    metadata: {
      name: `${name}-${deviceDriver}-${slice}`,
      ownerReferences: [{ apiVersion: 'v1', kind: 'Node', name, uid, controller: true }],
    },
    spec: {
      driver: deviceDriver,
      nodeName: name,
      pool: { name, generation, resourceSliceCount },
      devices: Array.from({ length: Math.min(devicesPerSliceMax, count - slice * devicesPerSliceMax) }, (__, i) =>
        simulatedDevice(slice * devicesPerSliceMax + i),
      ),
    },
  }))
}

const simulatedDevice = (index: number) => ({
  name: `device-${index}`,
  attributes: {
    index: { int: index },
    model: { string: index % 2 === 0 ? 'small' : 'large' },
    driverVersion: { version: '1.0.0' },
  },
  capacity: { memory: { value: index % 2 === 0 ? '16Gi' : '80Gi' } },
})
