import { tryParseQuantity } from '@binnacle/apimachinery'

/**
 * Quantities as numbers for the flat arrays: `cpu` in thousandths of a core, everything else in whole units, both rounded up as
 * `Quantity.MilliValue` and `Quantity.Value` round. A double holds every amount below 2^53 exactly.
 */

const amounts = new Map<string, number>()
/** Texts remembered; a cluster uses a few dozen different quantities. */
const amountsMax = 10_000

/** The amount of `resource` that a quantity stands for; 0 for text that is no quantity (the API server admits none). */
export function amountOf(resource: string, quantity: string | number): number {
  const isCpu = resource === 'cpu'
  const memoKey = isCpu ? `c${quantity}` : String(quantity)
  let amount = amounts.get(memoKey)
  if (amount === undefined) {
    amount = roundUp(tryParseQuantity(quantity)?.nanos ?? 0n, isCpu ? 1_000_000n : 1_000_000_000n)
    if (amounts.size >= amountsMax) amounts.clear()
    amounts.set(memoKey, amount)
  }
  return amount
}

function roundUp(nanos: bigint, nanosPerUnit: bigint): number {
  return Number(nanos > 0n ? (nanos + nanosPerUnit - 1n) / nanosPerUnit : nanos / nanosPerUnit)
}
