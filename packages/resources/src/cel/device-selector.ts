import { parseQuantity } from '@binnacle/apimachinery'
import { type ASTNode, Environment } from '@marcbachmann/cel-js'
import type { Device, DeviceAttribute } from '../generated/types.ts'
import { registerCollectionFunctions } from './collection-functions.ts'
import { firstLine, optionalHas, rewritten, stepsOf } from './expressions.ts'
import { CelQuantity, registerKubernetesFunctions } from './kubernetes-functions.ts'
import { registerNetworkFunctions } from './network-functions.ts'
import { SemanticVersion } from './semantic-version.ts'

/** Longest expression of a selector, in characters (`CELSelectorExpressionMaxLength`). */
export const selectorLengthMax = 10 * 1024
/** Steps that one evaluation may take, as estimated from the expression (`CELSelectorExpressionMaxCost`). */
const stepsMax = 1_000_000
/** Elements that a list is taken to have where the expression does not show it. */
const elementsAssumed = 64

/** Says of a device whether it is wanted. */
export interface DeviceSelector {
  /** @throws Error when the expression cannot be evaluated for the device: it names an attribute that the device does not have, for one */
  matches(device: SelectableDevice): boolean
}

/** What a selector sees of a device; made once for a device, it serves any number of selectors. */
export class SelectableDevice {
  readonly driver: string
  readonly attributes = new Map<string, Map<string, unknown>>()
  readonly capacity = new Map<string, Map<string, CelQuantity>>()
  readonly allowMultipleAllocations: boolean

  constructor(driver: string, { attributes, capacity, allowMultipleAllocations }: Device) {
    this.driver = driver
    this.allowMultipleAllocations = allowMultipleAllocations === true
    for (const [name, attribute] of Object.entries(attributes ?? {}))
      put(this.attributes, qualifiedName(driver, name), celValueOf(attribute))
    for (const [name, { value }] of Object.entries(capacity ?? {}))
      put(this.capacity, qualifiedName(driver, name), new CelQuantity(parseQuantity(value)))
  }
}

/** The domain and the identifier of an attribute or capacity; the driver is the domain where none is given. */
function qualifiedName(driver: string, name: string): readonly [domain: string, identifier: string] {
  const slash = name.indexOf('/')
  return slash < 0 ? [driver, name] : [name.slice(0, slash), name.slice(slash + 1)]
}

function put<T>(groups: Map<string, Map<string, T>>, [domain, name]: readonly [string, string], value: T): void {
  const group = groups.get(domain)
  if (group === undefined) groups.set(domain, new Map([[name, value]]))
  else group.set(name, value)
}

function celValueOf({ bool, int, string, version }: DeviceAttribute): unknown {
  if (int !== undefined) return BigInt(int)
  if (version !== undefined) return SemanticVersion.parse(version)
  return bool ?? string
}

const environment = new Environment({ enableOptionalTypes: true })
registerKubernetesFunctions(environment)
registerCollectionFunctions(environment)
registerNetworkFunctions(environment)
environment
  .registerType('kubernetes.DRADevice', {
    ctor: SelectableDevice,
    fields: {
      driver: 'string',
      attributes: 'map<string, map<string, dyn>>',
      capacity: 'map<string, map<string, kubernetes.Quantity>>',
      allowMultipleAllocations: 'bool',
    },
  } as never)
  .registerVariable('device', 'kubernetes.DRADevice')
  // A domain that the device has nothing of is empty, not an error.
  .registerFunction(
    'kubernetes.DRADevice.attributesIn(string): map<string, dyn>',
    (device: SelectableDevice, domain: string) => device.attributes.get(domain) ?? new Map(),
  )
  .registerFunction(
    'kubernetes.DRADevice.capacityIn(string): map<string, kubernetes.Quantity>',
    (device: SelectableDevice, domain: string) => device.capacity.get(domain) ?? new Map(),
  )

/** Compiles the expression of a selector (kube-apiserver and kube-scheduler: `dynamic-resource-allocation/cel`). */
export function compileDeviceSelector(expression: string): DeviceSelector | { readonly error: string } {
  try {
    const { ast } = environment.parse(expression)
    if (stepsOf(ast, elementsAssumed) > stepsMax) return { error: 'too complex, exceeds cost limit' }
    const adapted = adapt(ast, expression)
    const { valid, type, error } = environment.check(adapted)
    if (!valid) return { error: firstLine(error) }
    if (type !== 'bool' && type !== 'dyn')
      return { error: `must evaluate to bool or the unknown type, not ${String(type)}` }
    const evaluate = environment.parse(adapted)
    return { matches: (device) => verdict(evaluate({ device })) }
  } catch (error) {
    return { error: firstLine(error) }
  }
}

function verdict(result: unknown): boolean {
  if (typeof result === 'boolean') return result
  throw new TypeError('expected boolean result')
}

/**
 * The expression in the words of the library, where it knows less than upstream: `has()` of what is not a plain path, and looking up a domain
 * that the device does not have.
 */
function adapt(ast: ASTNode, source: string): string {
  return rewritten(ast, source, (node, inner) => {
    if (node.op !== '[]') return optionalHas(node, inner)
    const [groups, domain] = node.args
    const isOfDevice = groups.op === '.' && groups.args[0].op === 'id' && groups.args[0].args === 'device'
    return isOfDevice ? `device.${groups.args[1]}In(${inner(domain)})` : undefined
  })
}
