import {
  addQuantities,
  compareQuantities,
  formatQuantity,
  type Quantity,
  subtractQuantities,
  tryParseQuantity,
} from '@binnacle/apimachinery'

/** Amounts of several resources, exact. */
export type Amounts = ReadonlyMap<string, Quantity>

/** The amounts that an object's field holds; what is no quantity counts as nothing. */
export function amountsOf(field: Readonly<Record<string, string>> | undefined): Map<string, Quantity> {
  const amounts = new Map<string, Quantity>()
  for (const [name, text] of Object.entries(field ?? {})) {
    const quantity = tryParseQuantity(text)
    if (quantity !== undefined) amounts.set(name, quantity)
  }
  return amounts
}

/** The amounts as an object's field holds them, in canonical form. */
export function amountsField(amounts: Amounts): Record<string, string> {
  return Object.fromEntries([...amounts].map(([name, quantity]) => [name, formatQuantity(quantity)]))
}

/** Adds to `sums`, which is changed. */
export function addInto(sums: Map<string, Quantity>, amounts: Amounts): void {
  for (const [name, quantity] of amounts) {
    const sum = sums.get(name)
    sums.set(name, sum === undefined ? quantity : addQuantities(sum, quantity))
  }
}

/** Raises `peaks`, which are changed, to what is greater. */
export function raiseTo(peaks: Map<string, Quantity>, amounts: Amounts): void {
  for (const [name, quantity] of amounts) {
    const peak = peaks.get(name)
    if (peak === undefined || compareQuantities(quantity, peak) > 0) peaks.set(name, quantity)
  }
}

/** How much `after` is above `before`, by resource; those that are equal are left out. */
export function changeOf(after: Amounts, before: Amounts): Map<string, Quantity> {
  const zero: Quantity = { nanos: 0n, format: 'DecimalSI' }
  const changes = new Map<string, Quantity>()
  for (const name of new Set([...after.keys(), ...before.keys()])) {
    const change = subtractQuantities(after.get(name) ?? zero, before.get(name) ?? zero)
    if (change.nanos !== 0n) changes.set(name, change)
  }
  return changes
}

/** Those of the named resources only. */
export function only(amounts: Amounts, names: Iterable<string>): Map<string, Quantity> {
  const wanted = new Set(names)
  return new Map([...amounts].filter(([name]) => wanted.has(name)))
}

/** True when both name the same resources with the same amounts, however they are written. */
export function sameAmounts(a: Amounts, b: Amounts): boolean {
  return a.size === b.size && [...a].every(([name, quantity]) => b.get(name)?.nanos === quantity.nanos)
}

/** `cpu=1,memory=2Gi`, sorted by name: how refusals name amounts. */
export function amountsText(amounts: Amounts): string {
  return [...amounts]
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([name, quantity]) => `${name}=${formatQuantity(quantity)}`)
    .join(',')
}
