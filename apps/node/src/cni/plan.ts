import { createHash } from 'node:crypto'
import { BlockList } from 'node:net'
import type { Node } from '@binnacle/resources'
import { type Family, families, familyOf, ofFamily } from '../network/addresses.ts'

/** An address of this machine, with its network. */
export interface OwnAddress {
  readonly address: string
  readonly prefixLength: number
  readonly device: string
}

/** How the pods of another node are reached. */
export interface PodRoute {
  readonly family: Family
  readonly destination: string
  readonly via: string
  readonly device: string
}

/** The far end of the tunnel to a node that is no neighbour. */
export interface TunnelEnd {
  /** Stands for the node inside the tunnel: the first address of its range, which no pod has. */
  readonly address: string
  readonly mac: string
  readonly nodeAddress: string
}

/** What a node needs to reach the pods of all others. */
export interface RoutePlan {
  readonly routes: readonly PodRoute[]
  readonly tunnelEnds: readonly TunnelEnd[]
  /** This node's end of the tunnel; undefined: nobody needs one here. */
  readonly tunnel:
    | { readonly nodeAddress: string; readonly mac: string; readonly addresses: readonly string[] }
    | undefined
}

/** The device of the tunnel. */
export const tunnelDevice = 'binnacle.vxlan'

/**
 * Plans routes to the pods of every other node: by its own address where both are in one network, else through a VXLAN tunnel. Every end's hardware
 * address follows from its node's address, so that nothing has to be exchanged.
 */
export function planRoutes(self: Node, nodes: Iterable<Node>, own: readonly OwnAddress[]): RoutePlan {
  const routes: PodRoute[] = []
  const tunnelEnds: TunnelEnd[] = []
  const selfName = self.metadata.name
  for (const node of [...nodes].toSorted((a, b) => (String(a.metadata.name) < String(b.metadata.name) ? -1 : 1))) {
    if (node.metadata.name === selfName) continue
    const addresses = internalAddresses(node)
    for (const destination of podCIDRsOf(node)) {
      const family = familyOf(destination)
      const direct = ofFamily(addresses, family)[0]
      const device = direct === undefined ? undefined : deviceTo(direct, own)
      const [nodeAddress] = addresses
      if (direct !== undefined && device !== undefined) routes.push({ family, destination, via: direct, device })
      else if (nodeAddress !== undefined) {
        const address = firstAddress(destination)
        routes.push({ family, destination, via: address, device: tunnelDevice })
        tunnelEnds.push({ address, mac: macOf(nodeAddress), nodeAddress })
      }
    }
  }
  const [nodeAddress] = internalAddresses(self)
  const isTunneled = tunnelEnds.length > 0 && nodeAddress !== undefined
  const tunnel = isTunneled
    ? { nodeAddress, mac: macOf(nodeAddress), addresses: podCIDRsOf(self).map(firstAddress) }
    : undefined
  return { routes, tunnelEnds: isTunneled ? tunnelEnds : [], tunnel }
}

/** The ranges of a node's pods. */
export function podCIDRsOf({ spec }: Node): readonly string[] {
  return spec?.podCIDRs ?? (spec?.podCIDR ? [spec.podCIDR] : [])
}

/** The addresses by which nodes reach each other. */
export function internalAddresses({ status }: Node): string[] {
  return (status?.addresses ?? []).filter(({ type }) => type === 'InternalIP').map(({ address }) => address)
}

function deviceTo(address: string, own: readonly OwnAddress[]): string | undefined {
  const family = familyOf(address)
  const type = family === 'ip' ? 'ipv4' : 'ipv6'
  return own.find((candidate) => {
    if (familyOf(candidate.address) !== family) return false
    const network = new BlockList()
    network.addSubnet(candidate.address, candidate.prefixLength, type)
    return network.check(address, type)
  })?.device
}

function firstAddress(cidr: string): string {
  return cidr.split('/')[0] ?? ''
}

/** A hardware address that is administered locally. */
function macOf(nodeAddress: string): string {
  const bytes = [...createHash('sha256').update(nodeAddress).digest().subarray(0, 5)]
  return ['02', ...bytes.map((byte) => byte.toString(16).padStart(2, '0'))].join(':')
}

/** The name of the tables by which pods reach what is outside the cluster. */
export const outboundTable = 'binnacle-outbound'

/**
 * What pods send out of the cluster leaves with the node's address, since nobody out there knows the way back to a pod. Between pods and nodes
 * addresses stay as they are.
 */
export function outboundSkeleton(family: Family, podCIDRs: readonly string[], clusterCIDRs: readonly string[]): string {
  const type = family === 'ip' ? 'ipv4_addr' : 'ipv6_addr'
  const set = (name: string, ranges: readonly string[]): string => {
    const own = ofFamily(ranges, family)
    return `set ${name} { type ${type}; flags interval; ${own.length === 0 ? '' : `elements = { ${own.join(', ')} };`} }`
  }
  return `${set('own-pods', podCIDRs)}
${set('all-pods', [...clusterCIDRs])}
set nodes { type ${type}; }
chain postrouting {
  type nat hook postrouting priority 100;
  ${family} saddr @own-pods ${family} daddr != @all-pods ${family} daddr != @nodes fib daddr type != local masquerade
}`
}

/** The addresses of all nodes, as elements of the outbound tables. */
export function outboundElements(nodes: Iterable<Node>): Map<string, string> {
  const elements = new Map<string, string>()
  for (const node of nodes)
    for (const family of families)
      for (const address of ofFamily(internalAddresses(node), family)) elements.set(`${family} nodes ${address}`, '')
  return elements
}
