import { formatKey, keyOf } from '@binnacle/apimachinery'
import {
  compileDeviceSelector,
  type DeviceClass,
  type DeviceRequest,
  type DeviceSelector as DeviceSelectorObject,
  type DeviceSubRequest,
  type ExactDeviceRequest,
  type ResourceClaimV1,
} from '@binnacle/resources'
import type { CompiledDeviceSelector as DeviceSelector } from '@binnacle/resources'

/** One way to satisfy a request. */
export interface Alternative {
  /** The request's name, or `request/alternative`. */
  readonly name: string
  readonly deviceClass: DeviceClass
  /** How many devices; all that match: undefined. */
  readonly count: number | undefined
  readonly adminAccess: boolean
  readonly selectors: readonly SourcedSelector[]
}

/** A selector, and where it stands, for messages. */
export interface SourcedSelector {
  readonly selector: DeviceSelector
  readonly source: string
}

/** A request of a claim, with its alternatives in the order in which they are wanted. */
export interface Request {
  readonly name: string
  readonly alternatives: readonly Alternative[]
}

/** Devices of these requests (all when undefined) must have the attribute, and have it alike. */
export interface MatchConstraint {
  readonly attribute: string
  readonly requests: ReadonlySet<string> | undefined
}

/** A claim to allocate, with classes looked up and selectors compiled. */
export interface PreparedClaim {
  readonly claim: ResourceClaimV1
  readonly text: string
  readonly requests: readonly Request[]
  readonly constraints: readonly MatchConstraint[]
}

/** Prepares a claim; a rejection says in kube-scheduler's words why no node can do. */
export function prepareClaim(
  claim: ResourceClaimV1,
  classOf: (name: string) => DeviceClass | undefined,
): PreparedClaim | { readonly rejection: string } {
  const text = formatKey(keyOf(claim))
  const { requests = [], constraints = [] } = claim.spec.devices ?? {}
  try {
    return {
      claim,
      text,
      requests: requests.map((request) => prepareRequest(request, text, classOf)),
      constraints: constraints.map(({ matchAttribute, requests: names }, index) => {
        if (matchAttribute === undefined)
          throw new Error(`claim ${text}, constraint #${index}: empty constraint (unsupported constraint type?)`)
        return { attribute: matchAttribute, requests: names === undefined ? undefined : new Set(names) }
      }),
    }
  } catch (error) {
    return { rejection: (error as Error).message }
  }
}

function prepareRequest(
  { name, exactly, firstAvailable = [] }: DeviceRequest,
  claimText: string,
  classOf: (name: string) => DeviceClass | undefined,
): Request {
  const ways: [string, ExactDeviceRequest | DeviceSubRequest][] =
    exactly === undefined ? firstAvailable.map((way) => [`${name}/${way.name}`, way]) : [[name, exactly]]
  if (ways.length === 0)
    throw new Error(`claim ${claimText}, request ${name}: has no device class (unknown request type?)`)
  return {
    name,
    alternatives: ways.map(([fullName, way]) => {
      const deviceClass = classOf(way.deviceClassName)
      if (deviceClass === undefined)
        throw new Error(`request ${fullName}: device class ${way.deviceClassName} does not exist`)
      const mode = way.allocationMode ?? 'ExactCount'
      if (mode !== 'ExactCount' && mode !== 'All')
        throw new Error(`claim ${claimText}, request ${fullName}: unsupported count mode ${mode}`)
      return {
        name: fullName,
        deviceClass,
        count: mode === 'All' ? undefined : (way.count ?? 1),
        adminAccess: 'adminAccess' in way && way.adminAccess === true,
        selectors: [
          ...compiled(deviceClass.spec.selectors, `class ${way.deviceClassName}`),
          ...compiled(way.selectors, `claim ${claimText}`),
        ],
      }
    }),
  }
}

function compiled(selectors: readonly DeviceSelectorObject[] = [], source: string): SourcedSelector[] {
  return selectors.map(({ cel }, index) => {
    const selector = compileOnce(cel?.expression ?? '')
    if ('error' in selector) throw new Error(`${source}: selector #${index}: CEL compile error: ${selector.error}`)
    return { selector, source: `${source}: selector #${index}` }
  })
}

/** Expressions remembered: classes and templates have the same ones over and over. */
const rememberedMax = 1000
const remembered = new Map<string, ReturnType<typeof compileDeviceSelector>>()

function compileOnce(expression: string): ReturnType<typeof compileDeviceSelector> {
  let selector = remembered.get(expression)
  if (selector === undefined) {
    if (remembered.size >= rememberedMax) remembered.clear()
    remembered.set(expression, (selector = compileDeviceSelector(expression)))
  }
  return selector
}
