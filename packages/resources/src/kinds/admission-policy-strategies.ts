import { type FieldError, forbiddenField, invalidValue, required } from '@binnacle/apimachinery'
import { compileAdmissionExpression } from '../cel/admission-expression.ts'
import type { MatchResources, ValidatingAdmissionPolicy, ValidatingAdmissionPolicyBinding } from '../generated/types.ts'
import type { Strategy } from '../resource-definition.ts'
import { labelSelectorErrors, oneOf, optionalOneOf, present } from './field-checks.ts'

const reasons = ['Unauthorized', 'Forbidden', 'Invalid', 'RequestEntityTooLarge']

/** Rules of ValidatingAdmissionPolicies (apis/admissionregistration `validation.go`): every expression has to compile. */
export const validatingAdmissionPolicyStrategy: Strategy<ValidatingAdmissionPolicy> = {
  applyDefaults({ spec }) {
    if (spec === undefined) return
    spec.failurePolicy ??= 'Fail'
    if (spec.matchConstraints !== undefined) applyMatchDefaults(spec.matchConstraints)
  },
  validate(policy) {
    const { spec = {} } = policy
    const { validations = [], auditAnnotations = [], matchConstraints, paramKind } = spec
    const errors = optionalOneOf('spec.failurePolicy', spec.failurePolicy, ['Fail', 'Ignore'])
    if (matchConstraints === undefined) errors.push(required('spec.matchConstraints'))
    else {
      if ((matchConstraints.resourceRules ?? []).length === 0)
        errors.push(required('spec.matchConstraints.resourceRules'))
      errors.push(...matchErrors('spec.matchConstraints', matchConstraints))
    }
    if (paramKind !== undefined)
      for (const field of ['apiVersion', 'kind'] as const)
        errors.push(...present(`spec.paramKind.${field}`, paramKind[field]))
    if (validations.length === 0 && auditAnnotations.length === 0)
      errors.push(required('spec.validations', 'validations or auditAnnotations must contain at least one item'))
    return [...errors, ...expressionErrors(policy)]
  },
}

function expressionErrors({ spec = {} }: ValidatingAdmissionPolicy): FieldError[] {
  const { validations = [], auditAnnotations = [], matchConditions = [], variables = [] } = spec
  return [
    ...variables.flatMap(({ expression }, index) => compileErrors(`spec.variables[${index}]`, expression, 'any')),
    ...matchConditions.flatMap(({ expression }, index) =>
      compileErrors(`spec.matchConditions[${index}]`, expression, 'bool'),
    ),
    ...validations.flatMap(({ expression, messageExpression, reason }, index) => {
      const path = `spec.validations[${index}]`
      return [
        ...compileErrors(path, expression, 'bool'),
        ...(messageExpression ? compileErrors(path, messageExpression, 'string', 'messageExpression') : []),
        ...optionalOneOf(`${path}.reason`, reason, reasons),
      ]
    }),
    ...auditAnnotations.flatMap(({ valueExpression }, index) =>
      compileErrors(`spec.auditAnnotations[${index}]`, valueExpression, 'any', 'valueExpression'),
    ),
  ]
}

function compileErrors(
  path: string,
  expression: string | undefined,
  type: 'bool' | 'string' | 'any',
  field = 'expression',
): FieldError[] {
  const at = `${path}.${field}`
  const text = (expression ?? '').trim()
  if (text === '') return [required(at, `${field} is not specified`)]
  const compiled = compileAdmissionExpression(text, type)
  return 'error' in compiled ? [invalidValue(at, expression, `compilation failed: ${compiled.error}`)] : []
}

/** Rules of the bindings that put policies into force. */
export const validatingAdmissionPolicyBindingStrategy: Strategy<ValidatingAdmissionPolicyBinding> = {
  applyDefaults({ spec }) {
    if (spec?.matchResources !== undefined) applyMatchDefaults(spec.matchResources)
  },
  validate({ spec }) {
    const { policyName, paramRef, validationActions = [], matchResources } = spec ?? {}
    const errors = present('spec.policyName', policyName)
    if (validationActions.length === 0) errors.push(required('spec.validationActions'))
    for (const [index, action] of validationActions.entries())
      errors.push(...oneOf(`spec.validationActions[${index}]`, action, ['Audit', 'Deny', 'Warn']))
    if (validationActions.includes('Deny') && validationActions.includes('Warn'))
      errors.push(
        invalidValue(
          'spec.validationActions',
          validationActions,
          'must not contain both Deny and Warn (repeating the same validation failure information in the API response and headers serves no purpose)',
        ),
      )
    if (matchResources !== undefined) errors.push(...matchErrors('spec.matchResources', matchResources))
    if (paramRef === undefined) return errors
    const { name, selector, parameterNotFoundAction } = paramRef
    if (name && selector !== undefined) {
      for (const field of ['name', 'selector'])
        errors.push(forbiddenField(`spec.paramRef.${field}`, 'name and selector are mutually exclusive'))
    } else if (!name && selector === undefined)
      errors.push(required('spec.paramRef', 'one of name or selector must be specified'))
    errors.push(...oneOf('spec.paramRef.parameterNotFoundAction', parameterNotFoundAction, ['Allow', 'Deny']))
    return errors
  },
}

function applyMatchDefaults(match: MatchResources): void {
  match.matchPolicy ??= 'Equivalent'
  match.namespaceSelector ??= {}
  match.objectSelector ??= {}
  for (const rule of [...(match.resourceRules ?? []), ...(match.excludeResourceRules ?? [])]) rule.scope ??= '*'
}

function matchErrors(path: string, match: MatchResources): FieldError[] {
  const errors = optionalOneOf(`${path}.matchPolicy`, match.matchPolicy, ['Equivalent', 'Exact'])
  for (const field of ['namespaceSelector', 'objectSelector'] as const)
    errors.push(...labelSelectorErrors(`${path}.${field}`, match[field] ?? {}))
  for (const field of ['resourceRules', 'excludeResourceRules'] as const)
    for (const [index, rule] of (match[field] ?? []).entries()) {
      const at = `${path}.${field}[${index}]`
      for (const list of ['operations', 'apiGroups', 'apiVersions', 'resources'] as const)
        if ((rule[list] ?? []).length === 0) errors.push(required(`${at}.${list}`))
      for (const operation of rule.operations ?? [])
        errors.push(...oneOf(`${at}.operations`, operation, ['*', 'CONNECT', 'CREATE', 'DELETE', 'UPDATE']))
      errors.push(...optionalOneOf(`${at}.scope`, rule.scope, ['*', 'Cluster', 'Namespaced']))
    }
  return errors
}
