import { type FieldError, type KubernetesObject, withCondition } from '@binnacle/apimachinery'
import { unevaluatedRules } from '../cel/schema-rules.ts'
import { column } from '../columns.ts'
import { apiApprovalErrors } from '../custom/api-approval.ts'
import { crdErrors, crdNameErrors } from '../custom/crd-validation.ts'
import { isCrdCondition } from '../custom/definition.ts'
import { isKnownFormat } from '../custom/formats.ts'
import { everySchema, type JsonSchema } from '../custom/json-schema.ts'
import { defineResource } from '../define-resource.ts'
import type { CustomResourceDefinition } from '../generated/types.ts'
import type { ResourceDefinition } from '../resource-definition.ts'
import { immutable } from './field-checks.ts'

/** What holds a definition back until its objects are deleted. */
export const customResourceCleanup = 'customresourcecleanup.apiextensions.k8s.io'

/** A kind of one's own: what it becomes is `customDefinitions`. */
export const customResourceDefinitions: ResourceDefinition<CustomResourceDefinition> =
  defineResource<CustomResourceDefinition>('apiextensions.k8s.io', 'v1', 'customresourcedefinitions', {
    shortNames: ['crd', 'crds'],
    categories: ['api-extensions'],
    columns: [column('Created At', (object: KubernetesObject) => object.metadata.creationTimestamp ?? '')],
    strategy: {
      applyDefaults,
      prepareForCreate(crd) {
        crd.status = { storedVersions: [] }
        addStoredVersion(crd)
      },
      prepareForUpdate: addStoredVersion,
      prepareForDelete: withCleanup,
      validate: (crd) => crdErrors(crd),
      validateCreate: (crd) => [...crdNameErrors(crd), ...apiApprovalErrors(crd)],
      validateUpdate: (crd, old) => [...changeErrors(crd, old), ...apiApprovalErrors(crd, old)],
      warnings,
    },
  })

function applyDefaults({ spec }: CustomResourceDefinition): void {
  const { names } = spec
  if (!names.singular) names.singular = names.kind.toLowerCase()
  if (!names.listKind && names.kind) names.listKind = `${names.kind}List`
  spec.conversion ??= { strategy: 'None' }
  const service = spec.conversion.webhook?.clientConfig?.service
  if (service !== undefined) service.port ??= 443
}

// Every version that objects have ever been stored in stays on the list until somebody has migrated them.
function addStoredVersion(crd: CustomResourceDefinition): void {
  const storage = crd.spec.versions.find((version) => version.storage)?.name
  const stored = crd.status?.storedVersions ?? []
  if (storage === undefined || stored.includes(storage)) return
  crd.status = { ...crd.status, storedVersions: [...stored, storage] }
}

// All its objects go before it does.
function withCleanup(crd: CustomResourceDefinition, nowMs: number): CustomResourceDefinition {
  const { finalizers = [] } = crd.metadata
  const terminating = {
    type: 'Terminating',
    status: 'True',
    reason: 'InstanceDeletionPending',
    message: 'CustomResourceDefinition marked for deletion; CustomResource deletion will begin soon',
  }
  return {
    ...crd,
    metadata: {
      ...crd.metadata,
      finalizers: finalizers.includes(customResourceCleanup) ? finalizers : [...finalizers, customResourceCleanup],
    },
    status: { ...crd.status, conditions: [...withCondition(crd.status?.conditions, terminating, nowMs)] },
  }
}

function changeErrors({ spec }: CustomResourceDefinition, old: CustomResourceDefinition): FieldError[] {
  return [
    ...(isCrdCondition(old, 'Established')
      ? [
          ...immutable('spec.scope', spec.scope, old.spec.scope),
          ...immutable('spec.names.kind', spec.names.kind, old.spec.names.kind),
        ]
      : []),
    ...immutable('spec.group', spec.group, old.spec.group),
    ...immutable('spec.names.plural', spec.names.plural, old.spec.names.plural),
  ]
}

function warnings({ spec }: CustomResourceDefinition): string[] {
  const schemas = spec.versions.flatMap(({ schema }) => [...everySchema(schema?.openAPIV3Schema as JsonSchema)])
  const unknown = schemas
    .filter(({ type = '', format = '' }) => format !== '' && !isKnownFormat(type, format))
    .map(({ format }) => `unrecognized format ${JSON.stringify(format)}`)
  const sets = schemas
    .filter((schema) => schema['x-kubernetes-list-type'] === 'set')
    .map(({ items }) => items?.type)
    .filter((type) => type === 'object' || type === 'array')
    .map(
      (type) =>
        `x-kubernetes-list-type: set for items of type "${type}" is not supported by server-side apply or CEL validation rules`,
    )
  const unevaluated = spec.versions.flatMap(({ schema }) =>
    unevaluatedRules((schema?.openAPIV3Schema ?? {}) as JsonSchema),
  )
  return [...unknown, ...new Set(sets), ...unevaluated]
}
