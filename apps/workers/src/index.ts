/** The reconciliation workers: package core wired to a client. Exported for tests only. */
export { isEnabled, readConfig, type WorkersConfig } from './config.ts'
export { startWorkers, type Workers } from './workers.ts'
