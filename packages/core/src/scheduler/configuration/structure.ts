import { type FieldError, typeInvalid } from '@binnacle/apimachinery'

/** What a part of a document must look like. */
export type Structure =
  | 'string'
  | 'integer'
  | 'number'
  | 'boolean'
  /** A time as Go writes it, such as `1m30s`. */
  | 'duration'
  | 'anything'
  | { readonly list: Structure }
  | { readonly fields: Readonly<Record<string, Structure>> }

/** What is wrong with the structure of a document. */
export interface StructureProblems {
  /** Paths of fields that nothing knows. */
  readonly unknown: string[]
  readonly wrong: FieldError[]
}

/** Compares a value with the structure that it must have; null stands for absent, as everywhere in Kubernetes. */
export function checkStructure(
  value: unknown,
  structure: Structure,
  path: string,
  problems: StructureProblems = { unknown: [], wrong: [] },
): StructureProblems {
  if (value === null || value === undefined || structure === 'anything') return problems
  if (typeof structure === 'string') {
    if (!isOfType(value, structure)) problems.wrong.push(typeInvalid(path, value, `must be ${nouns[structure]}`))
  } else if ('list' in structure) {
    if (!Array.isArray(value)) problems.wrong.push(typeInvalid(path, value, 'must be a list'))
    else for (const [i, item] of value.entries()) checkStructure(item, structure.list, `${path}[${i}]`, problems)
  } else if (typeof value !== 'object' || Array.isArray(value)) {
    problems.wrong.push(typeInvalid(path, value, 'must be an object'))
  } else {
    for (const [key, member] of Object.entries(value)) {
      const at = path === '' ? key : `${path}.${key}`
      if (Object.hasOwn(structure.fields, key)) checkStructure(member, structure.fields[key] as Structure, at, problems)
      else problems.unknown.push(at)
    }
  }
  return problems
}

type Scalar = Exclude<Structure, 'anything' | object>

const nouns: Readonly<Record<Scalar, string>> = {
  string: 'a string',
  integer: 'a whole number',
  number: 'a number',
  boolean: 'true or false',
  duration: 'a duration such as 30s or 1m30s',
}

function isOfType(value: unknown, type: Scalar): boolean {
  if (type === 'integer') return Number.isSafeInteger(value)
  if (type === 'duration') return typeof value === 'string' && durationMs(value) !== undefined
  return typeof value === type
}

const unitMs: Readonly<Record<string, number>> = {
  ns: 1e-6,
  us: 1e-3,
  µs: 1e-3,
  ms: 1,
  s: 1000,
  m: 60_000,
  h: 3_600_000,
}

/** A time as Go writes it, in milliseconds; undefined for text that is none. */
export function durationMs(text: string): number | undefined {
  if (text === '0') return 0
  const parts = [...text.matchAll(/(\d+(?:\.\d*)?|\.\d+)(ns|us|µs|ms|s|m|h)/g)]
  if (parts.length === 0 || parts.map(([whole]) => whole).join('') !== text) return undefined
  return parts.reduce((sum, [, amount, unit]) => sum + Number(amount) * (unitMs[unit as string] as number), 0)
}
