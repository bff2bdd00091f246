import { type Family, ofFamily } from '../network/addresses.ts'
import { NftTables } from '../network/nft-tables.ts'
import { masqueradeMark } from './chains.ts'

/** The name of the proxy's two tables, one of each family; nothing else of the machine's rules is touched. */
export const tableName = 'binnacle-proxy'

const protocols = ['tcp', 'udp', 'sctp']

/** What the tables have whatever Services there are. */
export interface SkeletonOptions {
  readonly clusterCIDRs: readonly string[]
  /** Node ports answer on 127.0.0.1 too (`--iptables-localhost-nodeports`); needs route_localnet. */
  readonly localhostNodePorts: boolean
}

/** Maps and sets by name, in the order in which they have to be declared. Elements of them are all that changes with most Services. */
function declarations(family: Family): Record<string, string> {
  const type = family === 'ip' ? 'ipv4_addr' : 'ipv6_addr'
  const address = `type ${type} . inet_proto . inet_service : verdict;`
  const port = `type inet_proto . inet_service : verdict;`
  return {
    'map services': address,
    'map node-ports': port,
    ...Object.fromEntries(protocols.flatMap((protocol) => endpointMaps(family, protocol))),
    'map no-endpoints': address,
    'map no-node-port-endpoints': port,
    'map source-ranges': address,
    'set cluster-addresses': `type ${type};`,
    'set hairpin': `type ${type} . ${type};`,
  }
}

/**
 * The maps from a number to an endpoint. nft 1.0.6 takes a new rule for a map that is already in the kernel only if both name one protocol, not the
 * general `th dport`: hence maps for each.
 */
function endpointMaps(family: Family, protocol: string): [string, string][] {
  const target = `${family} daddr . ${protocol} dport`
  const index = 'numgen random mod 65536'
  return ['', '-local'].flatMap((scope): [string, string][] => [
    [`map endpoints${scope}-${protocol}`, `typeof ${target} . ${index} : ${target};`],
    [`map node-port-endpoints${scope}-${protocol}`, `typeof ${protocol} dport . ${index} : ${target};`],
  ])
}

/** The objects of the skeleton that hold elements, by name. */
export const elementObjects: readonly string[] = Object.keys(declarations('ip')).map((name) => name.split(' ')[1] ?? '')

/**
 * The fixed part of a family's table. Connections are given their endpoint before the machine's own NAT (portmap's too) sees them; what has nobody
 * to go to is refused in the filter hooks, where it still has the Service's address.
 */
function skeleton(family: Family, { clusterCIDRs, localhostNodePorts }: SkeletonOptions): string {
  const objects = Object.entries(declarations(family)).map(([name, text]) => `${name} { ${text} }`)
  const type = family === 'ip' ? 'ipv4_addr' : 'ipv6_addr'
  const own = ofFamily(clusterCIDRs, family)
  const cidrs = own.length === 0 ? '' : `elements = { ${own.join(', ')} };`
  const key = `${family} daddr . meta l4proto . th dport`
  const loopback = family === 'ip' ? '127.0.0.0/8' : '::1'
  const local = `fib daddr type local ${localhostNodePorts && family === 'ip' ? '' : `${family} daddr != ${loopback} `}`
  return `${objects.join('\n')}
set cluster-cidrs { type ${type}; flags interval; ${cidrs} }
chain refuse {
  meta l4proto tcp reject with tcp reset
  reject
}
chain balance {
  ${key} vmap @services
  ${local}meta l4proto . th dport vmap @node-ports
}
chain unanswered {
  ${key} vmap @no-endpoints
  fib daddr type local meta l4proto . th dport vmap @no-node-port-endpoints
  ${family} daddr @cluster-addresses meta l4proto { tcp, udp, sctp } goto refuse
}
chain nat-prerouting { type nat hook prerouting priority -110; goto balance; }
chain nat-output { type nat hook output priority -110; goto balance; }
chain nat-postrouting {
  type nat hook postrouting priority 90;
  meta mark & ${masqueradeMark} == ${masqueradeMark} meta mark set meta mark xor ${masqueradeMark} masquerade fully-random
  ct status dnat ${family} saddr . ${family} daddr @hairpin masquerade fully-random
}
chain sources-prerouting { type filter hook prerouting priority -120; ct state new ${key} vmap @source-ranges; }
chain sources-output { type filter hook output priority -120; ct state new ${key} vmap @source-ranges; }
chain filter-input { type filter hook input priority -10; ct state new goto unanswered; }
chain filter-forward { type filter hook forward priority -10; ct state new goto unanswered; }
chain filter-output { type filter hook output priority -10; ct state new goto unanswered; }
`
}

/** The proxy's tables, with no Service in them yet. */
export function proxyTables(options: SkeletonOptions): NftTables {
  return new NftTables({ table: tableName, skeleton: (family) => skeleton(family, options) })
}
