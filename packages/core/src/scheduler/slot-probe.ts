import type { Cycle, FilterPlugin } from './framework.ts'
import { prepareFilters } from './prepared-filters.ts'

/** Why a node cannot take a pod, by the first filter that says so. */
export interface SlotVerdict {
  readonly filter: number
  readonly reasons: readonly string[]
  readonly mayYield: boolean
}

const slots = new Int32Array(1)

/**
 * Tries a single node on the cluster as it is counted now, with the pods promised the node that the pod must leave room for counted in, and
 * without them. Undefined: it fits. Plugins have then prepared for this, so a caller that goes on with another decision prepares them again.
 */
export function probeSlot(cycle: Cycle, filters: readonly FilterPlugin[], slot: number): SlotVerdict | undefined {
  const { cluster, pod } = cycle
  const promised = cluster.nominations.before(pod, cluster.table.names[slot] as string)
  if (promised.length > 0) {
    for (const { shape } of promised) cluster.countShape(shape, slot, 1)
    const verdict = verdictOn(cycle, filters, slot)
    for (const { shape } of promised) cluster.countShape(shape, slot, -1)
    if (verdict !== undefined) return verdict
  }
  return verdictOn(cycle, filters, slot)
}

/**
 * Keeps those of the slots, at the front and in order, where the pod does not take the room that others are promised; tells of each that it leaves out.
 * Returns how many it keeps.
 */
export function keepUnpromised(
  cycle: Cycle,
  filters: readonly FilterPlugin[],
  candidates: Int32Array,
  count: number,
  leftOut: (slot: number, verdict: SlotVerdict) => void,
): number {
  const { nominations, table } = cycle.cluster
  if (nominations.size === 0) return count
  let kept = 0
  let isProbed = false
  for (let i = 0; i < count; i++) {
    const slot = candidates[i] as number
    const isPromised = nominations.before(cycle.pod, table.names[slot] as string).length > 0
    const verdict = isPromised ? probeSlot(cycle, filters, slot) : undefined
    isProbed ||= isPromised
    if (verdict === undefined) candidates[kept++] = slot
    else leftOut(slot, verdict)
  }
  // The probes have prepared the plugins for the nodes with the promised pods on them.
  if (isProbed) prepareFilters(cycle, filters)
  return kept
}

function verdictOn(cycle: Cycle, filters: readonly FilterPlugin[], slot: number): SlotVerdict | undefined {
  slots[0] = slot
  cycle.shape.rules.refresh(cycle.cluster.table, slots, 1)
  for (let i = 0; i < filters.length; i++) {
    const plugin = filters[i] as FilterPlugin
    const prepared = plugin.preFilter(cycle)
    if (prepared === 'skip') continue
    if (typeof prepared === 'object' && 'rejection' in prepared)
      return { filter: i, reasons: [prepared.rejection], mayYield: false }
    slots[0] = slot
    if (plugin.filter(cycle, slots, 1) === 1) continue
    return { filter: i, reasons: plugin.reasons(cycle, slot), mayYield: plugin.mayYield(cycle, slot) }
  }
  return undefined
}
