import {
  dns1123LabelProblems,
  dns1123SubdomainProblems,
  type FieldError,
  invalidValue,
  isIPv4,
  isIPv6,
  ipProblems,
  labelValueProblems,
  notSupported,
  portNameProblems,
  portNumberProblems,
  qualifiedNameProblems,
  required,
  semanticEqual,
} from '@binnacle/apimachinery'

/** Checks of single fields that the rules of many kinds are made of. */

/** The rule of `problemsOf` for a text. */
export function textErrors(field: string, value: string, problemsOf: (value: string) => string[]): FieldError[] {
  return problemsOf(value).map((problem) => invalidValue(field, value, problem))
}

/** The same, where the text may be missing. */
export function optionalText(
  field: string,
  value: string | undefined,
  problemsOf: (value: string) => string[],
): FieldError[] {
  return value === undefined || value === '' ? [] : textErrors(field, value, problemsOf)
}

/** A DNS-1123 label. */
export const labelErrors = (field: string, value: string): FieldError[] =>
  textErrors(field, value, dns1123LabelProblems)
/** A DNS-1123 subdomain. */
export const subdomainErrors = (field: string, value: string): FieldError[] =>
  textErrors(field, value, dns1123SubdomainProblems)
/** The key of a label. */
export const labelKeyErrors = (field: string, value: string): FieldError[] =>
  textErrors(field, value, qualifiedNameProblems)
/** An IP address. */
export const ipErrors = (field: string, value: string): FieldError[] => textErrors(field, value, ipProblems)

/** A text that must be there and be one of some; they are named in the order given. */
export function oneOf(field: string, value: string | undefined, allowed: readonly string[]): FieldError[] {
  if (value === undefined || value === '') return [required(field)]
  return allowed.includes(value) ? [] : [notSupported(field, value, allowed)]
}

/** A text that, when it is there, must be one of some. */
export function optionalOneOf(field: string, value: string | undefined, allowed: readonly string[]): FieldError[] {
  return value === undefined || allowed.includes(value) ? [] : [notSupported(field, value, allowed)]
}

/** A text that must be there. */
export function present(field: string, value: string | undefined): FieldError[] {
  return value === undefined || value === '' ? [required(field)] : []
}

/** A number that may not be negative. */
export function nonNegative(field: string, value: number | undefined): FieldError[] {
  return value !== undefined && value < 0 ? [invalidValue(field, value, 'must be greater than or equal to 0')] : []
}

/** A number within bounds, both included. */
export function inRange(field: string, value: number | undefined, min: number, max: number): FieldError[] {
  return value === undefined || (value >= min && value <= max)
    ? []
    : [invalidValue(field, value, `must be between ${min} and ${max}, inclusive`)]
}

/** A port by number or by name. */
export function portErrors(field: string, port: number | string | undefined): FieldError[] {
  if (typeof port === 'string') return textErrors(field, port, portNameProblems)
  return portNumberProblems(port ?? 0).map((problem) => invalidValue(field, port ?? 0, problem))
}

/** A value that may not change. */
export function immutable(field: string, now: unknown, before: unknown): FieldError[] {
  return semanticEqual(now, before) ? [] : [invalidValue(field, now ?? null, 'field is immutable')]
}

/** A range of addresses (`10.0.0.0/8`). */
export function cidrErrors(field: string, value: string): FieldError[] {
  const [address = '', bits = '', ...rest] = value.split('/')
  const bitsMax = isIPv4(address) ? 32 : isIPv6(address) ? 128 : -1
  const fits = rest.length === 0 && /^(0|[1-9]\d{0,2})$/.test(bits) && Number(bits) <= bitsMax
  return fits ? [] : [invalidValue(field, value, 'must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)')]
}

interface SelectorLike {
  readonly matchLabels?: Readonly<Record<string, string>>
  readonly matchExpressions?: readonly { key: string; operator: string; values?: readonly string[] }[]
}

/** Problems of a LabelSelector. */
export function labelSelectorErrors(field: string, selector: SelectorLike | undefined): FieldError[] {
  const errors: FieldError[] = []
  for (const [key, value] of Object.entries(selector?.matchLabels ?? {})) {
    errors.push(...labelKeyErrors(`${field}.matchLabels`, key))
    errors.push(...textErrors(`${field}.matchLabels`, value, labelValueProblems))
  }
  for (const [index, { key, operator, values = [] }] of (selector?.matchExpressions ?? []).entries()) {
    const path = `${field}.matchExpressions[${index}]`
    if (operator === 'In' || operator === 'NotIn') {
      if (values.length === 0)
        errors.push(required(`${path}.values`, "must be specified when `operator` is 'In' or 'NotIn'"))
    } else if (operator === 'Exists' || operator === 'DoesNotExist') {
      if (values.length > 0)
        errors.push({
          type: 'FieldValueForbidden',
          field: `${path}.values`,
          message: "Forbidden: may not be specified when `operator` is 'Exists' or 'DoesNotExist'",
        })
    } else errors.push(invalidValue(`${path}.operator`, operator ?? '', 'not a valid selector operator'))
    errors.push(...labelKeyErrors(`${path}.key`, key ?? ''))
    for (const [at, value] of values.entries())
      errors.push(...textErrors(`${path}.values[${at}]`, value, labelValueProblems))
  }
  return errors
}

/** Addresses that Endpoints, EndpointSlices and external IPs may not have: unspecified, loopback, link-local. */
export function specialAddressErrors(field: string, address: string): FieldError[] {
  const lower = address.toLowerCase()
  const errors: FieldError[] = []
  if (lower === '0.0.0.0' || /^[0:]+$/.test(lower))
    errors.push(invalidValue(field, address, `may not be unspecified (${address})`))
  if (isIPv4(lower) ? lower.startsWith('127.') : /^[0:]*:0*1$/.test(lower))
    errors.push(invalidValue(field, address, 'may not be in the loopback range (127.0.0.0/8, ::1/128)'))
  if (lower.startsWith('169.254.') || /^fe[89ab][0-9a-f]:/.test(lower))
    errors.push(invalidValue(field, address, 'may not be in the link-local range (169.254.0.0/16, fe80::/10)'))
  if (lower.startsWith('224.0.0.') || /^ff[0-9a-f]2:/.test(lower))
    errors.push(invalidValue(field, address, 'may not be in the link-local multicast range (224.0.0.0/24, ff02::/10)'))
  return errors
}
