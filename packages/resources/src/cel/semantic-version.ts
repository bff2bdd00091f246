/** A version in the sense of semver.org 2.0.0, as the CEL functions and device attributes of Kubernetes have them. */
export class SemanticVersion {
  readonly major: bigint
  readonly minor: bigint
  readonly patch: bigint
  readonly #prerelease: readonly string[]

  private constructor(numbers: readonly bigint[], prerelease: readonly string[]) {
    this.major = numbers[0] ?? 0n
    this.minor = numbers[1] ?? 0n
    this.patch = numbers[2] ?? 0n
    this.#prerelease = prerelease
  }

  /** Undefined when the text is no version. `normalize` lets `v1.2`, `01.2.3` and the like pass as well. */
  static parse(text: string, normalize = false): SemanticVersion | undefined {
    const match = pattern.exec(normalize ? normalized(text) : text)
    if (match === null) return undefined
    const [, major = '', minor = '', patch = '', prerelease] = match
    return new SemanticVersion([BigInt(major), BigInt(minor), BigInt(patch)], prerelease?.split('.') ?? [])
  }

  /** Negative, 0 or positive; build metadata does not count. */
  compare(other: SemanticVersion): number {
    for (const part of ['major', 'minor', 'patch'] as const)
      if (this[part] !== other[part]) return this[part] < other[part] ? -1 : 1
    return comparePrereleases(this.#prerelease, other.#prerelease)
  }
}

const number = '(0|[1-9]\\d*)'
const identifier = '(?:0|[1-9]\\d*|\\d*[a-zA-Z-][0-9a-zA-Z-]*)'
const pattern = new RegExp(
  `^${number}\\.${number}\\.${number}(?:-(${identifier}(?:\\.${identifier})*))?(?:\\+[0-9a-zA-Z-]+(?:\\.[0-9a-zA-Z-]+)*)?$`,
)

function normalized(text: string): string {
  const [, core = '', rest = ''] = /^v?([^-+]*)(.*)$/.exec(text) ?? []
  const numbers = core.split('.').map((part) => part.replace(/^0+(?=\d)/, ''))
  while (numbers.length < 3) numbers.push('0')
  return numbers.join('.') + rest
}

function comparePrereleases(a: readonly string[], b: readonly string[]): number {
  if (a.length === 0 || b.length === 0) return Math.sign(b.length - a.length)
  for (let i = 0; i < Math.min(a.length, b.length); i++) {
    const difference = compareIdentifiers(a[i] as string, b[i] as string)
    if (difference !== 0) return difference
  }
  return a.length - b.length
}

function compareIdentifiers(a: string, b: string): number {
  const [aIsNumber, bIsNumber] = [/^\d+$/.test(a), /^\d+$/.test(b)]
  if (aIsNumber && bIsNumber) return BigInt(a) < BigInt(b) ? -1 : BigInt(a) > BigInt(b) ? 1 : 0
  if (aIsNumber !== bIsNumber) return aIsNumber ? -1 : 1
  return a < b ? -1 : a > b ? 1 : 0
}
