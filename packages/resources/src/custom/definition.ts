import {
  type Decoded,
  type FieldError,
  type KubernetesObject,
  type ObjectSchema,
  qualifiedNameProblems,
} from '@binnacle/apimachinery'
import type {
  CustomResourceDefinition,
  CustomResourceDefinitionSpec,
  CustomResourceDefinitionVersion,
} from '../generated/types.ts'
import type { CustomKind, ResourceDefinition, ScaleSubresource, Strategy, Verb } from '../resource-definition.ts'
import { type SchemaRules, schemaRules } from '../cel/schema-rules.ts'
import { compareVersions } from '../version-order.ts'
import { customColumns } from './columns.ts'
import { decodeMetadata, embeddedObjectErrors, hasEmbeddedObjects, withCleanMetadata } from './embedded-objects.ts'
import type { JsonObject, JsonSchema } from './json-schema.ts'
import { listTypeErrors } from './list-types.ts'
import { objectSchemasOf } from './object-schemas.ts'
import { scaleSpecErrors, scaleStatusErrors } from './scale-values.ts'
import { hasDefaults, prune, withDefaults, withoutNulls } from './structural-values.ts'
import { schemaErrors } from './validate-value.ts'

/** A definition of a custom kind, in one version. */
export type CustomDefinition = ResourceDefinition & { readonly custom: CustomKind }

const verbs: readonly Verb[] = ['delete', 'deletecollection', 'get', 'list', 'patch', 'create', 'update', 'watch']

/** True when a condition of a CustomResourceDefinition holds. */
export function isCrdCondition(crd: CustomResourceDefinition, type: string): boolean {
  return crd.status?.conditions?.some((condition) => condition.type === type && condition.status === 'True') === true
}

/**
 * What a CustomResourceDefinition makes of itself: a definition for each version that it serves, of the same shape as a built-in kind's. None before it
 * is established. Nothing downstream knows whether a kind is built in. Conversion by webhook is not offered: of such a kind the stored version is
 * served alone.
 */
export function customDefinitions(crd: CustomResourceDefinition): readonly CustomDefinition[] {
  if (!isCrdCondition(crd, 'Established')) return []
  const isConverted = crd.spec.conversion?.strategy !== 'Webhook'
  return crd.spec.versions
    .filter(({ served, storage }) => served && (isConverted || storage))
    .map((version) => definitionOf(crd, version))
}

/** The definition by which all objects of a kind are reached, whatever is served: in a served version where there is one. */
export function storedDefinition(crd: CustomResourceDefinition): CustomDefinition {
  const { versions } = crd.spec
  const stored = versions.find(({ storage }) => storage) as CustomResourceDefinitionVersion
  const served = stored.served || crd.spec.conversion?.strategy === 'Webhook' ? stored : versions.find((v) => v.served)
  return definitionOf(crd, served ?? stored)
}

/** `com.example.stable.v1.CronTab`: what a kind is called in OpenAPI documents. */
function modelName(group: string, version: string, kind: string): string {
  return `${group.split('.').toReversed().join('.')}.${version}.${kind}`
}

