import { isConditionTrue, tryParseQuantity } from '@binnacle/apimachinery'
import type { Node } from '@binnacle/resources'

/** The label that names a node's zone. */
export const zoneLabel = 'topology.kubernetes.io/zone'
const excludedLabels = ['node-role.kubernetes.io/control-plane', 'node-role.kubernetes.io/master']

/** What a node adds: CPU in thousandths to a zone, or nothing known. */
type Share = { readonly zone: string; readonly milliCpu: number } | 'unknown'

/** How the CPU of the nodes that are ready is spread over zones (endpointslice `topologycache.go` SetNodes), kept as nodes come, change and go. */
export class ZoneCapacity {
  readonly #shares = new Map<string, Share>()
  readonly #byZone = new Map<string, { nodes: number; milliCpu: number }>()
  #unknown = 0

  put(node: Node): void {
    this.remove(node.metadata.name)
    const share = shareOf(node)
    if (share === undefined) return
    this.#shares.set(node.metadata.name, share)
    this.#add(share, 1)
  }

  remove(name: string): void {
    const share = this.#shares.get(name)
    if (share === undefined) return
    this.#shares.delete(name)
    this.#add(share, -1)
  }

  /** Each zone's share of all CPU, in the order of their names. Undefined: there are not two zones, or not all is known. */
  ratios(): ReadonlyMap<string, number> | undefined {
    let total = 0
    for (const { milliCpu } of this.#byZone.values()) total += milliCpu
    if (this.#unknown > 0 || total === 0 || this.#byZone.size < 2) return undefined
    const zones = [...this.#byZone].toSorted(([a], [b]) => (a < b ? -1 : 1))
    return new Map(zones.map(([zone, { milliCpu }]) => [zone, milliCpu / total]))
  }

  #add(share: Share, sign: 1 | -1): void {
    if (share === 'unknown') {
      this.#unknown += sign
      return
    }
    const sum = this.#byZone.get(share.zone) ?? { nodes: 0, milliCpu: 0 }
    sum.nodes += sign
    sum.milliCpu += sign * share.milliCpu
    if (sum.nodes === 0) this.#byZone.delete(share.zone)
    else this.#byZone.set(share.zone, sum)
  }
}

function shareOf({ metadata: { labels = {} }, status }: Node): Share | undefined {
  if (excludedLabels.some((label) => label in labels) || !isConditionTrue(status?.conditions, 'Ready')) return undefined
  const cpu = tryParseQuantity(status?.allocatable?.['cpu'] ?? '')
  const milliCpu = cpu === undefined ? 0 : Number(cpu.nanos / 1_000_000n)
  const zone = labels[zoneLabel]
  return !zone || milliCpu === 0 ? 'unknown' : { zone, milliCpu }
}
