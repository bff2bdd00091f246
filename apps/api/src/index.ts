/** The API server's process: HTTP, REST and GraphQL over package apiserver. Exported for tests only. */
export { type ApiConfig, readConfig } from './config.ts'
export { createLog, type Log } from './log.ts'
export { type ApiProcess, startApiProcess } from './server.ts'
