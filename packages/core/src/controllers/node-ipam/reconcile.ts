import { isNotFound, type ObjectKey } from '@binnacle/apimachinery'
import { type Node, nodes } from '@binnacle/resources'
import { type Controller, done, type ReconcileContext, type Result } from '../../controller.ts'
import { type Cidr, CidrSet, formatCidr, parseCidr } from './cidr-set.ts'

/** How a cluster's addresses of pods are shared out among nodes (kube-controller-manager `--cluster-cidr` and others). */
export interface NodeAddressing {
  /** One range, or one of each family. */
  readonly clusterCidrs: readonly string[]
  /** Ranges that no node gets, although they are in the cluster's: those of Services. */
  readonly serviceCidrs: readonly string[]
  readonly nodeMaskSizeIPv4: number
  readonly nodeMaskSizeIPv6: number
}

/**
 * Gives each node a range of addresses for its pods (nodeipam `range_allocator.go`). A node that brings one keeps it.
 * @throws Error when the ranges make no sense
 */
export function nodeIpamController(addressing: NodeAddressing): Controller {
  const ranges = new NodeRanges(addressing)
  return {
    name: 'nodeipam',
    component: 'cidrAllocator',
    reconciles: nodes,
    prepare(context) {
      context.informer(nodes).addHandler({
        onAdd: (node) => ranges.seen(node),
        onUpdate: (node, old) => {
          if (old.metadata.uid !== node.metadata.uid) ranges.gone(old)
          ranges.seen(node)
        },
        onDelete: (node) => ranges.gone(node),
      })
    },
    reconcile: (key, context) => reconcile(key, context, ranges),
  }
}

/** Which ranges are taken. All of it may be lost: it is made anew from the nodes. */
class NodeRanges {
  readonly #sets: readonly CidrSet[]
  /** By node: what it has been given, whether or not it says so yet. */
  readonly #given = new Map<string, { readonly uid: string; readonly cidrs: readonly Cidr[] }>()
  #isComplete = false

  constructor({ clusterCidrs, serviceCidrs, nodeMaskSizeIPv4, nodeMaskSizeIPv6 }: NodeAddressing) {
    const clusters = clusterCidrs.map(parseCidr)
    const families = new Set(clusters.map(({ family }) => family))
    if (clusters.length === 0 || clusters.length > 2 || families.size < clusters.length)
      throw new Error('the cluster CIDR takes one range, or one of IPv4 and one of IPv6')
    this.#sets = clusters.map(
      (cluster) => new CidrSet(cluster, cluster.family === 'IPv4' ? nodeMaskSizeIPv4 : nodeMaskSizeIPv6),
    )
    for (const range of serviceCidrs.map(parseCidr)) for (const set of this.#sets) set.occupy(range)
  }

  /** A node has these ranges. */
  seen({ metadata: { name, uid = '' }, spec }: Node): void {
    if ((spec?.podCIDRs ?? []).length === 0) return
    this.release(name)
    this.#keep(name, uid, spec?.podCIDRs?.map(parseCidr) ?? [])
  }

  /** A node is no more, nor are its ranges taken. */
  gone({ metadata: { name, uid } }: Node): void {
    if (this.#given.get(name)?.uid === uid) this.release(name)
  }

  release(name: string): void {
    for (const [index, cidr] of (this.#given.get(name)?.cidrs ?? []).entries()) this.#sets[index]?.release(cidr)
    this.#given.delete(name)
  }

  /** Learns once of every node there is: the cache of a process that has just come to lead may be behind, and what is taken looks free. */
  async learn(context: ReconcileContext): Promise<void> {
    if (this.#isComplete) return
    const { items } = await context.client.list(nodes)
    for (const node of items) this.seen(node)
    this.#isComplete = true
  }

  /** Ranges for a node, one of each of the cluster's; the same ones again if it was given some. Undefined: none are left. */
  give(name: string, uid: string): readonly Cidr[] | undefined {
    const given = this.#given.get(name)
    if (given?.uid === uid) return given.cidrs
    this.release(name)
    const cidrs: Cidr[] = []
    for (const set of this.#sets) {
      const cidr = set.allocate()
      if (cidr === undefined) break
      cidrs.push(cidr)
    }
    if (cidrs.length === this.#sets.length) {
      this.#keep(name, uid, cidrs)
      return cidrs
    }
    for (const [index, cidr] of cidrs.entries()) this.#sets[index]?.release(cidr)
    return undefined
  }

  #keep(name: string, uid: string, cidrs: readonly Cidr[]): void {
    for (const [index, cidr] of cidrs.entries()) this.#sets[index]?.occupy(cidr)
    this.#given.set(name, { uid, cidrs })
  }
}

async function reconcile(key: ObjectKey, context: ReconcileContext, ranges: NodeRanges): Promise<Result> {
  // Observe.
  const seen = context.informer(nodes).get(key)
  if (seen === undefined || hasRanges(seen)) return done
  await ranges.learn(context)
  const node = await context.client.get(nodes, key).catch((error: unknown) => {
    if (isNotFound(error)) return undefined
    throw error
  })
  if (node === undefined || hasRanges(node)) return done

  // Decide.
  const cidrs = ranges.give(key.name, node.metadata.uid ?? '')
  if (cidrs === undefined) {
    context.events.record(node, 'Normal', 'CIDRNotAvailable', `Node ${key.name} status is now: CIDRNotAvailable`)
    throw new Error(`node ${key.name}: CIDR allocation failed; there are no remaining CIDRs left to allocate`)
  }

  // Act.
  const podCIDRs = cidrs.map(formatCidr)
  const { resourceVersion = '' } = node.metadata
  const body = { metadata: { resourceVersion }, spec: { podCIDR: podCIDRs[0] as string, podCIDRs } }
  await context.client.patch(nodes, key, { type: 'merge', body })
  return done
}

function hasRanges({ spec }: Node): boolean {
  return (spec?.podCIDRs ?? []).length > 0
}
