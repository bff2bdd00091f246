import {
  addQuantities,
  compareQuantities,
  countQuantity,
  parseQuantity,
  type Quantity,
  subtractQuantities,
  tryParseQuantity,
} from '@binnacle/apimachinery'
import type { Environment } from '@marcbachmann/cel-js'
import { SemanticVersion } from './semantic-version.ts'

const nanosPerUnit = 1_000_000_000n

/** A quantity as CEL sees it. */
export class CelQuantity {
  readonly value: Quantity

  constructor(value: Quantity) {
    this.value = value
  }
}

/** Declares quantities, semantic versions, sets, and what Kubernetes has of strings and lists beyond CEL's own (package `k8s.io/apiserver/pkg/cel/library`). */
export function registerKubernetesFunctions(environment: Environment): void {
  registerQuantities(environment)
  registerVersions(environment)
  registerStrings(environment)
  registerSets(environment)
}

const ordering: readonly (readonly [string, (difference: number) => boolean])[] = [
  ['isLessThan', (difference) => difference < 0],
  ['isGreaterThan', (difference) => difference > 0],
]

function registerQuantities(environment: Environment): void {
  const compare = (a: CelQuantity, b: CelQuantity): number => compareQuantities(a.value, b.value)
  environment
    .registerType('kubernetes.Quantity', CelQuantity)
    .registerFunction('quantity(string): kubernetes.Quantity', (text: string) => new CelQuantity(parseQuantity(text)))
    .registerFunction('isQuantity(string): bool', (text: string) => tryParseQuantity(text) !== undefined)
    .registerFunction('kubernetes.Quantity.compareTo(kubernetes.Quantity): int', (a: CelQuantity, b: CelQuantity) =>
      BigInt(compare(a, b)),
    )
    .registerFunction('kubernetes.Quantity.sign(): int', ({ value: { nanos } }: CelQuantity) =>
      nanos < 0n ? -1n : nanos > 0n ? 1n : 0n,
    )
    .registerFunction('kubernetes.Quantity.isInteger(): bool', isWholeInt64)
    .registerFunction('kubernetes.Quantity.asInteger(): int', (quantity: CelQuantity) => {
      if (!isWholeInt64(quantity)) throw new RangeError('cannot convert value to integer')
      return quantity.value.nanos / nanosPerUnit
    })
    .registerFunction(
      'kubernetes.Quantity.asApproximateFloat(): double',
      ({ value }: CelQuantity) => Number(value.nanos) / Number(nanosPerUnit),
    )
    .registerOperator('kubernetes.Quantity == kubernetes.Quantity', (a: CelQuantity, b: CelQuantity) => {
      return compare(a, b) === 0
    })
  for (const [name, holds] of ordering)
    environment.registerFunction(
      `kubernetes.Quantity.${name}(kubernetes.Quantity): bool`,
      (a: CelQuantity, b: CelQuantity) => holds(compare(a, b)),
    )
  for (const [name, combine] of [
    ['add', addQuantities],
    ['sub', subtractQuantities],
  ] as const) {
    const signature = `kubernetes.Quantity.${name}`
    environment
      .registerFunction(
        `${signature}(kubernetes.Quantity): kubernetes.Quantity`,
        (a: CelQuantity, b: CelQuantity) => new CelQuantity(combine(a.value, b.value)),
      )
      .registerFunction(
        `${signature}(int): kubernetes.Quantity`,
        (a: CelQuantity, b: bigint) => new CelQuantity(combine(a.value, countQuantity(Number(b)))),
      )
  }
}

function isWholeInt64({ value: { nanos } }: CelQuantity): boolean {
  const whole = nanos / nanosPerUnit
  return nanos % nanosPerUnit === 0n && BigInt.asIntN(64, whole) === whole
}

function mustParse(text: string, normalize: boolean): SemanticVersion {
  const version = SemanticVersion.parse(text, normalize)
  if (version === undefined) throw new RangeError(`${JSON.stringify(text)} is not a semantic version`)
  return version
}

function registerVersions(environment: Environment): void {
  const type = 'kubernetes.Semver'
  environment
    .registerType(type, { ctor: SemanticVersion, fields: {} } as never)
    .registerFunction(`semver(string): ${type}`, (text: string) => mustParse(text, false))
    .registerFunction(`semver(string, bool): ${type}`, mustParse)
    .registerFunction('isSemver(string): bool', (text: string) => SemanticVersion.parse(text) !== undefined)
    .registerFunction('isSemver(string, bool): bool', (text: string, normalize: boolean) => {
      return SemanticVersion.parse(text, normalize) !== undefined
    })
    .registerFunction(`${type}.compareTo(${type}): int`, (a: SemanticVersion, b: SemanticVersion) =>
      BigInt(a.compare(b)),
    )
    .registerOperator(`${type} == ${type}`, (a: SemanticVersion, b: SemanticVersion) => a.compare(b) === 0)
  for (const [name, holds] of ordering)
    environment.registerFunction(`${type}.${name}(${type}): bool`, (a: SemanticVersion, b: SemanticVersion) =>
      holds(a.compare(b)),
    )
  for (const part of ['major', 'minor', 'patch'] as const)
    environment.registerFunction(`${type}.${part}(): int`, (version: SemanticVersion) => version[part])
}

function registerStrings(environment: Environment): void {
  environment
    .registerFunction('string.charAt(int): string', (text: string, index: bigint) => {
      const characters = [...text]
      if (index < 0n || index > BigInt(characters.length)) throw new RangeError(`index out of range: ${index}`)
      return characters[Number(index)] ?? ''
    })
    .registerFunction('string.replace(string, string): string', (text: string, from: string, to: string) =>
      text.split(from).join(to),
    )
    .registerFunction('string.replace(string, string, int): string', replaceSome)
    .registerFunction('string.reverse(): string', (text: string) => [...text].reverse().join(''))
    .registerFunction('string.find(string): string', (text: string, expression: string) => {
      return new RegExp(expression).exec(text)?.[0] ?? ''
    })
}

function replaceSome(text: string, from: string, to: string, limit: bigint): string {
  const parts = text.split(from)
  const replaced = limit < 0n ? parts.length - 1 : Math.min(parts.length - 1, Number(limit))
  return [parts.slice(0, replaced + 1).join(to), ...parts.slice(replaced + 1)].join(from)
}

/** The receiver of the set functions. */
class Sets {
  readonly name = 'sets'
}

function registerSets(environment: Environment): void {
  const containsAll = (list: readonly unknown[], part: readonly unknown[]): boolean =>
    part.every((element) => list.includes(element))
  environment
    .registerType('kubernetes.Sets', Sets)
    .registerConstant('sets', 'kubernetes.Sets', new Sets())
    .registerFunction('kubernetes.Sets.contains(list, list): bool', (_: Sets, list: unknown[], part: unknown[]) =>
      containsAll(list, part),
    )
    .registerFunction('kubernetes.Sets.equivalent(list, list): bool', (_: Sets, a: unknown[], b: unknown[]) => {
      return containsAll(a, b) && containsAll(b, a)
    })
    .registerFunction('kubernetes.Sets.intersects(list, list): bool', (_: Sets, a: unknown[], b: unknown[]) =>
      a.some((element) => b.includes(element)),
    )
}
