import {
  dns1123SubdomainProblems,
  type FieldError,
  invalidValue,
  pathSegmentProblems,
  required,
  semanticEqual,
} from '@binnacle/apimachinery'
import type { ClusterRole, ClusterRoleBinding, PolicyRule, Role, RoleBinding } from '../generated/types.ts'
import type { Strategy } from '../resource-definition.ts'
import { labelSelectorErrors, oneOf, optionalOneOf, textErrors } from './field-checks.ts'

const rbacGroup = 'rbac.authorization.k8s.io'
const validateName = (name: string): string[] => pathSegmentProblems(name)

/** Rules of Roles. */
export const roleStrategy: Strategy<Role> = {
  validate: (role) => (role.rules ?? []).flatMap((rule, index) => ruleErrors(rule, `rules[${index}]`, true)),
  validateName,
}

/** Rules of ClusterRoles. */
export const clusterRoleStrategy: Strategy<ClusterRole> = {
  validate(role) {
    const errors = (role.rules ?? []).flatMap((rule, index) => ruleErrors(rule, `rules[${index}]`, false))
    if (role.aggregationRule === undefined) return errors
    const path = 'aggregationRule.clusterRoleSelectors'
    const selectors = role.aggregationRule.clusterRoleSelectors ?? []
    if (selectors.length === 0)
      errors.push(required(path, 'at least one clusterRoleSelector required if aggregationRule is non-nil'))
    return [...errors, ...selectors.flatMap((selector, index) => labelSelectorErrors(`${path}[${index}]`, selector))]
  },
  validateName,
}

function ruleErrors(rule: PolicyRule, path: string, isNamespaced: boolean): FieldError[] {
  const [groups, resources, urls] = [rule.apiGroups ?? [], rule.resources ?? [], rule.nonResourceURLs ?? []]
  const errors: FieldError[] = []
  if ((rule.verbs ?? []).length === 0) errors.push(required(`${path}.verbs`, 'verbs must contain at least one value'))
  if (urls.length > 0) {
    if (isNamespaced)
      errors.push(invalidValue(`${path}.nonResourceURLs`, urls, 'namespaced rules cannot apply to non-resource URLs'))
    if (groups.length > 0 || resources.length > 0 || (rule.resourceNames ?? []).length > 0)
      errors.push(
        invalidValue(
          `${path}.nonResourceURLs`,
          urls,
          'rules cannot apply to both regular resources and non-resource URLs',
        ),
      )
    return errors
  }
  if (groups.length === 0)
    errors.push(required(`${path}.apiGroups`, 'resource rules must supply at least one api group'))
  if (resources.length === 0)
    errors.push(required(`${path}.resources`, 'resource rules must supply at least one resource'))
  return errors
}

/** Rules of bindings within a namespace. A binding's role may not change: who has which role would change with it. */
export const roleBindingStrategy: Strategy<RoleBinding> = bindingStrategy(['Role', 'ClusterRole'], true)
/** Rules of bindings everywhere. */
export const clusterRoleBindingStrategy: Strategy<ClusterRoleBinding> = bindingStrategy(['ClusterRole'], false)

type Subject = NonNullable<RoleBinding['subjects']>[number]

function bindingStrategy<T extends RoleBinding | ClusterRoleBinding>(
  roleKinds: readonly string[],
  isNamespaced: boolean,
): Strategy<T> {
  return {
    applyDefaults(binding) {
      if (binding.roleRef !== undefined) binding.roleRef.apiGroup ||= rbacGroup
      for (const subject of binding.subjects ?? [])
        if (subject.kind === 'User' || subject.kind === 'Group') subject.apiGroup ||= rbacGroup
    },
    validate(binding) {
      const { apiGroup = '', kind = '', name = '' } = (binding.roleRef ?? {}) as Partial<T['roleRef']>
      return [
        ...optionalOneOf('roleRef.apiGroup', apiGroup, [rbacGroup]),
        ...optionalOneOf('roleRef.kind', kind, roleKinds),
        ...(name === '' ? [required('roleRef.name')] : textErrors('roleRef.name', name, pathSegmentProblems)),
        ...(binding.subjects ?? []).flatMap((subject, index) =>
          subjectErrors(subject, `subjects[${index}]`, isNamespaced),
        ),
      ]
    },
    validateUpdate: (binding, old) =>
      semanticEqual(binding.roleRef, old.roleRef)
        ? []
        : [invalidValue('roleRef', binding.roleRef, 'cannot change roleRef')],
    validateName,
  }
}

function subjectErrors(subject: Subject, path: string, isNamespaced: boolean): FieldError[] {
  const { apiGroup = '', kind, name } = subject
  const errors: FieldError[] = name ? [] : [required(`${path}.name`)]
  if (kind === 'ServiceAccount') {
    if (name) errors.push(...textErrors(`${path}.name`, name, dns1123SubdomainProblems))
    errors.push(...optionalOneOf(`${path}.apiGroup`, apiGroup, ['']))
    if (!isNamespaced && !subject.namespace) errors.push(required(`${path}.namespace`))
    return errors
  }
  if (kind === 'User' || kind === 'Group')
    return [...errors, ...optionalOneOf(`${path}.apiGroup`, apiGroup, [rbacGroup])]
  return [...errors, ...oneOf(`${path}.kind`, kind || ' ', ['ServiceAccount', 'User', 'Group'])]
}
