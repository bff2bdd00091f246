import { families, ofFamily } from '../network/addresses.ts'
import type { ServicePlan } from './plan.ts'
import { skeleton, type SkeletonOptions, tableName } from './skeleton.ts'

/** Who wants what value of one element, chain or set. */
interface Claim<V> {
  readonly owner: string
  readonly value: V
}

/**
 * What several owners want of named things. Where two want different values, the owner whose name sorts first has its way, everywhere alike, and the
 * other gets its own once that one leaves.
 */
class Claims<V> {
  readonly #claims = new Map<string, readonly Claim<V>[]>()
  /** What was in force before the changes since the last {@link settle}; undefined: nothing was. */
  readonly #before = new Map<string, V | undefined>()
  readonly #isSame: (a: V, b: V) => boolean

  constructor(isSame: (a: V, b: V) => boolean) {
    this.#isSame = isSame
  }

  get(id: string): V | undefined {
    return this.#claims.get(id)?.[0]?.value
  }

  *[Symbol.iterator](): Generator<[string, V]> {
    for (const [id, [first]] of this.#claims) if (first !== undefined) yield [id, first.value]
  }

  /** Replaces what an owner wants. */
  replace(owner: string, old: ReadonlyMap<string, V>, wanted: ReadonlyMap<string, V>): void {
    for (const id of old.keys()) if (!wanted.has(id)) this.#put(id, owner, undefined)
    for (const [id, value] of wanted) {
      const before = old.get(id)
      if (before === undefined || !this.#isSame(before, value)) this.#put(id, owner, { owner, value })
    }
  }

  #put(id: string, owner: string, claim: Claim<V> | undefined): void {
    if (!this.#before.has(id)) this.#before.set(id, this.get(id))
    const others = (this.#claims.get(id) ?? []).filter((other) => other.owner !== owner)
    const all = claim === undefined ? others : [...others, claim]
    if (all.length === 0) this.#claims.delete(id)
    else this.#claims.set(id, all.length === 1 ? all : all.toSorted((a, b) => (a.owner < b.owner ? -1 : 1)))
  }

  /** What changed since the last call: ids with what was and what is in force. */
  settle(): Change<V>[] {
    const changes: Change<V>[] = []
    for (const [id, before] of this.#before) {
      const after = this.get(id)
      const isSame = before === undefined || after === undefined ? before === after : this.#isSame(before, after)
      if (!isSame) changes.push({ id, before, after })
    }
    this.#before.clear()
    return changes
  }
}

interface Change<V> {
  readonly id: string
  readonly before: V | undefined
  readonly after: V | undefined
}

const sameRules = (a: readonly string[], b: readonly string[]): boolean =>
  a.length === b.length && a.every((rule, index) => rule === b[index])
const sameText = (a: string, b: string): boolean => a === b
const nothing: Pick<ServicePlan, 'elements' | 'chains' | 'sets'> = {
  elements: new Map(),
  chains: new Map(),
  sets: new Map(),
}

/** The tables as all Services together want them, and the nft scripts that bring the kernel there: whole, or from the last script on. */
export class ProxyTables {
  readonly #options: SkeletonOptions
  readonly #plans = new Map<string, Pick<ServicePlan, 'elements' | 'chains' | 'sets'>>()
  readonly #elements = new Claims<string>(sameText)
  readonly #chains = new Claims<readonly string[]>(sameRules)
  readonly #sets = new Claims<string>(sameText)

  constructor(options: SkeletonOptions) {
    this.#options = options
  }

  /** Takes over what a Service wants; undefined: it is gone. */
  put(service: string, plan: Pick<ServicePlan, 'elements' | 'chains' | 'sets'> | undefined): void {
    const old = this.#plans.get(service) ?? nothing
    const wanted = plan ?? nothing
    this.#elements.replace(service, old.elements, wanted.elements)
    this.#chains.replace(service, old.chains, wanted.chains)
    this.#sets.replace(service, old.sets, wanted.sets)
    if (plan === undefined) this.#plans.delete(service)
    else this.#plans.set(service, plan)
  }

  /** Every element that the tables are to have: `FAMILY OBJECT KEY` and the value. */
  elements(): Map<string, string> {
    return new Map(this.#elements)
  }

  /** One transaction that replaces both tables by what is wanted, whatever they are. */
  wholeScript(): string {
    this.#settleAll()
    const script: string[] = []
    for (const family of families) {
      const clusterCIDRs = ofFamily(this.#options.clusterCIDRs, family)
      script.push(
        `add table ${family} ${tableName}`,
        `delete table ${family} ${tableName}`,
        `table ${family} ${tableName} {`,
      )
      script.push(skeleton(family, { ...this.#options, clusterCIDRs }))
      const own = `${family} `
      for (const [id, declaration] of this.#sets)
        if (id.startsWith(own)) script.push(`set ${id.slice(own.length)} { ${declaration} }`)
      // Chains may go to each other: all are there before the first has rules.
      const chains = [...this.#chains].filter(([id]) => id.startsWith(own))
      for (const [id, rules] of chains) script.push(`chain ${id.slice(own.length)} {`, ...rules, '}')
      script.push('}')
    }
    return `${script.join('\n')}\n${addElements(this.#elements)}`
  }

  /** One transaction from what the last script gave to what is wanted now; '' when that is the same. */
  differenceScript(): string {
    const { elements, chains, sets } = this.#settleAll()
    const script: string[] = []
    for (const { id, after } of sets) if (after !== undefined) script.push(`add set ${inTable(id)} { ${after} }`)
    for (const { id, after } of chains) if (after !== undefined) script.push(`add chain ${inTable(id)}`)
    for (const { id, before } of elements)
      if (before !== undefined) script.push(`delete element ${elementText(id, '')}`)
    for (const { id, before, after } of chains) {
      if (before !== undefined) script.push(`flush chain ${inTable(id)}`)
      for (const rule of after ?? []) script.push(`add rule ${inTable(id)} ${rule}`)
    }
    for (const { id, after } of elements) if (after !== undefined) script.push(`add element ${elementText(id, after)}`)
    for (const { id, after } of chains) if (after === undefined) script.push(`delete chain ${inTable(id)}`)
    for (const { id, after } of sets) if (after === undefined) script.push(`delete set ${inTable(id)}`)
    return script.length === 0 ? '' : `${script.join('\n')}\n`
  }

  #settleAll() {
    return { elements: this.#elements.settle(), chains: this.#chains.settle(), sets: this.#sets.settle() }
  }
}

/** `ip name` as nft names it: `ip TABLE name`. */
function inTable(id: string): string {
  const space = id.indexOf(' ')
  return `${id.slice(0, space)} ${tableName} ${id.slice(space + 1)}`
}

function elementText(id: string, value: string): string {
  const [family = '', object = ''] = id.split(' ', 2)
  const key = id.slice(family.length + object.length + 2)
  return `${family} ${tableName} ${object} { ${key}${value === '' ? '' : ` : ${value}`} }`
}

/** All elements, one statement for each object: nft reads long lists fastest. */
function addElements(elements: Iterable<[string, string]>): string {
  const byObject = new Map<string, string[]>()
  for (const [id, value] of elements) {
    const keyAt = id.indexOf(' ', id.indexOf(' ') + 1)
    const object = id.slice(0, keyAt)
    let list = byObject.get(object)
    if (list === undefined) byObject.set(object, (list = []))
    list.push(value === '' ? id.slice(keyAt + 1) : `${id.slice(keyAt + 1)} : ${value}`)
  }
  let script = ''
  for (const [object, list] of byObject) script += `add element ${inTable(object)} { ${list.join(', ')} }\n`
  return script
}
