import type { CustomResourceDefinition } from '../generated/types.ts'
import type { ExtensibleRegistry } from '../registry.ts'
import { type CustomDefinition, customDefinitions, isCrdCondition } from './definition.ts'

/**
 * Keeps the custom kinds of a registry as the CustomResourceDefinitions want them. Whoever hears of a change, by the store's feed or by an informer,
 * gives all definitions that there are; only what has changed is made anew.
 */
export class CustomKinds {
  readonly #registry: ExtensibleRegistry
  #known: ReadonlyMap<string, readonly CustomDefinition[]> | undefined

  constructor(registry: ExtensibleRegistry) {
    this.#registry = registry
  }

  /** Brings the registry up to date. */
  replace(crds: Iterable<CustomResourceDefinition>): void {
    const known = new Map<string, readonly CustomDefinition[]>()
    for (const crd of crds) {
      const state = stateOf(crd)
      known.set(state, this.#known?.get(state) ?? customDefinitions(crd))
    }
    const before = this.#known
    this.#known = known
    const isSame = known.size === before?.size && [...known.keys()].every((state) => before.has(state))
    if (!isSame) this.#registry.setCustom([...known.values()].flat())
  }
}

// All that the definitions of a kind are made of: the spec counts generations.
function stateOf(crd: CustomResourceDefinition): string {
  const { uid, generation } = crd.metadata
  const conditions = ['Established', 'Terminating'].map((type) => isCrdCondition(crd, type))
  return JSON.stringify([uid, generation, conditions, crd.status?.acceptedNames])
}
