import { badRequest } from './status-error.ts'
import { labelValueProblems, qualifiedNameProblems } from './names.ts'

/** `metav1.LabelSelector`. */
export interface LabelSelector {
  matchLabels?: Record<string, string>
  matchExpressions?: LabelSelectorRequirement[]
}

/** One rule of a LabelSelector. */
export interface LabelSelectorRequirement {
  key: string
  operator: string
  values?: string[]
}

/** One rule, as label selectors in text and in objects come down to. `Gt` and `Lt` compare integers (node affinity). */
export interface Requirement {
  readonly key: string
  readonly operator: 'In' | 'NotIn' | 'Exists' | 'DoesNotExist' | 'Gt' | 'Lt'
  readonly values: readonly string[]
}

/** Labels as objects carry them. */
export type Labels = Readonly<Record<string, string>>

/** Chooses objects by their labels: every requirement must hold. */
export class Selector {
  readonly requirements: readonly Requirement[]
  constructor(requirements: readonly Requirement[]) {
    this.requirements = requirements
  }

  /** True when nothing is required: everything matches. */
  get empty(): boolean {
    return this.requirements.length === 0
  }

  matches(labels: Labels | undefined): boolean {
    for (const requirement of this.requirements) if (!holds(requirement, labels?.[requirement.key])) return false
    return true
  }

  /** The selector in the form that list and watch take. */
  toString(): string {
    return this.requirements.map(formatRequirement).join(',')
  }
}

/** Matches nothing: what a null LabelSelector means. */
export const selectNothing = new Selector([
  { key: 'never', operator: 'Exists', values: [] },
  { key: 'never', operator: 'DoesNotExist', values: [] },
])
/** Matches everything: what an empty LabelSelector means. */
export const selectEverything = new Selector([])

function holds({ operator, values }: Requirement, value: string | undefined): boolean {
  switch (operator) {
    case 'In':
      return value !== undefined && values.includes(value)
    case 'NotIn':
      return value === undefined || !values.includes(value)
    case 'Exists':
      return value !== undefined
    case 'DoesNotExist':
      return value === undefined
    case 'Gt':
    case 'Lt': {
      if (value === undefined || !/^[+-]?\d+$/.test(value)) return false
      const [a, b] = [BigInt(value), BigInt(values[0] ?? '0')]
      return operator === 'Gt' ? a > b : a < b
    }
  }
}

function formatRequirement({ key, operator, values }: Requirement): string {
  if (operator === 'Exists') return key
  if (operator === 'DoesNotExist') return `!${key}`
  if (operator === 'In')
    return values.length === 1 ? `${key}=${values[0]}` : `${key} in (${[...values].sort().join(',')})`
  if (operator === 'NotIn')
    return values.length === 1 ? `${key}!=${values[0]}` : `${key} notin (${[...values].sort().join(',')})`
  return `${key}${operator === 'Gt' ? '>' : '<'}${values[0]}`
}

/**
 * The selector of a `metav1.LabelSelector`: absent selects nothing, empty everything (`LabelSelectorAsSelector`).
 */
export function selectorFromLabelSelector(selector: LabelSelector | null | undefined): Selector {
  if (selector === null || selector === undefined) return selectNothing
  const requirements: Requirement[] = Object.entries(selector.matchLabels ?? {}).map(([key, value]) => ({
    key,
    operator: 'In',
    values: [value],
  }))
  for (const { key, operator, values } of selector.matchExpressions ?? []) {
    requirements.push({ key, operator: operator as Requirement['operator'], values: values ?? [] })
  }
  return requirements.length === 0 ? selectEverything : new Selector(requirements)
}

/** The selector of a plain map (Service, ReplicationController): each pair must be there. An empty or absent map selects nothing. */
export function selectorFromMap(map: Labels | null | undefined): Selector {
  const entries = Object.entries(map ?? {})
  return entries.length === 0
    ? selectNothing
    : new Selector(entries.map(([key, value]) => ({ key, operator: 'In', values: [value] })))
}

/**
 * Parses a selector in its text form: `a=b,c!=d,e in (f,g),h notin (i),j,!k,l>1`.
 * @throws StatusError BadRequest, worded as apimachinery's labels parser.
 */
