export { Cluster, type Progress } from './cluster.ts'
export { parseOptions, PlainError, type StartOptions } from './options.ts'
export type { Endpoints } from './data-directory.ts'
