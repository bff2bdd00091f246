import {
  dns1123LabelProblems,
  dns1123SubdomainProblems,
  duplicate,
  type FieldError,
  forbiddenField,
  invalidValue,
  labelValueProblems,
  notSupported,
  required,
} from '@binnacle/apimachinery'
import type { PodSpec, Toleration } from '../generated/types.ts'
import { labelKeyErrors, labelSelectorErrors, optionalOneOf, textErrors } from './field-checks.ts'

/** Rules of what tells a scheduler where pods may go: affinity, tolerations, spreading. */

type Affinity = NonNullable<PodSpec['affinity']>
type NodeSelector = NonNullable<NonNullable<Affinity['nodeAffinity']>['requiredDuringSchedulingIgnoredDuringExecution']>
type NodeTerm = NodeSelector['nodeSelectorTerms'][number]
type NodeRequirement = NonNullable<NodeTerm['matchExpressions']>[number]
type PodTerm = NonNullable<
  NonNullable<Affinity['podAffinity']>['requiredDuringSchedulingIgnoredDuringExecution']
>[number]

/** The effects that taints have. */
export const taintEffects: readonly string[] = ['NoSchedule', 'PreferNoSchedule', 'NoExecute']

const requiredField = 'requiredDuringSchedulingIgnoredDuringExecution'
const preferredField = 'preferredDuringSchedulingIgnoredDuringExecution'

/** Problems of an affinity. */
export function affinityErrors(affinity: Affinity | undefined, path: string): FieldError[] {
  if (affinity === undefined) return []
  const errors: FieldError[] = []
  const nodes = affinity.nodeAffinity
  if (nodes?.[requiredField] !== undefined)
    errors.push(...nodeSelectorErrors(nodes[requiredField], `${path}.nodeAffinity.${requiredField}`))
  for (const [index, term] of (nodes?.[preferredField] ?? []).entries()) {
    const here = `${path}.nodeAffinity.${preferredField}[${index}]`
    errors.push(...weightErrors(term.weight, here), ...nodeTermErrors(term.preference, `${here}.preference`, false))
  }
  for (const kind of ['podAffinity', 'podAntiAffinity'] as const) {
    const pods = affinity[kind]
    for (const [index, term] of (pods?.[requiredField] ?? []).entries())
      errors.push(...podTermErrors(term, `${path}.${kind}.${requiredField}[${index}]`))
    for (const [index, term] of (pods?.[preferredField] ?? []).entries()) {
      const here = `${path}.${kind}.${preferredField}[${index}]`
      errors.push(...weightErrors(term.weight, here), ...podTermErrors(term.podAffinityTerm, `${here}.podAffinityTerm`))
    }
  }
  return errors
}

function weightErrors(weight: number, path: string): FieldError[] {
  return weight >= 1 && weight <= 100 ? [] : [invalidValue(`${path}.weight`, weight, 'must be in the range 1-100')]
}

/** Problems of a node selector: of pods, and of volumes. */
export function nodeSelectorErrors(selector: NodeSelector, path: string): FieldError[] {
  const terms = selector.nodeSelectorTerms ?? []
  if (terms.length === 0) return [required(`${path}.nodeSelectorTerms`, 'must have at least one node selector term')]
  return terms.flatMap((term, index) => nodeTermErrors(term, `${path}.nodeSelectorTerms[${index}]`, true))
}

function nodeTermErrors(term: NodeTerm | undefined, path: string, checkValues: boolean): FieldError[] {
  return [
    ...(term?.matchExpressions ?? []).flatMap((requirement, index) =>
      nodeRequirementErrors(requirement, `${path}.matchExpressions[${index}]`, checkValues),
    ),
    ...(term?.matchFields ?? []).flatMap((requirement, index) =>
      nodeFieldErrors(requirement, `${path}.matchFields[${index}]`),
    ),
  ]
}

