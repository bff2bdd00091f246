import { families, type Family } from './addresses.ts'

/**
 * What somebody wants of a pair of tables, one of each family. Elements are by id, `FAMILY OBJECT KEY`; the value is '' in sets. Chains and sets are
 * by `FAMILY NAME`.
 */
export interface TableContent {
  readonly elements: ReadonlyMap<string, string>
  readonly chains: ReadonlyMap<string, readonly string[]>
  readonly sets: ReadonlyMap<string, string>
}

/** A pair of tables: their name, and what is in them whatever is wanted. */
export interface TableFrame {
  readonly table: string
  skeleton(family: Family): string
}

/** Whose value of an element, chain or set is in force, and who else wants one. */
interface Claim<V> {
  readonly owner: string
  readonly value: V
  /** Changed in place: thousands of owners may want the same chain. */
  readonly others: Map<string, V> | undefined
}

/**
 * What several owners want of named things. Where two want different values, the owner whose name sorts first has its way, everywhere alike, and the
 * other gets its own once that one leaves.
 */
class Claims<V> {
  readonly #claims = new Map<string, Claim<V>>()
  /** What was in force before the changes since the last {@link settle}; undefined: nothing was. */
  readonly #before = new Map<string, V | undefined>()
  readonly #isSame: (a: V, b: V) => boolean

  constructor(isSame: (a: V, b: V) => boolean) {
    this.#isSame = isSame
  }

  get(id: string): V | undefined {
    return this.#claims.get(id)?.value
  }

  *[Symbol.iterator](): Generator<[string, V]> {
    for (const [id, { value }] of this.#claims) yield [id, value]
  }

  /** Replaces what an owner wants. */
  replace(owner: string, old: ReadonlyMap<string, V>, wanted: ReadonlyMap<string, V>): void {
    for (const id of old.keys()) if (!wanted.has(id)) this.#drop(id, owner)
    for (const [id, value] of wanted) {
      const before = old.get(id)
      if (before === undefined || !this.#isSame(before, value)) this.#put(id, owner, value)
    }
  }

  #remember(id: string): void {
    if (!this.#before.has(id)) this.#before.set(id, this.get(id))
  }

  #put(id: string, owner: string, value: V): void {
    const claim = this.#claims.get(id)
    this.#remember(id)
    if (claim === undefined || (claim.owner === owner && claim.others === undefined)) {
      this.#claims.set(id, { owner, value, others: undefined })
      return
    }
    const others = claim.others ?? new Map<string, V>()
    others.delete(owner)
    if (owner <= claim.owner) {
      if (owner !== claim.owner) others.set(claim.owner, claim.value)
      this.#claims.set(id, { owner, value, others })
    } else {
      others.set(owner, value)
      this.#claims.set(id, { ...claim, others })
    }
  }

  #drop(id: string, owner: string): void {
    const claim = this.#claims.get(id)
    if (claim === undefined) return
    this.#remember(id)
    const { others } = claim
    if (claim.owner !== owner) {
      others?.delete(owner)
      return
    }
    let next: string | undefined
    for (const other of others?.keys() ?? []) if (next === undefined || other < next) next = other
    if (next === undefined) {
      this.#claims.delete(id)
      return
    }
    const value = others?.get(next) as V
    others?.delete(next)
    this.#claims.set(id, { owner: next, value, others })
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
const nothing: TableContent = {
  elements: new Map(),
  chains: new Map(),
  sets: new Map(),
}

/** Two tables as all their owners together want them, and the nft scripts that bring the kernel there: whole, or from the last script on. */
export class NftTables {
  readonly table: string
  readonly #skeleton: (family: Family) => string
  readonly #contents = new Map<string, TableContent>()
  readonly #elements = new Claims<string>(sameText)
  readonly #chains = new Claims<readonly string[]>(sameRules)
  readonly #sets = new Claims<string>(sameText)

  constructor({ table, skeleton }: TableFrame) {
    this.table = table
    this.#skeleton = skeleton
  }

  /** Takes over what an owner wants; undefined: it wants nothing any more. */
  put(owner: string, content: TableContent | undefined): void {
    const old = this.#contents.get(owner) ?? nothing
    const wanted = content ?? nothing
    this.#elements.replace(owner, old.elements, wanted.elements)
    this.#chains.replace(owner, old.chains, wanted.chains)
    this.#sets.replace(owner, old.sets, wanted.sets)
    if (content === undefined) this.#contents.delete(owner)
    else this.#contents.set(owner, content)
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
      const { table } = this
      script.push(`add table ${family} ${table}`, `delete table ${family} ${table}`, `table ${family} ${table} {`)
      script.push(this.#skeleton(family))
      const own = `${family} `
      for (const [id, declaration] of this.#sets)
        if (id.startsWith(own)) script.push(`set ${id.slice(own.length)} { ${declaration} }`)
      for (const [id, rules] of this.#chains)
        if (id.startsWith(own)) script.push(`chain ${id.slice(own.length)} {`, ...rules, '}')
      script.push('}')
    }
    return `${script.join('\n')}\n${this.#addElements()}`
  }

  /** One transaction from what the last script gave to what is wanted now; '' when that is the same. */
  differenceScript(): string {
    const { elements, chains, sets } = this.#settleAll()
    const script: string[] = []
    for (const { id, after } of sets) if (after !== undefined) script.push(`add set ${this.#inTable(id)} { ${after} }`)
    for (const { id, after } of chains) if (after !== undefined) script.push(`add chain ${this.#inTable(id)}`)
    for (const { id, before } of elements)
      if (before !== undefined) script.push(`delete element ${this.#elementText(id, '')}`)
    for (const { id, before, after } of chains) {
      if (before !== undefined) script.push(`flush chain ${this.#inTable(id)}`)
      for (const rule of after ?? []) script.push(`add rule ${this.#inTable(id)} ${rule}`)
    }
    for (const { id, after } of elements)
      if (after !== undefined) script.push(`add element ${this.#elementText(id, after)}`)
    for (const { id, after } of chains) if (after === undefined) script.push(`delete chain ${this.#inTable(id)}`)
    for (const { id, after } of sets) if (after === undefined) script.push(`delete set ${this.#inTable(id)}`)
    return script.length === 0 ? '' : `${script.join('\n')}\n`
  }

  #settleAll() {
    return { elements: this.#elements.settle(), chains: this.#chains.settle(), sets: this.#sets.settle() }
  }

  /** `ip name` as nft names it: `ip TABLE name`. */
  #inTable(id: string): string {
    const space = id.indexOf(' ')
    return `${id.slice(0, space)} ${this.table} ${id.slice(space + 1)}`
  }

  #elementText(id: string, value: string): string {
    const [object, key] = splitElement(id)
    return `${this.#inTable(object)} { ${key}${value === '' ? '' : ` : ${value}`} }`
  }

  /** All elements, one statement for each object: nft reads long lists fastest. */
  #addElements(): string {
    const byObject = new Map<string, string[]>()
    for (const [id, value] of this.#elements) {
      const [object, key] = splitElement(id)
      let list = byObject.get(object)
      if (list === undefined) byObject.set(object, (list = []))
      list.push(value === '' ? key : `${key} : ${value}`)
    }
    let script = ''
    for (const [object, list] of byObject) script += `add element ${this.#inTable(object)} { ${list.join(', ')} }\n`
    return script
  }
}

/** The object of an element's id, `FAMILY NAME`, and its key. */
function splitElement(id: string): [object: string, key: string] {
  const at = id.indexOf(' ', id.indexOf(' ') + 1)
  return [id.slice(0, at), id.slice(at + 1)]
}
