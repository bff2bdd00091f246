import type { OwnerReference } from '@binnacle/apimachinery'

/** Owners remembered at most (upstream's `absentOwnerCache` holds as many). */
const rememberedMax = 500

/** Owners that the server does not have: what many dependents name is asked for once. A uid never comes back, so what is absent stays so. */
export class AbsentOwners {
  readonly #known = new Set<string>()

  /** True when the owner, as a dependent in this namespace names it, is known to be absent. */
  has(owner: OwnerReference, namespace: string): boolean {
    const key = keyOf(owner, namespace)
    if (!this.#known.delete(key)) return false
    // Entered anew: the least asked for is the first to be forgotten.
    this.#known.add(key)
    return true
  }

  add(owner: OwnerReference, namespace: string): void {
    if (this.#known.size >= rememberedMax) this.#known.delete(this.#known.values().next().value as string)
    this.#known.add(keyOf(owner, namespace))
  }
}

// All that the reference says: the same uid may be named in the right way by another dependent.
function keyOf({ apiVersion, kind, name, uid }: OwnerReference, namespace: string): string {
  return [uid, apiVersion, kind, name, namespace].join('\0')
}
