import type { QuantityText } from './scheduled-objects.ts'

/**
 * Quantities as numbers for the flat arrays: `cpu` in thousandths of a core, everything else in whole units, both rounded up as
 * `Quantity.MilliValue` and `Quantity.Value` round. A double holds every amount below 2^53 exactly.
 */

const suffixes: Readonly<Record<string, number>> = {
  n: 1e-9,
  u: 1e-6,
  m: 1e-3,
  '': 1,
  k: 1e3,
  M: 1e6,
  G: 1e9,
  T: 1e12,
  P: 1e15,
  E: 1e18,
  Ki: 2 ** 10,
  Mi: 2 ** 20,
  Gi: 2 ** 30,
  Ti: 2 ** 40,
  Pi: 2 ** 50,
  Ei: 2 ** 60,
}
const pattern = /^([+-]?(?:\d+\.?\d*|\.\d+))(?:([eE][+-]?\d+)|([numkMGTPE]|[KMGTPE]i)?)$/

const amounts = new Map<string, number>()
/** Texts remembered; a cluster uses a few dozen different quantities. */
const amountsMax = 10_000

/** The amount of `resource` that a quantity stands for; 0 for text that is no quantity (the API server admits none). */
export function amountOf(resource: string, quantity: QuantityText): number {
  const unitsPerOne = resource === 'cpu' ? 1000 : 1
  const memoKey = unitsPerOne === 1 ? String(quantity) : `c${quantity}`
  let amount = amounts.get(memoKey)
  if (amount === undefined) {
    amount = parse(String(quantity), unitsPerOne)
    if (amounts.size >= amountsMax) amounts.clear()
    amounts.set(memoKey, amount)
  }
  return amount
}

function parse(text: string, unitsPerOne: number): number {
  const match = pattern.exec(text)
  if (match === null) return 0
  const factor = suffixes[match[3] ?? ''] ?? 1
  const product = Number(match[1] + (match[2] ?? '')) * factor * unitsPerOne
  // 0.1 * 1000 and the like miss the whole number by one part in 10^16; rounding up must not make a whole unit of it.
  const nearest = Math.round(product)
  return Math.abs(product - nearest) <= Math.abs(product) * 1e-12 ? nearest : Math.ceil(product)
}
