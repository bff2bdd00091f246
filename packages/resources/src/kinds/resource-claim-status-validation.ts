import { duplicate, type FieldError, forbiddenField, invalidValue, required } from '@binnacle/apimachinery'
import type { AllocationResult, ResourceClaimStatus, ResourceClaimV1 } from '../generated/types.ts'
import { driverErrors, lengthErrors, opaqueErrors, poolNameErrors } from './device-validation.ts'
import { immutable, labelErrors, oneOf, present } from './field-checks.ts'
import { nodeSelectorErrors } from './scheduling-validation.ts'

const reservedForMax = 256
const resultsMax = 32
const configsMax = 64
const consumerPath = 'status.reservedFor'

/** The names by which a claim's requests, and their alternatives, are known. */
export function requestNamesOf({ spec }: Pick<ResourceClaimV1, 'spec'>): ReadonlySet<string> {
  return new Set(
    (spec?.devices?.requests ?? []).flatMap(({ name, firstAvailable }) => [
      name,
      ...(firstAvailable ?? []).map((alternative) => `${name}/${alternative.name}`),
    ]),
  )
}

/**
 * Rules of a claim's status (kube-apiserver `ValidateResourceClaimStatusUpdate`): only an allocated claim is reserved, and an allocation changes
 * only by being taken back.
 */
export function claimStatusErrors(claim: ResourceClaimV1, old: ResourceClaimV1): FieldError[] {
  const { status = {} } = claim
  const errors = reservationErrors(status, claim, old)
  if (status.allocation !== undefined) {
    errors.push(...allocationErrors(status.allocation, requestNamesOf(claim)))
    if (old.status?.allocation !== undefined)
      errors.push(...immutable('status.allocation', status.allocation, old.status.allocation))
  }
  return [...errors, ...deviceStatusErrors(status)]
}

function reservationErrors(
  { allocation, reservedFor = [] }: ResourceClaimStatus,
  { metadata }: ResourceClaimV1,
  old: ResourceClaimV1,
): FieldError[] {
  const errors = lengthErrors(consumerPath, reservedFor, reservedForMax)
  const uids = new Set<string>()
  for (const [index, { resource, name, uid }] of reservedFor.entries()) {
    const path = `${consumerPath}[${index}]`
    errors.push(
      ...present(`${path}.resource`, resource),
      ...present(`${path}.name`, name),
      ...present(`${path}.uid`, uid),
    )
    if (uids.has(uid)) errors.push(duplicate(`${path}.uid`, uid))
    uids.add(uid)
  }
  if (reservedFor.length > 0 && allocation === undefined)
    errors.push(forbiddenField(consumerPath, 'may not be specified when `allocated` is not set'))
  const before = new Set((old.status?.reservedFor ?? []).map(({ uid }) => uid))
  if (metadata.deletionTimestamp !== undefined && reservedFor.some(({ uid }) => !before.has(uid)))
    errors.push(
      forbiddenField(
        consumerPath,
        'new entries may not be added while `deallocationRequested` or `deletionTimestamp` are set',
      ),
    )
  return errors
}

function allocationErrors({ devices, nodeSelector }: AllocationResult, names: ReadonlySet<string>): FieldError[] {
  const path = 'status.allocation.devices'
  const { results = [], config = [] } = devices ?? {}
  const unknown = (field: string, name: string): FieldError[] =>
    names.has(name)
      ? []
      : [
          invalidValue(
            field,
            name,
            'must be the name of a request in the claim or the name of a request and a subrequest separated by a slash',
          ),
        ]
  return [
    ...lengthErrors(`${path}.results`, results, resultsMax),
    ...results.flatMap(({ request, driver, pool, device }, index) => [
      ...unknown(`${path}.results[${index}].request`, request),
      ...driverErrors(`${path}.results[${index}].driver`, driver),
      ...poolNameErrors(`${path}.results[${index}].pool`, pool),
      ...(device
        ? labelErrors(`${path}.results[${index}].device`, device)
        : [required(`${path}.results[${index}].device`)]),
    ]),
    ...lengthErrors(`${path}.config`, config, configsMax),
    ...config.flatMap(({ source, requests, opaque }, index) => [
      ...oneOf(`${path}.config[${index}].source`, source, ['FromClaim', 'FromClass']),
      ...(requests ?? []).flatMap((name, at) => unknown(`${path}.config[${index}].requests[${at}]`, name)),
      ...opaqueErrors(`${path}.config[${index}].opaque`, opaque),
    ]),
    ...(nodeSelector === undefined ? [] : nodeSelectorErrors(nodeSelector, 'status.allocation.nodeSelector')),
  ]
}

/** A device as drivers and statuses name it. */
const textOf = (device: { driver: string; pool: string; device: string }): string =>
  `${device.driver}/${device.pool}/${device.device}`

function allocatedDevices({ allocation }: ResourceClaimStatus): ReadonlySet<string> {
  return new Set((allocation?.devices?.results ?? []).map(textOf))
}

function deviceStatusErrors(status: ResourceClaimStatus): FieldError[] {
  const allocated = allocatedDevices(status)
  return (status.devices ?? []).flatMap((device, index) =>
    allocated.has(textOf(device))
      ? []
      : [invalidValue(`status.devices[${index}]`, device, 'must be an allocated device in the claim')],
  )
}

/** Forgets what drivers have said of devices that the claim no longer has. */
export function dropDeallocatedDevices({ status }: ResourceClaimV1): void {
  if (status?.devices === undefined) return
  const allocated = allocatedDevices(status)
  const devices = status.devices.filter((device) => allocated.has(textOf(device)))
  if (devices.length === 0) delete status.devices
  else status.devices = devices
}
