import {
  type FieldError,
  forbiddenField,
  invalidValue,
  notSupported,
  pathSegmentProblems,
  required,
  tryParseQuantity,
} from '@binnacle/apimachinery'
import { present, textErrors } from './field-checks.ts'

type Json = Record<string, any>

// The field that goes with each type, in the order in which kube-apiserver looks at them.
const sourceFields: Readonly<Record<string, string>> = {
  Object: 'object',
  External: 'external',
  Pods: 'pods',
  Resource: 'resource',
  ContainerResource: 'containerResource',
}
const sourceTypes = ['ContainerResource', 'External', 'Object', 'Pods', 'Resource']

/** The rules of the metrics of an autoscaler (`validateMetrics` of `pkg/apis/autoscaling/validation`). */
export function metricSpecErrors(specs: readonly Json[] | undefined, path: string): FieldError[] {
  return (specs ?? []).flatMap((spec, index) => specErrors(spec, `${path}[${index}]`))
}

function specErrors(spec: Json, path: string): FieldError[] {
  const type = String(spec['type'] ?? '')
  const errors: FieldError[] = []
  if (type === '') errors.push(required(`${path}.type`, 'must specify a metric source type'))
  if (!sourceTypes.includes(type)) errors.push(notSupported(`${path}.type`, type, sourceTypes))
  const given = Object.values(sourceFields).filter((field) => spec[field] !== undefined)
  const [first] = given
  if (first !== undefined) errors.push(...sourceErrors(first, spec[first] as Json, `${path}.${first}`))
  const expected = sourceFields[type]
  if (expected !== undefined && !given.includes(expected))
    errors.push(required(`${path}.${expected}`, 'must populate information for the given metric source'))
  if (given.length !== 1)
    for (const field of given)
      if (field !== expected)
        errors.push(forbiddenField(`${path}.${field}`, 'must populate the given metric source only'))
  return errors
}

function sourceErrors(field: string, source: Json, path: string): FieldError[] {
  const { target = {}, metric = {}, describedObject = {} } = source
  const errors: FieldError[] = []
  if (field === 'object')
    for (const part of ['kind', 'name'])
      errors.push(...segmentErrors(`${path}.describedObject.${part}`, describedObject[part], ''))
  if (field === 'object' || field === 'external' || field === 'pods')
    errors.push(...segmentErrors(`${path}.metric.name`, metric.name, 'must specify a metric name'))
  else if (!source['name']) errors.push(required(`${path}.name`, 'must specify a resource name'))
  if (field === 'containerResource' && !source['container'])
    errors.push(required(`${path}.container`, 'must specify a container'))
  return [...errors, ...targetErrors(target, `${path}.target`), ...amountErrors(field, target, `${path}.target`)]
}

function segmentErrors(path: string, value: string | undefined, missing: string): FieldError[] {
  if (value) return textErrors(path, value, pathSegmentProblems)
  return missing === '' ? present(path, value) : [required(path, missing)]
}

const isPositive = (text: string): boolean => (tryParseQuantity(text)?.nanos ?? 0n) > 0n

function targetErrors(target: Json, path: string): FieldError[] {
  const { type, value, averageValue, averageUtilization } = target
  const errors: FieldError[] = []
  if (!type) errors.push(required(`${path}.type`, 'must specify a metric target type'))
  if (!['Utilization', 'Value', 'AverageValue'].includes(type))
    errors.push(invalidValue(`${path}.type`, type ?? '', 'must be either Utilization, Value, or AverageValue'))
  if (value !== undefined && !isPositive(value)) errors.push(invalidValue(`${path}.value`, value, 'must be positive'))
  if (averageValue !== undefined && !isPositive(averageValue))
    errors.push(invalidValue(`${path}.averageValue`, averageValue, 'must be positive'))
  if (averageUtilization !== undefined && averageUtilization < 1)
    errors.push(invalidValue(`${path}.averageUtilization`, averageUtilization, 'must be greater than 0'))
  return errors
}

// Which amounts a source asks for.
function amountErrors(field: string, { value, averageValue, averageUtilization }: Json, path: string): FieldError[] {
  const hasValue = value !== undefined
  const hasAverage = averageValue !== undefined
  switch (field) {
    case 'object':
      return hasValue || hasAverage
        ? []
        : [required(`${path}.averageValue`, 'must set either a target value or averageValue')]
    case 'external': {
      if (hasValue && hasAverage)
        return [forbiddenField(`${path}.value`, 'may not set both a target value for metric and a per-pod target')]
      return hasValue || hasAverage
        ? []
        : [required(`${path}.averageValue`, 'must set either a target value for metric or a per-pod target')]
    }
    case 'pods':
      return hasAverage && isPositive(averageValue)
        ? []
        : [required(`${path}.averageValue`, 'must specify a positive target averageValue')]
    default: {
      const hasUtilization = averageUtilization !== undefined
      if (hasUtilization && hasAverage)
        return [forbiddenField(`${path}.averageValue`, 'may not set both a target raw value and a target utilization')]
      return hasUtilization || hasAverage
        ? []
        : [required(`${path}.averageUtilization`, 'must set either a target raw value or a target utilization')]
    }
  }
}
