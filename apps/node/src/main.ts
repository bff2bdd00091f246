import { httpClientFromFiles } from '@binnacle/client'
import { logToStderr as log } from './log.ts'
import { parseOptions } from './options.ts'
import { startRealNode } from './real-node.ts'
import { startSimulation } from './simulation.ts'

/** The node agent's process: this machine as a node, or simulated nodes, of the cluster that the command line names. */
async function main(): Promise<void> {
  const { connection, real, simulation: options, seed } = parseOptions(process.argv.slice(2))
  const client = httpClientFromFiles({
    server: connection.server,
    ca: connection.caFile,
    clientCert: connection.clientCertFile,
    clientKey: connection.clientKeyFile,
    bearerTokenFile: connection.bearerTokenFile,
    userAgent: 'kubelet/0.1.0 (binnacle-node)',
  })
  const stopping = new AbortController()
  for (const signal of ['SIGTERM', 'SIGINT'] as const) process.once(signal, () => stopping.abort(signal))
  const { signal } = stopping
  const running =
    real === undefined
      ? await startSimulation({ client, options, seed, log, signal })
      : await startRealNode({ client, options: real, log, signal })
  log(
    'info',
    'ready',
    real === undefined ? { nodes: options.nodes, namePrefix: options.namePrefix } : { node: real.name },
  )
  process.stdout.write('{"ready":true}\n')
  if (!signal.aborted) await new Promise((resolve) => signal.addEventListener('abort', resolve))
  log('info', 'stopping', { signal: signal.reason })
  await running.stop()
  await client.close()
}

main().then(
  () => process.exit(0),
  (error: unknown) => {
    // Asked to stop before it had started.
    if (error instanceof Error && error.name === 'AbortError') process.exit(0)
    log('error', 'the node agent cannot run', { error: error instanceof Error ? error.message : String(error) })
    process.exit(1)
  },
)
