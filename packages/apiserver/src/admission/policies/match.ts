import { type KubernetesObject, selectorFromLabelSelector } from '@binnacle/apimachinery'
import {
  type MatchResources,
  type NamedRuleWithOperations,
  namespaces,
  type ResourceDefinition,
} from '@binnacle/resources'

/** A write, as admission policies see it. */
export interface PolicyWrite {
  readonly operation: 'CREATE' | 'UPDATE' | 'DELETE'
  readonly definition: ResourceDefinition
  readonly subresource: string | undefined
  /** The object as it will be; undefined for a DELETE. */
  readonly object: KubernetesObject | undefined
  readonly old: KubernetesObject | undefined
}

/** The object that the write is about. */
export function subjectOf({ object, old }: PolicyWrite): KubernetesObject {
  return (object ?? old) as KubernetesObject
}

/** The write is one that the policy, or its binding, is about (apiserver `policy/matching/matching.go`). `labelsOf` gives a namespace's labels. */
export function matches(
  match: MatchResources | undefined,
  write: PolicyWrite,
  labelsOf: (namespace: string) => Readonly<Record<string, string>>,
): boolean {
  if (match === undefined) return true
  if (!matchesNamespace(match, write, labelsOf) || !matchesObject(match, write)) return false
  if ((match.excludeResourceRules ?? []).some((rule) => matchesRule(rule, match, write))) return false
  // Without rules a binding is about all that its policy is about.
  const rules = match.resourceRules ?? []
  return rules.length === 0 || rules.some((rule) => matchesRule(rule, match, write))
}

function matchesNamespace(
  { namespaceSelector }: MatchResources,
  write: PolicyWrite,
  labelsOf: (namespace: string) => Readonly<Record<string, string>>,
): boolean {
  if (namespaceSelector === undefined) return true
  const { metadata } = subjectOf(write)
  const selector = selectorFromLabelSelector(namespaceSelector)
  if (write.definition.storageName === namespaces.storageName) return selector.matches(metadata.labels)
  return write.definition.scope === 'Cluster' || selector.matches(labelsOf(metadata.namespace ?? ''))
}

function matchesObject({ objectSelector }: MatchResources, { object, old }: PolicyWrite): boolean {
  if (objectSelector === undefined) return true
  const selector = selectorFromLabelSelector(objectSelector)
  return [object, old].some((one) => one !== undefined && selector.matches(one.metadata.labels))
}

function matchesRule(rule: NamedRuleWithOperations, { matchPolicy }: MatchResources, write: PolicyWrite): boolean {
  const { definition, operation, subresource = '' } = write
  const has = (values: readonly string[] | undefined, value: string): boolean =>
    (values ?? []).some((one) => one === '*' || one === value)
  const { scope = '*', resourceNames = [], resources = [] } = rule
  if (scope !== '*' && scope !== definition.scope) return false
  if (!has(rule.operations, operation) || !has(rule.apiGroups, definition.group)) return false
  // An equivalent version of the kind is as good.
  if (matchPolicy === 'Exact' && !has(rule.apiVersions, definition.version)) return false
  if (resourceNames.length > 0 && !resourceNames.includes(subjectOf(write).metadata.name)) return false
  return resources.some((text) => {
    const [resource = '', part = ''] = text.split('/')
    return has([resource], definition.plural) && has([part], subresource)
  })
}
