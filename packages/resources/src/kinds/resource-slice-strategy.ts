import { type FieldError, invalidValue, required, valueTooLong } from '@binnacle/apimachinery'
import { SemanticVersion } from '../cel/semantic-version.ts'
import type { Device, DeviceAttribute, ResourceSlice, ResourceSliceSpec } from '../generated/types.ts'
import type { Strategy } from '../resource-definition.ts'
import {
  driverErrors,
  duplicateErrors,
  lengthErrors,
  poolNameErrors,
  qualifiedDeviceNameErrors,
  quantityErrors,
} from './device-validation.ts'
import { immutable, labelErrors, present, subdomainErrors } from './field-checks.ts'
import { nodeSelectorErrors } from './scheduling-validation.ts'

const devicesMax = 128
/** Where a device has taints or counts on shared counters. */
const elaborateDevicesMax = 64
const propertiesMax = 32
const valueLengthMax = 64
const counterSetsMax = 8

/** Rules of resource slices (kube-apiserver `ValidateResourceSlice`). A slice stays with its driver, its pool and its node. */
export const resourceSliceStrategy: Strategy<ResourceSlice> = {
  validate: ({ spec }) => [
    ...driverErrors('spec.driver', spec.driver),
    ...poolErrors(spec),
    ...reachErrors(spec),
    ...contentErrors(spec),
  ],
  validateUpdate: ({ spec }, old) => [
    ...immutable('spec.nodeName', spec.nodeName, old.spec.nodeName),
    ...immutable('spec.driver', spec.driver, old.spec.driver),
    ...immutable('spec.pool.name', spec.pool.name, old.spec.pool.name),
  ],
}

function poolErrors({ pool }: ResourceSliceSpec): FieldError[] {
  const errors = poolNameErrors('spec.pool.name', pool?.name)
  const { resourceSliceCount = 0, generation = 0 } = pool ?? {}
  if (resourceSliceCount <= 0)
    errors.push(invalidValue('spec.pool.resourceSliceCount', resourceSliceCount, 'must be greater than zero'))
  if (generation < 0)
    errors.push(invalidValue('spec.pool.generation', generation, 'must be greater than or equal to zero'))
  return errors
}

const reaches = ['nodeName', 'nodeSelector', 'allNodes', 'perDeviceNodeSelection'] as const

function reachErrors(spec: ResourceSliceSpec): FieldError[] {
  const { nodeName, nodeSelector, allNodes, perDeviceNodeSelection } = spec
  const set = reaches.filter((name) => spec[name] !== undefined && spec[name] !== '')
  const names = reaches.map((name) => `\`${name}\``).join(', ')
  const errors: FieldError[] = []
  if (set.length === 0) errors.push(required('spec', `exactly one of ${names} is required`))
  if (set.length > 1)
    errors.push(
      invalidValue(
        'spec',
        `{${set.map((name) => `\`${name}\``).join(', ')}}`,
        `exactly one of ${names} is required, but multiple fields are set`,
      ),
    )
  if (nodeName === '')
    errors.push(invalidValue('spec.nodeName', nodeName, 'must be either unset or set to a non-empty string'))
  else if (nodeName !== undefined) errors.push(...subdomainErrors('spec.nodeName', nodeName))
  if (nodeSelector !== undefined) {
    if (nodeSelector.nodeSelectorTerms?.length !== 1)
      errors.push(
        invalidValue('spec.nodeSelector.nodeSelectorTerms', nodeSelector, 'must have exactly one node selector term'),
      )
    errors.push(...nodeSelectorErrors(nodeSelector, 'spec.nodeSelector'))
  }
  if (allNodes === false) errors.push(invalidValue('spec.allNodes', allNodes, 'must be either unset or set to true'))
  if (perDeviceNodeSelection === false)
    errors.push(
      invalidValue('spec.perDeviceNodeSelection', perDeviceNodeSelection, 'must be either unset or set to true'),
    )
  return errors
}

function contentErrors({ devices = [], sharedCounters = [] }: ResourceSliceSpec): FieldError[] {
  if (devices.length > 0 && sharedCounters.length > 0)
    return [
      invalidValue(
        'spec',
        '{`sharedCounters`, `devices`}',
        'only one of `sharedCounters` or `devices` is allowed, but multiple fields are set',
      ),
    ]
  const isElaborate = devices.some(
    ({ taints, consumesCounters }) => taints !== undefined || consumesCounters !== undefined,
  )
  return [
    ...lengthErrors('spec.devices', devices, isElaborate ? elaborateDevicesMax : devicesMax),
    ...devices.flatMap((device, index) => deviceErrors(device, `spec.devices[${index}]`)),
    ...duplicateErrors(
      devices.map(({ name }) => name),
      (index) => `spec.devices[${index}].name`,
    ),
    ...lengthErrors('spec.sharedCounters', sharedCounters, counterSetsMax),
    ...duplicateErrors(
      sharedCounters.map(({ name }) => name),
      (index) => `spec.sharedCounters[${index}].name`,
    ),
  ]
}

function deviceErrors({ name, attributes = {}, capacity = {} }: Device, path: string): FieldError[] {
  const errors = name ? labelErrors(`${path}.name`, name) : [required(`${path}.name`)]
  const properties = Object.keys(attributes).length + Object.keys(capacity).length
  if (properties > propertiesMax)
    errors.push(
      invalidValue(path, properties, `the total number of attributes and capacities must not exceed ${propertiesMax}`),
    )
  for (const [key, attribute] of Object.entries(attributes)) {
    errors.push(...qualifiedDeviceNameErrors(`${path}.attributes`, key))
    errors.push(...attributeErrors(attribute, `${path}.attributes[${key}]`))
  }
  for (const [key, { value }] of Object.entries(capacity)) {
    errors.push(...qualifiedDeviceNameErrors(`${path}.capacity`, key))
    errors.push(...quantityErrors(`${path}.capacity[${key}].value`, value))
  }
  return errors
}

function attributeErrors(attribute: DeviceAttribute, path: string): FieldError[] {
  const set = Object.values(attribute).filter((value) => value !== undefined).length
  if (set === 0) return [required(path, 'exactly one value must be specified')]
  if (set > 1) return [invalidValue(path, attribute, 'exactly one value must be specified')]
  const { string, version } = attribute
  const text = string ?? version
  if (text !== undefined && text.length > valueLengthMax)
    return [valueTooLong(`${path}.${string === undefined ? 'version' : 'string'}`, valueLengthMax)]
  if (version === undefined) return []
  const errors = present(`${path}.version`, version)
  if (errors.length === 0 && SemanticVersion.parse(version) === undefined)
    errors.push(invalidValue(`${path}.version`, version, 'must be a string compatible with semver.org spec 2.0.0'))
  return errors
}
