import {
  dns1035LabelProblems,
  dns1123SubdomainProblems,
  duplicate,
  type FieldError,
  forbiddenField,
  invalidValue,
  notSupported,
  required,
  tooMany,
} from '@binnacle/apimachinery'
import type {
  CustomResourceColumnDefinition,
  CustomResourceConversion,
  CustomResourceDefinition,
  CustomResourceDefinitionNames,
  CustomResourceDefinitionVersion,
  CustomResourceSubresourceScale,
  SelectableField,
} from '../generated/types.ts'
import { additionalSchema, type JsonSchema } from './json-schema.ts'
import { versionSchemaErrors } from './schema-validation.ts'

/** The rules for CustomResourceDefinitions (apiextensions-apiserver `pkg/apis/apiextensions/validation`). */

/** The problems of a definition, whether new or changed. */
export function crdErrors(crd: CustomResourceDefinition): FieldError[] {
  const { spec, status } = crd
  return [
    ...groupErrors(spec.group),
    ...scopeErrors(spec.scope),
    ...versionListErrors(spec.versions),
    ...spec.versions.flatMap((version, i) => versionErrors(version, `spec.versions[${i}]`)),
    ...missingNames(spec.names),
    ...namesErrors(spec.names, 'spec.names'),
    ...conversionErrors(spec.conversion),
    ...(status?.acceptedNames === undefined ? [] : namesErrors(status.acceptedNames, 'status.acceptedNames')),
    ...storedVersionErrors(crd),
    ...(spec.preserveUnknownFields === true
      ? [
          invalidValue(
            'spec.preserveUnknownFields',
            true,
            'cannot set to true, set x-kubernetes-preserve-unknown-fields to true in spec.versions[*].schema instead',
          ),
        ]
      : []),
  ]
}

/** What the name of a definition has to be: that of its resource in its group. */
export function crdNameErrors({ metadata, spec }: CustomResourceDefinition): FieldError[] {
  if (metadata.name === `${spec.names.plural}.${spec.group}`) return []
  return [invalidValue('metadata.name', metadata.name, 'must be spec.names.plural+"."+spec.group')]
}

function groupErrors(group: string): FieldError[] {
  if (group === '') return [required('spec.group')]
  const problems = dns1123SubdomainProblems(group)
  if (problems.length > 0) return [invalidValue('spec.group', group, problems.join(','))]
  return group.includes('.') ? [] : [invalidValue('spec.group', group, 'should be a domain with at least one dot')]
}

function scopeErrors(scope: string): FieldError[] {
  if (scope === '') return [required('spec.scope')]
  const scopes = ['Cluster', 'Namespaced']
  return scopes.includes(scope) ? [] : [notSupported('spec.scope', scope, scopes)]
}

function versionListErrors(versions: readonly CustomResourceDefinitionVersion[]): FieldError[] {
  const errors = versions.flatMap(({ name }, i) => labelErrors(`spec.versions[${i}].name`, name))
  if (new Set(versions.map(({ name }) => name)).size < versions.length)
    errors.push(invalidValue('spec.versions', versions, 'must contain unique version names'))
  if (versions.filter(({ storage }) => storage).length !== 1)
    errors.push(invalidValue('spec.versions', versions, 'must have exactly one version marked as storage version'))
  return errors
}

function labelErrors(field: string, value: string, prefix = ''): FieldError[] {
  const problems = dns1035LabelProblems(prefix === '' ? value : value.toLowerCase())
  return problems.length === 0 ? [] : [invalidValue(field, value, `${prefix}${problems.join(',')}`)]
}

function missingNames(names: CustomResourceDefinitionNames): FieldError[] {
  return (['plural', 'singular', 'kind', 'listKind'] as const)
    .filter((name) => !names[name])
    .map((name) => required(`spec.names.${name}`))
}

const mixedCase = 'may have mixed case, but should otherwise match: '

function namesErrors(names: CustomResourceDefinitionNames, path: string): FieldError[] {
  const { plural, singular, kind, listKind, shortNames = [], categories = [] } = names
  return [
    ...(plural ? labelErrors(`${path}.plural`, plural) : []),
    ...(singular ? labelErrors(`${path}.singular`, singular) : []),
    ...(kind ? labelErrors(`${path}.kind`, kind, mixedCase) : []),
    ...(listKind ? labelErrors(`${path}.listKind`, listKind, mixedCase) : []),
    ...shortNames.flatMap((name, i) => labelErrors(`${path}.shortNames[${i}]`, name)),
    ...(kind && kind === listKind
      ? [invalidValue(`${path}.listKind`, listKind, 'kind and listKind may not be the same')]
      : []),
    ...categories.flatMap((name, i) => labelErrors(`${path}.categories[${i}]`, name)),
  ]
}

