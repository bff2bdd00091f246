/** The command behind `npm start` and `npm stop`: everything on one machine. Exported for tests only. */
export { Cluster, type Progress } from './cluster.ts'
export { parseOptions, PlainError, type StartOptions } from './options.ts'
export type { Endpoints } from './data-directory.ts'
