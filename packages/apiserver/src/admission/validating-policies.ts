import {
  forbidden,
  type KubernetesObject,
  selectorFromLabelSelector,
  StatusError,
  type StatusReason,
} from '@binnacle/apimachinery'
import {
  admissionValue,
  namespaces,
  type ResourceDefinition,
  type ResourceRegistry,
  validatingAdmissionPolicies,
  type ValidatingAdmissionPolicy,
  validatingAdmissionPolicyBindings,
  type ValidatingAdmissionPolicyBinding,
} from '@binnacle/resources'
import type { RequestContext } from '../api-server.ts'
import type { AdmissionStore } from './admission.ts'
import { compiledPolicyOf, type Decision } from './policies/compiled-policy.ts'
import { matches, type PolicyWrite, subjectOf } from './policies/match.ts'

type Reads = Pick<AdmissionStore, 'get' | 'list'>

/** What policies are asked about. */
export interface PolicyQuestion {
  readonly store: Reads
  readonly registry: ResourceRegistry
  readonly request: RequestContext
  readonly write: PolicyWrite
  readonly dryRun: boolean
}

const policyGroup = 'admissionregistration.k8s.io'

/**
 * Asks the policies that are bound (plugin ValidatingAdmissionPolicy, apiserver `policy/validating/dispatcher.go`): what they have against a write refuses
 * it, or is a warning, as the binding says. @throws StatusError for the reason that the policy names
 */
export function checkPolicies(question: PolicyQuestion): void {
  const { store, request, write } = question
  const bindings = store.list({ resource: validatingAdmissionPolicyBindings.storageName }).objects
  // Whoever has written a bad policy must be able to mend it.
  if (bindings.length === 0 || write.definition.group === policyGroup) return
  const labelsOf = (namespace: string): Readonly<Record<string, string>> => namespaceOf(store, namespace)?.labels ?? {}
  const denials: { policy: string; binding: string; decision: Decision }[] = []
  for (const stored of bindings) {
    const binding = stored.parse() as ValidatingAdmissionPolicyBinding
    const { policyName = '', validationActions = [], matchResources } = binding.spec ?? {}
    const found = store.get({ resource: validatingAdmissionPolicies.storageName, namespace: '', name: policyName })
    if (found === undefined) continue
    const compiled = compiledPolicyOf(found)
    const { matchConstraints } = compiled.policy.spec ?? {}
    if (!matches(matchConstraints, write, labelsOf) || !matches(matchResources, write, labelsOf)) continue
    for (const decision of decisionsOf(question, compiled, binding)) {
      const name = binding.metadata.name
      if (validationActions.includes('Deny')) denials.push({ policy: policyName, binding: name, decision })
      if (validationActions.includes('Warn'))
        request.warn(
          `Validation failed for ValidatingAdmissionPolicy '${policyName}' with binding '${name}': ${decision.message}`,
        )
    }
  }
  const [first] = denials
  if (first !== undefined) throw refusal(write, first)
}

function namespaceOf(store: Reads, name: string) {
  return store.get({ resource: namespaces.storageName, namespace: '', name })
}

function refusal(
  write: PolicyWrite,
  { policy, binding, decision }: { policy: string; binding: string; decision: Decision },
): StatusError {
  const why = `ValidatingAdmissionPolicy '${policy}' with binding '${binding}' denied request: ${decision.message}`
  const { message, details } = forbidden(write.definition, subjectOf(write).metadata.name, why).status
  const reason = (decision.reason ?? 'Invalid') as StatusReason
  return new StatusError(reason, message as string, { ...details, causes: [{ message: why }] })
}

