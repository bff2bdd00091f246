import { type FieldError, invalidValue, required } from '@binnacle/apimachinery'
import type {
  DeviceRequest,
  DeviceSubRequest,
  ExactDeviceRequest,
  ResourceClaimSpec,
  ResourceClaimTemplate,
  ResourceClaimV1,
} from '../generated/types.ts'
import type { Strategy } from '../resource-definition.ts'
import {
  duplicateErrors,
  lengthErrors,
  opaqueErrors,
  qualifiedDeviceNameErrors,
  selectorErrors,
} from './device-validation.ts'
import { immutable, labelErrors, optionalOneOf, subdomainErrors } from './field-checks.ts'
import { claimStatusErrors, dropDeallocatedDevices, requestNamesOf } from './resource-claim-status-validation.ts'

const allocationModes = ['All', 'ExactCount']

/** Defaults and rules of resource claims (kube-apiserver `ValidateResourceClaim`). What is asked for never changes. */
export const resourceClaimStrategy: Strategy<ResourceClaimV1> = {
  applyDefaults: ({ spec }) => applySpecDefaults(spec),
  validate: ({ spec }) => specErrors(spec, 'spec'),
  validateUpdate: ({ spec }, old) => immutable('spec', spec, old.spec),
  prepareForStatusUpdate: (claim) => dropDeallocatedDevices(claim),
  validateStatusUpdate: claimStatusErrors,
}

/** The same of templates. */
export const resourceClaimTemplateStrategy: Strategy<ResourceClaimTemplate> = {
  applyDefaults: ({ spec }) => applySpecDefaults(spec?.spec),
  validate: ({ spec }) => specErrors(spec?.spec, 'spec.spec'),
  validateUpdate: ({ spec }, old) => immutable('spec', spec, old.spec),
}

function applySpecDefaults(spec: ResourceClaimSpec | undefined): void {
  for (const { exactly, firstAvailable } of spec?.devices?.requests ?? []) {
    for (const request of [exactly, ...(firstAvailable ?? [])]) {
      if (request === undefined) continue
      request.allocationMode ||= 'ExactCount'
      if (request.allocationMode === 'ExactCount') request.count ||= 1
    }
  }
}

const requestsMax = 32
const alternativesMax = 8
const constraintsMax = 32
const configsMax = 32

function specErrors(spec: ResourceClaimSpec | undefined, path: string): FieldError[] {
  const { requests = [], constraints = [], config = [] } = spec?.devices ?? {}
  const here = `${path}.devices`
  const names = requestNamesOf({ spec: spec ?? {} })
  return [
    ...lengthErrors(`${here}.requests`, requests, requestsMax),
    ...requests.flatMap((request, index) => requestErrors(request, `${here}.requests[${index}]`)),
    ...duplicateErrors(
      requests.map(({ name }) => name),
      (index) => `${here}.requests[${index}].name`,
    ),
    ...lengthErrors(`${here}.constraints`, constraints, constraintsMax),
    ...constraints.flatMap(({ requests: of, matchAttribute, distinctAttribute }, index) => {
      const constraint = `${here}.constraints[${index}]`
      const attribute = matchAttribute ?? distinctAttribute
      const field =
        matchAttribute === undefined && distinctAttribute !== undefined ? 'distinctAttribute' : 'matchAttribute'
      return [
        ...referenceErrors(`${constraint}.requests`, of, names),
        ...(attribute === undefined
          ? [required(`${constraint}.matchAttribute`)]
          : qualifiedDeviceNameErrors(`${constraint}.${field}`, attribute, true)),
      ]
    }),
    ...lengthErrors(`${here}.config`, config, configsMax),
    ...config.flatMap(({ requests: of, opaque }, index) => [
      ...referenceErrors(`${here}.config[${index}].requests`, of, names),
      ...opaqueErrors(`${here}.config[${index}].opaque`, opaque),
    ]),
  ]
}

/** A list that names requests of the claim. */
function referenceErrors(field: string, list: readonly string[] = [], names: ReadonlySet<string>): FieldError[] {
  return [
    ...lengthErrors(field, list, requestsMax),
    ...list.flatMap((name, index) =>
      names.has(name)
        ? []
        : [
            invalidValue(
              `${field}[${index}]`,
              name,
              'must be the name of a request in the claim or the name of a request and a subrequest separated by a slash',
            ),
          ],
    ),
    ...duplicateErrors(list, (index) => `${field}[${index}]`),
  ]
}

function requestErrors({ name, exactly, firstAvailable = [] }: DeviceRequest, path: string): FieldError[] {
  const errors = name ? labelErrors(`${path}.name`, name) : [required(`${path}.name`)]
  if (exactly !== undefined && firstAvailable.length > 0)
    errors.push(
      invalidValue(path, null, 'exactly one of `exactly` or `firstAvailable` is required, but multiple fields are set'),
    )
  else if (exactly === undefined && firstAvailable.length === 0)
    errors.push(required(path, 'exactly one of `exactly` or `firstAvailable` is required'))
  if (exactly !== undefined) errors.push(...wayErrors(exactly, `${path}.exactly`))
  const alternatives = `${path}.firstAvailable`
  return [
    ...errors,
    ...lengthErrors(alternatives, firstAvailable, alternativesMax),
    ...firstAvailable.flatMap((way, index) => [
      ...(way.name
        ? labelErrors(`${alternatives}[${index}].name`, way.name)
        : [required(`${alternatives}[${index}].name`)]),
      ...wayErrors(way, `${alternatives}[${index}]`),
    ]),
    ...duplicateErrors(
      firstAvailable.map((way) => way.name),
      (index) => `${alternatives}[${index}].name`,
    ),
  ]
}

function wayErrors(request: ExactDeviceRequest | DeviceSubRequest, path: string): FieldError[] {
  const { allocationMode, count, deviceClassName, selectors } = request
  const errors = deviceClassName
    ? subdomainErrors(`${path}.deviceClassName`, deviceClassName)
    : [required(`${path}.deviceClassName`)]
  errors.push(...selectorErrors(`${path}.selectors`, selectors))
  errors.push(...optionalOneOf(`${path}.allocationMode`, allocationMode, allocationModes))
  if (allocationMode === 'All' && (count ?? 0) !== 0)
    errors.push(invalidValue(`${path}.count`, count, "must not be specified when allocationMode is 'All'"))
  if (allocationMode === 'ExactCount' && (count ?? 0) <= 0)
    errors.push(invalidValue(`${path}.count`, count ?? 0, 'must be greater than zero'))
  return errors
}

/** Where a claim, or the claims of a template, ask for access for administration: not every namespace may. */
export function adminAccessPaths(spec: ResourceClaimSpec | undefined, path: string): string[] {
  return (spec?.devices?.requests ?? []).flatMap(({ exactly }, index) =>
    exactly?.adminAccess === true ? [`${path}.devices.requests[${index}].exactly.adminAccess`] : [],
  )
}
