import { isJsonObject } from './json-schema.ts'

/**
 * The JSON paths of printer columns: fields, list indexes, slices, wildcards, names in quotes, recursive descent, and filters that compare a field with
 * a literal: `.status.conditions[?(@.type=="Ready")].status` (client-go `util/jsonpath`, as far as such columns use it).
 */

/** One step of a path: the values that it leads to. */
type Step = (value: unknown) => readonly unknown[]

/** A compiled path: gives the values in an object, in order. */
export type JsonPath = (object: unknown) => readonly unknown[]

/** Compiles a path. Undefined for what is none. */
export function compileJsonPath(text: string): JsonPath | undefined {
  const steps = stepsOf(text)
  if (steps === undefined) return undefined
  return (object) => {
    let values: readonly unknown[] = [object]
    for (const step of steps) values = values.flatMap((value) => step(value))
    return values
  }
}

function stepsOf(text: string): Step[] | undefined {
  const steps: Step[] = []
  let rest = text.trim().replace(/^\$/, '')
  while (rest !== '' && rest !== '.') {
    const found = descent(rest) ?? member(rest) ?? bracket(rest)
    if (found === undefined) return undefined
    steps.push(found.step)
    rest = rest.slice(found.length)
  }
  return steps
}

interface Found {
  readonly step: Step
  readonly length: number
}

function descent(text: string): Found | undefined {
  if (!text.startsWith('..')) return undefined
  const everything = (value: unknown): unknown[] => [value, ...childrenOf(value).flatMap(everything)]
  // The dot of the member that follows stays.
  return { step: everything, length: text[2] === '[' ? 2 : 1 }
}

function member(text: string): Found | undefined {
  const match = /^\.(\*|(?:[^.[\]\\]|\\.)+)/.exec(text)
  if (match === null) return undefined
  const name = (match[1] as string).replaceAll(/\\(.)/g, '$1')
  return { step: name === '*' ? childrenOf : fieldStep(name), length: match[0].length }
}

const fieldStep =
  (name: string): Step =>
  (value) =>
    isJsonObject(value) && Object.hasOwn(value, name) ? [value[name]] : []

const childrenOf = (value: unknown): readonly unknown[] =>
  Array.isArray(value) ? value : isJsonObject(value) ? Object.values(value) : []

const patterns: readonly (readonly [RegExp, (match: RegExpExecArray) => Step])[] = [
  [/^\[\*\]/, () => childrenOf],
  [/^\[(-?\d+)\]/, ([, index]) => indexStep(Number(index))],
  [/^\[(-?\d*):(-?\d*)(?::(\d+))?\]/, ([, from, to, by]) => sliceStep(from, to, by)],
  [/^\[(?:'((?:[^'\\]|\\.)*)'|"((?:[^"\\]|\\.)*)")\]/, ([, single, double]) => fieldStep((single ?? double) as string)],
  [/^\[\?\(\s*@((?:[^=!<>]|\\.)*?)\s*(?:(==|!=|<=|>=|<|>)\s*("[^"]*"|'[^']*'|[^)\s]+)\s*)?\)\]/, filterStep],
]

function bracket(text: string): Found | undefined {
  for (const [pattern, stepOf] of patterns) {
    const match = pattern.exec(text)
    if (match !== null) return { step: stepOf(match), length: match[0].length }
  }
  return undefined
}

const indexStep =
  (index: number): Step =>
  (value) => {
    const item: unknown = Array.isArray(value) ? value.at(index) : undefined
    return item === undefined ? [] : [item]
  }

function sliceStep(from: string | undefined, to: string | undefined, by: string | undefined): Step {
  const [start, end] = [from ? Number(from) : undefined, to ? Number(to) : undefined]
  return (value) =>
    Array.isArray(value) ? value.slice(start, end).filter((_item, i) => i % Math.max(1, Number(by ?? 1)) === 0) : []
}

const comparisons: Record<string, (a: never, b: never) => boolean> = {
  '==': (a, b) => a === b,
  '!=': (a, b) => a !== b,
  '<': (a, b) => a < b,
  '<=': (a, b) => a <= b,
  '>': (a, b) => a > b,
  '>=': (a, b) => a >= b,
}

function filterStep([, path = '', operator, literal = '']: RegExpExecArray): Step {
  const inner = compileJsonPath(path === '' ? '.' : path) ?? (() => [])
  const wanted = literalOf(literal)
  const holds = (item: unknown): boolean => {
    const [found] = inner(item)
    if (operator === undefined) return found !== undefined
    return found !== undefined && (comparisons[operator]?.(found as never, wanted as never) ?? false)
  }
  return (value) => childrenOf(value).filter(holds)
}

function literalOf(text: string): unknown {
  if (/^["']/.test(text)) return text.slice(1, -1)
  if (text === 'true' || text === 'false') return text === 'true'
  return text !== '' && !Number.isNaN(Number(text)) ? Number(text) : text
}