function decisionsOf(
  question: PolicyQuestion,
  { policy, decide }: ReturnType<typeof compiledPolicyOf>,
  binding: ValidatingAdmissionPolicyBinding,
): readonly Decision[] {
  const { store, write } = question
  const params = paramsFor(question, policy, binding)
  if (typeof params === 'string')
    return policy.spec?.failurePolicy === 'Ignore' ? [] : [{ message: `failed to configure binding: ${params}` }]
  const { namespace } = subjectOf(write).metadata
  const isNamespaced = write.definition.scope === 'Namespaced'
  const given = {
    object: admissionValue(write.object ?? null),
    oldObject: admissionValue(write.old ?? null),
    request: admissionValue(requestValue(question)),
    namespaceObject: admissionValue(isNamespaced ? (namespaceOf(store, namespace ?? '')?.parse() ?? null) : null),
  }
  return params.flatMap((param) => decide({ ...given, params: admissionValue(param) }))
}

function requestValue({ request: { user }, write, dryRun }: PolicyQuestion): object {
  const { definition, operation, subresource = '' } = write
  const { group, version, kind, plural: resource } = definition
  const { name, namespace = '' } = subjectOf(write).metadata
  return {
    kind: { group, version, kind },
    resource: { group, version, resource },
    subResource: subresource,
    requestKind: { group, version, kind },
    requestResource: { group, version, resource },
    requestSubResource: subresource,
    name,
    namespace,
    operation,
    userInfo: { username: user.name, uid: user.uid ?? '', groups: user.groups, extra: user.extra ?? {} },
    dryRun,
  }
}

/** The objects that parameterize the policy, null for a policy without; a text says why they are not to be had (`generic/policy_dispatcher.go` CollectParams). */
function paramsFor(
  { store, registry, write }: PolicyQuestion,
  { spec = {} }: ValidatingAdmissionPolicy,
  binding: ValidatingAdmissionPolicyBinding,
): readonly (KubernetesObject | null)[] | string {
  const { paramKind } = spec
  const paramRef = binding.spec?.paramRef
  if (paramKind === undefined) return [null]
  if (paramRef === undefined) return [null]
  const definition = definitionOf(registry, paramKind.apiVersion ?? '', paramKind.kind ?? '')
  if (definition === undefined) return `paramKind kind \`${paramKind.apiVersion}, Kind=${paramKind.kind}\` not known`
  const scope = scopeOf(definition, paramRef.namespace, write)
  if (typeof scope === 'string') return scope
  const found = find(store, definition, scope.namespace, paramRef)
  if (found.length > 0) return found
  if (paramRef.parameterNotFoundAction === 'Allow') return []
  return 'no params found for policy binding with `Deny` parameterNotFoundAction'
}

function definitionOf(registry: ResourceRegistry, apiVersion: string, kind: string): ResourceDefinition | undefined {
  const [first = '', second] = apiVersion.split('/')
  return second === undefined ? registry.byKind('', first, kind) : registry.byKind(first, second, kind)
}

function scopeOf(
  { scope }: ResourceDefinition,
  named: string | undefined,
  write: PolicyWrite,
): { readonly namespace: string } | string {
  if (scope === 'Cluster')
    return named ? 'paramRef.namespace must not be provided for a cluster-scoped `paramKind`' : { namespace: '' }
  const own = write.definition.scope === 'Namespaced' ? subjectOf(write).metadata.namespace : undefined
  const namespace = named || own
  if (!namespace) return "can't use namespaced paramRef to match cluster-scoped resources"
  return { namespace }
}

function find(
  store: Reads,
  { storageName }: ResourceDefinition,
  namespace: string,
  { name, selector }: NonNullable<NonNullable<ValidatingAdmissionPolicyBinding['spec']>['paramRef']>,
): readonly KubernetesObject[] {
  if (name) {
    const one = store.get({ resource: storageName, namespace, name })
    return one === undefined ? [] : [one.parse() as KubernetesObject]
  }
  const wanted = selectorFromLabelSelector(selector)
  return store
    .list({ resource: storageName, ...(namespace === '' ? {} : { namespace }) })
    .objects.filter(({ labels }) => wanted.matches(labels))
    .map((stored) => stored.parse() as KubernetesObject)
}
