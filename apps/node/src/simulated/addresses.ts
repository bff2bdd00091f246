/** Addresses of simulated nodes and pods, unique in the cluster. Nodes have theirs in 10.0.0.0/10, pods in 10.128.0.0/9. */

const nodesBase = ip(10, 0, 0, 0)
const nodesPerBlock = 250
const podsBase = ip(10, 128, 0, 0)
const podsBits = 23
/** The smallest range of a node: a /24. */
const hostBitsMin = 8

/** The bits that number the pods of one node: room for as many pods again, since an address rests before it is used again. */
export function hostBitsFor(podsMax: number): number {
  return Math.max(hostBitsMin, Math.ceil(Math.log2(podsMax * 2 + 2)))
}

/** How many nodes have ranges of that size. */
export function nodesMax(hostBits: number): number {
  return 2 ** (podsBits - hostBits)
}

/** The address of the n-th node. */
export function nodeAddress(index: number): string {
  return formatIP(nodesBase + (Math.floor(index / nodesPerBlock) << 8) + 1 + (index % nodesPerBlock))
}

/** The range of the pods of the n-th node, as `10.128.3.0/24`. */
export function podCIDR(index: number, hostBits: number): string {
  return `${formatIP(podsBase + index * 2 ** hostBits)}/${32 - hostBits}`
}

/** Gives out the addresses of one range in turn, so that an address given back is not used again at once. */
export class PodAddresses {
  readonly #base: number
  readonly #size: number
  readonly #used = new Set<string>()
  #next = 1

  constructor(cidr: string) {
    const [address = '', prefix = '24'] = cidr.split('/')
    const [a = 0, b = 0, c = 0, d = 0] = address.split('.').map(Number)
    this.#base = ip(a, b, c, d)
    this.#size = 2 ** (32 - Number(prefix))
  }

  /** A free address; undefined when all are taken. */
  take(): string | undefined {
    // The first address names the range, the last is its broadcast address, the second is the gateway's.
    for (let tried = 0; tried < this.#size; tried++) {
      this.#next = this.#next + 1 < this.#size - 1 ? this.#next + 1 : 2
      const address = formatIP(this.#base + this.#next)
      if (this.#used.has(address)) continue
      this.#used.add(address)
      return address
    }
    return undefined
  }

  /** Marks an address that a pod has already. */
  keep(address: string): void {
    this.#used.add(address)
  }

  /** Takes an address back. */
  release(address: string): void {
    this.#used.delete(address)
  }
}

function ip(a: number, b: number, c: number, d: number): number {
  return ((a * 256 + b) * 256 + c) * 256 + d
}

function formatIP(address: number): string {
  return [24, 16, 8, 0].map((shift) => Math.floor(address / 2 ** shift) % 256).join('.')
}
