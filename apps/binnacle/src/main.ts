import { spawn } from 'node:child_process'
import { closeSync, existsSync, openSync, readFileSync } from 'node:fs'
import { Cluster, type Progress } from './cluster.ts'
import { DataDirectory, type Endpoints, makeFolder, runningProcess } from './data-directory.ts'
import { PlainError, type StartOptions, parseOptions, usage } from './options.ts'

const stopMsMax = 60_000
const detachMsMax = 180_000

await main(process.argv.slice(2)).catch((error: unknown) => {
  process.stderr.write(
    error instanceof PlainError ? `binnacle: ${error.message}\n` : `binnacle: ${(error as Error).stack}\n`,
  )
  process.exitCode = 1
})

async function main([command, ...args]: string[]): Promise<void> {
  if (args.includes('--help') || args.includes('-h')) process.stdout.write(usage)
  else if (command === 'start') await start(parseOptions(args, process.cwd()), args)
  else if (command === 'stop') await stop(parseOptions(args, process.cwd()))
  else throw new PlainError(`There is no command '${command ?? ''}'.\n${usage}`)
}

async function start(options: StartOptions, args: readonly string[]): Promise<void> {
  if (options.detach && !options.background) return await startDetached(options, args)
  const cluster = new Cluster(options, terminalProgress())
  // Set before anything starts, so that Ctrl-C during the start also leaves nothing running.
  let stopping: Promise<void> | undefined
  const stopOnce = (): void => {
    stopping ??= end(cluster)
  }
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, stopOnce)
  try {
    const endpoints = await cluster.start()
    if (stopping === undefined) process.stdout.write(summary(options, endpoints))
    tell({})
  } catch (error) {
    if (stopping === undefined) await cluster.stop()
    tell({ failed: error instanceof PlainError ? error.message : String((error as Error).stack) })
    if (stopping === undefined) {
      process.stderr.write(
        error instanceof PlainError ? `binnacle: ${error.message}\n` : `binnacle: ${(error as Error).stack}\n`,
      )
      process.exit(1)
    }
  }
}

async function end(cluster: Cluster): Promise<void> {
  process.stdout.write('\nStopping …\n')
  await cluster.stop()
  process.stdout.write('Stopped.\n')
  process.exit(0)
}

/** What the process that stays says to the one that waits for it. */
interface Word {
  /** A line for the terminal; more follows. */
  readonly progress?: string
  readonly failed?: string
}

// Nobody listens to a process that was started by hand, or once everything runs.
function tell(word: Word): void {
  if (process.connected) process.send?.(word)
}

// A second process does the work and stays; this one shows its progress and waits for its last word.
async function startDetached(options: StartOptions, args: readonly string[]): Promise<void> {
  const directory = new DataDirectory(options.dataDir)
  try {
    makeFolder(directory.logs, 0o700)
  } catch (error) {
    throw new PlainError(`The data directory ${directory.path} cannot be used: ${(error as Error).message}.`)
  }
  const log = openSync(directory.file('logs', 'binnacle.log'), 'a', 0o600)
  const child = spawn(process.execPath, [process.argv[1] as string, 'start', ...args, '--background'], {
    detached: true,
    stdio: ['ignore', log, log, 'ipc'],
  })
  closeSync(log)
  let interrupted = false
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
    process.on(signal, () => {
      interrupted = true
      child.kill('SIGTERM')
    })
  }
  const failure = await new Promise<string | undefined>((resolve) => {
    const timer = setTimeout(
      () => resolve(`It did not become healthy within ${detachMsMax / 1000} s; see ${directory.logs}.`),
      detachMsMax,
    )
    child.on('message', ({ progress, failed }: Word) => {
      if (progress === undefined) resolve(failed)
      else process.stdout.write(progress)
    })
    child.once('exit', (code) => resolve(`It ended with exit code ${code}; see ${directory.logs}.`))
    child.once('disconnect', () => clearTimeout(timer))
  })
  // What fails while everything is being stopped explains nothing.
  if (interrupted) throw new PlainError('It was stopped before it was healthy.')
  if (failure !== undefined) {
    if (child.exitCode === null) child.kill('SIGTERM')
    throw new PlainError(failure)
  }
  child.disconnect()
  child.unref()
  process.stdout.write(summary(options, JSON.parse(readFileSync(directory.endpoints, 'utf8')) as Endpoints))
  process.exit(0)
}

async function stop(options: StartOptions): Promise<void> {
  const directory = new DataDirectory(options.dataDir)
  const pid = runningProcess(directory)
  if (pid === undefined) {
    process.stdout.write(`Nothing runs on ${options.dataDir}.\n`)
    return
  }
  process.kill(pid, 'SIGTERM')
  const deadlineMs = Date.now() + stopMsMax
  while (runningProcess(directory) === pid || existsSync(directory.pidFile)) {
    if (Date.now() > deadlineMs)
      throw new PlainError(`Process ${pid} has not ended within ${stopMsMax / 1000} s; see ${directory.logs}.`)
    await new Promise((resolve) => setTimeout(resolve, 50))
  }
  process.stdout.write('Stopped.\n')
}

function terminalProgress(): Progress {
  const show = (line: string): void => {
    process.stdout.write(line)
    tell({ progress: line })
  }
  return {
    note: (text) => show(`  ${text}\n`),
    async step(title, run) {
      const startedMs = Date.now()
      if (process.stdout.isTTY) process.stdout.write(`  … ${title}`)
      const result = await run()
      show(
        `${process.stdout.isTTY ? '\r\x1b[K' : ''}  ✓ ${title} (${((Date.now() - startedMs) / 1000).toFixed(1)} s)\n`,
      )
      return result
    },
  }
}

function stopCommand({ dataDir }: StartOptions): string {
  const isDefault = dataDir === parseOptions([], process.cwd()).dataDir
  return isDefault ? 'npm stop' : `npm stop -- --data-dir ${dataDir}`
}

function summary(options: StartOptions, endpoints: Endpoints): string {
  const directory = new DataDirectory(options.dataDir)
  return `
Binnacle runs. ${options.detach ? `'${stopCommand(options)}'` : 'Ctrl-C'} ends it.

  Dashboard    ${endpoints.dashboard ?? 'off'}${endpoints.dashboard === null ? '' : `   (sign in with the token in ${directory.adminToken})`}
  GraphQL      ${endpoints.graphql}
  kubeconfig   ${directory.kubeconfig}

Try:
  export KUBECONFIG=${directory.kubeconfig}
  kubectl apply -f examples/guestbook.yaml && kubectl get pods -n guestbook -w
  curl --cacert ${directory.caCertificate} -H "Authorization: Bearer $(cat ${directory.adminToken})" -H 'Content-Type: application/json' ${endpoints.graphql} -d '{"query":"{ nodes { nodes { metadata { name } } } }"}'
`
}
