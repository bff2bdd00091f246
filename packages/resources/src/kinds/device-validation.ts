import {
  duplicate,
  type FieldError,
  invalidValue,
  required,
  tooMany,
  tryParseQuantity,
  valueTooLong,
} from '@binnacle/apimachinery'
import { compileDeviceSelector, selectorLengthMax } from '../cel/device-selector.ts'
import type { DeviceSelector, OpaqueDeviceConfiguration } from '../generated/types.ts'
import { subdomainErrors } from './field-checks.ts'

/** Rules that device classes, resource slices and resource claims share (kube-apiserver `pkg/apis/resource/validation`). */

/** Selectors of a class or a request. */
const selectorsMax = 32
const domainLengthMax = 63
const identifierLengthMax = 32
const driverLengthMax = 63
const poolLengthMax = 253
const parametersLengthMax = 10 * 1024
const identifier = /^[A-Za-z_][A-Za-z0-9_]*$/

/** A list that may be only so long. */
export function lengthErrors(field: string, list: readonly unknown[] | undefined, max: number): FieldError[] {
  return list !== undefined && list.length > max ? [tooMany(field, list.length, max)] : []
}

/** Texts of which none may come twice. */
export function duplicateErrors(list: readonly string[], fieldOf: (index: number) => string): FieldError[] {
  return list.flatMap((value, index) =>
    value !== '' && list.indexOf(value) < index ? [duplicate(fieldOf(index), value)] : [],
  )
}

/** The name of a DRA driver. */
export function driverErrors(field: string, name: string | undefined): FieldError[] {
  if (!name) return [required(field)]
  return name.length > driverLengthMax ? [valueTooLong(field, driverLengthMax)] : subdomainErrors(field, name)
}

/** The name of a pool: DNS subdomains with slashes between them. */
export function poolNameErrors(field: string, name: string | undefined): FieldError[] {
  if (!name) return [required(field)]
  if (name.length > poolLengthMax) return [valueTooLong(field, poolLengthMax)]
  return name.split('/').flatMap((part) => subdomainErrors(field, part))
}

/** The name of an attribute or capacity, with a domain before it or, where that may be left out, without. */
export function qualifiedDeviceNameErrors(field: string, name: string, needsDomain = false): FieldError[] {
  const parts = name.split('/')
  if (name === '') return [required(field)]
  if (parts.length > 2)
    return [invalidValue(field, name, 'a name must consist of a C identifier with an optional domain')]
  const [id = '', domain] = parts.toReversed()
  const errors: FieldError[] = []
  if (domain === undefined) {
    if (needsDomain) errors.push(invalidValue(field, name, 'must include a domain'))
  } else if (domain === '') errors.push(required(field, 'the domain must not be empty'))
  else if (domain.length > domainLengthMax) errors.push(valueTooLong(field, domainLengthMax))
  else errors.push(...subdomainErrors(field, domain))
  if (id === '') errors.push(required(field, 'the name must not be empty'))
  else if (id.length > identifierLengthMax) errors.push(valueTooLong(field, identifierLengthMax))
  else if (!identifier.test(id))
    errors.push(
      invalidValue(
        field,
        id,
        "a valid C identifier must start with alphabetic character or '_', followed by a string of alphanumeric characters or '_' (e.g. 'my_name',  or 'MY_NAME',  or 'MyName', regex used for validation is '[A-Za-z_][A-Za-z0-9_]*')",
      ),
    )
  return errors
}

/** Selectors whose expressions compile. */
export function selectorErrors(field: string, selectors: readonly DeviceSelector[] | undefined): FieldError[] {
  const errors = lengthErrors(field, selectors, selectorsMax)
  for (const [index, { cel }] of (selectors ?? []).slice(0, selectorsMax).entries()) {
    const path = `${field}[${index}].cel`
    if (cel === undefined) errors.push(required(path))
    else if (!cel.expression) errors.push(required(`${path}.expression`))
    else if (cel.expression.length > selectorLengthMax)
      errors.push(valueTooLong(`${path}.expression`, selectorLengthMax))
    else {
      const selector = compileDeviceSelector(cel.expression)
      if ('error' in selector)
        errors.push(invalidValue(`${path}.expression`, cel.expression, `compilation failed: ${selector.error}`))
    }
  }
  return errors
}

/** Settings for a driver. */
export function opaqueErrors(field: string, opaque: OpaqueDeviceConfiguration | undefined): FieldError[] {
  if (opaque === undefined) return [required(field)]
  const { driver, parameters } = opaque
  const errors = driverErrors(`${field}.driver`, driver)
  if (parameters === undefined || parameters === null) errors.push(required(`${field}.parameters`))
  else if (typeof parameters !== 'object' || Array.isArray(parameters))
    errors.push(invalidValue(`${field}.parameters`, '<value omitted>', 'must be a valid JSON object'))
  else if (JSON.stringify(parameters).length > parametersLengthMax)
    errors.push(valueTooLong(`${field}.parameters`, parametersLengthMax))
  return errors
}

/** A quantity that must be there. */
export function quantityErrors(field: string, text: string | undefined): FieldError[] {
  if (text === undefined) return [required(field)]
  return tryParseQuantity(text) === undefined ? [invalidValue(field, text, 'must be a quantity')] : []
}