function nodeRequirementErrors(requirement: NodeRequirement, path: string, checkValues: boolean): FieldError[] {
  const { key, operator, values = [] } = requirement
  const errors: FieldError[] = []
  if (operator === 'In' || operator === 'NotIn') {
    if (values.length === 0)
      errors.push(required(`${path}.values`, "must be specified when `operator` is 'In' or 'NotIn'"))
  } else if (operator === 'Exists' || operator === 'DoesNotExist') {
    if (values.length > 0)
      errors.push(
        forbiddenField(`${path}.values`, "may not be specified when `operator` is 'Exists' or 'DoesNotExist'"),
      )
  } else if (operator === 'Gt' || operator === 'Lt') {
    if (values.length !== 1)
      errors.push(required(`${path}.values`, "must be specified single value when `operator` is 'Lt' or 'Gt'"))
  } else errors.push(invalidValue(`${path}.operator`, operator ?? '', 'not a valid selector operator'))
  errors.push(...labelKeyErrors(`${path}.key`, key ?? ''))
  if (checkValues)
    for (const [index, value] of values.entries())
      errors.push(...textErrors(`${path}.values[${index}]`, value, labelValueProblems))
  return errors
}

function nodeFieldErrors({ key, operator, values = [] }: NodeRequirement, path: string): FieldError[] {
  const errors: FieldError[] = []
  if (operator !== 'In' && operator !== 'NotIn')
    errors.push(invalidValue(`${path}.operator`, operator ?? '', 'not a valid selector operator'))
  else if (values.length !== 1)
    errors.push(
      required(`${path}.values`, "must be only one value when `operator` is 'In' or 'NotIn' for node field selector"),
    )
  if (key !== 'metadata.name')
    return [...errors, invalidValue(`${path}.key`, key ?? '', 'not a valid field selector key')]
  for (const [index, value] of values.entries())
    errors.push(...textErrors(`${path}.values[${index}]`, value, dns1123SubdomainProblems))
  return errors
}

function podTermErrors(term: PodTerm, path: string): FieldError[] {
  const errors = [
    ...labelSelectorErrors(`${path}.labelSelector`, term.labelSelector),
    ...labelSelectorErrors(`${path}.namespaceSelector`, term.namespaceSelector),
  ]
  for (const namespace of term.namespaces ?? [])
    errors.push(...textErrors(`${path}.namespace`, namespace, dns1123LabelProblems))
  for (const field of ['matchLabelKeys', 'mismatchLabelKeys'] as const) {
    const keys = term[field] ?? []
    if (keys.length > 0 && term.labelSelector === undefined)
      errors.push(forbiddenField(`${path}.${field}`, 'must not be specified when labelSelector is not set'))
    else for (const [index, key] of keys.entries()) errors.push(...labelKeyErrors(`${path}.${field}[${index}]`, key))
  }
  for (const [index, key] of (term.matchLabelKeys ?? []).entries())
    if (term.mismatchLabelKeys?.includes(key) === true)
      errors.push(
        invalidValue(`${path}.matchLabelKeys[${index}]`, key, 'exists in both matchLabelKeys and mismatchLabelKeys'),
      )
  if (!term.topologyKey) errors.push(required(`${path}.topologyKey`, 'can not be empty'))
  return [...errors, ...labelKeyErrors(`${path}.topologyKey`, term.topologyKey ?? '')]
}

/** Problems of tolerations. */
export function tolerationErrors(tolerations: readonly Toleration[], path: string): FieldError[] {
  return tolerations.flatMap((toleration, index) => oneTolerationErrors(toleration, `${path}[${index}]`))
}

