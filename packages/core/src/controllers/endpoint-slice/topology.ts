import { formatKey, type ObjectKey } from '@binnacle/apimachinery'
import type { EndpointSlice, Service } from '@binnacle/resources'
import type { SlicePlan } from '../slice-packing.ts'
import { ZoneCapacity } from './zone-capacity.ts'
import { hintSlices, isOverloaded, withoutHints } from './zone-hints.ts'

/** Something to tell about the hints of a Service. */
export interface TopologyEvent {
  readonly type: 'Normal' | 'Warning'
  readonly reason: 'TopologyAwareHintsEnabled' | 'TopologyAwareHintsDisabled'
  readonly message: string
}

const modeKeys = ['service.kubernetes.io/topology-aware-hints', 'service.kubernetes.io/topology-mode'] as const

/** The Service's endpoints are to be spread over zones by the CPU of these. The older annotation wins. */
export function usesTopology({ metadata: { annotations = {} } }: Service): boolean {
  const mode = modeKeys.map((key) => annotations[key]).find((value) => value !== undefined)
  return mode === 'Auto' || mode === 'auto'
}

/** What is remembered of zones and of the hints that Services have. All of it may be lost: it is made anew from nodes and slices. */
export class Topology {
  readonly capacity = new ZoneCapacity()
  /** By Service and address type: how many endpoints each zone has. */
  readonly #hinted = new Map<string, Map<string, ReadonlyMap<string, number>>>()
  /** Services whose endpoints could not be given to zones. */
  readonly #waiting = new Map<string, ObjectKey>()
  readonly #keys = new Map<string, ObjectKey>()

  /** The Services that are to be looked at again, because zones have changed: those of which a zone has too little, and those that had to wait. */
  disturbed(): readonly ObjectKey[] {
    const ratios = this.capacity.ratios()
    const overloaded = [...this.#hinted]
      .filter(([, byType]) => [...byType.values()].some((byZone) => isOverloaded(byZone, ratios)))
      .map(([text]) => this.#keys.get(text) as ObjectKey)
    return ratios === undefined ? overloaded : [...overloaded, ...this.#waiting.values()]
  }

  /** Adds hints at zones to what is planned for the slices of one address type, or takes those that are there. Changes the plan. */
  addHints(
    key: ObjectKey,
    addressType: string,
    existing: readonly EndpointSlice[],
    plan: SlicePlan,
  ): readonly TopologyEvent[] {
    const text = formatKey(key)
    const ofType = (slice: EndpointSlice): boolean => slice.addressType === addressType
    const written = [...plan.create, ...plan.update].filter(ofType)
    const touched = new Set([...plan.update, ...plan.remove].map(({ metadata }) => metadata.name))
    const unchanged = existing.filter((slice) => ofType(slice) && !touched.has(slice.metadata.name))
    const hinting = hintSlices({ written, unchanged }, this.capacity.ratios())
    if (typeof hinting === 'string') {
      this.#waiting.set(text, key)
      this.#remove(text, addressType)
      rewrite(plan, new Map([...written, ...unchanged].map((slice) => [slice, withoutHints(slice)])))
      return [disabled(hinting, addressType)]
    }
    const wasHinted = this.#hinted.has(text)
    this.#waiting.delete(text)
    this.#keys.set(text, key)
    const byType = this.#hinted.get(text) ?? new Map<string, ReadonlyMap<string, number>>()
    this.#hinted.set(text, byType.set(addressType, hinting.endpointsByZone))
    rewrite(plan, hinting.slices)
    if (wasHinted) return []
    const message = `Topology Aware Hints has been enabled, addressType: ${addressType}`
    return [{ type: 'Normal', reason: 'TopologyAwareHintsEnabled', message }]
  }

  /** Forgets a Service that is gone, or wants no such hints any more. */
  forget(key: ObjectKey): readonly TopologyEvent[] {
    const text = formatKey(key)
    this.#waiting.delete(text)
    const [addressType] = this.#hinted.get(text)?.keys() ?? []
    this.#hinted.delete(text)
    this.#keys.delete(text)
    return addressType === undefined ? [] : [disabled('Topology Aware Hints has been disabled', addressType)]
  }

  #remove(text: string, addressType: string): void {
    const byType = this.#hinted.get(text)
    byType?.delete(addressType)
    if (byType?.size === 0) this.#hinted.delete(text)
  }
}

function disabled(why: string, addressType: string): TopologyEvent {
  return {
    type: 'Warning',
    reason: 'TopologyAwareHintsDisabled',
    message: `${why}, addressType: ${addressType}`,
  }
}

// Puts slices in the place of those that they come from; those that were not to be written are now.
function rewrite(plan: SlicePlan, slices: ReadonlyMap<EndpointSlice, EndpointSlice>): void {
  for (const [from, to] of slices) {
    if (from === to) continue
    const list = plan.create.includes(from) ? plan.create : plan.update
    const at = list.indexOf(from)
    if (at < 0) plan.update.push(to)
    else list[at] = to
  }
}