function versionErrors(version: CustomResourceDefinitionVersion, path: string): FieldError[] {
  const schema = version.schema?.openAPIV3Schema as JsonSchema | undefined
  const { status, scale } = version.subresources ?? {}
  const schemaPath = `${path}.schema.openAPIV3Schema`
  return [
    ...(schema === undefined ? [required(schemaPath)] : versionSchemaErrors(schema, schemaPath, status !== undefined)),
    ...deprecationErrors(version, path),
    ...(scale === undefined ? [] : scaleErrors(scale, `${path}.subresources.scale`)),
    ...(version.additionalPrinterColumns ?? []).flatMap((column, i) =>
      columnErrors(column, `${path}.additionalPrinterColumns[${i}]`),
    ),
    ...selectableFieldErrors(version.selectableFields ?? [], schema ?? {}, `${path}.selectableFields`),
  ]
}

function deprecationErrors({ deprecated, deprecationWarning }: CustomResourceDefinitionVersion, path: string) {
  if (deprecationWarning === undefined) return []
  const problems =
    deprecated !== true
      ? ['can only be set for deprecated versions']
      : [
          ...(deprecationWarning.length > 256 ? ['must be <= 256 characters long'] : []),
          ...(deprecationWarning === '' ? ['must not be an empty string'] : []),
          ...unprintable(deprecationWarning),
        ]
  return problems.map((problem) => invalidValue(`${path}.deprecationWarning`, deprecationWarning, problem))
}

function unprintable(text: string): string[] {
  const index = text.search(/[^\p{L}\p{M}\p{N}\p{P}\p{S} ]/u)
  if (index < 0) return []
  const place = Buffer.byteLength(text.slice(0, index))
  return [`must only contain printable UTF-8 characters; non-printable character found at index ${place}`]
}

function scaleErrors(scale: CustomResourceSubresourceScale, path: string): FieldError[] {
  return [
    ...pathUnder(scale.specReplicasPath, `${path}.specReplicasPath`, ['.spec.'], 'should be a json path under .spec'),
    ...pathUnder(
      scale.statusReplicasPath,
      `${path}.statusReplicasPath`,
      ['.status.'],
      'should be a json path under .status',
    ),
    ...(scale.labelSelectorPath
      ? pathUnder(
          scale.labelSelectorPath,
          `${path}.labelSelectorPath`,
          ['.spec.', '.status.'],
          'should be a json path under either .spec or .status',
        )
      : []),
  ]
}

function pathUnder(value: string, field: string, roots: readonly string[], detail: string): FieldError[] {
  if (value === '') return [required(field)]
  if (!value.startsWith('.')) return [invalidValue(field, value, 'must be a simple json path starting with .')]
  return roots.some((root) => value.startsWith(root)) ? [] : [invalidValue(field, value, detail)]
}

const columnTypes = ['boolean', 'date', 'integer', 'number', 'string']
const columnFormats = ['byte', 'date', 'date-time', 'double', 'float', 'int32', 'int64', 'password']

function columnErrors(column: CustomResourceColumnDefinition, path: string): FieldError[] {
  const { name, type, format = '', jsonPath } = column
  const errors: FieldError[] = []
  const oneOfTypes = `must be one of ${columnTypes.join(',')}`
  if (name === '') errors.push(required(`${path}.name`))
  if (type === '') errors.push(required(`${path}.type`, oneOfTypes))
  else if (!columnTypes.includes(type)) errors.push(invalidValue(`${path}.type`, type, oneOfTypes))
  if (format !== '' && !columnFormats.includes(format))
    errors.push(invalidValue(`${path}.format`, format, `must be one of ${columnFormats.join(',')}`))
  if (jsonPath === '') errors.push(required(`${path}.JSONPath`))
  else if (!jsonPath.startsWith('.'))
    errors.push(invalidValue(`${path}.JSONPath`, jsonPath, 'must be a simple json path starting with .'))
  return errors
}