function oneTolerationErrors(toleration: Toleration, path: string): FieldError[] {
  const { key, effect = '', operator = '', value = '' } = toleration
  const errors: FieldError[] = key ? labelKeyErrors(`${path}.key`, key) : []
  if (!key && operator !== 'Exists')
    errors.push(
      invalidValue(
        `${path}.operator`,
        operator,
        'operator must be Exists when `key` is empty, which means "match all values and all keys"',
      ),
    )
  if (toleration.tolerationSeconds !== undefined && effect !== 'NoExecute')
    errors.push(invalidValue(`${path}.effect`, effect, "effect must be 'NoExecute' when `tolerationSeconds` is set"))
  if (operator === 'Equal' || operator === '') {
    const problems = labelValueProblems(value)
    if (problems.length > 0) errors.push(invalidValue(`${path}.operator`, value, problems.join(';')))
  } else if (operator !== 'Exists') errors.push(notSupported(`${path}.operator`, operator, ['Equal', 'Exists']))
  else if (value !== '')
    errors.push(invalidValue(`${path}.operator`, value, "value must be empty when `operator` is 'Exists'"))
  if (effect !== '') errors.push(...optionalOneOf(`${path}.effect`, effect, taintEffects))
  return errors
}

/** Problems of topology spread constraints. */
export function spreadErrors(spec: PodSpec, path: string): FieldError[] {
  const constraints = spec.topologySpreadConstraints ?? []
  return constraints.flatMap((constraint, index) => {
    const here = `${path}[${index}]`
    const { topologyKey, whenUnsatisfiable } = constraint
    const errors: FieldError[] = []
    if (!(constraint.maxSkew > 0))
      errors.push(invalidValue(`${here}.maxSkew`, constraint.maxSkew ?? 0, 'must be greater than zero'))
    if (!topologyKey) errors.push(required(`${here}.topologyKey`, 'can not be empty'))
    errors.push(
      ...optionalOneOf(`${here}.whenUnsatisfiable`, whenUnsatisfiable ?? '', ['DoNotSchedule', 'ScheduleAnyway']),
    )
    const repeats = constraints
      .slice(index + 1)
      .some((other) => other.topologyKey === topologyKey && other.whenUnsatisfiable === whenUnsatisfiable)
    if (repeats)
      errors.push(duplicate(`${here}.{topologyKey, whenUnsatisfiable}`, `{${topologyKey}, ${whenUnsatisfiable}}`))
    return [...errors, ...spreadDetailErrors(constraint, here)]
  })
}

function spreadDetailErrors(
  constraint: NonNullable<PodSpec['topologySpreadConstraints']>[number],
  path: string,
): FieldError[] {
  const errors: FieldError[] = []
  const { minDomains, whenUnsatisfiable, labelSelector, matchLabelKeys = [] } = constraint
  if (minDomains !== undefined) {
    if (minDomains <= 0) errors.push(invalidValue(`${path}.minDomains`, minDomains, 'must be greater than zero'))
    if (whenUnsatisfiable !== 'DoNotSchedule')
      errors.push(
        invalidValue(
          `${path}.minDomains`,
          minDomains,
          `can only use minDomains if whenUnsatisfiable=DoNotSchedule, not ${whenUnsatisfiable}`,
        ),
      )
  }
  for (const field of ['nodeAffinityPolicy', 'nodeTaintsPolicy'] as const)
    errors.push(...optionalOneOf(`${path}.${field}`, constraint[field], ['Honor', 'Ignore']))
  if (matchLabelKeys.length > 0 && labelSelector === undefined)
    errors.push(forbiddenField(`${path}.matchLabelKeys`, 'must not be specified when labelSelector is not set'))
  const selected = new Set([
    ...Object.keys(labelSelector?.matchLabels ?? {}),
    ...(labelSelector?.matchExpressions ?? []).map((requirement) => requirement.key),
  ])
  for (const [index, key] of matchLabelKeys.entries()) {
    errors.push(...labelKeyErrors(`${path}.matchLabelKeys[${index}]`, key))
    if (selected.has(key))
      errors.push(
        invalidValue(`${path}.matchLabelKeys[${index}]`, key, 'exists in both matchLabelKeys and labelSelector'),
      )
  }
  return [...errors, ...labelSelectorErrors(`${path}.labelSelector`, labelSelector)]
}
