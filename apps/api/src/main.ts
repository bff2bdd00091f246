import { setFlagsFromString } from 'node:v8'
import { readConfig } from './config.ts'
import { createLog } from './log.ts'
import { startApiProcess } from './server.ts'

/** The API server's process. */

// Schemas of custom kinds come from users and may have regular expressions that backtrack for hours: V8 then takes its engine that needs linear time.
setFlagsFromString('--enable-experimental-regexp-engine-on-excessive-backtracks')

const log = createLog('api', process.argv.includes('--verbose') ? 'debug' : 'info')

try {
  const config = readConfig(process.argv.slice(2))
  const running = await startApiProcess(config, log)
  log('info', 'listening', { host: config.host, port: running.port })
  process.stdout.write(`${JSON.stringify({ ready: true, port: running.port })}\n`)
  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    process.once(signal, () => {
      log('info', 'stopping', { signal })
      void running.close().then(() => process.exit(0))
    })
  }
} catch (error) {
  const { code, message } = error as NodeJS.ErrnoException
  log('error', code === 'EADDRINUSE' ? 'the port is taken' : code === 'EACCES' ? 'the port may not be used' : message)
  process.exit(1)
}
