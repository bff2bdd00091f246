import {
  duplicate,
  type FieldError,
  invalidValue,
  notSupported,
  required,
  tooMany,
  valueTooLong,
} from '@binnacle/apimachinery'
import type {
  JobSpec,
  PodFailurePolicyOnExitCodesRequirement,
  PodFailurePolicyOnPodConditionsPattern,
  PodFailurePolicyRule,
  SuccessPolicyRule,
} from '../generated/types.ts'
import { labelKeyErrors, nonNegative } from './field-checks.ts'

/** Rules of a job's policies: which failures of pods count for what, when a job has succeeded (kube-apiserver `batch/validation`). */

const rulesMax = 20
const conditionPatternsMax = 20
const exitCodesMax = 255
const succeededIndexesLengthMax = 64 * 1024

const actions = ['Count', 'FailIndex', 'FailJob', 'Ignore']
const operators = ['In', 'NotIn']
const statuses = ['False', 'True', 'Unknown']

/** Problems of the pod failure policy. */
export function podFailurePolicyErrors(spec: JobSpec, path: string): FieldError[] {
  const rules = spec.podFailurePolicy?.rules ?? []
  const errors = rules.length > rulesMax ? [tooMany(`${path}.rules`, rules.length, rulesMax)] : []
  return [...errors, ...rules.flatMap((rule, index) => failureRuleErrors(spec, rule, `${path}.rules[${index}]`))]
}

/** Problems of the pod replacement policy: with a pod failure policy a pod is only replaced once it has failed. */
export function podReplacementPolicyErrors(spec: JobSpec, path: string): FieldError[] {
  const { podReplacementPolicy: policy } = spec
  const allowed = spec.podFailurePolicy === undefined ? ['Failed', 'TerminatingOrFailed'] : ['Failed']
  return policy === undefined || allowed.includes(policy) ? [] : [notSupported(path, policy, allowed)]
}

/** Problems of the success policy. */
export function successPolicyErrors(spec: JobSpec, path: string): FieldError[] {
  if (spec.completionMode !== 'Indexed')
    return [invalidValue(path, spec.successPolicy, 'requires indexed completion mode')]
  const rules = spec.successPolicy?.rules ?? []
  const errors: FieldError[] = []
  if (rules.length === 0)
    errors.push(required(`${path}.rules`, 'at least one rules must be specified when the successPolicy is specified'))
  if (rules.length > rulesMax) errors.push(tooMany(`${path}.rules`, rules.length, rulesMax))
  const completions = spec.completions ?? 0
  return [...errors, ...rules.flatMap((rule, index) => successRuleErrors(rule, completions, `${path}.rules[${index}]`))]
}

function failureRuleErrors(spec: JobSpec, rule: PodFailurePolicyRule, path: string): FieldError[] {
  const errors: FieldError[] = []
  const { action, onExitCodes, onPodConditions = [] } = rule
  if (!action) errors.push(required(`${path}.action`, validValues(actions)))
  else if (!actions.includes(action)) errors.push(notSupported(`${path}.action`, action, actions))
  else if (action === 'FailIndex' && spec.backoffLimitPerIndex === undefined)
    errors.push(invalidValue(`${path}.action`, action, 'requires the backoffLimitPerIndex to be set'))
  if (onExitCodes !== undefined) errors.push(...exitCodesErrors(spec, onExitCodes, `${path}.onExitCodes`))
  errors.push(...conditionsErrors(onPodConditions, `${path}.onPodConditions`))
  if (onExitCodes !== undefined && onPodConditions.length > 0)
    errors.push(withoutValue(path, 'specifying both OnExitCodes and OnPodConditions is not supported'))
  if (onExitCodes === undefined && onPodConditions.length === 0)
    errors.push(withoutValue(path, 'specifying one of OnExitCodes and OnPodConditions is required'))
  return errors
}

