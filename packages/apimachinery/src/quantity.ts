/**
 * Amounts with decimal and binary suffixes, exact (apimachinery `resource.Quantity`). A quantity is kept as an integer of nanos.
 */

const nano = 1_000_000_000n
const decimal: Record<string, bigint> = {
  n: 1n,
  u: 1000n,
  m: 1_000_000n,
  '': nano,
  k: nano * 10n ** 3n,
  M: nano * 10n ** 6n,
  G: nano * 10n ** 9n,
  T: nano * 10n ** 12n,
  P: nano * 10n ** 15n,
  E: nano * 10n ** 18n,
}
const binary: Record<string, bigint> = {
  Ki: nano << 10n,
  Mi: nano << 20n,
  Gi: nano << 30n,
  Ti: nano << 40n,
  Pi: nano << 50n,
  Ei: nano << 60n,
}
const pattern = /^([+-]?)(\d+(?:\.\d*)?|\.\d+)(n|u|m|k|M|G|T|P|E|Ki|Mi|Gi|Ti|Pi|Ei|[eE][+-]?\d+)?$/

/** How a quantity was written, which its canonical form keeps. */
export type QuantityFormat = 'DecimalSI' | 'BinarySI' | 'DecimalExponent'

/** A parsed quantity. */
export interface Quantity {
  readonly nanos: bigint
  readonly format: QuantityFormat
}

/** Parses a quantity; undefined when it is none. Fractions below a nano are rounded up, as upstream does. */
export function tryParseQuantity(text: string | number): Quantity | undefined {
  const match = pattern.exec(String(text))
  if (match === null) return undefined
  const [, sign, digits = '', suffix = ''] = match
  const [whole = '', fraction = ''] = digits.split('.')
  const exponent = /^[eE][+-]?\d+$/.test(suffix) ? Number(suffix.slice(1)) : undefined
  if (exponent !== undefined && Math.abs(exponent) > 30) return undefined
  let numerator = BigInt(whole + fraction || '0')
  let denominator = 10n ** BigInt(fraction.length)
  if (exponent === undefined) numerator *= (binary[suffix] ?? decimal[suffix]) as bigint
  else if (exponent >= 0) numerator *= nano * 10n ** BigInt(exponent)
  else {
    numerator *= nano
    denominator *= 10n ** BigInt(-exponent)
  }
  const magnitude = (numerator + denominator - 1n) / denominator
  return {
    nanos: sign === '-' ? -magnitude : magnitude,
    format: exponent !== undefined ? 'DecimalExponent' : suffix in binary ? 'BinarySI' : 'DecimalSI',
  }
}

/** Parses a quantity. @throws RangeError with upstream's text. */
export function parseQuantity(text: string | number): Quantity {
  const quantity = tryParseQuantity(text)
  if (quantity === undefined) {
    throw new RangeError("quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'")
  }
  return quantity
}

/** The canonical form: no fraction, the largest suffix that keeps it whole. */
export function formatQuantity({ nanos, format }: Quantity): string {
  if (nanos === 0n) return '0'
  const magnitude = nanos < 0n ? -nanos : nanos
  const sign = nanos < 0n ? '-' : ''
  // Binary suffixes only fit whole numbers from 1024 up; smaller ones are written with decimal suffixes, as upstream does.
  const useBinary = format === 'BinarySI' && magnitude % nano === 0n && magnitude >= 1024n * nano
  for (const [suffix, unit] of Object.entries(useBinary ? binary : decimal).reverse()) {
    if (magnitude % unit === 0n)
      return sign + magnitude / unit + (format === 'DecimalExponent' ? exponentOf(suffix) : suffix)
  }
  return `${sign}${magnitude / nano}`
}

function exponentOf(suffix: string): string {
  const exponent = { n: -9, u: -6, m: -3, '': 0, k: 3, M: 6, G: 9, T: 12, P: 15, E: 18 }[suffix] ?? 0
  return exponent === 0 ? '' : `e${exponent}`
}

// Up to three digits without a leading zero are canonical with any suffix but an exponent: nearly every quantity that is written.
const plainlyCanonical = /^(0|[1-9]\d{0,2}(n|u|m|k|M|G|T|P|E|Ki|Mi|Gi|Ti|Pi|Ei)?)$/

/** The canonical form of a text, or the text itself when it is no quantity. */
export function canonicalQuantity(text: string | number): string {
  if (typeof text === 'string' && plainlyCanonical.test(text)) return text
  const quantity = tryParseQuantity(text)
  return quantity === undefined ? String(text) : formatQuantity(quantity)
}

/** The difference, in the first one's format; a zero has none of its own and takes the second's (`Quantity.Sub`). */
export function subtractQuantities(a: Quantity, b: Quantity): Quantity {
  return { nanos: a.nanos - b.nanos, format: a.nanos === 0n ? b.format : a.format }
}

/** -1, 0 or 1. */
export function compareQuantities(a: Quantity, b: Quantity): number {
  return a.nanos < b.nanos ? -1 : a.nanos > b.nanos ? 1 : 0
}

/** The sum, in the first one's format; a zero has none of its own and takes the second's (`Quantity.Add`). */
export function addQuantities(a: Quantity, b: Quantity): Quantity {
  return { nanos: a.nanos + b.nanos, format: a.nanos === 0n ? b.format : a.format }
}

/** A whole number as a quantity. */
export function countQuantity(count: number): Quantity {
  return { nanos: BigInt(count) * nano, format: 'DecimalSI' }
}

/** The next whole number at or above it (`Quantity.RoundUp(0)`). */
export function roundUpQuantity({ nanos, format }: Quantity): Quantity {
  const rest = nanos % nano
  return { nanos: rest === 0n ? nanos : nanos - rest + (nanos > 0n ? nano : 0n), format }
}

/** The value in whole units, rounded up (`Quantity.Value`). */
export function wholeUnits(quantity: Quantity): number {
  return Number(quantity.nanos >= 0n ? (quantity.nanos + nano - 1n) / nano : quantity.nanos / nano)
}

/** The value in thousandths, rounded up (`Quantity.MilliValue`). */
export function milliUnits(quantity: Quantity): number {
  const milli = 1_000_000n
  return Number(quantity.nanos >= 0n ? (quantity.nanos + milli - 1n) / milli : quantity.nanos / milli)
}
