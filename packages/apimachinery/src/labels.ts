import { badRequest, type StatusError } from './status-error.ts'
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
  /** True for an In or NotIn that was written as `=` or `!=`, which its text keeps. */
  readonly exact?: true
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

function formatRequirement({ key, operator, values, exact }: Requirement): string {
  switch (operator) {
    case 'Exists':
      return key
    case 'DoesNotExist':
      return `!${key}`
    case 'In':
      return exact === true ? `${key}=${values[0]}` : `${key} in (${[...values].sort().join(',')})`
    case 'NotIn':
      return exact === true ? `${key}!=${values[0]}` : `${key} notin (${[...values].sort().join(',')})`
    case 'Gt':
    case 'Lt':
      return `${key}${operator === 'Gt' ? '>' : '<'}${values[0]}`
  }
}

const byKey = (a: Requirement, b: Requirement): number => (a.key < b.key ? -1 : a.key > b.key ? 1 : 0)

function selectorOf(requirements: Requirement[]): Selector {
  return requirements.length === 0 ? selectEverything : new Selector(requirements.sort(byKey))
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
    exact: true,
  }))
  for (const { key, operator, values } of selector.matchExpressions ?? []) {
    requirements.push({ key, operator: operator as Requirement['operator'], values: values ?? [] })
  }
  return selectorOf(requirements)
}

/** The selector of a plain map (Service, ReplicationController): each pair must be there. An empty or absent map selects nothing. */
export function selectorFromMap(map: Labels | null | undefined): Selector {
  const entries = Object.entries(map ?? {})
  return entries.length === 0
    ? selectNothing
    : selectorOf(entries.map(([key, value]) => ({ key, operator: 'In', values: [value], exact: true })))
}

/**
 * Parses a selector in its text form: `a=b,c!=d,e in (f,g),h notin (i),j,!k,l>1`.
 * @throws StatusError BadRequest, worded as apimachinery's labels parser.
 */
export function parseLabelSelector(text: string): Selector {
  return selectorOf(new SelectorParser(text).parse())
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

const operators = ['==', '!=', '=', '<', '>']

class SelectorParser {
  readonly #tokens: string[]
  #at = 0

  constructor(text: string) {
    this.#tokens = text.match(/!=|==|[=!(),<>]|[^\s=!(),<>]+/g) ?? []
  }

  parse(): Requirement[] {
    const requirements: Requirement[] = []
    for (;;) {
      const token = this.#tokens[this.#at]
      if (token === undefined) return requirements
      if (token !== '!' && !isIdentifier(token))
        throw badRequest(`found '${token}', expected: !, identifier, or 'end of string'`)
      requirements.push(this.#requirement())
      const separator = this.#next()
      if (separator === '') return requirements
      if (separator !== ',') throw badRequest(`found '${separator}', expected: ',' or 'end of string'`)
      const next = this.#peek()
      if (next !== '!' && !isIdentifier(next)) throw badRequest(`found '${next}', expected: identifier after ','`)
    }
  }

  #requirement(): Requirement {
    const negated = this.#peek() === '!'
    if (negated) this.#next()
    const key = this.#key()
    if (negated) return { key, operator: 'DoesNotExist', values: [] }
    const operator = this.#peek()
    if (operator === '' || operator === ',') return { key, operator: 'Exists', values: [] }
    this.#next()
    switch (operator) {
      case '=':
      case '==':
        return { key, operator: 'In', values: [this.#value(key)], exact: true }
      case '!=':
        return { key, operator: 'NotIn', values: [this.#value(key)], exact: true }
      case 'in':
        return { key, operator: 'In', values: this.#values(key) }
      case 'notin':
        return { key, operator: 'NotIn', values: this.#values(key) }
      case '>':
      case '<':
        return { key, operator: operator === '>' ? 'Gt' : 'Lt', values: [this.#integer(key)] }
      default:
        throw unparsable(`found '${operator}', expected: in, notin, =, ==, !=, gt, lt`)
    }
  }

  #key(): string {
    const token = this.#next()
    if (!isIdentifier(token)) throw unparsable(`found '${token}', expected: identifier`)
    const problems = qualifiedNameProblems(token)
    if (problems.length > 0) throw unparsable(`<nil>: Invalid value: "${token}": ${problems.join('; ')}`)
    return token
  }

  #value(key: string): string {
    const token = this.#peek()
    if (token === '' || token === ',') return ''
    this.#next()
    if (!isIdentifier(token)) throw unparsable(`found '${token}', expected: identifier`)
    checkValue(key, token, 0)
    return token
  }

  #integer(key: string): string {
    const value = this.#value(key)
    if (!/^[+-]?\d+$/.test(value))
      throw unparsable(
        `values[0]: Invalid value: ${JSON.stringify(value)}: for 'Gt', 'Lt' operators, the value must be an integer`,
      )
    return value
  }

  #values(key: string): string[] {
    const open = this.#next()
    if (open !== '(') throw unparsable(`found '${open}' expected: '('`)
    if (!isIdentifier(this.#peek()) && ![',', ')'].includes(this.#peek()))
      throw unparsable(`found '${this.#peek()}', expected: ',', ')' or identifier`)
    const values = new Set<string>()
    let last = ''
    for (let token = this.#next(); ; token = this.#next()) {
      if (token === ')' || token === ',') {
        values.add(last)
        last = ''
        if (token === ')') break
      } else if (!isIdentifier(token)) throw unparsable(`found '${token}', expected: ',', or identifier`)
      else if (last !== '') throw unparsable(`found '${token}', expected: ',' or ')'`)
      else last = token
    }
    const sorted = [...values].sort()
    for (const [index, value] of sorted.entries()) checkValue(key, value, index)
    return sorted
  }

  // The end reads as ''.
  #peek(): string {
    return this.#tokens[this.#at] ?? ''
  }

  #next(): string {
    return this.#tokens[this.#at++] ?? ''
  }
}

const isIdentifier = (token: string): boolean =>
  token !== '' && !operators.includes(token) && !['!', '(', ')', ','].includes(token)

const unparsable = (detail: string): StatusError => badRequest(`unable to parse requirement: ${detail}`)

function checkValue(key: string, value: string, index: number): void {
  const problems = labelValueProblems(value)
  if (problems.length > 0)
    throw unparsable(`values[${index}][${key}]: Invalid value: "${value}": ${problems.join('; ')}`)
}
