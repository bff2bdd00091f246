import type { Alternative, PreparedClaim } from './allocation-request.ts'
import type { NodePool, PooledDevice } from './device-pools.ts'

/** Devices of one claim (`AllocationResultsMaxSize`). */
const devicesPerClaimMax = 32
/** Devices tried for a pod on one node before the search is given up. */
const triesMax = 20_000

/** A device for a request. */
export interface ChosenDevice {
  readonly claimIndex: number
  readonly requestName: string
  readonly alternative: Alternative
  readonly device: PooledDevice
}

/** Devices for all claims; none: they cannot be had together here; or what is wrong, in kube-scheduler's words. */
export type Choice = { readonly devices: readonly ChosenDevice[] } | { readonly reason: string }

/**
 * Chooses devices for all requests of all claims on one node: the first that go together, in the order of pools, slices and devices
 * (kube-scheduler's structured allocator). Alternatives are tried in their order, and what turns out not to go on is taken back.
 */
export function chooseDevices(
  claims: readonly PreparedClaim[],
  pools: readonly NodePool[],
  isInUse: (id: string) => boolean,
): Choice {
  const search = new Search(claims, pools, isInUse)
  try {
    return search.claim(0) ? { devices: search.chosen } : { reason: 'cannot allocate all claims' }
  } catch (error) {
    if (error instanceof SearchError) return { reason: error.message }
    throw error
  }
}

/** Ends a search on a node altogether. */
class SearchError extends Error {}

class Search {
  readonly chosen: ChosenDevice[] = []
  readonly #claims: readonly PreparedClaim[]
  readonly #pools: readonly NodePool[]
  readonly #isInUse: (id: string) => boolean
  /** Devices set aside so far that nobody else may have. */
  readonly #taken = new Set<string>()
  /** Devices set aside so far, by claim: a claim never has one twice. */
  readonly #takenByClaim: readonly Set<string>[]
  #tries = 0

  constructor(claims: readonly PreparedClaim[], pools: readonly NodePool[], isInUse: (id: string) => boolean) {
    this.#claims = claims
    this.#pools = pools
    this.#isInUse = isInUse
    this.#takenByClaim = claims.map(() => new Set<string>())
  }

  /** Satisfies the claims from this one on. */
  claim(index: number): boolean {
    return index === this.#claims.length || this.#request(index, 0)
  }

  #request(claimIndex: number, requestIndex: number): boolean {
    const { requests } = this.#claims[claimIndex] as PreparedClaim
    const request = requests[requestIndex]
    if (request === undefined) return this.claim(claimIndex + 1)
    const next = (): boolean => this.#request(claimIndex, requestIndex + 1)
    for (const alternative of request.alternatives) {
      const place = { claimIndex, requestName: request.name, alternative }
      if (
        alternative.count === undefined ? this.#takeAll(place, next) : this.#take(place, alternative.count, 0, 0, next)
      )
        return true
    }
    return false
  }

  /** Takes `left` more devices, from the given one of a pool on: which of them comes first makes no difference. */
  #take(place: Place, left: number, fromPool: number, fromDevice: number, next: () => boolean): boolean {
    if (left === 0) return next()
    if ((this.#takenByClaim[place.claimIndex] as Set<string>).size + left > devicesPerClaimMax) return false
    for (let p = fromPool; p < this.#pools.length; p++) {
      const pool = this.#pools[p] as NodePool
      if (pool.isInvalid) throw invalidPool(pool)
      if (pool.isIncomplete) continue
      for (let d = p === fromPool ? fromDevice : 0; d < pool.devices.length; d++) {
        const device = pool.devices[d] as PooledDevice
        if (!this.#isFree(place, device) || !isWanted(place, device) || !this.#fits(place, device)) continue
        this.#choose(place, device)
        if (this.#take(place, left - 1, p, d + 1, next)) return true
        this.#giveBack(place, device)
      }
    }
    return false
  }

  #takeAll(place: Place, next: () => boolean): boolean {
    const wanted: PooledDevice[] = []
    for (const pool of this.#pools) {
      if (pool.isIncomplete)
        throw new SearchError(
          `claim ${this.#textOf(place)}, request ${place.alternative.name}: asks for all devices, but resource pool ${pool.name} is currently being updated`,
        )
      if (pool.isInvalid) throw invalidPool(pool)
      wanted.push(...pool.devices.filter((device) => isWanted(place, device)))
    }
    const room = devicesPerClaimMax - (this.#takenByClaim[place.claimIndex] as Set<string>).size
    if (wanted.length === 0 || wanted.length > room) return false
    let count = 0
    for (const device of wanted) {
      if (!this.#isFree(place, device) || !this.#fits(place, device)) break
      this.#choose(place, device)
      count++
    }
    if (count === wanted.length && next()) return true
    for (const device of wanted.slice(0, count).reverse()) this.#giveBack(place, device)
    return false
  }

  #textOf({ claimIndex }: Place): string {
    return (this.#claims[claimIndex] as PreparedClaim).text
  }

  // Access for administration neither minds other users of a device nor keeps any away.
  #isFree({ claimIndex, alternative }: Place, { id }: PooledDevice): boolean {
    if (++this.#tries > triesMax) throw new SearchError('timed out trying to allocate devices')
    if ((this.#takenByClaim[claimIndex] as Set<string>).has(id)) return false
    return alternative.adminAccess || (!this.#isInUse(id) && !this.#taken.has(id))
  }

  #fits(place: Place, device: PooledDevice): boolean {
    const { constraints } = this.#claims[place.claimIndex] as PreparedClaim
    return constraints.every((constraint) => {
      if (!concerns(constraint.requests, place)) return true
      const value = device.attribute(constraint.attribute)
      const other = this.chosen.find(
        (chosen) => chosen.claimIndex === place.claimIndex && concerns(constraint.requests, chosen),
      )
      return value !== undefined && (other === undefined || other.device.attribute(constraint.attribute) === value)
    })
  }

  #choose(place: Place, device: PooledDevice): void {
    this.chosen.push({ ...place, device })
    ;(this.#takenByClaim[place.claimIndex] as Set<string>).add(device.id)
    if (!place.alternative.adminAccess) this.#taken.add(device.id)
  }

  #giveBack(place: Place, { id }: PooledDevice): void {
    this.chosen.pop()
    ;(this.#takenByClaim[place.claimIndex] as Set<string>).delete(id)
    if (!place.alternative.adminAccess) this.#taken.delete(id)
  }
}

type Place = Omit<ChosenDevice, 'device'>

const invalidPool = ({ name }: NodePool) => new SearchError(`pool ${name} is invalid: duplicate device names`)

/** True when a list of a claim's requests (all when undefined) names the request or the alternative. */
export function concerns(
  names: ReadonlySet<string> | undefined,
  { requestName, alternative }: { readonly requestName: string; readonly alternative: { readonly name: string } },
): boolean {
  return names === undefined || names.size === 0 || names.has(requestName) || names.has(alternative.name)
}

function isWanted({ alternative: { selectors } }: Place, device: PooledDevice): boolean {
  for (const { selector, source } of selectors) {
    try {
      if (!device.matches(selector)) return false
    } catch (error) {
      throw new SearchError(`${source}: CEL runtime error: ${(error as Error).message.split('\n')[0]}`)
    }
  }
  return true
}
