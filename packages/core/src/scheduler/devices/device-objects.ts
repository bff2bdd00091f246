import type { Device, DeviceClass, ResourceClaimSpec, ResourceClaimV1, ResourceSlice } from '@binnacle/resources'

/** Objects of device allocation for tests, valid as they are. */

/** The driver of the devices that these builders make. */
export const driver = 'gpu.example.com'

/** A device with attributes of its driver: texts, numbers and flags. */
export function aDevice(name: string, attributes: Record<string, string | number | boolean> = {}): Device {
  const typed = Object.entries(attributes).map(([key, value]) => {
    const type = typeof value === 'number' ? 'int' : typeof value === 'boolean' ? 'bool' : 'string'
    return [key, { [type]: value }]
  })
  return { name, attributes: Object.fromEntries(typed) }
}

/** A slice of one node's pool, which has no other slices. */
export function aSlice(nodeName: string, devices: Device[], spec: Partial<ResourceSlice['spec']> = {}): ResourceSlice {
  const pool = { name: nodeName, generation: 1, resourceSliceCount: 1 }
  return {
    apiVersion: 'resource.k8s.io/v1',
    kind: 'ResourceSlice',
    metadata: { name: `${nodeName}-slice` },
    spec: { driver, pool, nodeName, devices, ...spec },
  }
}

/** A slice that no single node has. */
export function aSharedSlice(name: string, devices: Device[], reach: Partial<ResourceSlice['spec']>): ResourceSlice {
  const { nodeName: _, ...spec } = aSlice(name, devices).spec
  return { ...aSlice(name, devices), spec: { ...spec, ...reach } }
}

/** A class of the devices that the expression selects; of all devices without one. */
export function aDeviceClass(name = 'gpu', expression?: string): DeviceClass {
  return {
    apiVersion: 'resource.k8s.io/v1',
    kind: 'DeviceClass',
    metadata: { name },
    spec: expression === undefined ? {} : { selectors: [{ cel: { expression } }] },
  }
}

/** A claim; by default of one device of class `gpu`. */
export function aResourceClaim(name = 'claim', devices: ResourceClaimSpec['devices'] = oneDevice): ResourceClaimV1 {
  return {
    apiVersion: 'resource.k8s.io/v1',
    kind: 'ResourceClaim',
    metadata: { name, namespace: 'default' },
    spec: { devices },
  } as ResourceClaimV1
}

const oneDevice = {
  requests: [{ name: 'req', exactly: { deviceClassName: 'gpu', allocationMode: 'ExactCount', count: 1 } }],
}
