import { isIPv4, isIPv6 } from '@binnacle/apimachinery'

/** A range of addresses. */
export interface Cidr {
  readonly family: 'IPv4' | 'IPv6'
  /** The first address, as a number. */
  readonly base: bigint
  /** How many leading bits its addresses have in common. */
  readonly prefix: number
}

const bitsOf = { IPv4: 32, IPv6: 128 } as const
/** So many bits a node's range may be longer than the cluster's at the most: more ranges than that are too many to keep account of. */
const subnetBitsMax = 16

/** Reads `10.244.0.0/16` or `fd00::/48`. @throws Error when it is none */
export function parseCidr(text: string): Cidr {
  const [address = '', bits = '', ...rest] = text.split('/')
  const family = isIPv4(address) ? 'IPv4' : isIPv6(address) ? 'IPv6' : undefined
  const prefix = /^\d{1,3}$/.test(bits) ? Number(bits) : -1
  if (family === undefined || rest.length > 0 || prefix < 0 || prefix > bitsOf[family])
    throw new Error(`invalid CIDR address: ${text}`)
  const hostBits = BigInt(bitsOf[family] - prefix)
  return { family, prefix, base: (numberOf(address, family) >> hostBits) << hostBits }
}

function numberOf(address: string, family: Cidr['family']): bigint {
  if (family === 'IPv4') return address.split('.').reduce((sum, part) => (sum << 8n) | BigInt(part), 0n)
  // The last two groups may be written as an IPv4 address.
  const dotted = /[^:]+\.[^:]+$/.exec(address)?.[0]
  const low = dotted === undefined ? undefined : numberOf(dotted, 'IPv4')
  const plain =
    low === undefined
      ? address
      : address.replace(/[^:]+$/, `${(low >> 16n).toString(16)}:${(low & 0xffffn).toString(16)}`)
  const [head = '', tail] = plain.split('::')
  const groups = (text: string): string[] => (text === '' ? [] : text.split(':'))
  const [first, last] = [groups(head), groups(tail ?? '')]
  const zeros = tail === undefined ? [] : Array<string>(8 - first.length - last.length).fill('0')
  return [...first, ...zeros, ...last].reduce((sum, group) => (sum << 16n) | BigInt(`0x${group}`), 0n)
}

/** The range as Kubernetes writes it: of IPv6 the longest run of zeros is left out. */
export function formatCidr({ family, base, prefix }: Cidr): string {
  if (family === 'IPv4') return `${[24n, 16n, 8n, 0n].map((shift) => (base >> shift) & 255n).join('.')}/${prefix}`
  const groups = Array.from({ length: 8 }, (_, index) => ((base >> BigInt(112 - index * 16)) & 0xffffn).toString(16))
  const runs = [...groups.join(':').matchAll(/(?:^|:)0(?::0)+(?=:|$)/g)].map(([run]) => run)
  const longest = runs.toSorted((a, b) => b.length - a.length)[0]
  const text = groups.join(':')
  return `${longest === undefined ? text : text.replace(longest, '::').replace(':::', '::')}/${prefix}`
}

/** The ranges for nodes that one range of the cluster is cut into, and which are taken (nodeipam `cidrset/cidr_set.go`). */
export class CidrSet {
  readonly cluster: Cidr
  readonly #prefix: number
  readonly #count: number
  readonly #used = new Set<number>()
  #next = 0

  /** @throws Error when there is no room for a node, or for too many */
  constructor(cluster: Cidr, nodePrefix: number) {
    const subnetBits = nodePrefix - cluster.prefix
    if (nodePrefix > bitsOf[cluster.family] || subnetBits < 0)
      throw new Error(
        `the mask size of nodes (/${nodePrefix}) does not fit into the cluster CIDR ${formatCidr(cluster)}`,
      )
    if (subnetBits > subnetBitsMax)
      throw new Error(`New CIDR set failed; the node CIDR size is too big: at most ${subnetBitsMax} bits`)
    this.cluster = cluster
    this.#prefix = nodePrefix
    this.#count = 2 ** subnetBits
  }

  /** Takes a range that is free, the one after that which was taken last; undefined when all are taken. */
  allocate(): Cidr | undefined {
    if (this.#used.size >= this.#count) return undefined
    while (this.#used.has(this.#next)) this.#next = (this.#next + 1) % this.#count
    const index = this.#next
    this.#used.add(index)
    this.#next = (index + 1) % this.#count
    const { family, base } = this.cluster
    return { family, prefix: this.#prefix, base: base + BigInt(index) * this.#size }
  }

  /** Marks all ranges as taken that have something in common with this one. False: none has. */
  occupy(cidr: Cidr): boolean {
    return this.#forEach(cidr, (index) => void this.#used.add(index))
  }

  /** Gives them back. */
  release(cidr: Cidr): void {
    this.#forEach(cidr, (index) => void this.#used.delete(index))
  }

  get #size(): bigint {
    return 1n << BigInt(bitsOf[this.cluster.family] - this.#prefix)
  }

  #forEach({ family, base, prefix }: Cidr, visit: (index: number) => void): boolean {
    if (family !== this.cluster.family) return false
    const end = base + (1n << BigInt(bitsOf[family] - prefix)) - 1n
    const [from, to] = [base - this.cluster.base, end - this.cluster.base]
    if (to < 0n || from >= this.#size * BigInt(this.#count)) return false
    const [first, last] = [from < 0n ? 0n : from / this.#size, to / this.#size]
    for (let index = Number(first); index <= Number(last) && index < this.#count; index++) visit(index)
    return true
  }
}
