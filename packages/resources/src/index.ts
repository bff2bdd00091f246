/**
 * Every kind of Kubernetes as data: names, structure, columns, edges, defaults and rules. Nothing here does I/O beyond reading its own generated
 * files. It never knows how objects are stored or served.
 */
export {
  compileDeviceSelector,
  type DeviceSelector as CompiledDeviceSelector,
  SelectableDevice,
} from './cel/device-selector.ts'
export {
  type AdmissionExpression,
  type AdmissionVariables,
  admissionValue,
  compileAdmissionExpression,
} from './cel/admission-expression.ts'
export * from './columns.ts'
export { apiApprovalOf } from './custom/api-approval.ts'
export { CustomKinds } from './custom/custom-kinds.ts'
export { type CustomDefinition, customDefinitions, isCrdCondition, storedDefinition } from './custom/definition.ts'
export { isJsonObject, type JsonObject, type JsonSchema } from './custom/json-schema.ts'
export { publishedV2, publishedV3 } from './custom/published-schema.ts'
export type { KindEntry } from './define-resource.ts'
export type * from './generated/types.ts'
export { type CronField, type CronSchedule, parseCronSchedule } from './kinds/cron-schedule.ts'
export * from './kinds/index.ts'
export * from './kinds/object-meta.ts'
export { adminAccessPaths } from './kinds/resource-claim-strategies.ts'
export { qosClass } from './kinds/pod-qos.ts'
export { isExtendedResource } from './kinds/resource-amounts-validation.ts'
export { decodeProtobuf, type ProtobufBody } from './protobuf/decode.ts'
export * from './quota/index.ts'
export * from './registry.ts'
export * from './resource-definition.ts'
export * from './scale.ts'
export { schemaNames, schemaOf } from './schemas.ts'
export { compareVersions } from './version-order.ts'
