export * from './resource-definition.ts'
export * from './registry.ts'
