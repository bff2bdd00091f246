import type { Endpoint, EndpointSlice } from '@binnacle/resources'

/** How many more requests an endpoint may get than with an even spread over all zones. */
const overloadMax = 0.2

/** How many endpoints a zone is to have. */
export interface Allocation {
  readonly minimum: number
  readonly maximum: number
  readonly desired: number
}

/** A text says why endpoints cannot be allocated to zones (endpointslice `topologycache.go` getAllocations). */
export function allocationsFor(
  ratios: ReadonlyMap<string, number> | undefined,
  endpoints: number,
): ReadonlyMap<string, Allocation> | string {
  if (ratios === undefined)
    return 'Insufficient Node information: allocatable CPU or zone not specified on one or more nodes'
  const counts = `(${endpoints} endpoints, ${ratios.size} zones)`
  if (ratios.size > endpoints) return `Insufficient number of endpoints ${counts}`
  const least = [...ratios].map(([zone, ratio]) => {
    const desired = ratio * endpoints
    const minimum = Math.ceil(desired * (1 / (1 + overloadMax)))
    return { zone, minimum, desired: Math.max(desired, minimum) }
  })
  const minimumTotal = least.reduce((sum, { minimum }) => sum + minimum, 0)
  if (minimumTotal > endpoints)
    return `Unable to allocate minimum required endpoints to each zone without exceeding overload threshold ${counts}`
  return new Map(
    least.map(({ zone, minimum, desired }) => [
      zone,
      { minimum, desired, maximum: minimum + endpoints - minimumTotal },
    ]),
  )
}

/** A zone has too few of these endpoints for its share of CPU; a Service without hints never is. */
export function isOverloaded(
  endpointsByZone: ReadonlyMap<string, number>,
  ratios: ReadonlyMap<string, number> | undefined,
): boolean {
  if (endpointsByZone.size === 0) return false
  if (ratios === undefined) return true
  let total = 0
  for (const count of endpointsByZone.values()) total += count
  return [...ratios].some(
    ([zone, ratio]) => (endpointsByZone.get(zone) ?? -1) < Math.ceil(total * ratio * (1 / (1 + overloadMax))),
  )
}

/** Only endpoints that are ready count. */
export function isReady({ conditions }: Endpoint): boolean {
  return conditions?.ready === true
}

/** Slices of one address type. */
export interface HintedSlices {
  /** Those that are written anyway. */
  readonly written: readonly EndpointSlice[]
  /** Those that would stay as they are. */
  readonly unchanged: readonly EndpointSlice[]
}

/** The slices that are to be written in the end, by those that they come from, and how many hints each zone has; or why there are none. */
export interface Hinting {
  readonly slices: ReadonlyMap<EndpointSlice, EndpointSlice>
  readonly endpointsByZone: ReadonlyMap<string, number>
}

/**
 * Says of each endpoint in which zone it is used, so that each zone has its share; endpoints that are in their own zone and not needed elsewhere stay
 * (endpointslice `topologycache.go` AddHints). Slices that can stay as they are do. A text says why no endpoint gets a hint.
 */
export function hintSlices(
  { written, unchanged }: HintedSlices,
  ratios: ReadonlyMap<string, number> | undefined,
): Hinting | string {
  const ready = [...written, ...unchanged].flatMap(({ endpoints }) => (endpoints ?? []).filter(isReady)).length
  const allocations = allocationsFor(ratios, ready)
  if (typeof allocations === 'string') return allocations
  const byZone = new Map<string, number>()
  const add = (zone: string, count: number): void => void byZone.set(zone, (byZone.get(zone) ?? 0) + count)
  const changing = [...written]
  for (const slice of unchanged) {
    const own = hintsThatCanStay(slice, byZone, allocations)
    if (own === undefined) changing.push(slice)
    else for (const [zone, count] of own) add(zone, count)
  }
  const zones: (string | undefined)[] = changing.flatMap(({ endpoints }) =>
    (endpoints ?? []).filter(isReady).map(({ zone }) => zone || undefined),
  )
  if (zones.includes(undefined)) return 'One or more endpoints do not have a zone specified'
  for (const zone of zones) add(zone as string, 1)
  const moves = plannedMoves(allocations, byZone)
  const slices = new Map(changing.map((slice) => [slice, hinted(slice, moves, add)]))
  return byZone.size === 0 ? 'No hints allocated for zones' : { slices, endpointsByZone: byZone }
}

