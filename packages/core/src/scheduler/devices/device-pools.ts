import type { Device, Node, ResourceSlice } from '@binnacle/resources'
import { type CompiledDeviceSelector as DeviceSelector, SelectableDevice } from '@binnacle/resources'
import { selectsNode } from '../../volumes/volume-topology.ts'

/** A device of a slice, with what selectors have said about it. */
export class PooledDevice {
  /** The same for the same device of any slice. */
  readonly id: string
  readonly driver: string
  readonly pool: string
  readonly device: Device
  readonly slice: ResourceSlice
  #selectable: SelectableDevice | undefined
  readonly #verdicts = new Map<DeviceSelector, boolean | Error>()

  constructor(device: Device, slice: ResourceSlice) {
    this.device = device
    this.slice = slice
    this.driver = slice.spec.driver
    this.pool = slice.spec.pool.name
    this.id = deviceId(this.driver, this.pool, device.name)
  }

  /** @throws Error when the selector cannot be evaluated for the device */
  matches(selector: DeviceSelector): boolean {
    let verdict = this.#verdicts.get(selector)
    if (verdict === undefined) this.#verdicts.set(selector, (verdict = this.#evaluate(selector)))
    if (typeof verdict === 'boolean') return verdict
    throw verdict
  }

  #evaluate(selector: DeviceSelector): boolean | Error {
    this.#selectable ??= new SelectableDevice(this.driver, this.device)
    try {
      return selector.matches(this.#selectable)
    } catch (error) {
      return error as Error
    }
  }

  /** The attribute of a qualified name, as a text that is equal for equal values; undefined when the device has none. */
  attribute(qualifiedName: string): string | undefined {
    const { attributes = {} } = this.device
    const isOwn = qualifiedName.startsWith(`${this.driver}/`)
    const value =
      attributes[qualifiedName] ?? (isOwn ? attributes[qualifiedName.slice(this.driver.length + 1)] : undefined)
    return value === undefined ? undefined : JSON.stringify(value)
  }
}

/** Names a device among all. */
export const deviceId = (driver: string, pool: string, device: string): string => `${driver}/${pool}/${device}`

/** What a node can reach of a pool. */
export interface NodePool {
  readonly name: string
  readonly devices: readonly PooledDevice[]
  /** Slices of its newest generation are missing. */
  readonly isIncomplete: boolean
  /** Two of its devices have the same name. */
  readonly isInvalid: boolean
}

interface SliceDevices {
  readonly slice: ResourceSlice
  readonly devices: readonly PooledDevice[]
}

interface Pool {
  readonly name: string
  readonly slices: readonly SliceDevices[]
  readonly isIncomplete: boolean
  readonly isInvalid: boolean
}

/** The pools that resource slices make up: of each the newest generation (kube-scheduler `GatherPools`). */
export class DevicePools {
  /** Pools with slices of one node only, by node. */
  readonly #ofNode = new Map<string, Pool[]>()
  /** Pools that more than one node can reach. */
  readonly #wide: Pool[] = []

  constructor(slices: Iterable<ResourceSlice>) {
    for (const pool of poolsOf(slices)) {
      const nodes = new Set(pool.slices.map(({ slice }) => slice.spec.nodeName ?? ''))
      const [only = ''] = nodes
      if (nodes.size !== 1 || only === '') this.#wide.push(pool)
      else this.#ofNode.set(only, [...(this.#ofNode.get(only) ?? []), pool])
    }
  }

  /** The pools that the node can reach something of, always in the same order. */
  reachableFrom(node: Node): NodePool[] {
    const reachable: NodePool[] = []
    for (const { slices, ...pool } of [...(this.#ofNode.get(node.metadata.name) ?? []), ...this.#wide]) {
      const near = slices.filter(({ slice }) => isReachable(slice, node))
      if (near.length > 0) reachable.push({ ...pool, devices: near.flatMap(({ devices }) => devices) })
    }
    return reachable
  }
}

function poolsOf(slices: Iterable<ResourceSlice>): Pool[] {
  const byPool = new Map<string, ResourceSlice[]>()
  for (const slice of slices) {
    const name = `${slice.spec.driver}/${slice.spec.pool.name}`
    const others = byPool.get(name)
    const newest = others?.[0]?.spec.pool.generation ?? Number.NEGATIVE_INFINITY
    const { generation } = slice.spec.pool
    if (others === undefined || generation > newest) byPool.set(name, [slice])
    else if (generation === newest) others.push(slice)
  }
  return [...byPool].sort(([a], [b]) => (a < b ? -1 : 1)).map(([name, newest]) => poolOf(name, newest))
}

function poolOf(name: string, slices: ResourceSlice[]): Pool {
  slices.sort((a, b) => (a.metadata.name < b.metadata.name ? -1 : 1))
  const names = slices.flatMap(({ spec }) => (spec.devices ?? []).map((device) => device.name))
  return {
    name,
    slices: slices.map((slice) => ({
      slice,
      devices: (slice.spec.devices ?? []).filter(isSupported).map((device) => new PooledDevice(device, slice)),
    })),
    isIncomplete: slices.length !== slices[0]?.spec.pool.resourceSliceCount,
    isInvalid: new Set(names).size < names.length,
  }
}

/**
 * Devices that count shared counters, are tainted or have to be made ready first are features that are not GA: they are left alone, for they
 * cannot be handed out rightly without.
 */
function isSupported({ consumesCounters, taints, bindingConditions }: Device): boolean {
  const repels = taints?.some(({ effect }) => effect === 'NoSchedule' || effect === 'NoExecute') === true
  return !repels && (consumesCounters ?? []).length === 0 && (bindingConditions ?? []).length === 0
}

function isReachable({ spec }: ResourceSlice, node: Node): boolean {
  if (spec.nodeName) return spec.nodeName === node.metadata.name
  return spec.allNodes === true || (spec.nodeSelector !== undefined && selectsNode(spec.nodeSelector, node))
}
