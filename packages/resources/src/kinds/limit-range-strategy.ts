import {
  compareQuantities,
  duplicate,
  type FieldError,
  forbiddenField,
  formatQuantity,
  invalidValue,
  milliUnits,
  type Quantity,
  required,
  tryParseQuantity,
} from '@binnacle/apimachinery'
import type { LimitRange, LimitRangeItem } from '../generated/types.ts'
import type { Strategy } from '../resource-definition.ts'
import { labelKeyErrors } from './field-checks.ts'
import { containerResourceNameErrors, mayOvercommit, resourceNameErrors } from './resource-amounts-validation.ts'

/** Defaults and rules of LimitRanges (kube-apiserver `SetDefaults_LimitRangeItem`, `ValidateLimitRange`). */
export const limitRangeStrategy: Strategy<LimitRange> = {
  applyDefaults({ spec }) {
    for (const item of spec?.limits ?? []) {
      if (item.type !== 'Container') continue
      const limits = { ...item.max, ...item.default }
      const requests = { ...item.min, ...limits, ...item.defaultRequest }
      if (Object.keys(limits).length > 0) item.default = limits
      if (Object.keys(requests).length > 0) item.defaultRequest = requests
    }
  },
  validate({ spec }) {
    const errors: FieldError[] = []
    const types = new Set<string>()
    for (const [index, item] of (spec?.limits ?? []).entries()) {
      const path = `spec.limits[${index}]`
      errors.push(...typeErrors(item.type, `${path}.type`))
      if (types.has(item.type)) errors.push(duplicate(`${path}.type`, item.type))
      types.add(item.type)
      errors.push(...itemErrors(item, path))
    }
    return errors
  },
}

function typeErrors(type: string, path: string): FieldError[] {
  const errors = labelKeyErrors(path, type)
  if (errors.length === 0 && !type.includes('/') && !['Pod', 'Container', 'PersistentVolumeClaim'].includes(type))
    errors.push(invalidValue(path, type, 'must be a standard limit type or fully qualified'))
  return errors
}

const bounds = ['max', 'min', 'default', 'defaultRequest', 'maxLimitRequestRatio'] as const

function itemErrors(item: LimitRangeItem, path: string): FieldError[] {
  const errors: FieldError[] = []
  for (const field of bounds) {
    const amounts = item[field] ?? {}
    const here = `${path}.${field}`
    if (item.type === 'Pod' && (field === 'default' || field === 'defaultRequest')) {
      if (Object.keys(amounts).length > 0)
        errors.push(forbiddenField(here, "may not be specified when `type` is 'Pod'"))
      continue
    }
    const nameErrors = item.type === 'PersistentVolumeClaim' ? resourceNameErrors : containerResourceNameErrors
    for (const name of Object.keys(amounts)) errors.push(...nameErrors(name, `${here}[${name}]`))
  }
  if (item.type === 'PersistentVolumeClaim' && !item.min?.['storage'] && !item.max?.['storage'])
    errors.push(
      required(`${path}.limits`, 'either minimum or maximum storage value is required, but neither was provided'),
    )
  const names = new Set(bounds.flatMap((field) => Object.keys(item[field] ?? {})))
  return [...errors, ...[...names].flatMap((name) => orderErrors(item, name, path))]
}

// What is named for one resource must not contradict itself.
function orderErrors(item: LimitRangeItem, name: string, path: string): FieldError[] {
  const errors: FieldError[] = []
  const of = (field: (typeof bounds)[number]): Quantity | undefined => tryParseQuantity(item[field]?.[name] ?? '')
  const [min, max, limit, request] = [of('min'), of('max'), of('default'), of('defaultRequest')]
  const mustNotExceed = (field: string, low: Named, high: Named, shown: Quantity | undefined): void => {
    const [lower, upper] = [low[1], high[1]]
    if (lower === undefined || upper === undefined || compareQuantities(lower, upper) <= 0) return
    const why = `${low[0]} ${formatQuantity(lower)} is greater than ${high[0]} ${formatQuantity(upper)}`
    errors.push(invalidValue(`${path}.${field}[${name}]`, formatQuantity(shown as Quantity), why))
  }
  mustNotExceed('min', ['min value', min], ['max value', max], min)
  mustNotExceed('defaultRequest', ['min value', min], ['default request value', request], request)
  mustNotExceed('defaultRequest', ['default request value', request], ['max value', max], request)
  mustNotExceed('defaultRequest', ['default request value', request], ['default limit value', limit], request)
  mustNotExceed('default', ['min value', min], ['default value', limit], min)
  mustNotExceed('default', ['default value', limit], ['max value', max], max)
  errors.push(...ratioErrors(of('maxLimitRequestRatio'), min, max, `${path}.maxLimitRequestRatio[${name}]`))
  if (!mayOvercommit(name) && limit !== undefined && request !== undefined && limit.nanos !== request.nanos) {
    const why = `default value ${formatQuantity(limit)} must equal to defaultRequest value ${formatQuantity(request)} in ${name}`
    errors.push(invalidValue(`${path}.defaultRequest[${name}]`, formatQuantity(request), why))
  }
  return errors
}

type Named = readonly [what: string, quantity: Quantity | undefined]

function ratioErrors(
  ratio: Quantity | undefined,
  min: Quantity | undefined,
  max: Quantity | undefined,
  path: string,
): FieldError[] {
  if (ratio === undefined) return []
  const text = formatQuantity(ratio)
  const value = milliUnits(ratio) / 1000
  const errors = value < 1 ? [invalidValue(path, text, `ratio ${text} is less than 1`)] : []
  if (min === undefined || max === undefined) return errors
  const widest = Number(max.nanos) / Number(min.nanos)
  return value > widest
    ? [...errors, invalidValue(path, text, `ratio ${text} is greater than max/min = ${widest.toFixed(6)}`)]
    : errors
}