function definitionOf(crd: CustomResourceDefinition, version: CustomResourceDefinitionVersion): CustomDefinition {
  const { spec } = crd
  const { group, scope } = spec
  const names = { ...spec.names, ...crd.status?.acceptedNames }
  const { kind, plural } = names
  const schema = (version.schema?.openAPIV3Schema ?? {}) as JsonSchema
  const { root, inner } = objectSchemasOf(modelName(group, version.name, kind), schema)
  const { status, scale } = version.subresources ?? {}
  const scalePaths = scale === undefined ? undefined : { ...scale, selectorPath: scale.labelSelectorPath ?? '' }
  const storageVersion = spec.versions.find(({ storage }) => storage)?.name ?? version.name
  return {
    group,
    version: version.name,
    kind,
    listKind: names.listKind ?? `${kind}List`,
    plural,
    singular: names.singular ?? kind.toLowerCase(),
    shortNames: names.shortNames ?? [],
    categories: names.categories ?? [],
    scope: scope as 'Namespaced' | 'Cluster',
    verbs,
    schema: root,
    subresources: {
      ...(status === undefined ? {} : { status: true as const }),
      ...(scalePaths === undefined ? {} : { scale: scalePaths }),
      others: [],
    },
    selectableFields: [
      'metadata.name',
      ...(scope === 'Namespaced' ? ['metadata.namespace'] : []),
      ...(version.selectableFields ?? []).map(({ jsonPath }) => jsonPath.replace(/^\./, '')),
    ],
    printerColumns: customColumns(version.additionalPrinterColumns),
    edges: {},
    strategy: strategyOf(schema, scalePaths),
    hasGeneration: true,
    servedByDefault: true,
    storageName: `${plural}.${group}`,
    storageVersion,
    convert: conversionOf(`${group}/${version.name}`, `${group}/${storageVersion}`, schema),
    custom: customKind(crd, version, { schema, inner }),
  }
}

function customKind(
  crd: CustomResourceDefinition,
  version: CustomResourceDefinitionVersion,
  { schema, inner }: { readonly schema: JsonSchema; readonly inner: ReadonlyMap<string, ObjectSchema> },
): CustomKind {
  const decodesMetadata = hasEmbeddedObjects(schema)
  return {
    uid: crd.metadata.uid ?? '',
    terminating: isCrdCondition(crd, 'Terminating'),
    ...(version.deprecated === true
      ? { deprecationWarning: version.deprecationWarning ?? deprecationOf(version.name, crd.spec) }
      : {}),
    schema,
    innerSchemas: inner,
    decode(body, isConfiguration) {
      // Defaults come before pruning, as in kube-apiserver.
      const complete = isConfiguration === true ? body : (withDefaults(body, schema) as JsonObject)
      return decode(complete, schema, decodesMetadata)
    },
  }
}

function deprecationOf(version: string, { group, names, versions }: CustomResourceDefinitionSpec): string {
  const newer = versions
    .filter(({ served, deprecated, name }) => served && deprecated !== true && compareVersions(name, version) < 0)
    .map(({ name }) => name)
    .sort(compareVersions)
  const instead = newer[0] === undefined ? '' : `; use ${group}/${newer[0]} ${names.kind}`
  return `${group}/${version} ${names.kind} is deprecated${instead}`
}

function decode(body: Record<string, unknown>, schema: JsonSchema, hasEmbedded: boolean): Decoded {
  const unknownFields: string[] = []
  const pruned = prune(body, schema, unknownFields)
  const cleaned = hasEmbedded ? withCleanMetadata(pruned, schema, unknownFields) : pruned
  const value = { ...(withoutNulls(cleaned, schema) as JsonObject) }
  if (value['metadata'] === undefined || value['metadata'] === null)
    return { value: { ...value, metadata: {} }, unknownFields: unknownFields.sort(), typeError: undefined }
  const metadata = decodeMetadata(value['metadata'], '')
  value['metadata'] = metadata.value
  return { value, unknownFields: [...metadata.unknownFields, ...unknownFields.sort()], typeError: metadata.typeError }
}

/** Objects are read as their schema wants them now, whatever it was when they were stored. */
function conversionOf(
  apiVersion: string,
  storedVersion: string,
  schema: JsonSchema,
): NonNullable<ResourceDefinition['convert']> {
  const converted = new WeakMap<KubernetesObject, KubernetesObject>()
  const addsDefaults = hasDefaults(schema)
  const read = (stored: KubernetesObject): KubernetesObject => {
    const object = stored as unknown as JsonObject
    const complete = addsDefaults ? (withDefaults(object, schema) as JsonObject) : object
    const pruned = prune(complete, schema) as unknown as KubernetesObject
    return pruned.apiVersion === apiVersion ? pruned : { ...pruned, apiVersion }
  }
  return {
    toStorage: (object) => (object.apiVersion === storedVersion ? object : { ...object, apiVersion: storedVersion }),
    fromStorage(stored) {
      let object = converted.get(stored)
      if (object === undefined) converted.set(stored, (object = read(stored)))
      return object
    },
  }
}