export function parseLabelSelector(text: string): Selector {
  const requirements = new SelectorParser(text).parse()
  return requirements.length === 0 ? selectEverything : new Selector(requirements)
}

const cache = new Map<string, Selector>()
const cacheSizeMax = 1000

/** {@link parseLabelSelector} with a memory: clients send the same few selectors over and over. */
export function labelSelectorOf(text: string): Selector {
  let selector = cache.get(text)
  if (selector === undefined) {
    selector = parseLabelSelector(text)
    if (cache.size >= cacheSizeMax) cache.clear()
    cache.set(text, selector)
  }
  return selector
}

class SelectorParser {
  readonly #tokens: string[]
  #at = 0

  constructor(text: string) {
    this.#tokens = text.match(/!=|==|[=!(),<>]|[^\s=!(),<>]+/g) ?? []
  }

  parse(): Requirement[] {
    const requirements: Requirement[] = []
    if (this.#tokens.length === 0) return requirements
    for (;;) {
      requirements.push(this.#requirement())
      const separator = this.#next()
      if (separator === undefined) return requirements
      if (separator !== ',') throw this.#error(`found '${separator}', expected: ',' or 'end of string'`)
      if (this.#peek() === undefined) throw this.#error("found '', expected: identifier after ','")
    }
  }

  #requirement(): Requirement {
    if (this.#peek() === '!') {
      this.#next()
      return { key: this.#key(), operator: 'DoesNotExist', values: [] }
    }
    const key = this.#key()
    const operator = this.#peek()
    if (operator === undefined || operator === ',') return { key, operator: 'Exists', values: [] }
    this.#next()
    switch (operator) {
      case '=':
      case '==':
        return { key, operator: 'In', values: [this.#value(key)] }
      case '!=':
        return { key, operator: 'NotIn', values: [this.#value(key)] }
      case 'in':
        return { key, operator: 'In', values: this.#values(key) }
      case 'notin':
        return { key, operator: 'NotIn', values: this.#values(key) }
      case '>':
      case '<': {
        const value = this.#value(key)
        if (!/^[+-]?\d+$/.test(value)) throw this.#error(`for 'Gt', 'Lt' operators, the value must be an integer`)
        return { key, operator: operator === '>' ? 'Gt' : 'Lt', values: [value] }
      }
      default:
        throw this.#error(`found '${operator}', expected: in, notin, =, ==, !=, gt, lt`)
    }
  }

  #key(): string {
    const token = this.#next()
    if (token === undefined || /^[=!(),<>]/.test(token))
      throw this.#error(`found '${token ?? ''}', expected: !, identifier, or 'end of string'`)
    const problems = qualifiedNameProblems(token)
    if (problems.length > 0) throw this.#error(`<nil>: Invalid value: "${token}": ${problems.join('; ')}`)
    return token
  }

  #value(key: string): string {
    const token = this.#peek()
    if (token === undefined || token === ',') return ''
    this.#next()
    if (/^[=!(<>]/.test(token)) throw this.#error(`found '${token}', expected: identifier`)
    this.#check(key, token)
    return token
  }

  #values(key: string): string[] {
    const open = this.#next()
    if (open !== '(') throw this.#error(`found '${open ?? ''}' expected: '('`)
    const values = new Set<string>()
    let last = ''
    for (;;) {
      const token = this.#next()
      if (token === ')') {
        values.add(last)
        return [...values].sort()
      }
      if (token === undefined) throw this.#error("found '', expected: ',', or ')'")
      if (token === ',') {
        values.add(last)
        last = ''
      } else {
        this.#check(key, token)
        last = token
      }
    }
  }

  #check(key: string, value: string): void {
    const problems = labelValueProblems(value)
    if (problems.length > 0) throw this.#error(`values[0][${key}]: Invalid value: "${value}": ${problems.join('; ')}`)
  }

  #peek(): string | undefined {
    return this.#tokens[this.#at]
  }

  #next(): string | undefined {
    return this.#tokens[this.#at++]
  }

  #error(detail: string): Error {
    return badRequest(`unable to parse requirement: ${detail}`)
  }
}