const selectableFieldsMax = 8
const selectableTypes = ['string', 'boolean', 'integer']

function selectableFieldErrors(fields: readonly SelectableField[], schema: JsonSchema, path: string): FieldError[] {
  const seen = new Set<string>()
  const errors = fields.flatMap(({ jsonPath }, i): FieldError[] => {
    const field = `${path}[${i}].jsonPath`
    if (jsonPath === '') return [required(field)]
    const found = schemaAt(schema, jsonPath)
    if ('problem' in found) return [invalidValue(field, jsonPath, `is an invalid path: ${found.problem}`)]
    const isRepeated = seen.has(jsonPath)
    seen.add(jsonPath)
    return [
      ...(jsonPath.startsWith('.metadata')
        ? [invalidValue(field, jsonPath, 'must not point to fields in metadata')]
        : []),
      ...(selectableTypes.includes(found.schema.type ?? '')
        ? []
        : [
            invalidValue(
              field,
              jsonPath,
              'must point to a field of type string, boolean or integer. Enum string fields and strings with formats are allowed.',
            ),
          ]),
      ...(isRepeated ? [duplicate(field, jsonPath)] : []),
    ]
  })
  if (seen.size > selectableFieldsMax) errors.push(tooMany(path, seen.size, selectableFieldsMax))
  return errors
}

function schemaAt(schema: JsonSchema, path: string): { readonly schema: JsonSchema } | { readonly problem: string } {
  if (path.includes('[')) return { problem: 'array notation is not allowed' }
  if (!path.startsWith('.')) return { problem: `expected [ or . but got: ${path.split('.')[0]}` }
  let current = schema
  for (const name of path.slice(1).split('.')) {
    const next = current.properties === undefined ? additionalSchema(current) : current.properties[name]
    if (next === undefined) return { problem: 'does not refer to a valid field' }
    current = next
  }
  return { schema: current }
}

function conversionErrors(conversion: CustomResourceConversion | undefined): FieldError[] {
  if (conversion === undefined) return []
  const { strategy, webhook } = conversion
  const path = 'spec.conversion'
  if (strategy === '') return [required(`${path}.strategy`)]
  if (strategy === 'None')
    return webhook === undefined
      ? []
      : [forbiddenField(`${path}.webhookClientConfig`, 'should not be set when strategy is not set to Webhook')]
  if (strategy !== 'Webhook') return [notSupported(`${path}.strategy`, strategy, ['None', 'Webhook'])]
  const errors: FieldError[] = []
  const config = webhook?.clientConfig
  if (config === undefined)
    errors.push(required(`${path}.webhookClientConfig`, 'required when strategy is set to Webhook'))
  else if ((config.url === undefined) === (config.service === undefined))
    errors.push(required(`${path}.webhookClientConfig`, 'exactly one of url or service is required'))
  return [...errors, ...reviewVersionErrors(webhook?.conversionReviewVersions ?? [], path)]
}

function reviewVersionErrors(versions: readonly string[], path: string): FieldError[] {
  const field = `${path}.conversionReviewVersions`
  if (versions.length === 0) return [required(field)]
  const errors = versions.flatMap((version, i) =>
    versions.indexOf(version) < i
      ? [invalidValue(`${field}[${i}]`, version, 'duplicate version')]
      : labelErrors(`${field}[${i}]`, version),
  )
  if (!versions.some((version) => version === 'v1' || version === 'v1beta1'))
    errors.push(invalidValue(field, versions, 'must include at least one of v1, v1beta1'))
  return errors
}

function storedVersionErrors({ spec, status }: CustomResourceDefinition): FieldError[] {
  const field = 'status.storedVersions'
  const stored = status?.storedVersions ?? []
  if (stored.length === 0) return [invalidValue(field, stored, 'must have at least one stored version')]
  const names = spec.versions.map(({ name }) => name)
  return [
    ...spec.versions
      .filter(({ name, storage }) => storage && !stored.includes(name))
      .map(({ name }) => invalidValue(field, stored, `must have the storage version ${name}`)),
    ...stored.flatMap((name, i) =>
      names.includes(name)
        ? []
        : [
            invalidValue(
              `${field}[${i}]`,
              name,
              `missing from spec.versions; ${name} was previously a storage version, and must remain in spec.versions until a storage migration ensures no data remains persisted in ${name} and removes ${name} from status.storedVersions`,
            ),
          ],
    ),
  ]
}
