import { duplicate, type FieldError, invalidValue, required } from '@binnacle/apimachinery'
import type {
  DeviceSubRequest,
  ExactDeviceRequest,
  ResourceClaimSpec,
  ResourceClaimTemplate,
  ResourceClaimV1,
} from '../generated/types.ts'
import type { Strategy } from '../resource-definition.ts'
import { immutable, labelErrors, optionalOneOf, present, subdomainErrors } from './field-checks.ts'

const allocationModes = ['All', 'ExactCount']

/** Defaults and rules of resource claims (kube-apiserver `ValidateResourceClaim`). What is asked for never changes. */
export const resourceClaimStrategy: Strategy<ResourceClaimV1> = {
  applyDefaults: ({ spec }) => applySpecDefaults(spec),
  validate: ({ spec }) => specErrors(spec, 'spec'),
  validateUpdate: ({ spec }, old) => immutable('spec', spec, old.spec),
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

function specErrors(spec: ResourceClaimSpec | undefined, path: string): FieldError[] {
  const errors: FieldError[] = []
  const names = new Set<string>()
  for (const [index, { name, exactly, firstAvailable }] of (spec?.devices?.requests ?? []).entries()) {
    const here = `${path}.devices.requests[${index}]`
    errors.push(...(name ? labelErrors(`${here}.name`, name) : [required(`${here}.name`)]))
    if (names.has(name)) errors.push(duplicate(`${here}.name`, name))
    names.add(name)
    const hasOptions = (firstAvailable ?? []).length > 0
    if (exactly !== undefined && hasOptions)
      errors.push(
        invalidValue(
          here,
          null,
          'exactly one of `exactly` or `firstAvailable` is required, but multiple fields are set',
        ),
      )
    else if (exactly === undefined && !hasOptions)
      errors.push(required(here, 'exactly one of `exactly` or `firstAvailable` is required'))
    if (exactly !== undefined) errors.push(...requestErrors(exactly, `${here}.exactly`))
    for (const [option, request] of (firstAvailable ?? []).entries())
      errors.push(...requestErrors(request, `${here}.firstAvailable[${option}]`))
  }
  return errors
}

function requestErrors(request: ExactDeviceRequest | DeviceSubRequest, path: string): FieldError[] {
  const { allocationMode, count, deviceClassName, selectors } = request
  const errors = deviceClassName
    ? subdomainErrors(`${path}.deviceClassName`, deviceClassName)
    : [required(`${path}.deviceClassName`)]
  for (const [index, { cel }] of (selectors ?? []).entries())
    errors.push(
      ...(cel === undefined
        ? [required(`${path}.selectors[${index}].cel`)]
        : present(`${path}.selectors[${index}].cel.expression`, cel.expression)),
    )
  errors.push(...optionalOneOf(`${path}.allocationMode`, allocationMode, allocationModes))
  if (allocationMode === 'All' && (count ?? 0) !== 0)
    errors.push(invalidValue(`${path}.count`, count, "must not be specified when allocationMode is 'All'"))
  if (allocationMode === 'ExactCount' && (count ?? 0) <= 0)
    errors.push(invalidValue(`${path}.count`, count ?? 0, 'must be greater than zero'))
  return errors
}
