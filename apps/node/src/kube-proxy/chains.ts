import { createHash } from 'node:crypto'
import type { Family } from '../network/addresses.ts'
import type { ProxyEndpoint } from './endpoints.ts'

/**
 * The chains that verdict maps go to. Most are named after their whole content (how many endpoints, which rules around them), so that thousands of
 * Services share one and an endpoint that comes or goes changes elements of maps alone. A Service with session affinity has chains of its own.
 */

/** Where a connection came in: at an address of its own, or at a port of the node. */
export type Entry = 'address' | 'node-port'

/** Rules by chain, and the declarations of the sets that they use. */
export interface ChainSet {
  readonly chains: Map<string, readonly string[]>
  readonly sets: Map<string, string>
}

/** How each kind of source gets its endpoint. */
export interface Balancing {
  readonly family: Family
  readonly entry: Entry
  /** Names the map of endpoints; `local` ones are kept apart since both are needed at one address. */
  readonly cluster: PickRules
  readonly local: PickRules
}

/** A way to pick an endpoint: the rules that do it, and the name of what they depend on. */
export interface PickRules {
  readonly name: string
  readonly rules: readonly string[]
}

/** The mark of packets that leave with the node's own address. Others may use the other bits. */
export const masqueradeMark = '0x4000'

/** What traffic is picked for: its protocol, in lower letters, and how it came in. */
export interface Traffic {
  readonly family: Family
  readonly protocol: string
  readonly entry: Entry
}

/** The map that holds endpoints for traffic; those of external policy Local are kept apart, since both kinds are needed at one address. */
export function endpointMap({ protocol, entry }: Traffic, scope: 'cluster' | 'local'): string {
  return `${entry === 'address' ? '' : 'node-port-'}endpoints${scope === 'local' ? '-local' : ''}-${protocol}`
}

/** Picks one of `count` endpoints at random from the maps of all Services. */
export function randomPick(traffic: Traffic, scope: 'cluster' | 'local', count: number): PickRules {
  const { family, protocol, entry } = traffic
  const key = `${entry === 'address' ? `${family} daddr . ` : ''}${protocol} dport . numgen random mod ${count}`
  const rule = `meta l4proto ${protocol} dnat ${family} to ${key} map @${endpointMap(traffic, scope)}`
  return { name: `${protocol}-${count}`, rules: count === 0 ? ['drop'] : [rule] }
}

/**
 * Picks the endpoint that a source had before, within the timeout since its last connection; otherwise one at random. Adds the chains and sets
 * that this needs.
 */
export function stickyPick(
  family: Family,
  owner: string,
  endpoints: readonly ProxyEndpoint[],
  protocol: string,
  timeoutSeconds: number,
  into: ChainSet,
): PickRules {
  const id = digest(owner)
  if (endpoints.length === 0) return { name: `none`, rules: ['drop'] }
  const targets = endpoints.map(({ address, port }) => {
    const name = `sticky-${id}-${digest(`${address} ${port} ${timeoutSeconds}`)}`
    const target = family === 'ip6' ? `[${address}]:${port}` : `${address}:${port}`
    into.sets.set(
      name,
      `type ${family === 'ip' ? 'ipv4_addr' : 'ipv6_addr'}; flags dynamic, timeout; timeout ${timeoutSeconds}s; size 65536;`,
    )
    into.chains.set(name, [
      `update @${name} { ${family} saddr }`,
      `meta l4proto ${protocol} dnat ${family} to ${target}`,
    ])
    return name
  })
  const rules = [
    ...targets.map((name) => `${family} saddr @${name} goto ${name}`),
    ...targets.map((name, index) =>
      index === targets.length - 1 ? `goto ${name}` : `numgen random mod ${targets.length - index} 0 goto ${name}`,
    ),
  ]
  return { name: id, rules }
}

/** Traffic to a cluster address: what comes from outside the cluster is masqueraded, so that answers come back this way. */
export function clusterChain(family: Family, pick: PickRules, hasClusterCIDRs: boolean): [string, readonly string[]] {
  const outside = hasClusterCIDRs ? [`${family} saddr != @cluster-cidrs ${mark}`] : []
  return [`cluster-${pick.name}`, [...outside, ...pick.rules]]
}

/** Traffic to an external address or node port under policy Cluster: always masqueraded. */
export function externalChain(entry: Entry, pick: PickRules): [string, readonly string[]] {
  return [`${entry}-any-${pick.name}`, [mark, ...pick.rules]]
}

/**
 * The same under policy Local: pods and the node itself may use every endpoint, others those of this node, with their own address; they are dropped
 * where there is none.
 */
export function externalLocalChain(balancing: Balancing, hasClusterCIDRs: boolean): ChainSet['chains'] {
  const { family, entry, cluster, local } = balancing
  const all = `${entry}-all-${cluster.name}`
  const name = `${entry}-local-${local.name}-of-${cluster.name}`
  return new Map([
    [all, cluster.rules],
    [
      name,
      [
        ...(hasClusterCIDRs ? [`${family} saddr @cluster-cidrs goto ${all}`] : []),
        `fib saddr type local ${mark} goto ${all}`,
        ...local.rules,
      ],
    ],
  ])
}

/** Lets only these sources through to a load balancer's address (`spec.loadBalancerSourceRanges`). */
export function sourceRangesChain(family: Family, ranges: readonly string[]): [string, readonly string[]] {
  return [`sources-${digest(ranges.join(' '))}`, [...ranges.map((range) => `${family} saddr ${range} return`), 'drop']]
}

const mark = `meta mark set meta mark or ${masqueradeMark}`

/** Short enough for a name in nftables, long enough that no two meet. */
function digest(text: string): string {
  return createHash('sha256').update(text).digest('hex').slice(0, 16)
}
