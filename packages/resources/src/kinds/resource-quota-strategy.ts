import { type FieldError, invalidValue, required } from '@binnacle/apimachinery'
import type { ResourceQuota, ResourceQuotaSpec } from '../generated/types.ts'
import type { Strategy } from '../resource-definition.ts'
import { amountErrors, resourceNameErrors } from './resource-amounts-validation.ts'

/** Rules of ResourceQuotas (kube-apiserver `ValidateResourceQuota`). */
export const resourceQuotaStrategy: Strategy<ResourceQuota> = {
  prepareForCreate(quota) {
    quota.status = {}
  },
  validate({ spec }) {
    const hard = spec?.hard ?? {}
    return [
      ...amountsErrors(hard, 'spec.hard'),
      ...scopesErrors(spec?.scopes ?? [], Object.keys(hard)),
      ...scopeSelectorErrors(spec, Object.keys(hard)),
    ]
  },
  validateUpdate(quota, old) {
    const [now, before] = [quota.spec?.scopes ?? [], old.spec?.scopes ?? []]
    return now.toSorted().join() === before.toSorted().join()
      ? []
      : [invalidValue('spec.scopes', now, 'field is immutable')]
  },
  validateStatusUpdate: ({ status }) => [
    ...amountsErrors(status?.hard ?? {}, 'status.hard'),
    ...amountsErrors(status?.used ?? {}, 'status.used'),
  ],
}

function amountsErrors(amounts: Readonly<Record<string, string>>, path: string): FieldError[] {
  return Object.entries(amounts).flatMap(([name, amount]) => [
    ...quotaResourceNameErrors(name, `${path}[${name}]`),
    ...amountErrors(name, amount, `${path}[${name}]`),
  ])
}

const computeNames = ['cpu', 'memory', 'requests.cpu', 'requests.memory', 'limits.cpu', 'limits.memory']
const quotaNames = new Set([
  ...computeNames,
  'ephemeral-storage',
  'requests.storage',
  'requests.ephemeral-storage',
  'limits.ephemeral-storage',
  'pods',
  'resourcequotas',
  'services',
  'replicationcontrollers',
  'secrets',
  'persistentvolumeclaims',
  'configmaps',
  'services.nodeports',
  'services.loadbalancers',
])

const isQuotaName = (name: string): boolean =>
  quotaNames.has(name) || name.startsWith('hugepages-') || name.startsWith('requests.hugepages-')

function quotaResourceNameErrors(name: string, path: string): FieldError[] {
  const isRequestOfPages = name.startsWith('requests.hugepages-')
  const errors = isRequestOfPages ? [] : resourceNameErrors(name, path)
  if (!name.includes('/') && !isQuotaName(name))
    errors.push(invalidValue(path, name, 'must be a standard resource for quota'))
  return errors
}

const podScopes = ['Terminating', 'NotTerminating', 'NotBestEffort', 'PriorityClass', 'CrossNamespacePodAffinity']
/** Which resources may be limited in a scope. */
const namesInScope = new Map<string, ReadonlySet<string>>([
  ...podScopes.map((scope): [string, ReadonlySet<string>] => [scope, new Set(['pods', ...computeNames])]),
  ['BestEffort', new Set(['pods'])],
  ['VolumeAttributesClass', new Set(['persistentvolumeclaims', 'requests.storage'])],
])
const exclusive = [
  ['BestEffort', 'NotBestEffort'],
  ['Terminating', 'NotTerminating'],
] as const
/** Scopes that either hold or do not: there is no value to compare with. */
const withoutValues = new Set([
  'BestEffort',
  'NotBestEffort',
  'Terminating',
  'NotTerminating',
  'CrossNamespacePodAffinity',
])

function doesNotFit(scope: string, hard: readonly string[]): number {
  return hard.filter((name) => isQuotaName(name) && namesInScope.get(scope)?.has(name) !== true).length
}

function conflicting(scopes: readonly string[]): boolean {
  return exclusive.some((pair) => pair.every((scope) => scopes.includes(scope)))
}

function scopesErrors(scopes: readonly string[], hard: readonly string[]): FieldError[] {
  const path = 'spec.scopes'
  const errors = scopes.flatMap((scope) => [
    ...(namesInScope.has(scope) ? [] : [invalidValue(path, scopes, 'unsupported scope')]),
    ...Array.from({ length: doesNotFit(scope, hard) }, () =>
      invalidValue(path, scopes, 'unsupported scope applied to resource'),
    ),
  ])
  return conflicting(scopes) ? [...errors, invalidValue(path, scopes, 'conflicting scopes')] : errors
}

function scopeSelectorErrors(spec: ResourceQuotaSpec | undefined, hard: readonly string[]): FieldError[] {
  const path = 'spec.scopeSelector.matchExpressions'
  const selector = spec?.scopeSelector
  const errors: FieldError[] = []
  for (const { scopeName, operator, values = [] } of selector?.matchExpressions ?? []) {
    if (!namesInScope.has(scopeName)) errors.push(invalidValue(`${path}.scopeName`, scopeName, 'unsupported scope'))
    for (let i = doesNotFit(scopeName, hard); i > 0; i--)
      errors.push(invalidValue(path, selector, 'unsupported scope applied to resource'))
    if (withoutValues.has(scopeName) && operator !== 'Exists')
      errors.push(invalidValue(`${path}.operator`, operator, onlyExists))
    if (operator === 'In' || operator === 'NotIn') {
      if (values.length === 0)
        errors.push(
          required(
            `${path}.values`,
            "must be at least one value when `operator` is 'In' or 'NotIn' for scope selector",
          ),
        )
    } else if (operator === 'Exists' || operator === 'DoesNotExist') {
      if (values.length > 0)
        errors.push(
          invalidValue(
            `${path}.values`,
            values,
            "must be no value when `operator` is 'Exist' or 'DoesNotExist' for scope selector",
          ),
        )
    } else errors.push(invalidValue(`${path}.operator`, operator, 'not a valid selector operator'))
  }
  if (conflicting((selector?.matchExpressions ?? []).map(({ scopeName }) => scopeName)))
    errors.push(invalidValue(path, spec?.scopes ?? null, 'conflicting scopes'))
  return errors
}

const onlyExists =
  "must be 'Exist' only operator when scope is any of ResourceQuotaScopeTerminating, ResourceQuotaScopeNotTerminating, ResourceQuotaScopeBestEffort, ResourceQuotaScopeNotBestEffort or ResourceQuotaScopeCrossNamespacePodAffinity"
