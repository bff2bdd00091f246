import { isAlreadyExists, isNotFound, type KubernetesObject } from '@binnacle/apimachinery'
import type { BatchResult, BatchWrite, Client } from '@binnacle/client'
import type { ResourceDefinition } from '@binnacle/resources'
import { hostBitsFor, nodeAddress, nodesMax, podCIDR } from './addresses.ts'
import { leaseNamespace, nodeLabels, nodeLease, nodeObject, nodeStatus, type NodeIdentity } from './node-object.ts'
import type { SimulationOptions } from './simulation-options.ts'

/** Definitions of the kinds that registration writes. */
export interface NodeResources {
  readonly nodes: ResourceDefinition<any>
  readonly leases: ResourceDefinition<any>
  readonly namespaces: ResourceDefinition<any>
}

/** A node that the cluster knows. */
export interface RegisteredNode {
  readonly identity: NodeIdentity
  readonly uid: string
  /** Since when its conditions have been those of a healthy node. */
  readonly readySinceMs: number
}

interface NodeView extends KubernetesObject {
  readonly spec?: { readonly podCIDR?: string }
  readonly status?: {
    readonly addresses?: readonly { readonly type: string; readonly address: string }[]
    readonly conditions?: readonly {
      readonly type: string
      readonly status: string
      readonly lastTransitionTime?: string
    }[]
  }
}

/** Writes in one request. */
const batchWritesMax = 256

/**
 * Makes the nodes known to the cluster, healthy and with a lease each. Nodes of the same names from an earlier run keep their uid,
 * addresses and pods.
 * @throws Error when there are more nodes than address ranges, and the error of a write that failed.
 */
export async function registerNodes(
  client: Client,
  resources: NodeResources,
  options: SimulationOptions,
  nowMs: number,
): Promise<RegisteredNode[]> {
  const { items } = await client.list<NodeView>(resources.nodes)
  const known = new Map(items.map((node) => [node.metadata.name, node]))
  const identities = identify(options, known)
  const registered = await createOrAdopt(client, resources.nodes, identities, known, nowMs)
  await writeAllOf(
    client,
    registered.map(({ identity, readySinceMs }) => {
      const status = nodeStatus(identity, options, readySinceMs, nowMs)
      const key = { namespace: '', name: identity.name }
      return {
        verb: 'patch',
        resource: resources.nodes,
        key,
        patch: { type: 'strategic', body: { status } },
        subresource: 'status',
      }
    }),
  )
  await takeLeases(client, resources, registered, nowMs)
  return registered
}

/** Chooses addresses that no other node of the cluster has. */
function identify(options: SimulationOptions, known: ReadonlyMap<string, NodeView>): NodeIdentity[] {
  const hostBits = hostBitsFor(options.podsMax)
  const names = Array.from({ length: options.nodes }, (_, i) => `${options.namePrefix}${i}`)
  const ranges = new Set([...known.values()].map((node) => node.spec?.podCIDR))
  const addresses = new Set([...known.values()].map(addressOf))
  let nextRange = 0
  let nextAddress = 0
  return names.map((name, index) => {
    const node = known.get(name)
    let range = node?.spec?.podCIDR
    while (range === undefined) {
      if (nextRange >= nodesMax(hostBits))
        throw new Error(
          `there are addresses for ${nodesMax(hostBits)} nodes of ${options.podsMax} pods, not for ${options.nodes}`,
        )
      const free = podCIDR(nextRange++, hostBits)
      if (!ranges.has(free)) range = free
    }
    let address = node === undefined ? undefined : addressOf(node)
    while (address === undefined) {
      const free = nodeAddress(nextAddress++)
      if (!addresses.has(free)) address = free
    }
    return { index, name, address, podCIDR: range }
  })
}

function addressOf(node: NodeView): string | undefined {
  return node.status?.addresses?.find((a) => a.type === 'InternalIP')?.address
}

async function createOrAdopt(
  client: Client,
  nodes: ResourceDefinition<any>,
  identities: readonly NodeIdentity[],
  known: ReadonlyMap<string, NodeView>,
  nowMs: number,
): Promise<RegisteredNode[]> {
  const results = await writeAllOf(
    client,
    identities.map((identity) => {
      const { name } = identity
      if (!known.has(name)) return { verb: 'create', resource: nodes, object: nodeObject(identity) }
      const body = { metadata: { labels: nodeLabels(identity) } }
      return { verb: 'patch', resource: nodes, key: { namespace: '', name }, patch: { type: 'merge', body } }
    }),
  )
  return identities.map((identity, i) => {
    const { object } = results[i] as { object: KubernetesObject }
    const ready = known.get(identity.name)?.status?.conditions?.find((c) => c.type === 'Ready')
    const since = ready?.status === 'True' ? Date.parse(ready.lastTransitionTime ?? '') : Number.NaN
    return { identity, uid: object.metadata.uid ?? '', readySinceMs: Number.isNaN(since) ? nowMs : since }
  })
}

async function takeLeases(
  client: Client,
  resources: NodeResources,
  registered: readonly RegisteredNode[],
  nowMs: number,
): Promise<void> {
  await ensureNamespace(client, resources.namespaces)
  const objects = registered.map(({ identity, uid }) => nodeLease(identity.name, uid, nowMs))
  const creates = objects.map((object): BatchWrite => ({ verb: 'create', resource: resources.leases, object }))
  const results = await writeAllOf(client, creates, isAlreadyExists)
  const existing = objects.filter((_, i) => 'error' in (results[i] as BatchResult))
  await writeAllOf(
    client,
    existing.map(({ metadata: { name, ownerReferences }, spec }) => {
      const body = { metadata: { ownerReferences }, spec }
      return {
        verb: 'patch',
        resource: resources.leases,
        key: { namespace: leaseNamespace, name },
        patch: { type: 'merge', body },
      }
    }),
  )
}

async function ensureNamespace(client: Client, namespaces: ResourceDefinition<any>): Promise<void> {
  try {
    await client.get(namespaces, { namespace: '', name: leaseNamespace })
  } catch (error) {
    if (!isNotFound(error)) throw error
    const object = { apiVersion: 'v1', kind: 'Namespace', metadata: { name: leaseNamespace } }
    await writeAllOf(client, [{ verb: 'create', resource: namespaces, object }], isAlreadyExists)
  }
}

/** Makes the writes in requests of a bearable size. @throws the first error that is not allowed. */
async function writeAllOf(
  client: Client,
  writes: readonly BatchWrite[],
  isAllowed: (error: Error) => boolean = () => false,
): Promise<BatchResult[]> {
  const results: BatchResult[] = []
  for (let from = 0; from < writes.length; from += batchWritesMax) {
    results.push(...(await client.writeAll(writes.slice(from, from + batchWritesMax), { atomic: false })))
  }
  for (const result of results) if ('error' in result && !isAllowed(result.error)) throw result.error
  return results
}
