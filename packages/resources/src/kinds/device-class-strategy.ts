import type { DeviceClass } from '../generated/types.ts'
import type { Strategy } from '../resource-definition.ts'
import { lengthErrors, opaqueErrors, selectorErrors } from './device-validation.ts'

const configsMax = 32

/** Rules of device classes (kube-apiserver `ValidateDeviceClass`). */
export const deviceClassStrategy: Strategy<DeviceClass> = {
  validate: ({ spec }) => [
    ...selectorErrors('spec.selectors', spec.selectors),
    ...lengthErrors('spec.config', spec.config, configsMax),
    ...(spec.config ?? []).flatMap(({ opaque }, index) => opaqueErrors(`spec.config[${index}].opaque`, opaque)),
  ],
}
