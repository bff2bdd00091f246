import { createServer } from 'node:http'
import { setFlagsFromString } from 'node:v8'
import type { Log } from '@binnacle/core'
import { readConfig } from './config.ts'
import { startWorkers, type Workers } from './workers.ts'

/** The reconciliation workers' process. */

// Device selectors come from users and may have regular expressions that backtrack for hours: V8 then takes its engine that needs linear time.
setFlagsFromString('--enable-experimental-regexp-engine-on-excessive-backtracks')

const verbose = process.argv.includes('--verbose')
const log: Log = (level, message, fields = {}) => {
  if (level === 'debug' && !verbose) return
  process.stderr.write(
    `${JSON.stringify({ time: new Date().toISOString(), level, component: 'workers', message, ...fields })}\n`,
  )
}

try {
  const config = readConfig(process.argv.slice(2))
  const workers = await startWorkers(config, log, () => process.exit(1))
  if (config.metricsPort !== undefined) serveMetrics(config.metricsPort, workers)
  process.stdout.write('{"ready":true}\n')
  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    process.once(signal, () => {
      log('info', 'stopping', { signal })
      void workers.close().then(() => process.exit(0))
    })
  }
} catch (error) {
  log('error', (error as Error).message)
  process.exit(1)
}

function serveMetrics(port: number, workers: Workers): void {
  const server = createServer((request, response) => {
    if (request.url === '/metrics')
      response.writeHead(200, { 'content-type': 'text/plain; version=0.0.4' }).end(workers.metrics())
    else if (request.url === '/healthz') response.writeHead(200).end('ok')
    else response.writeHead(404).end()
  })
  server.listen(port, '127.0.0.1')
  server.unref()
}
