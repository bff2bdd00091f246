import type { DeviceRequest, ResourceClaimV1 } from '@binnacle/resources'
import { aNode, SeededRandom } from '@binnacle/testing'
import { expect, it } from 'vitest'
import { type PreparedClaim, prepareClaim } from './allocation-request.ts'
import { chooseDevices } from './allocator.ts'
import { aDevice, aDeviceClass, aResourceClaim, aSlice, driver } from './device-objects.ts'
import { DevicePools, type PooledDevice } from './device-pools.ts'

/**
 * The allocator against a reference that knows nothing of selectors, pools or taking back: it writes down every way to give devices to requests, and
 * looks for one that keeps the rules.
 */

interface Want {
  readonly claim: number
  readonly request: string
  readonly color: string | undefined
  readonly admin: boolean
}

const colors = ['red', 'green']
const rounds = 400

it.each([1, 2, 3])('finds devices exactly where a search through all ways finds some (seed %i)', (seed) => {
  const random = new SeededRandom(seed)
  const below = (limit: number): number => random.below(limit)
  let satisfied = 0
  for (let round = 0; round < rounds; round++) {
    const devices = Array.from({ length: 1 + below(5) }, (_, i) =>
      aDevice(`d${i}`, { color: colors[below(2)] as string, ...(below(4) === 0 ? {} : { numa: below(2) }) }),
    )
    const inUse = new Set(devices.filter(() => below(5) === 0).map(({ name }) => `${driver}/node-1/${name}`))
    const claims = Array.from({ length: 1 + below(2) }, (_, index) => randomClaim(index, below))
    const prepared = claims.map((claim) => prepareClaim(claim, () => aDeviceClass()) as PreparedClaim)
    const pools = new DevicePools([aSlice('node-1', devices)]).reachableFrom(aNode({ name: 'node-1' }))
    const all = pools.flatMap((pool) => pool.devices)
    const found = chooseDevices(prepared, pools, (id) => inUse.has(id))
    const ways = wantsOf(claims)
    const isPossible = ways.some((wants) => exists(wants, all, claims, inUse))
    expect('devices' in found, JSON.stringify({ round, claims, devices, inUse: [...inUse] })).toBe(isPossible)
    if (!('devices' in found)) continue
    satisfied++
    const given = found.devices.map(({ device }) => device)
    expect(ways.some((wants) => wants.length === given.length && isRight(wants, given, claims, inUse))).toBe(true)
  }
  expect(satisfied).toBeGreaterThan(rounds / 10)
  expect(satisfied).toBeLessThan(rounds)
})

function randomClaim(index: number, below: (limit: number) => number): ResourceClaimV1 {
  const way = () => ({
    deviceClassName: 'gpu',
    count: 1 + below(2),
    ...(below(2) === 0 ? {} : { selectors: [{ cel: { expression: colored(colors[below(2)] as string) } }] }),
  })
  const requests = Array.from({ length: 1 + below(2) }, (_, i): DeviceRequest => {
    const name = `r${i}`
    if (below(4) === 0) return { name, firstAvailable: ['x', 'y'].map((option) => ({ name: option, ...way() })) }
    return { name, exactly: { ...way(), ...(below(6) === 0 ? { adminAccess: true } : {}) } }
  })
  const constraints = below(2) === 0 ? [] : [{ matchAttribute: `${driver}/numa` }]
  return aResourceClaim(`claim-${index}`, { requests, constraints })
}

const colored = (color: string): string => `device.attributes["${driver}"].color == "${color}"`

/** Every combination of alternatives, as single wanted devices. */
function wantsOf(claims: readonly ResourceClaimV1[]): Want[][] {
  let ways: Want[][] = [[]]
  for (const [claim, { spec }] of claims.entries()) {
    for (const { name, exactly, firstAvailable = [] } of spec.devices?.requests ?? []) {
      const options = (exactly === undefined ? firstAvailable : [exactly]).map((option) => {
        const color = colors.find((one) => option.selectors?.[0]?.cel?.expression === colored(one))
        const admin = 'adminAccess' in option && option.adminAccess === true
        return Array.from({ length: option.count ?? 1 }, (): Want => ({ claim, request: name, color, admin }))
      })
      ways = ways.flatMap((way) => options.map((option) => [...way, ...option]))
    }
  }
  return ways
}

function exists(
  wants: readonly Want[],
  devices: readonly PooledDevice[],
  claims: readonly ResourceClaimV1[],
  inUse: ReadonlySet<string>,
  given: readonly PooledDevice[] = [],
): boolean {
  if (given.length === wants.length) return isRight(wants, given, claims, inUse)
  return devices.some((device) => exists(wants, devices, claims, inUse, [...given, device]))
}

function isRight(
  wants: readonly Want[],
  given: readonly PooledDevice[],
  claims: readonly ResourceClaimV1[],
  inUse: ReadonlySet<string>,
): boolean {
  return wants.every((want, i) => {
    const device = given[i] as PooledDevice
    const { color, numa } = device.device.attributes ?? {}
    if (want.color !== undefined && color?.string !== want.color) return false
    if (!want.admin && inUse.has(device.id)) return false
    const isConstrained = (claims[want.claim]?.spec.devices?.constraints ?? []).length > 0
    if (isConstrained && numa === undefined) return false
    return wants.every((other, j) => {
      if (j >= i) return true
      if (isConstrained && other.claim === want.claim && given[j]?.device.attributes?.['numa']?.int !== numa?.int)
        return false
      const isShared = other.claim !== want.claim && (other.admin || want.admin)
      return given[j]?.id !== device.id || isShared
    })
  })
}