/** The slice without any hint; the slice itself when it has none. */
export function withoutHints(slice: EndpointSlice): EndpointSlice {
  if ((slice.endpoints ?? []).every(({ hints }) => hints === undefined)) return slice
  return { ...slice, endpoints: (slice.endpoints ?? []).map(({ hints: _hints, ...endpoint }) => endpoint) }
}

// Undefined: an endpoint has no hint, or one at a zone that has no or no more need of it.
function hintsThatCanStay(
  { endpoints = [] }: EndpointSlice,
  byZone: ReadonlyMap<string, number>,
  allocations: ReadonlyMap<string, Allocation>,
): ReadonlyMap<string, number> | undefined {
  const own = new Map<string, number>()
  for (const { hints } of endpoints.filter(isReady)) {
    const zones = hints?.forZones ?? []
    if (zones.length === 0 || zones.some(({ name }) => !allocations.has(name))) return undefined
    for (const { name } of zones) own.set(name, (own.get(name) ?? 0) + 1)
  }
  const fits = ([zone, count]: [string, number]): boolean =>
    count + (byZone.get(zone) ?? 0) <= (allocations.get(zone)?.maximum ?? 0)
  return [...own].every(fits) ? own : undefined
}

interface Moves {
  /** How many endpoints a zone gives to others, and gets from others. */
  readonly giving: Map<string, number>
  readonly receiving: Map<string, number>
}

// Whole endpoints go from who has most too many to who has most too few, until nobody is off by as much as half of one.
function plannedMoves(allocations: ReadonlyMap<string, Allocation>, byZone: ReadonlyMap<string, number>): Moves {
  const [tooMany, tooFew] = [new Map<string, number>(), new Map<string, number>()]
  for (const [zone, { desired }] of allocations) {
    const surplus = (byZone.get(zone) ?? 0) - desired
    if (surplus > 0) tooMany.set(zone, surplus)
    else if (surplus < 0) tooFew.set(zone, -surplus)
  }
  const moves: Moves = { giving: new Map(), receiving: new Map() }
  for (;;) {
    const [from, surplus] = greatest(tooMany)
    const [to, need] = greatest(tooFew)
    if (from === undefined || to === undefined || surplus < 0.5 || need < 0.5 || (surplus < 1 && need < 1)) return moves
    moves.giving.set(from, (moves.giving.get(from) ?? 0) + 1)
    moves.receiving.set(to, (moves.receiving.get(to) ?? 0) + 1)
    tooMany.set(from, surplus - 1)
    tooFew.set(to, need - 1)
  }
}

function greatest(amounts: ReadonlyMap<string, number>): [zone: string | undefined, amount: number] {
  let [found, most]: [string | undefined, number] = [undefined, 0]
  for (const [zone, amount] of amounts) if (amount > most) [found, most] = [zone, amount]
  return [found, most]
}

function hinted(slice: EndpointSlice, moves: Moves, add: (zone: string, count: number) => void): EndpointSlice {
  const endpoints = (slice.endpoints ?? []).map((endpoint): Endpoint => {
    const { hints: _hints, ...rest } = endpoint
    if (!isReady(endpoint)) return rest
    const own = endpoint.zone as string
    const other = take(moves, own)
    if (other !== undefined) {
      add(own, -1)
      add(other, 1)
    }
    return { ...rest, hints: { forZones: [{ name: other ?? own }] } }
  })
  return { ...slice, endpoints }
}

// The zone that gets an endpoint of this one, if it gives any.
function take({ giving, receiving }: Moves, from: string): string | undefined {
  const left = giving.get(from) ?? 0
  const to = left > 0 ? [...receiving].find(([, count]) => count > 0)?.[0] : undefined
  if (to === undefined) return undefined
  giving.set(from, left - 1)
  receiving.set(to, (receiving.get(to) as number) - 1)
  return to
}