const uncheckedRules: FieldError = {
  type: 'FieldValueInvalid',
  field: '<nil>',
  message:
    'Invalid value: null: some validation rules were not checked because the object was invalid; correct the existing errors to complete validation',
}

// Rules are evaluated on values of the right structure only.
const blocking = new Set([
  'FieldValueNotSupported',
  'FieldValueRequired',
  'FieldValueTooLong',
  'FieldValueTooMany',
  'FieldValueTypeInvalid',
])

/** The problems that are known, and those that the rules of a schema find. */
function withRules(
  rules: SchemaRules | undefined,
  errors: FieldError[],
  object: JsonObject,
  old?: JsonObject,
): FieldError[] {
  if (rules === undefined) return errors
  if (errors.some(({ type }) => blocking.has(type))) return [...errors, uncheckedRules]
  return [...errors, ...rules.errors(object, old)]
}

function strategyOf(schema: JsonSchema, scale: ScaleSubresource | undefined): Strategy {
  const rules = schemaRules(schema)
  const hasEmbedded = hasEmbeddedObjects(schema)
  const statusSchema = schema.properties?.['status']
  const structureErrors = (object: JsonObject, old?: JsonObject): FieldError[] => [
    ...(hasEmbedded ? embeddedObjectErrors(schema, object) : []),
    ...(old !== undefined && listTypeErrors(schema, old).length > 0 ? [] : listTypeErrors(schema, object)),
  ]
  const errorsOf = (object: JsonObject, old?: JsonObject): FieldError[] => {
    const errors = [
      ...schemaErrors(schema, object, { old }),
      ...(scale === undefined ? [] : [...scaleSpecErrors(scale, object), ...scaleStatusErrors(scale, object)]),
      ...structureErrors(object, old),
    ]
    return withRules(rules, errors, object, old)
  }
  return {
    // Defaults that admission or a subresource has brought about.
    applyDefaults: (object) => void Object.assign(object, withDefaults(object, schema)),
    prepareForStatusUpdate(object, old) {
      // Metadata is not the status' to change.
      const { managedFields: _managedFields, ...metadata } = old.metadata
      object.metadata = { ...metadata, resourceVersion: object.metadata.resourceVersion ?? '' }
    },
    validateCreate: (object) => errorsOf(jsonOf(object)),
    validateUpdate: (object, old) => errorsOf(jsonOf(object), jsonOf(old)),
    validateStatusUpdate(object, old) {
      const [now, before] = [jsonOf(object), jsonOf(old)]
      const errors = [
        ...(statusSchema === undefined || now['status'] === undefined
          ? []
          : schemaErrors(statusSchema, now['status'], { field: 'status', old: before['status'] })),
        ...(scale === undefined ? [] : scaleStatusErrors(scale, now)),
        ...structureErrors(now, before),
      ]
      return withRules(rules, errors, now, before)
    },
    warnings: ({ metadata }) => [...new Set(metadata.finalizers)].sort().flatMap(finalizerWarnings),
  }
}

const standardFinalizers = new Set(['orphan', 'foregroundDeletion'])

function finalizerWarnings(finalizer: string): string[] {
  const problems = qualifiedNameProblems(finalizer)
  if (!finalizer.includes('/') && !standardFinalizers.has(finalizer))
    problems.push(
      'prefer a domain-qualified finalizer name including a path (/) to avoid accidental conflicts with other finalizer writers',
    )
  return problems.map((problem) => `metadata.finalizers: "${finalizer}": ${problem}`)
}

const jsonOf = (object: KubernetesObject): JsonObject => object as unknown as JsonObject