function exitCodesErrors(
  spec: JobSpec,
  { operator, containerName, values = [] }: PodFailurePolicyOnExitCodesRequirement,
  path: string,
): FieldError[] {
  const errors: FieldError[] = []
  if (!operator) errors.push(required(`${path}.operator`, validValues(operators)))
  else if (!operators.includes(operator)) errors.push(notSupported(`${path}.operator`, operator, operators))
  const { containers = [], initContainers = [] } = spec.template.spec ?? {}
  if (containerName !== undefined && ![...containers, ...initContainers].some(({ name }) => name === containerName))
    errors.push(
      invalidValue(
        `${path}.containerName`,
        containerName,
        'must be one of the container or initContainer names in the pod template',
      ),
    )
  if (values.length === 0) errors.push(invalidValue(`${path}.values`, values, 'at least one value is required'))
  if (values.length > exitCodesMax) errors.push(tooMany(`${path}.values`, values.length, exitCodesMax))
  for (const [index, value] of values.entries()) {
    const at = `${path}.values[${index}]`
    if (operator === 'In' && value === 0) errors.push(invalidValue(at, value, 'must not be 0 for the In operator'))
    if (values.indexOf(value) < index) errors.push(duplicate(at, value))
  }
  if (values.some((value, index) => value < (values[index - 1] ?? value)))
    errors.push(invalidValue(`${path}.values`, values, 'must be ordered'))
  return errors
}

function conditionsErrors(patterns: readonly PodFailurePolicyOnPodConditionsPattern[], path: string): FieldError[] {
  const errors = patterns.length > conditionPatternsMax ? [tooMany(path, patterns.length, conditionPatternsMax)] : []
  for (const [index, { type, status }] of patterns.entries()) {
    const at = `${path}[${index}]`
    errors.push(...labelKeyErrors(`${at}.type`, type))
    if (!status) errors.push(required(`${at}.status`, validValues(statuses)))
    else if (!statuses.includes(status)) errors.push(notSupported(`${at}.status`, status, statuses))
  }
  return errors
}

function successRuleErrors(
  { succeededCount, succeededIndexes }: SuccessPolicyRule,
  completions: number,
  path: string,
): FieldError[] {
  if (succeededCount === undefined && succeededIndexes === undefined)
    return [required(path, 'at least one of succeededCount or succeededIndexes must be specified')]
  const errors: FieldError[] = []
  let count = Number.POSITIVE_INFINITY
  if (succeededIndexes !== undefined) {
    const field = `${path}.succeededIndexes`
    if (succeededIndexes.length > succeededIndexesLengthMax) errors.push(valueTooLong(field, succeededIndexesLengthMax))
    const parsed = countIndexes(succeededIndexes, completions)
    if (typeof parsed === 'string')
      errors.push(invalidValue(field, succeededIndexes, `error parsing succeededIndexes: ${parsed}`))
    count = typeof parsed === 'string' ? 0 : parsed
  }
  if (succeededCount === undefined) return errors
  const field = `${path}.succeededCount`
  errors.push(...nonNegative(field, succeededCount))
  if (succeededCount > completions)
    errors.push(
      invalidValue(
        field,
        succeededCount,
        `must be less than or equal to ${completions} (the number of specified completions)`,
      ),
    )
  if (succeededCount > count)
    errors.push(
      invalidValue(
        field,
        succeededCount,
        `must be less than or equal to ${count} (the number of indexes in the specified succeededIndexes field)`,
      ),
    )
  return errors
}

/** How many indexes a text such as `1,3-5` names, or what is wrong with it. */
export function countIndexes(text: string, completions: number): number | string {
  let [count, last] = [0, -1]
  for (const part of text === '' ? [] : text.split(',')) {
    const interval = intervalOf(part, completions)
    if (typeof interval === 'string') return interval
    const [from, to] = interval
    if (last >= from) return nonIncreasing(last, from)
    count += to - from + 1
    last = to
  }
  return count
}

function intervalOf(part: string, completions: number): readonly [number, number] | string {
  const limits = part.split('-')
  if (limits.length > 2)
    return `the fragment ${JSON.stringify(part)} violates the requirement that an index interval can have at most two parts separated by '-'`
  for (const limit of limits) {
    if (!/^\+?\d+$/.test(limit)) return `cannot convert string to integer for index: ${JSON.stringify(limit)}`
    if (Number(limit) >= completions) return `too large index: ${JSON.stringify(limit)}`
  }
  const [from = 0, to] = limits.map(Number)
  return to !== undefined && from >= to ? nonIncreasing(from, to) : [from, to ?? from]
}

const nonIncreasing = (previous: number, current: number): string =>
  `non-increasing order, previous: ${previous}, current: ${current}`

const validValues = (values: readonly string[]): string =>
  `valid values: [${values.map((value) => JSON.stringify(value)).join(' ')}]`

const withoutValue = (field: string, detail: string): FieldError => ({
  type: 'FieldValueInvalid',
  field,
  message: `Invalid value: ${detail}`,
})
